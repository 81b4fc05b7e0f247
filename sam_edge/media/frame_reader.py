"""One frame of a video, and the reader that yields frames in order."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.closing import Closing
from sam_edge.errors import MediaError
from sam_edge.media.frame_times import FrameTimes


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One image of a video, with its number, name and time."""

    index: int
    """Number of the frame, from 0."""
    stem: str
    """Name of the frame: the image file's name without its ending, or the index in five digits for a video."""
    time_ns: int
    """Time at which the frame is first shown, nanoseconds after the first frame."""
    end_ns: int
    """Time at which the next frame takes its place, nanoseconds after the first frame."""
    image: NDArray[np.uint8]
    """uint8 RGB (H, W, 3), C-contiguous."""


class FrameReader(Closing):
    """Yields the frames of one video in order. A context manager and an iterator; `open_frames` makes it.

    The first frame is read when the reader is opened, so that an unreadable or empty input fails at once.
    """

    def __init__(
        self,
        read: Callable[[int], Generator[VideoFrame, None, None]],
        *,
        name: str,
        times: FrameTimes,
        first: int = 0,
    ) -> None:
        """Read the frames that `read(first)` yields, from number `first` on. The properties describe the others."""
        self._read = read
        self._frames = read(first)
        self._name = name
        self._times = times
        self._first: VideoFrame | None = next(self._frames)
        self._size = self._first.image.shape[:2]

    @property
    def name(self) -> str:
        """Name of the file or folder."""
        return self._name

    @property
    def times(self) -> FrameTimes:
        """When each frame begins and ends."""
        return self._times

    @property
    def fps(self) -> float:
        """Mean rate, frames a second. Frames need not come evenly: `times` says when each is shown."""
        return self._times.fps

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every frame, pixels."""
        return self._size[0], self._size[1]

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self._times)

    def __iter__(self) -> FrameReader:
        return self

    def __next__(self) -> VideoFrame:
        """Return the next frame.

        Raises:
            MediaError: the frame cannot be read, or has another size than the frames before it.
        """
        frame = self._first or next(self._frames)
        self._first = None
        if frame.image.shape[:2] != self._size:
            raise MediaError(
                f"{self._name}: frame {frame.index} ({frame.stem}) is {_size_text(frame.image.shape)} and the frames "
                f"before it are {_size_text(self._size)}; all frames of a video must have one size"
            )
        return frame

    def reopen(self, first: int = 0) -> FrameReader:
        """Return another reader of the same frames, which begins with the frame of number `first`."""
        return FrameReader(self._read, name=self._name, times=self._times, first=first)

    def close(self) -> None:
        """Close the file. Closing twice is allowed; a closed reader yields no more frames."""
        self._first = None
        self._frames.close()


def _size_text(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
