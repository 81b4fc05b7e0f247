"""`sam-edge gaze`: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace, TracebackType

import numpy as np
import pytest

from sam_edge.cli import gaze
from sam_edge.errors import GazeDataError, InputError, MediaError, SessionError
from sam_edge.gaze import recordings, registry
from sam_edge.gaze.calibration import Calibration, screen
from sam_edge.gaze.events import EventKind, LabelledSample
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.video_writer import VideoWriter


def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    gaze.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["gaze", *map(str, words)])
    return int(args.run(args))


def recorded(path: Path, *, digits: int = 6) -> Path:
    """Three seconds at 200 Hz: two fixations, a jump of 40 ms between them, and a blink of 100 ms."""
    random = np.random.default_rng(0)
    rows = ["timestamp_s,x_px,y_px,confidence"]
    for index in range(600):
        way = min(1.0, max(0.0, (index - 250) / 8))
        way = way * way * (3 - 2 * way)
        x, y = 300 + 200 * way + float(random.normal(0, 0.5)), 200 + 60 * way + float(random.normal(0, 0.5))
        place = ",,0.0" if 400 <= index < 420 else f"{x:.2f},{y:.2f},1.0"
        rows.append(f"{index / 200:.{digits}f},{place}")
    path.write_text("\n".join(rows) + "\n")
    return path


def labels(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.parametrize("digits", [3, 6])
def test_events_labels_each_row_with_its_own_timestamp(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], digits: int
) -> None:
    source = recorded(tmp_path / "gaze.csv", digits=digits)
    assert command("events", source, "--out", tmp_path / "labels.csv", "--px-per-deg", "30") == 0
    rows = labels(tmp_path / "labels.csv")
    assert list(rows[0]) == ["timestamp_s", "label", "event_id"]
    assert [row["timestamp_s"] for row in rows] == [row["timestamp_s"] for row in labels(source)]
    assert rows[100]["label"] == "fixation"
    assert rows[410]["label"] == "blink"
    ids = [int(row["event_id"]) for row in rows]
    assert ids == sorted(ids)
    printed = capsys.readouterr().out
    assert "600 samples at 200.0 Hz, 30 px/deg" in printed
    assert "fixation" in printed


def test_events_are_judged_with_the_whole_recording_unless_as_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_pursuit(
        _: Sequence[GazeSample], said: list[LabelledSample], *, px_per_deg: float
    ) -> list[LabelledSample]:
        assert px_per_deg == 30.0
        return [replace(label, kind=EventKind.PURSUIT) if label.kind.stable else label for label in said]

    monkeypatch.setattr("sam_edge.gaze.events.recording.smooth_kinds", all_pursuit)
    source = recorded(tmp_path / "gaze.csv")
    words = ("events", source, "--px-per-deg", "30", "--out")
    command(*words, tmp_path / "whole.csv")
    command(*words, tmp_path / "live.csv", "--as-live")
    whole, live = (labels(tmp_path / name) for name in ("whole.csv", "live.csv"))
    assert {row["label"] for row in whole} >= {"pursuit", "blink"}
    assert "fixation" not in {row["label"] for row in whole}
    assert live[100]["label"] == "fixation"
    assert [row["event_id"] for row in whole] == [row["event_id"] for row in live]


def test_events_of_another_format(
    tmp_path: Path, shared_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = shared_dir / "data" / "trackers" / "tobii_glasses2"
    assert command("events", source, "--out", tmp_path / "labels.csv") == 0
    rows = labels(tmp_path / "labels.csv")
    assert len(rows) == 1424
    assert rows[0]["timestamp_s"] == "-0.799544000"
    assert "19.8382 px/deg" in capsys.readouterr().out


def test_events_default_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = recorded(tmp_path / "gaze.csv")
    command("events", source, "--out", tmp_path / "labels.csv")
    assert "15 px/deg" in capsys.readouterr().out
    (tmp_path / "gaze.csv.json").write_text('{"px_per_deg": 32.3}')
    command("events", source, "--out", tmp_path / "labels.csv")
    assert "32.3 px/deg" in capsys.readouterr().out


def test_events_that_fail_leave_nothing(tmp_path: Path) -> None:
    source = tmp_path / "gaze.csv"
    source.write_text("timestamp_s,x_px,y_px\n0,1,2\n0,1,2\n")
    with pytest.raises(GazeDataError, match="line 3"):
        command("events", source, "--out", tmp_path / "labels.csv")
    with pytest.raises(InputError, match="--px-per-deg is -1"):
        command("events", recorded(source), "--out", tmp_path / "labels.csv", "--px-per-deg", "-1")
    with pytest.raises(MediaError, match=r"--out: .*labels.csv: cannot be written"):
        command("events", source, "--out", source / "labels.csv")
    with pytest.raises(InputError, match=r"--out: .*gaze.csv is also RECORDING"):
        command("events", source, "--out", source)
    assert [path.name for path in tmp_path.iterdir()] == ["gaze.csv"]


def test_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = recorded(tmp_path / "gaze.csv")
    assert command("info", source, "--px-per-deg", "20") == 0
    printed = capsys.readouterr().out
    assert "format    csv" in printed
    assert "600 in 2.995 s at 200.0 Hz" in printed
    assert "lost      3.3% (20 invalid)" in printed
    assert "gaps      0" in printed
    # Noise of .5 px on two axes: successive samples are 1 px apart (RMS).
    noise = float(printed.split("noise")[1].split("px")[0])
    assert noise == pytest.approx(1.0, abs=0.1)
    assert f"= {noise / 20:.3f}"[:-1] in printed.split("noise")[1].split("deg")[0]


def test_info_of_gaps_and_of_nothing_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gaze.csv"
    path.write_text("timestamp_s,x_px,y_px\n" + "".join(f"{t / 100},,\n" for t in range(20)) + "1.0,,\n")
    command("info", path)
    printed = capsys.readouterr().out
    assert "gaps      1, the longest 810 ms" in printed
    assert "lost      100.0%" in printed
    assert "noise     unknown" in printed


def film(path: Path, seconds: int = 3) -> Path:
    """A video of 640x480 at 10 frames/s."""
    with VideoWriter(path, (480, 640), fps=10.0) as writer:
        for _ in range(10 * seconds):
            writer.write(np.zeros((480, 640, 3), np.uint8))
    return path


def info_lines(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    """Return the errors and warnings that `gaze info` prints."""
    assert command("info", *words) == 0
    lines = capsys.readouterr().out.splitlines()
    return [" ".join(line.split()) for line in lines if line.strip().startswith(("error", "warning"))]


class TestInfoWithItsVideo:
    """`gaze info --video` says whether the gaze fits it."""

    def test_gaze_that_fits(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = recorded(tmp_path / "gaze.csv")
        assert info_lines(capsys, source, "--video", film(tmp_path / "film.mp4")) == []

    def test_gaze_outside_its_time(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = recorded(tmp_path / "gaze.csv")
        late = [row.split(",") for row in source.read_text().splitlines()[1:]]
        rows = [",".join((f"{float(row[0]) + 60:.3f}", *row[1:])) for row in late]
        source.write_text("timestamp_s,x_px,y_px,confidence\n" + "\n".join(rows) + "\n")
        assert info_lines(capsys, source) == []
        (line,) = info_lines(capsys, source, "--video", film(tmp_path / "film.mp4"))
        assert line.startswith("error")
        assert "60.000 to 62.995 s" in line

    def test_a_video_with_gaze_on_less_than_half(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = recorded(tmp_path / "gaze.csv")
        (line,) = info_lines(capsys, source, "--video", film(tmp_path / "film.mp4", 9))
        assert line.startswith("warning")
        assert "only 31 of the video's 90 frames" in line

    def test_normalised_positions(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = tmp_path / "gaze.csv"
        source.write_text("timestamp_s,x_px,y_px\n" + "".join(f"{t / 200},0.4,0.6\n" for t in range(600)))
        (line,) = info_lines(capsys, source, "--video", film(tmp_path / "film.mp4"))
        assert line.startswith("error")
        assert "times 640 and 480" in line


def test_info_of_several(tmp_path: Path, shared_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trackers = shared_dir / "data" / "trackers"
    command("info", trackers / "pupil_core_export", trackers / "eyelink" / "eyelink_data_example.asc")
    printed = capsys.readouterr().out
    assert "pupil-core" in printed
    assert "145 in 1.888 s at 83.2 Hz" in printed
    assert "eyelink-asc" in printed
    assert "43.24 px/deg" in printed
    assert "fixations 10 of the tracker's own software" in printed
    assert "fixations 38 of the tracker's own software" in printed


def test_convert_to_csv_and_bids(tmp_path: Path, shared_dir: Path) -> None:
    source = shared_dir / "data" / "trackers" / "tobii_glasses2"
    whole = recordings.read(source)
    command("convert", source, tmp_path / "gaze.csv")
    copied = recordings.read(tmp_path / "gaze.csv")
    assert [s.time_ns for s in copied.samples] == [s.time_ns for s in whole.samples]
    assert (copied.px_per_deg, copied.frame_size) == (whole.px_per_deg, whole.frame_size)
    command("convert", source, tmp_path / "bids")
    command("convert", source, tmp_path / "sub-07" / "sub-07_task-walk")
    for data in (
        tmp_path / "bids" / "sub-01_task-gaze_recording-eye1_physio.tsv.gz",
        tmp_path / "sub-07" / "sub-07_task-walk_recording-eye1_physio.tsv.gz",
    ):
        assert list(map(repr, recordings.read(data).samples)) == list(map(repr, whole.samples))


def test_convert_the_way_it_is_told(tmp_path: Path) -> None:
    source = recorded(tmp_path / "gaze.csv")
    command("convert", source, tmp_path / "sub-1_task-x_physio.tsv.gz", "--to", "bids", "--px-per-deg", "20")
    assert recordings.read(tmp_path / "sub-1_task-x_recording-eye1_physio.tsv.gz").px_per_deg == 20.0
    command("convert", source, tmp_path / "copy.txt", "--to", "csv", "--format", "csv")
    assert recordings.read(tmp_path / "copy.txt").samples == recordings.read(source).samples


def test_sources_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("sources") == 0
    printed = capsys.readouterr().out
    assert all(info.scheme in printed and info.summary in printed for info in registry.schemes())


def test_sources_that_need_an_extra_say_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = SimpleNamespace(
        scheme="far",
        summary="A tracker",
        example="far://x",
        installed=False,
        install_command="pip install 'sam-edge[gaze]'",
    )
    monkeypatch.setattr(registry, "schemes", lambda: (missing,))
    command("sources")
    assert "pip install 'sam-edge[gaze]'" in capsys.readouterr().out


class Looking:
    """Source and window in one: gaze follows the target that is drawn, 40 px too far right."""

    name = "looking:"
    finished = False

    def __init__(self) -> None:
        self.now_ns, self.closed = 0, False
        self.target = (320.0, 240.0)
        self.random = np.random.default_rng(0)

    def show(self, picture: np.ndarray) -> int:
        ys, xs = np.nonzero(picture[:, :, 2] > 200)
        self.target = (float(xs.mean()), float(ys.mean()))
        return -1

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        start, self.now_ns = self.now_ns, self.now_ns + 50_000_000
        noise = self.random.normal(0, 1, (5, 2))
        return [
            GazeSample(
                start + index * 10_000_000, self.target[0] + 40 + float(dx), self.target[1] + float(dy)
            )
            for index, (dx, dy) in enumerate(noise)
        ]

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Looking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[GazeSample]:
        yield from ()


def test_calibrate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looking = Looking()
    monkeypatch.setattr(registry, "open", lambda url: looking)
    monkeypatch.setattr(screen, "time", SimpleNamespace(monotonic_ns=lambda: looking.now_ns))
    monkeypatch.setattr("sam_edge.gaze.calibration.FullScreen", lambda: looking)
    monkeypatch.setattr("sam_edge.media.screen.check_screen", lambda: None)
    out = tmp_path / "me.json"
    assert (
        command("calibrate", "--source", "looking:", "--out", out, "--points", "5", "--screen", "640x480")
        == 0
    )
    assert Calibration.load(out).size == (480, 640)
    moved = Calibration.load(out).apply(GazeSample(0, 340.0, 240.0))
    assert (moved.x_px, moved.y_px) == pytest.approx((300, 240), abs=2)
    assert looking.closed
    printed = capsys.readouterr().out
    assert "before  accuracy 1.0" in printed
    assert "after   accuracy 0.0" in printed


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--screen", "big"), "--screen is 'big'; accepted: width x height"),
        (("--px-per-deg", "0"), "--px-per-deg is 0.0"),
        (("--out", f"{__file__}/me.json"), "--out: .*me.json: cannot be written"),
    ],
)
def test_calibrate_refuses_before_it_opens_anything(
    tmp_path: Path, words: tuple[str, ...], part: str
) -> None:
    with pytest.raises(InputError, match=part):
        command("calibrate", "--source", "nowhere:", "--out", tmp_path / "me.json", *words)


def test_calibrate_without_a_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    def no_window(*_: object) -> None:
        raise cv2.error("no display")

    monkeypatch.setattr(cv2, "namedWindow", no_window)
    monkeypatch.setattr(registry, "open", lambda url: Looking())
    with pytest.raises(SessionError, match="no window can be opened"):
        command("calibrate", "--source", "looking:", "--out", tmp_path / "me.json")
    assert not list(tmp_path.iterdir())
