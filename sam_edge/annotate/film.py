"""The frames of a video by their number: asked for in order, now and then one again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from sam_edge.media.frames import FrameReader, VideoFrame, open_frames

REMEMBERED = 6
"""Frames that are kept in memory after they were asked for."""


class Film:
    """A video that is read forwards, and from the beginning again where a frame lies behind. A context manager."""

    def __init__(self, path: Path, *, fps: float | None = None, times_ns: Sequence[int] = ()) -> None:
        """Open a video or a folder of images.

        Args:
            path: of the video or the folder.
            fps: frames a second; None is the video's own.
            times_ns: when each frame began, where the recording says it.

        Raises:
            MediaError: it cannot be read.
        """
        self._path, self._wanted_fps, self._times_ns = path, fps, times_ns
        self._reader: FrameReader = open_frames(path, fps=fps)
        self._next = 0
        self._end: int | None = None
        self._near: OrderedDict[int, VideoFrame] = OrderedDict()

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
        """(height, width) of every frame."""
        return self._reader.size

    @property
    def times_ns(self) -> Sequence[int]:
        """When each frame began, where the recording says it; empty where frames come evenly."""
        return self._times_ns

    @property
    def count(self) -> int | None:
        """How many frames there are: an estimate for a video until its end was read."""
        return self._end if self._end is not None else self._reader.count

    def length(self, heed: Callable[[int], None] | None = None) -> int:
        """Return how many frames there are; a video that does not state it is read through."""
        while self.count is None and self.frame(self._next) is not None:
            if heed is not None:
                heed(self._next)
        return self.count or 0

    def frame(self, index: int, heed: Callable[[int], None] | None = None) -> VideoFrame | None:
        """Return a frame; None when the video ends before it.

        Args:
            index: its number, from 0.
            heed: called with the number of every frame that is read on the way.

        Raises:
            MediaError: a frame on the way cannot be read.
        """
        if index in self._near:
            self._near.move_to_end(index)
            return self._near[index]
        if index < 0 or (self._end is not None and index >= self._end):
            return None
        if index < self._next:
            self._reader.close()
            self._reader, self._next = open_frames(self._path, fps=self._wanted_fps), 0
        while True:
            read = next(self._reader, None)
            if read is None:
                self._end = self._next
                return None
            self._next += 1
            if read.index == index:
                return self._remember(read)
            if heed is not None:
                heed(read.index)

    def approach(self, index: int, most: int) -> bool:
        """Read on towards a frame that lies ahead, `most` frames of the way at a time; say whether it is near."""
        while self._next < index and self._end is None and most > 0:
            # A frame that is passed is remembered: it may be the one that is asked about now.
            self.frame(self._next)
            most -= 1
        return self._next >= index or self._end is not None

    def close(self) -> None:
        """Give back the file. Closing twice is allowed."""
        self._near.clear()
        self._reader.close()

    def __enter__(self) -> Film:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _remember(self, frame: VideoFrame) -> VideoFrame:
        if frame.index < len(self._times_ns):
            frame = replace(frame, time_ns=self._times_ns[frame.index])
        self._near[frame.index] = frame
        if len(self._near) > REMEMBERED:
            self._near.popitem(last=False)
        return frame
