"""Where gaze rested, and on which frame."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from sam_edge.gaze.events import EventDetector, Fixation
from sam_edge.gaze.events.types import EventKind
from sam_edge.gaze.samples import GazeSample

DWELL_MS = 200.0
"""Gaze that rests shorter than this proposes nothing."""
AROUND_NS = 60_000_000
"""A pursuit is where gaze was within this of its middle."""
MS = 1_000_000


def dwells_of(samples: Sequence[GazeSample], *, px_per_deg: float) -> list[Fixation]:
    """Return the dwells of a recording, in order: fixations and pursuits of at least 200 ms.

    A fixation's place is its centroid; a pursuit's is where gaze was in its middle, which is the frame that is asked
    about.
    """
    detector = EventDetector(px_per_deg=px_per_deg)
    latest: dict[int, Fixation] = {}
    for sample in samples:
        for fixation in detector.update(sample).fixations:
            latest[fixation.event_id] = fixation
    long = [one for one in latest.values() if one.duration_ns >= DWELL_MS * MS]
    return [_in_the_middle(one, samples) if one.kind == EventKind.PURSUIT else one for one in long]


def middle_ns(dwell: Fixation) -> int:
    """Return the time of a dwell's middle, nanoseconds."""
    return (dwell.onset_ns + dwell.time_ns) // 2


def frame_of(dwell: Fixation, fps: float, count: int | None, times_ns: Sequence[int] = ()) -> int:
    """Return the number of the frame that is shown in the middle of a dwell; -1 before the first one.

    Args:
        dwell: the dwell.
        fps: frames a second.
        count: how many frames there are; None where that is not known.
        times_ns: when each frame began, for cameras that keep no even pace.
    """
    when_ns = middle_ns(dwell)
    index = bisect_right(times_ns, when_ns) - 1 if times_ns else int(when_ns * fps // 1e9)
    return index if count is None else min(index, count - 1)


def between(samples: Sequence[GazeSample], begin_ns: int, end_ns: int) -> Sequence[GazeSample]:
    """Return the samples of a stretch of time, both ends included."""
    first = bisect_left(samples, begin_ns, key=lambda one: one.time_ns)
    return samples[first : bisect_right(samples, end_ns, key=lambda one: one.time_ns)]


def name_of(dwell: Fixation) -> str:
    """Return what the journal calls a dwell: when it began does not depend on how many there were before."""
    return f"dwell {dwell.onset_ns}"


def _in_the_middle(dwell: Fixation, samples: Sequence[GazeSample]) -> Fixation:
    when_ns = middle_ns(dwell)
    near = [one for one in between(samples, when_ns - AROUND_NS, when_ns + AROUND_NS) if one.valid]
    if not near:
        return dwell
    return replace(dwell, x_px=median(one.x_px for one in near), y_px=median(one.y_px for one in near))
