"""Frames that are read ahead come in order, within a bound of memory, with the errors of reading."""

from __future__ import annotations

import threading
from collections.abc import Generator

import numpy as np
import pytest

from sam_edge.errors import MediaError
from sam_edge.media import read_ahead
from sam_edge.media.frame_reader import FrameReader, VideoFrame
from sam_edge.media.frame_times import times_at_rate
from sam_edge.media.read_ahead import ReadAhead

SIZE = (4, 6)
FRAME_BYTES = 3 * SIZE[0] * SIZE[1]


class CountingVideo:
    """A video of numbered frames that counts how many were read."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self.count, self.fails_at, self.read = count, fails_at, 0

    def frames(self, first: int) -> Generator[VideoFrame, None, None]:
        for index in range(first, self.count):
            if index == self.fails_at:
                raise MediaError(f"frame {index} cannot be read")
            self.read += 1
            yield VideoFrame(index, str(index), index, index + 1, np.full((*SIZE, 3), index, np.uint8))

    def reader(self) -> FrameReader:
        return FrameReader(self.frames, name="made", times=times_at_rate(self.count, 30.0))


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds of three frames ahead, and of five for a whole clip."""
    monkeypatch.setattr(read_ahead, "READ_AHEAD_BYTES", 3 * FRAME_BYTES)
    monkeypatch.setattr(read_ahead, "WHOLE_CLIP_BYTES", 5 * FRAME_BYTES)


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("count", [1, 3, 5, 6, 40])
def test_every_frame_comes_once_and_in_order(count: int) -> None:
    with CountingVideo(count).reader() as reader, ReadAhead(reader) as ahead:
        assert ahead.first.index == 0
        frames = list(ahead)
    assert [frame.index for frame in frames] == list(range(count))
    assert all((frame.image == frame.index).all() for frame in frames)


@pytest.mark.usefixtures("small_bounds")
def test_a_short_clip_is_read_before_the_block_begins() -> None:
    video = CountingVideo(5)
    with video.reader() as reader, ReadAhead(reader):
        assert video.read == 5


@pytest.mark.usefixtures("small_bounds")
def test_of_a_long_video_only_a_few_frames_are_held() -> None:
    video = CountingVideo(40)
    with video.reader() as reader, ReadAhead(reader) as ahead:
        for frame in ahead:
            # Three that wait, one in the thread's hands, and the one that is used.
            assert video.read <= frame.index + 5


@pytest.mark.usefixtures("small_bounds")
def test_an_error_comes_where_the_frame_would_have_come() -> None:
    seen: list[int] = []
    with (
        CountingVideo(40, fails_at=7).reader() as reader,
        ReadAhead(reader) as ahead,
        pytest.raises(MediaError, match="frame 7 cannot be read"),
    ):
        seen.extend(frame.index for frame in ahead)
    assert seen == list(range(7))


@pytest.mark.usefixtures("small_bounds")
def test_leaving_early_ends_the_thread() -> None:
    with CountingVideo(40).reader() as reader, ReadAhead(reader) as ahead:
        assert next(iter(ahead)).index == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "sam-edge-frames"]
