"""Playing a video and its gaze through a session: frame by frame, or on a clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import ObjectEvent
from sam_edge.media.frames import FrameReader, VideoFrame
from sam_edge.media.read_ahead import ReadAhead
from sam_edge.stream.packed_selection import PackedSelection
from sam_edge.stream.selection import Selection
from sam_edge.stream.session import GazeSession

NS = 1_000_000_000
GAZE_EVERY_S = 0.005
"""On a clock, gaze is fed at this interval between frames, as a live tracker would."""


@dataclass(frozen=True, slots=True)
class PlayedFrame:
    """One frame, and the selection that a viewer saw on it."""

    frame: VideoFrame
    """The frame, as the reader gave it."""
    selection: Selection | None
    """The newest selection that was there when the next frame came; None before the first one."""
    dropped: bool
    """Whether the selection is an earlier frame's: this one's came too late, or the frame was skipped."""
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    """Times of the frame's own step, in time or not; empty where the frame was skipped."""
    events: tuple[ObjectEvent, ...] = ()
    """Events of the frame's own step, in time or not."""

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


def play_every_frame(
    session: GazeSession, frames: FrameReader, samples: Sequence[GazeSample]
) -> Iterator[PlayedFrame]:
    """Step the session through every frame, waiting for each. A frame sees the gaze up to the end of its interval."""
    feed = GazeFeed(samples)
    for frame in frames:
        session.feed(feed.until(frame.end_ns))
        selection = session.step(frame.image, frame.time_ns)
        yield PlayedFrame(
            frame, selection, dropped=False, timing_ms=selection.timing_ms, events=selection.events
        )


def play_in_real_time(
    session: GazeSession,
    frames: FrameReader,
    samples: Sequence[GazeSample],
    *,
    on_frame: Callable[[], None] | None = None,
) -> Iterator[PlayedFrame]:
    """Play the frames on a clock, and return what a viewer saw.

    A frame is stepped when its time has come, with the gaze up to that moment; what counts for it is the newest
    selection that was returned when the next one came. A frame whose whole interval went by during an earlier step is
    skipped.

    A short clip is read before the clock starts, so that reading takes no time from the steps; of a longer one, a
    thread reads a few frames ahead (see `ReadAhead`). Results are kept in a few kilobytes each, and returned when the
    clock has stopped, with the frames read a second time, so that the caller's work takes no time either. Until then,
    `on_frame` is called when each frame's time is over.
    """
    # OpenCV's own threads would compete with the encoder's: the slowest steps take twice as long with them.
    cv2.setNumThreads(1)
    with ReadAhead(frames) as ahead:
        session.warm_up(ahead.first.image)
        seen: deque[StepOutcome] = deque()
        for outcome in _play_on_clock(session, ahead, samples):
            seen.append(outcome)
            if on_frame is not None:
                on_frame()
    with frames.reopen() as again:
        for frame in again:
            if not seen:
                return
            yield seen.popleft().shown_on(frame)


def _play_on_clock(
    session: GazeSession, frames: Iterable[VideoFrame], samples: Sequence[GazeSample]
) -> Iterator[StepOutcome]:
    """Step through the frames as their time comes, and yield what was shown on each."""
    clock = PlaybackClock(session, samples)
    newest: PackedSelection | None = None
    for frame in frames:
        if clock.now_ns() >= frame.end_ns:
            yield StepOutcome(newest, dropped=True)
            continue
        clock.wait_until(frame.time_ns)
        selection = session.step(frame.image, frame.time_ns)
        late = clock.now_ns() >= frame.end_ns
        before, newest = newest, PackedSelection.pack(selection)
        yield StepOutcome(
            before if late else newest, dropped=late, timing_ms=selection.timing_ms, events=selection.events
        )


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What was shown on a frame, without the frame."""

    selection: PackedSelection | None
    """The selection, packed; None before the first one."""
    dropped: bool
    """As in `PlayedFrame`."""
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    """As in `PlayedFrame`."""
    events: tuple[ObjectEvent, ...] = ()
    """As in `PlayedFrame`."""

    def shown_on(self, frame: VideoFrame) -> PlayedFrame:
        """Return it with its frame."""
        selection = None if self.selection is None else self.selection.unpack()
        return PlayedFrame(
            frame, selection, dropped=self.dropped, timing_ms=self.timing_ms, events=self.events
        )


class PlaybackClock:
    """The clock that a clip is played on; hands the gaze over as its time comes. Starts when it is made."""

    def __init__(self, session: GazeSession, samples: Sequence[GazeSample]) -> None:
        """Start."""
        self._session = session
        self._feed = GazeFeed(samples)
        self._begun_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """Return what the clock shows."""
        return time.monotonic_ns() - self._begun_ns

    def wait_until(self, time_ns: int) -> None:
        """Wait until the clock shows `time_ns`, and feed the gaze that comes meanwhile."""
        while True:
            self._session.feed(self._feed.until(self.now_ns()))
            rest_s = (time_ns - self.now_ns()) / NS
            if rest_s <= 0:
                return
            time.sleep(min(rest_s, GAZE_EVERY_S))
