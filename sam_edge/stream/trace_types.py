"""The parts of a trace, stages and frames, and the sinks that take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.selection import Selection


@dataclass(frozen=True, slots=True)
class Span:
    """One stage that ran on one thread."""

    name: str
    """The stage, as in `Selection.timing_ms`."""
    thread: str
    """Name of the thread."""
    begin_ns: int
    """When it began, on the clock of `time.perf_counter_ns`."""
    end_ns: int
    """When it ended."""


@dataclass(frozen=True, slots=True)
class TracedFrame:
    """One frame that was stepped."""

    time_ns: int
    """When it was shown, on the clock of the frames."""
    begin_ns: int
    """When its step began, on the clock of `time.perf_counter_ns`."""
    end_ns: int
    """When its step returned."""
    selection: Selection
    """What the step returned."""

    @property
    def offset_ns(self) -> int:
        """What to add to times of frames and gaze for the clock of spans, if it was stepped when it was shown."""
        return self.begin_ns - self.time_ns


class Sink(Protocol):
    """Takes what a session does. Called by one thread at a time, in order of time, never by the session's own threads.

    An exception from a sink ends its trace and is raised where the trace is closed.
    """

    def span(self, span: Span) -> None:
        """Take a stage."""

    def frame(self, frame: TracedFrame) -> None:
        """Take a frame and its selection."""

    def gaze(self, samples: Sequence[GazeSample]) -> None:
        """Take gaze samples, on the clock of the frames."""


def without_masks(frame: TracedFrame) -> TracedFrame:
    """Return a frame whose selection holds no mask."""
    return replace(frame, selection=replace(frame.selection, mask=None, pinned=()))
