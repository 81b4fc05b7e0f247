"""Playing a recording through a session: frame by frame, or on a clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.media.frames import Frame, FrameReader
from sam_edge.stream.selection import Selection
from sam_edge.stream.session import GazeSession

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """What a viewer sees on one frame."""

    frame: Frame
    """The frame."""
    selection: Selection | None
    """The newest selection that was there when the next frame came; None before the first one."""
    dropped: bool
    """Whether it was made for an earlier frame."""

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """The mask shown on the frame, if any."""
        return None if self.selection is None else self.selection.mask


class GazeFeed:
    """A recording's samples, handed out up to a time."""

    def __init__(self, samples: Sequence[GazeSample]) -> None:
        """Take samples in order of time."""
        self._samples = samples
        self._next = 0

    def until(self, time_ns: int) -> Sequence[GazeSample]:
        """Return the samples that came since the last call, up to `time_ns`."""
        begin = self._next
        while self._next < len(self._samples) and self._samples[self._next].time_ns <= time_ns:
            self._next += 1
        return self._samples[begin : self._next]


def every_frame(session: GazeSession, frames: FrameReader, samples: Sequence[GazeSample]) -> Iterator[Shown]:
    """Step the session through every frame, waiting for each. A frame sees the gaze up to the end of its interval."""
    feed = GazeFeed(samples)
    for frame in frames:
        session.feed(feed.until(round((frame.index + 1) * NS / frames.fps)))
        yield Shown(frame, session.step(frame.image, frame.time_ns), dropped=False)


def in_real_time(session: GazeSession, frames: FrameReader, samples: Sequence[GazeSample]) -> Iterator[Shown]:
    """Play the frames on a clock, and give what a viewer saw.

    A worker always takes the newest frame and the gaze up to that very moment. What counts for a frame is the newest
    selection that was finished when the next one came. Frames are read before the clock starts and given when it has
    stopped, so that neither reading nor writing takes part; the whole clip has to fit in memory.
    """
    clip = list(frames)
    session.warm_up(clip[0].image)
    worker = Worker(session, samples)
    seen: list[Selection | None] = []
    with worker:
        for frame in clip:
            worker.wait_until(frame.time_ns)
            worker.offer(frame)
            worker.wait_until(round((frame.index + 1) * NS / frames.fps))
            seen.append(worker.newest())
    for frame, selection in zip(clip, seen, strict=True):
        fresh = selection is not None and selection.frame_time_ns == frame.time_ns
        yield Shown(frame, selection, dropped=not fresh)


class Worker:
    """Steps a session in a thread of its own, always on the newest frame. Its clock starts when it is entered."""

    def __init__(self, session: GazeSession, samples: Sequence[GazeSample]) -> None:
        """Step `session`, feeding it `samples` as their time comes."""
        self._session = session
        self._feed = GazeFeed(samples)
        self._change = threading.Condition()
        self._frame: Frame | None = None
        self._selection: Selection | None = None
        self._error: BaseException | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="sam-edge-playback", daemon=True)
        self._begun_ns = 0

    def offer(self, frame: Frame) -> None:
        """Show the next frame; one that was not begun is passed over."""
        with self._change:
            self._frame = frame
            self._change.notify_all()

    def newest(self) -> Selection | None:
        """Return the newest selection that is finished. Raises what the session raised."""
        with self._change:
            if self._error is not None:
                raise self._error
            return self._selection

    def wait_until(self, time_ns: int) -> None:
        """Sleep until the clock shows `time_ns`."""
        rest_ns = time_ns - self._now_ns()
        if rest_ns > 0:
            time.sleep(rest_ns / NS)

    def __enter__(self) -> Worker:
        """Start the clock and the thread."""
        self._begun_ns = time.monotonic_ns()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread, after the step it is in."""
        with self._change:
            self._stop = True
            self._change.notify_all()
        self._thread.join()

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._begun_ns

    def _next(self) -> Frame | None:
        """Wait for a new frame; None when there will be none."""
        with self._change:
            self._change.wait_for(lambda: self._stop or self._frame is not None)
            frame, self._frame = self._frame, None
            return None if self._stop else frame

    def _work(self) -> None:
        try:
            while (frame := self._next()) is not None:
                self._session.feed(self._feed.until(self._now_ns()))
                selection = self._session.step(frame.image, frame.time_ns)
                with self._change:
                    self._selection = selection
        except Exception as error:  # whatever it is belongs to the caller, who meets it in `newest`
            with self._change:
                self._error = error
