"""`sam_edge.live` and `sam-edge live` against fake devices that speak the true protocols."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_companion import payload
from fake_video import FakeCompanionVideo, picture, send_picture

import sam_edge
from sam_edge.cli import main
from sam_edge.errors import InputError, TrackerError
from sam_edge.media.video_writer import VideoWriter
from sam_edge.timeline import read_table
from sam_edge.timeline.tables import FRAME_COLUMNS, SAMPLE_COLUMNS

MS = 1_000_000
GAZE = (150.0, 110.0)


def fake_model() -> sam_edge.Segmenter:
    return sam_edge.load(runtime="fake")


class Glasses(threading.Thread):
    """Plays a Neon: pictures at 20 a second, each sent 60 ms late, and gaze at 100 a second that rests on one place."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.fake = FakeCompanionVideo()
        self.is_over = threading.Event()
        self.is_quiet = threading.Event()
        self.taken_ns: list[int] = []

    def run(self) -> None:
        late: list[tuple[int, list[bytes]]] = []
        begin_s = time.monotonic()
        for tick in range(100_000):
            if self.is_over.wait(max(0.0, begin_s + tick / 100 - time.monotonic())):
                return
            if self.is_quiet.is_set():
                continue
            media_ns = self.fake.media_ns()
            if tick % 50 == 0:
                self.fake.report()
                wall_ns = self.fake.wall_ns(media_ns)
                self.fake.rtsp.send_control(self.fake.rtsp.sender_report(media_ns, wall_ns))
            self.fake.rtsp.send_media(self.fake.rtsp.rtp(payload(*GAZE), self.fake._tick()))
            if tick % 5 == 0:
                _, taken_ns, parts = self.fake.take_picture()
                self.taken_ns.append(taken_ns)
                late.append((taken_ns, parts))
            while late and media_ns - late[0][0] >= 60 * MS:
                taken_ns, parts = late.pop(0)
                send_picture(self.fake.video, parts, taken_ns)

    def stop(self) -> None:
        self.is_over.set()
        self.join()
        self.fake.stop()


@pytest.fixture
def glasses() -> Iterator[Glasses]:
    playing = Glasses()
    playing.start()
    yield playing
    playing.stop()


def test_one_address_gives_the_selection_on_the_scene(glasses: Glasses) -> None:
    found = False
    with sam_edge.live(glasses.fake.url, model=fake_model, px_per_deg=10, timeout_s=8) as run:
        for count, step in enumerate(run):
            truth_ns = [glasses.fake.host_of(media_ns) for media_ns in glasses.taken_ns]
            assert min(abs(step.frame.time_ns - taken_ns) for taken_ns in truth_ns) < 10 * MS
            # The gaze of a frame is not from after it, however late the frame came.
            assert all(sample.time_ns <= step.frame.time_ns for sample in step.samples)
            assert step.latency_ms >= 55
            mask = step.selection.mask
            found |= mask is not None and bool(mask[round(GAZE[1]), round(GAZE[0])])
            if found or count > 300:
                break
    assert found
    assert run.camera_stats.received > 0
    assert run.gaze_stats.received > 0


def test_a_device_that_falls_silent_is_said_and_waited_for(glasses: Glasses) -> None:
    problems: list[str] = []
    with sam_edge.live(
        glasses.fake.url,
        model=fake_model,
        timeout_s=1.0,
        on_problem=lambda problem: problems.append(str(problem)),
    ) as run:
        next(run)
        glasses.is_quiet.set()
        deadline_s = time.monotonic() + 30
        while not any("sent no frame for 1 s" in problem for problem in problems):
            assert time.monotonic() < deadline_s
            run.step(0.2)
        glasses.fake.encoder = type(glasses.fake.encoder)()
        glasses.is_quiet.clear()
        assert next(run).frame.image.shape == (240, 320, 3)


def test_a_device_that_is_not_there_is_said_before_the_model_is_opened() -> None:
    def never() -> sam_edge.Segmenter:
        raise AssertionError("the model was opened")

    with pytest.raises(TrackerError, match=r"neon://127\.0\.0\.1:9 cannot be reached"):
        sam_edge.live("neon://127.0.0.1:9", model=never, timeout_s=0.3)


@pytest.mark.parametrize(
    ("url", "eye", "message"),
    [
        ("webcam:0", None, "a camera without gaze; give the address of the gaze as well"),
        ("rtsp://host/", None, "a camera without gaze"),
        ("mouse:", None, "accepted is the address of a scene camera"),
    ],
)
def test_addresses_that_do_not_go_together(url: str, eye: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sam_edge.live(url, eye=eye, model=fake_model)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of video at 20 frames a second, with gaze that rests on one place."""
    folder = tmp_path / "recording"
    folder.mkdir()
    with VideoWriter(folder / "video.mp4", (240, 320)) as writer:
        for number in range(40):
            writer.write(picture(number // 20), number * 50 * MS, (number + 1) * 50 * MS)
    rows = "".join(f"{time_ms / 1000},{GAZE[0]},{GAZE[1]},1\n" for time_ms in range(0, 2000, 10))
    (folder / "gaze.csv").write_text(f"timestamp_s,x_px,y_px,confidence\n{rows}", encoding="utf-8")
    return folder


def test_a_recording_is_played_to_its_end_and_leaves_tables(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{name}.csv" for name in ("timeline", "samples", "fixations")]
    options = [f"--{path.stem}={path}" for path in paths]
    assert main(["live", f"file:{recording}", "--headless", "--runtime=fake", *options]) == 0
    shown = capsys.readouterr().out
    assert " frames in " in shown
    assert "with a selection, 1 objects" in shown
    frames = read_table(paths[0], FRAME_COLUMNS)
    samples = read_table(paths[1], SAMPLE_COLUMNS)
    assert 2 <= len(frames) <= 40
    assert np.all(np.diff(frames.values["time_s"]) > 0)
    # Every sample of the time between the first and the last frame is there once.
    assert len(samples) >= 100
    assert np.all(np.diff(samples.values["time_s"]) > 0)
    assert set(samples.values["x_px"].tolist()) == {GAZE[0]}


def test_it_ends_after_the_seconds(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun_s = time.monotonic()
    arguments = ["live", f"file:{recording}", "--headless", "--runtime=fake", "--seconds=0.5"]
    assert main(arguments) == 0
    capsys.readouterr()
    assert time.monotonic() - begun_s < 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["webcam:0", "--headless"], "--eye: webcam:0 is a camera without gaze"),
        (["webcam:0", "--eye=mouse:", "--headless"], "--eye: mouse: needs the window; leave out --headless"),
        (["neon://host", "--headless", "--seconds=-1"], "--seconds: -1; accepted are more than 0"),
        (["neon://host", "--headless", "--timeline=looks.txt"], "--timeline: looks.txt"),
    ],
)
def test_options_that_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", "--runtime=fake", *options]) == 2
    assert message in capsys.readouterr().err
