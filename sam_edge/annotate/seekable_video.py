"""The frames of a video by their number, mostly in order, with a few recent ones in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from sam_edge.closing import Closing
from sam_edge.media.frame_times import FrameTimes
from sam_edge.media.frames import FrameReader, VideoFrame, open_frames

CACHED_FRAMES = 6
"""Most recently used frames in memory."""


class SeekableVideo(Closing):
    """A video that is read forwards, and again from its beginning for an earlier frame. A context manager."""

    def __init__(self, path: Path, *, fps: float | None = None, times_ns: Sequence[int] = ()) -> None:
        """Open a video or a folder of images.

        Args:
            path: of the video or the folder.
            fps: frames a second; None is the video's own.
            times_ns: when each frame began, where the recording says it.

        Raises:
            MediaError: it cannot be read.
        """
        self._reader: FrameReader = open_frames(path, fps=fps, recorded_ns=times_ns)
        self._next = 0
        self._end: int | None = None
        self._cache: OrderedDict[int, VideoFrame] = OrderedDict()

    @property
    def name(self) -> str:
        """Name of the file or folder."""
        return self._reader.name

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self._reader.fps

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every frame, pixels."""
        return self._reader.size

    @property
    def times(self) -> FrameTimes:
        """When each frame is shown."""
        return self._reader.times

    @property
    def times_ns(self) -> Sequence[int]:
        """When each frame begins to be shown, nanoseconds after the first one."""
        return [int(time_ns) for time_ns in self._reader.times.begin_ns]

    @property
    def count(self) -> int | None:
        """Number of frames: for a video an estimate, or None, until its end was read."""
        return self._end if self._end is not None else self._reader.count

    def count_frames(self) -> int:
        """Return the number of frames; reads a video through that does not state it."""
        while self.count is None:
            self.frame(self._next)
        return self.count

    def frame(self, index: int, on_frame: Callable[[int], None] | None = None) -> VideoFrame | None:
        """Return a frame; None when the video ends before it.

        Args:
            index: its number, from 0.
            on_frame: called with the number of every frame that is read on the way.

        Raises:
            MediaError: a frame on the way cannot be read.
        """
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        if index < 0 or (self._end is not None and index >= self._end):
            return None
        if index < self._next:
            self._reader.close()
            self._reader, self._next = self._reader.reopen(), 0
        while True:
            frame = next(self._reader, None)
            if frame is None:
                self._end = self._next
                return None
            self._next += 1
            if frame.index == index:
                return self._remember(frame)
            if on_frame is not None:
                on_frame(frame.index)

    def read_towards(self, index: int, limit: int) -> bool:
        """Read at most `limit` frames on towards a later one; say whether it comes next or the video has ended."""
        while self._next < index and self._end is None and limit > 0:
            # Frames on the way go into the cache: the present proposal may be on one of them.
            self.frame(self._next)
            limit -= 1
        return self._next >= index or self._end is not None

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        self._cache.clear()
        self._reader.close()

    def _remember(self, frame: VideoFrame) -> VideoFrame:
        self._cache[frame.index] = frame
        if len(self._cache) > CACHED_FRAMES:
            self._cache.popitem(last=False)
        return frame
