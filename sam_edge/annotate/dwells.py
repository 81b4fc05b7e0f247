"""Dwells of the gaze, and the frame that shows each of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from sam_edge.gaze.events import EventDetector, Fixation, is_continuation, merge_fixations
from sam_edge.gaze.events.types import EventKind
from sam_edge.gaze.samples import GazeSample

MIN_DWELL_MS = 200.0
"""Shorter dwells propose no mask."""
MERGE_GAP_NS = 75_000_000
"""Two events with a shorter gap between them, and close to each other, are one dwell."""
MERGE_DISTANCE_DEG = 1.5
"""Largest distance across the gap: three times the usual one for still images, because objects move in the gap."""
EVENT_EDGE_NS = 40_000_000
"""Time before and after a gap whose median gaze places each side of it."""
MIDDLE_NS = 60_000_000
"""A pursuit is placed at the median of the gaze within this time of its middle."""
NS_PER_MS = 1_000_000


def detect_dwells(samples: Sequence[GazeSample], *, px_per_deg: float) -> list[Fixation]:
    """Return the dwells of a recording, in order: fixations and pursuits of at least 200 ms.

    Events that noise, a lost sample or a tiny saccade separated are merged, as in Olsen, "The Tobii I-VT Fixation
    Filter" (2012). A fixation is placed at its centroid; a pursuit or a merged dwell where the gaze was in its middle,
    the time of the frame that is shown for it.

    Args:
        samples: in order of time, frame pixels.
        px_per_deg: frame pixels in a degree of visual angle.
    """
    detector = EventDetector(px_per_deg=px_per_deg)
    latest: dict[int, Fixation] = {}
    for sample in samples:
        for event in detector.update(sample).fixations:
            latest[event.event_id] = event
    dwells: list[tuple[Fixation, bool]] = []
    for event in latest.values():
        if dwells and _continues(dwells[-1][0], event, samples, MERGE_DISTANCE_DEG * px_per_deg):
            dwells[-1] = (_merge(dwells[-1][0], event), True)
        else:
            dwells.append((event, event.kind == EventKind.PURSUIT))
    return [
        _place_in_middle(dwell, samples) if moves else dwell
        for dwell, moves in dwells
        if dwell.duration_ns >= MIN_DWELL_MS * NS_PER_MS
    ]


def middle_ns(dwell: Fixation) -> int:
    """Return the time of a dwell's middle, nanoseconds."""
    return (dwell.onset_ns + dwell.time_ns) // 2


def frame_at_dwell(dwell: Fixation, fps: float, count: int | None, times_ns: Sequence[int] = ()) -> int:
    """Return the number of the frame that is shown in the middle of a dwell; -1 before the first one.

    Args:
        dwell: the dwell.
        fps: frames a second.
        count: number of frames; None where that is not known.
        times_ns: when each frame began, for cameras without a constant frame rate.
    """
    time_ns = middle_ns(dwell)
    index = bisect_right(times_ns, time_ns) - 1 if times_ns else int(time_ns * fps // 1e9)
    return index if count is None else min(index, count - 1)


def samples_between(samples: Sequence[GazeSample], begin_ns: int, end_ns: int) -> Sequence[GazeSample]:
    """Return the samples of an interval, both ends included."""
    first = bisect_left(samples, begin_ns, key=lambda sample: sample.time_ns)
    return samples[first : bisect_right(samples, end_ns, key=lambda sample: sample.time_ns)]


def dwell_key(dwell: Fixation) -> str:
    """Return the journal's name of a dwell: its onset, which does not depend on the number of dwells before it."""
    return f"dwell {dwell.onset_ns}"


def _continues(first: Fixation, second: Fixation, samples: Sequence[GazeSample], distance_px: float) -> bool:
    """Return whether the second event continues the first one, by the gaze on both sides of the gap."""
    before = _median_place(samples, first.time_ns - EVENT_EDGE_NS, first.time_ns) or (first.x_px, first.y_px)
    after = _median_place(samples, second.onset_ns, second.onset_ns + EVENT_EDGE_NS) or (
        second.x_px,
        second.y_px,
    )
    return is_continuation(
        first.time_ns,
        before,
        second.onset_ns,
        after,
        max_gap_ns=MERGE_GAP_NS,
        max_distance_px=distance_px,
    )


def _merge(first: Fixation, second: Fixation) -> Fixation:
    longer = max(first, second, key=lambda event: event.duration_ns)
    return merge_fixations(first, second, place=longer)


def _median_place(samples: Sequence[GazeSample], begin_ns: int, end_ns: int) -> tuple[float, float] | None:
    """Return the median x, y of the valid gaze in an interval, frame pixels; None without any."""
    valid = [sample for sample in samples_between(samples, begin_ns, end_ns) if sample.valid]
    if not valid:
        return None
    return median(sample.x_px for sample in valid), median(sample.y_px for sample in valid)


def _place_in_middle(dwell: Fixation, samples: Sequence[GazeSample]) -> Fixation:
    time_ns = middle_ns(dwell)
    place = _median_place(samples, time_ns - MIDDLE_NS, time_ns + MIDDLE_NS)
    return dwell if place is None else replace(dwell, x_px=place[0], y_px=place[1])
