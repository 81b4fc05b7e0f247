"""A head that turns: the picture moves as a whole, and gaze with it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.cli import main
from sam_edge.errors import InputError
from sam_edge.gaze.recordings import write_csv
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze_video.camera_path import follow_camera
from sam_edge.media import VideoFrame

FRAMES, FPS, STEP_PX = 48, 24, 4.0
SIZE = (240, 320)
"""Height and width of a frame."""
DISC_PX = 26


def draw_frame(number: int, *, disc: bool = False) -> NDArray[np.uint8]:
    """The camera turns to the right over a textured wall by 4 pixels a frame; the disc turns with it."""
    texture = np.random.default_rng(5).integers(60, 200, (40, 100, 3)).astype(np.uint8)
    wall = cv2.resize(texture, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    left = round(number * STEP_PX)
    image = np.ascontiguousarray(wall[: SIZE[0], left : left + SIZE[1]])
    if disc:
        cv2.circle(image, (160, 120), DISC_PX, (255, 40, 40), -1)
    return np.asarray(image, np.uint8)


def frames(count: int = FRAMES) -> list[VideoFrame]:
    step_ns = 1_000_000_000 // FPS
    return [VideoFrame(k, f"{k:05d}", k * step_ns, (k + 1) * step_ns, draw_frame(k)) for k in range(count)]


def test_the_picture_moves_against_the_camera() -> None:
    path = follow_camera(frames())
    expected = np.column_stack([-STEP_PX * np.arange(FRAMES), np.zeros(FRAMES)])
    np.testing.assert_allclose(path.moved_px, expected, atol=3.0)
    assert path.cuts == 0
    (note,) = path.notes()
    assert "in 2.0 s, which was taken off the gaze" in note


def test_gaze_on_what_stands_still_stands_still() -> None:
    path = follow_camera(frames())
    samples = [
        GazeSample(int(time_ns), 200.0 + float(x), 100.0)
        for time_ns, (x, _) in zip(path.time_ns, path.moved_px, strict=True)
    ]
    steady = path.steady(samples)
    np.testing.assert_allclose([sample.x_px for sample in steady], 200.0, atol=1e-6)
    before, after = path.steady([GazeSample(-1_000, 5.0, 6.0), GazeSample(10**12, 5.0, 6.0)])
    assert (before.x_px, before.y_px) == (5.0, 6.0)
    assert after.x_px == pytest.approx(5.0 - path.moved_px[-1, 0])


def test_a_cut_is_counted_and_moves_nothing() -> None:
    shots = frames(6)
    blocks = np.random.default_rng(9).integers(0, 2, (6, 8, 3)).astype(np.uint8) * 255
    other = np.asarray(cv2.resize(blocks, SIZE[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    cut = VideoFrame(6, "00006", 6 * shots[0].end_ns, 7 * shots[0].end_ns, other)
    path = follow_camera([*shots, cut])
    assert path.cuts == 1
    assert path.moved_px[-1].tolist() == path.moved_px[-2].tolist()
    assert path.notes()[1] == "1 cuts in the video"


def test_no_frames_are_an_error() -> None:
    with pytest.raises(InputError, match="frames: none"):
        follow_camera([])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A folder of frames, and gaze that stays at a place of the wall (`wall.csv`) and on the disc (`disc.csv`)."""
    (tmp_path / "frames").mkdir()
    for number in range(FRAMES):
        image = cv2.cvtColor(draw_frame(number, disc=True), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(tmp_path / "frames" / f"{number:05d}.png"), image)
    rng = np.random.default_rng(1)
    times_s = np.arange(0, FRAMES / FPS - 0.05, 0.004)
    noise = rng.normal(0, 0.3, (len(times_s), 2))
    for name, x_px in (("wall", 300.0 - STEP_PX * FPS * times_s), ("disc", np.full(len(times_s), 160.0))):
        places = np.column_stack([x_px, np.full(len(times_s), 120.0)]) + noise
        samples = [
            GazeSample(round(t * 1e9), float(x), float(y)) for t, (x, y) in zip(times_s, places, strict=True)
        ]
        write_csv(tmp_path / f"{name}.csv", samples)
    return tmp_path


def share_of(labels: Path, kind: str) -> float:
    """Return the share of samples with a label."""
    lines = labels.read_text().splitlines()
    column = lines[0].split(",").index("label")
    return float(np.mean([line.split(",")[column] == kind for line in lines[1:]]))


@pytest.mark.parametrize("live", [(), ("--as-live",)])
def test_the_turning_of_the_head_is_no_pursuit_and_standing_against_it_is(
    recording: Path, live: tuple[str, ...]
) -> None:
    shares = {}
    for name in ("wall", "disc"):
        for video in ((), ("--video", str(recording / "frames"), "--fps", str(FPS))):
            out = recording / "labels.csv"
            command = ["gaze", "events", str(recording / f"{name}.csv"), "--out", str(out), *video, *live]
            assert main(command) == 0
            shares[name, bool(video)] = share_of(out, "pursuit")
    assert shares["wall", False] > 0.8
    assert shares["wall", True] < 0.2
    assert shares["disc", False] < 0.2
    assert shares["disc", True] > 0.6
