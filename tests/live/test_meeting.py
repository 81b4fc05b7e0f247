"""Frames and gaze meet in time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from sam_edge._live.meeting import HELD_NS, GazeMeeting
from sam_edge.errors import TrackerError
from sam_edge.gaze.adapters.mouse import MouseSource
from sam_edge.gaze.adapters.replay import ReplaySource
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats

MS = 1_000_000


class Scripted(MouseSource):
    """A source whose reads give what a test says, one entry a read: samples, or an error."""

    def __init__(self, *reads: Sequence[int] | TrackerError) -> None:
        super().__init__()
        self.reads = list(reads)
        self.timeouts: list[float] = []

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        self.timeouts.append(timeout_s)
        if not self.reads:
            time.sleep(timeout_s)
            return []
        found = self.reads.pop(0)
        if isinstance(found, TrackerError):
            raise found
        return [GazeSample(time_ms * MS, 1.0, 2.0) for time_ms in found]

    @property
    def stats(self) -> SourceStats:
        return SourceStats()


def times_ms(samples: Sequence[GazeSample]) -> list[int]:
    return [sample.time_ns // MS for sample in samples]


def refuse(problem: TrackerError) -> None:
    """There must be no problem."""
    raise AssertionError(problem)


def meet(source: Scripted, wait_ms: float = 50.0) -> GazeMeeting:
    return GazeMeeting(source, wait_ms=wait_ms, on_problem=refuse)


def test_gaze_that_is_newer_than_the_frame_waits_for_its_frame() -> None:
    meeting = meet(Scripted([5, 10, 15, 20, 25]))
    assert times_ms(meeting.until(12 * MS)) == [5, 10]
    assert times_ms(meeting.until(20 * MS)) == [15, 20]


def test_a_frame_waits_for_gaze_of_its_time() -> None:
    source = Scripted([5], [10], [15, 25])
    meeting = meet(source)
    assert times_ms(meeting.until(20 * MS)) == [5, 10, 15]
    assert len(source.timeouts) == 3


def test_a_frame_does_not_wait_longer_than_it_may() -> None:
    meeting = meet(Scripted([5]), wait_ms=20)
    assert times_ms(meeting.until(40 * MS)) == [5]
    assert 20 <= meeting.waited_ms < 1000


def test_a_silent_tracker_is_said_and_read_on() -> None:
    problems: list[TrackerError] = []
    silent = TrackerError("silent")
    meeting = GazeMeeting(Scripted(silent, [5, 30]), wait_ms=100, on_problem=problems.append)
    assert times_ms(meeting.until(20 * MS)) == [5]
    assert problems == [silent]


def test_a_tracker_that_ended_with_an_error_raises_it() -> None:
    source = Scripted(TrackerError("the clock's unit is wrong"))
    source.close()
    meeting = GazeMeeting(source, wait_ms=100, on_problem=refuse)
    with pytest.raises(TrackerError, match="unit"):
        meeting.until(20 * MS)


def test_gaze_without_frames_does_not_pile_up() -> None:
    seconds = range(0, 40_000, 10)
    meeting = meet(Scripted(list(seconds)))
    assert meeting.until(-1) == []
    held = meeting.until(10**15)
    assert held[-1].time_ns - held[0].time_ns <= HELD_NS
    assert meeting.given_up + len(held) == len(seconds)


def test_a_recording_that_is_over_is_not_waited_for() -> None:
    source = ReplaySource([GazeSample(5 * MS, 1.0, 2.0)], speed=0)
    source.open()
    source.advance_to(5 * MS)
    meeting = GazeMeeting(source, wait_ms=60_000, on_problem=refuse)
    assert times_ms(meeting.until(50 * MS)) == [5]
