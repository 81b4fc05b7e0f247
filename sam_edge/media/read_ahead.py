"""Frames read by a thread ahead of the one who uses them, within a bound of memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType

from sam_edge.media.frame_reader import FrameReader, VideoFrame

READ_AHEAD_BYTES = 16 * 1024 * 1024
"""Frames of this size together are read ahead: 6 frames of 1280x720."""
WHOLE_CLIP_BYTES = 128 * 1024 * 1024
"""A video whose frames take no more than this is read ahead as a whole: 109 frames of 854x480."""


class ReadAhead:
    """Reads frames in a thread of its own. A context manager and an iterator.

    When the block begins, as many frames are read as fit, or all of them. The thread stops at the end of the block. An
    error of reading is raised where the frame would have come.
    """

    def __init__(self, frames: FrameReader) -> None:
        """Read `frames`, which the caller keeps and closes."""
        self._frames = frames
        self._ready: deque[VideoFrame] = deque()
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="sam-edge-frames", daemon=True)
        height, width = frames.size
        frame_bytes = 3 * height * width
        whole = frames.count * frame_bytes <= WHOLE_CLIP_BYTES
        self._capacity = frames.count if whole else max(2, READ_AHEAD_BYTES // frame_bytes)

    @property
    def first(self) -> VideoFrame:
        """The next frame that will be given; raises `MediaError` when it cannot be read."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended)
            if not self._ready:
                raise self._error or StopIteration
            return self._ready[0]

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._ready) >= self._capacity)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def __iter__(self) -> Iterator[VideoFrame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._ended)
                if not self._ready:
                    break
                frame = self._ready.popleft()
                self._changed.notify_all()
            yield frame
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        try:
            for frame in self._frames:
                with self._changed:
                    self._changed.wait_for(lambda: self._ended or len(self._ready) < self._capacity)
                    if self._ended:
                        return
                    self._ready.append(frame)
                    self._changed.notify_all()
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
