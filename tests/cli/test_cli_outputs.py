"""Outputs of every command: checked before the work, and nothing is left of them when the work fails or is ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_edge.media.frames import open_frames
from sam_edge.media.video_writer import VideoWriter
from sam_edge.runtimes.fake import Fake
from sam_edge.stream.recording import read_session_recording

Run = Callable[..., tuple[int, str, str]]
INTERRUPTED = 130


class Inputs:
    """Inputs of every command, and a folder that holds nothing yet."""

    def __init__(self, tmp_path: Path, clip: Path, gaze_csv: Path) -> None:
        self.clip, self.gaze = clip, gaze_csv
        self.image = clip / "00000.png"
        self.checkpoint = tmp_path / "model.pt"
        self.checkpoint.write_bytes(b"no model")
        self.folder = tmp_path

    def arguments(self, command: str, out: Path) -> tuple[object, ...]:
        """Return the command line that writes to `out`; the first word may have an option after a colon."""
        fake = ("--runtime", "fake")
        track = ("track", self.clip, "--gaze", self.gaze, *fake)
        segment = ("segment", self.image, "--point", "40,48", *fake)
        arguments: dict[str, tuple[object, ...]] = {
            "track --out": (*track, "--out", out.with_suffix(".mp4")),
            "track --masks": (*track, "--masks", out),
            "track --report": (*track, "--report", out),
            "track --record": (*track, "--record", out),
            "track --timeline": (*track, "--timeline", out.with_suffix(".csv")),
            "track --samples": (*track, "--samples", out.with_suffix(".csv")),
            "track --fixations": (*track, "--fixations", out.with_suffix(".csv")),
            "aoi run --out": ("aoi", "run", self.clip, "--gaze", self.gaze, *fake, "--out", out),
            "demo --out": ("demo", *fake, "--out", out),
            "segment --out": (*segment, "--out", out.with_suffix(".png")),
            "segment --overlay": (*segment, "--overlay", out.with_suffix(".png")),
            "everything --out": ("everything", self.clip, *fake, "--out", out, "--size", "64x64"),
            "everything image --out": ("everything", self.image, *fake, "--out", out, "--size", "64x64"),
            "annotate --out": ("annotate", self.clip, "--gaze", self.gaze, *fake, "--yes", "--out", out),
            "profile --out": ("profile", *fake, "--only", "timing", "--out", out),
            "profile --budget-ms --out": ("profile", *fake, "--budget-ms", 9, "--out", out),
            "profile --config": ("profile", *fake, "--budget-ms", 9, "--config", out),
            "export --out": ("export", "--checkpoint", self.checkpoint, "--precision", "fp32", "--out", out),
            "gaze events --out": ("gaze", "events", self.gaze, "--out", out),
            "gaze convert OUT": ("gaze", "convert", self.gaze, out.with_suffix(".csv")),
            "gaze convert bids OUT": ("gaze", "convert", self.gaze, out, "--to", "bids"),
            "gaze calibrate --out": ("gaze", "calibrate", "--source", "mouse:", "--out", out),
        }
        return arguments[command]

    def tree(self) -> set[Path]:
        """Return everything that the folder holds."""
        return set(self.folder.rglob("*"))


COMMANDS = (
    *("track --out", "track --masks", "track --report", "track --record", "demo --out"),
    *("track --timeline", "track --samples", "track --fixations", "aoi run --out"),
    *("segment --out", "segment --overlay", "everything --out", "everything image --out", "annotate --out"),
    *("profile --out", "profile --budget-ms --out", "profile --config", "export --out"),
    *("gaze events --out", "gaze convert OUT", "gaze convert bids OUT", "gaze calibrate --out"),
)
FOLDERS = (
    *(
        "track --masks",
        "track --record",
        "aoi run --out",
        "demo --out",
        "everything --out",
        "everything image --out",
    ),
    *("annotate --out", "profile --out", "profile --budget-ms --out", "export --out"),
)


@pytest.fixture
def inputs(tmp_path: Path, clip: Path, gaze_csv: Path) -> Inputs:
    return Inputs(tmp_path, clip, gaze_csv)


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when a model is loaded, a frame is read, or something is measured."""

    def work(*_: object, **__: object) -> None:
        pytest.fail("work was done before the outputs were checked")

    for name in (
        *("sam_edge.cli.options.load", "sam_edge.cli.demo.load", "sam_edge._track.stream.load"),
        *("sam_edge.cli.profile.run_plan", "sam_edge.cli.profile.run_search"),
        *("sam_edge.cli.export.import_exporter", "sam_edge.cli.annotate.SeekableVideo"),
        *("sam_edge.cli.segment.read_image", "sam_edge.cli.everything.read_image"),
        *("sam_edge.gaze.events.label_recording", "sam_edge.gaze.registry.open"),
    ):
        monkeypatch.setattr(name, work)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_cannot_be_written_is_said_before_the_work(
    run_cli: Run, inputs: Inputs, command: str
) -> None:
    before = inputs.tree()
    status, _, err = run_cli(*inputs.arguments(command, inputs.gaze / "new" / "out"))
    assert status == 2
    assert f"{command.split()[-1]}: " in err
    assert "cannot be written" in err
    assert err.count("\n") == 1
    assert inputs.tree() == before


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", FOLDERS)
def test_a_file_where_a_folder_is_to_be(run_cli: Run, inputs: Inputs, command: str) -> None:
    file = inputs.folder / "file"
    file.write_text("mine")
    status, _, err = run_cli(*inputs.arguments(command, file))
    assert status == 2
    assert f"{command.split()[-1]}: " in err
    assert file.read_text() == "mine"


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in FOLDERS and "bids" not in name])
def test_a_folder_where_a_file_is_to_be(run_cli: Run, inputs: Inputs, command: str) -> None:
    folder = inputs.folder / "folder"
    for ending in ("", ".mp4", ".png", ".csv"):
        folder.with_suffix(ending).mkdir()
    status, _, err = run_cli(
        *inputs.arguments(command, folder), *(["--to", "csv"] * (command[5:12] == "convert"))
    )
    assert status == 2
    assert f"{command.split()[-1]}: " in err
    assert "is a folder" in err


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("track --out", "--out"),
        ("track --timeline", "--timeline"),
        ("segment --out", "--out"),
        ("segment --overlay", "--overlay"),
    ],
)
def test_an_ending_that_cannot_be_written_is_said_before_the_work(
    run_cli: Run, inputs: Inputs, command: str, option: str
) -> None:
    arguments = [*inputs.arguments(command, inputs.folder / "out")]
    arguments[-1] = inputs.folder / "out.tiff"
    status, _, err = run_cli(*arguments)
    assert status == 2
    assert f"{option}: " in err
    assert "'.tiff'" in err


@pytest.mark.usefixtures("no_work")
def test_an_input_is_never_an_output(run_cli: Run, inputs: Inputs) -> None:
    picture = inputs.image.read_bytes()
    for arguments, other in (
        (("segment", inputs.image, "--point", "1,1", "--out", inputs.image), "IMAGE"),
        (("gaze", "convert", inputs.gaze, inputs.gaze), "RECORDING"),
        (("gaze", "events", inputs.gaze, "--out", inputs.gaze), "RECORDING"),
        (
            ("export", "--checkpoint", inputs.checkpoint, "--precision", "fp32", "--out", inputs.checkpoint),
            "",
        ),
    ):
        status, _, err = run_cli(*arguments)
        assert status == 2
        assert other in err
    assert inputs.image.read_bytes() == picture
    assert inputs.checkpoint.read_bytes() == b"no model"


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl+C at the third encoding, and while gaze is labelled or written."""
    encode, calls = Fake.encode, []

    def interrupt(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    def encode_twice(self: Fake, image: Any) -> Any:
        calls.append(1)
        return encode(self, image) if len(calls) < 3 else interrupt()

    monkeypatch.setattr(Fake, "encode", encode_twice)
    monkeypatch.setattr(Fake, "decode", interrupt)
    monkeypatch.setattr("sam_edge.gaze.events.recording.label_recording", interrupt)
    monkeypatch.setattr("sam_edge.gaze.recordings.plain.seconds_from_ns", interrupt)
    monkeypatch.setattr("sam_edge.gaze.recordings.bids_write._text", interrupt)
    monkeypatch.setattr("sam_edge.cli.export.import_exporter", interrupt)
    monkeypatch.setattr("sam_edge.cli.profile.run_search", interrupt)
    monkeypatch.setattr("sam_edge.media.screen.check_screen", interrupt)


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "profile --out"])
def test_ctrl_c_leaves_nothing(run_cli: Run, inputs: Inputs, command: str) -> None:
    before = inputs.tree()
    status, _, err = run_cli(*inputs.arguments(command, inputs.folder / "new" / "deep" / "out"))
    assert status == INTERRUPTED
    assert err.splitlines()[-1] == "sam-edge: interrupted"
    assert "Traceback" not in err
    left = inputs.tree() - before
    if command == "annotate --out":
        # A data set that was begun: its journal is whole after every answer, and the same command resumes.
        assert not [path for path in left if ".part" in path.name]
    elif command == "track --record":
        # The frames so far, for `sam-edge replay`.
        recording = read_session_recording(inputs.folder / "new" / "deep" / "out")
        assert recording.complete
        assert list(recording.frames)
    else:
        assert left == set()


@pytest.mark.parametrize("command", ["track --out", "track --record", "annotate --out", "everything --out"])
def test_a_model_that_is_not_there_leaves_nothing(run_cli: Run, inputs: Inputs, command: str) -> None:
    before = inputs.tree()
    arguments = inputs.arguments(command, inputs.folder / "new" / "deep" / "out")
    status, _, err = run_cli(*arguments, "--model", inputs.folder / "absent")
    assert status == 2
    assert "absent" in err
    assert inputs.tree() == before


def start(arguments: tuple[object, ...], prelude: str = "", **options: Any) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    code = f"import sys\n{prelude}\nfrom sam_edge.cli import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
@pytest.mark.parametrize("command", ["track --out", "track --record", "everything --out", "gaze convert OUT"])
def test_a_full_disk_is_one_line(inputs: Inputs, command: str) -> None:
    before = inputs.tree()
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))"
    arguments = inputs.arguments(command, inputs.folder / "new" / "out")
    with start(arguments, limit, stdout=subprocess.DEVNULL) as process:
        _, err = process.communicate()
    assert process.returncode == 2, err
    assert err.splitlines()[-1].startswith("sam-edge: error: ")
    assert "Traceback" not in err
    left = inputs.tree() - before
    assert not [path for path in left if ".part" in path.name]
    if command != "track --record":
        assert left == set()


@pytest.mark.parametrize("arguments", [("gaze", "info"), ("gaze", "sources"), ("--help",)])
def test_a_reader_that_goes_away_is_no_error(inputs: Inputs, arguments: tuple[str, ...]) -> None:
    given = (*arguments, *([inputs.gaze] if "info" in arguments else []))
    with start(given, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    # argparse leaves out what it cannot print.
    assert process.returncode == (0 if arguments == ("--help",) else 141)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_for_what_is_printed_is_one_line() -> None:
    with open("/dev/full", "w") as full, start(("gaze", "sources"), stdout=full) as process:
        _, err = process.communicate()
    assert err == "sam-edge: error: the output cannot be written (No space left on device)\n"
    assert process.returncode == 2


def test_what_does_not_fit_is_one_line_each(clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    """Ten samples that stand for lost ones, and a rate that is not the file's: two lines."""
    rows = gaze_csv.read_text().splitlines()
    for index in range(5, 55, 5):
        rows[index] = ",".join([rows[index].split(",")[0], "-1", "-1", "1.0"])
    gaze_csv.write_text("\n".join(rows) + "\n")
    video = tmp_path / "clip.mp4"
    with VideoWriter(video, (96, 128), fps=24.0) as writer, open_frames(clip) as frames:
        for frame in frames:
            writer.write(frame.image)
    words = ("track", str(video), "--gaze", str(gaze_csv), "--fps", "20", "--runtime", "fake", "--quiet")
    with start(words, stdout=subprocess.PIPE) as process:
        printed, err = process.communicate()
    assert (process.returncode, printed) == (0, "")
    rate, lost = err.splitlines()
    assert rate.startswith(
        "sam-edge: warning: clip.mp4: fps is 20, and its frames were taken at 24 frames a second"
    )
    assert lost.startswith("sam-edge: warning: gaze: gaze.csv: 10 samples lie at (-1, -1)")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and Wayland")
@pytest.mark.parametrize("display", ["", ":7777"])
def test_calibrate_without_a_screen_is_one_line(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: str
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    out = tmp_path / "new" / "me.json"
    status, printed, err = run_cli("gaze", "calibrate", "--source", "mouse:", "--out", out)
    assert (status, printed) == (2, "")
    assert err.startswith("sam-edge: error: no window can be opened")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_the_libraries_are_imported_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise KeyboardInterrupt")
    prelude = f"sys.path.insert(0, {str(tmp_path)!r})"
    with start(("gaze", "sources"), prelude, stdout=subprocess.DEVNULL) as process:
        _, err = process.communicate()
    assert err == "sam-edge: interrupted\n"
    assert process.returncode == INTERRUPTED
