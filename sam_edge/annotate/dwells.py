"""Where gaze rested, and on which frame."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from math import hypot
from statistics import median

from sam_edge.gaze.events import EventDetector, Fixation
from sam_edge.gaze.events.types import EventKind
from sam_edge.gaze.samples import GazeSample

DWELL_MS = 200.0
"""Gaze that rests shorter than this proposes nothing."""
GAP_NS = 75_000_000
"""Two events with less than this between them, and near each other, are one dwell."""
NEAR_DEG = 1.5
"""How near: thrice what is usual for still pictures, because things move on in the gap."""
BRIEF_NS = 40_000_000
"""Gaze of so long tells where an event ended, and where the next began."""
AROUND_NS = 60_000_000
"""A pursuit is where gaze was within this of its middle."""
MS = 1_000_000


def dwells_of(samples: Sequence[GazeSample], *, px_per_deg: float) -> list[Fixation]:
    """Return the dwells of a recording, in order: fixations and pursuits of at least 200 ms.

    What noise, a lost sample or a tiny saccade cut in two is one dwell, as in Olsen, "The Tobii I-VT Fixation Filter"
    (2012). A fixation's place is its centroid; that of a pursuit, and of what was joined, is where gaze was in the
    middle, which is the frame that is asked about.
    """
    detector = EventDetector(px_per_deg=px_per_deg)
    latest: dict[int, Fixation] = {}
    for sample in samples:
        for fixation in detector.update(sample).fixations:
            latest[fixation.event_id] = fixation
    joined: list[tuple[Fixation, bool]] = []
    for one in latest.values():
        if joined and _goes_on(joined[-1][0], one, samples, NEAR_DEG * px_per_deg):
            joined[-1] = (_joined(joined[-1][0], one), True)
        else:
            joined.append((one, one.kind == EventKind.PURSUIT))
    return [
        _in_the_middle(one, samples) if moves else one
        for one, moves in joined
        if one.duration_ns >= DWELL_MS * MS
    ]


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


def _goes_on(first: Fixation, second: Fixation, samples: Sequence[GazeSample], near_px: float) -> bool:
    """Say whether the second event is more of the first one."""
    if second.onset_ns - first.time_ns > GAP_NS:
        return False
    before = _place(samples, first.time_ns - BRIEF_NS, first.time_ns) or (first.x_px, first.y_px)
    after = _place(samples, second.onset_ns, second.onset_ns + BRIEF_NS) or (second.x_px, second.y_px)
    return hypot(after[0] - before[0], after[1] - before[1]) <= near_px


def _joined(first: Fixation, second: Fixation) -> Fixation:
    longer = max(first, second, key=lambda one: one.duration_ns)
    return replace(
        longer,
        event_id=first.event_id,
        onset_ns=first.onset_ns,
        time_ns=second.time_ns,
        sample_count=first.sample_count + second.sample_count,
    )


def _place(samples: Sequence[GazeSample], begin_ns: int, end_ns: int) -> tuple[float, float] | None:
    """Return where gaze was in a stretch of time."""
    seen = [one for one in between(samples, begin_ns, end_ns) if one.valid]
    return (median(one.x_px for one in seen), median(one.y_px for one in seen)) if seen else None


def _in_the_middle(dwell: Fixation, samples: Sequence[GazeSample]) -> Fixation:
    when_ns = middle_ns(dwell)
    place = _place(samples, when_ns - AROUND_NS, when_ns + AROUND_NS)
    return dwell if place is None else replace(dwell, x_px=place[0], y_px=place[1])
