"""Reading from a later frame on, of folders and of videos with key frames far apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_edge.media.frames import open_frames
from sam_edge.media.images import write_png
from sam_edge.media.video_writer import VideoWriter

COUNT, SIZE = 50, (48, 64)


def image_of(index: int) -> np.ndarray:
    """Return an image whose grey level is the number of its frame, times five."""
    return np.full((*SIZE, 3), 5 * index, np.uint8)


@pytest.fixture(params=["folder", "video"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        for index in range(COUNT):
            write_png(tmp_path / "frames" / f"{index}.png", image_of(index))
        return tmp_path / "frames"
    with VideoWriter(tmp_path / "video.mp4", SIZE, fps=25) as writer:
        for index in range(COUNT):
            writer.write(image_of(index))
    return tmp_path / "video.mp4"


@pytest.mark.parametrize("first", [1, 24, COUNT - 1])
def test_a_reader_that_begins_later(path: Path, first: int) -> None:
    with open_frames(path) as reader, reader.reopen(first) as later:
        frames = list(later)
        assert [frame.index for frame in frames] == list(range(first, COUNT))
        for frame in frames:
            assert frame.image.mean() == pytest.approx(5 * frame.index, abs=3)
            assert (frame.time_ns, frame.end_ns) == reader.times.interval(frame.index)
