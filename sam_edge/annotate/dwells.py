"""Dwells of the gaze, and the frame that shows each of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from sam_edge.gaze.events import EventKind, Fixation, detect_fixations
from sam_edge.gaze.events.whole_fixations import median_place
from sam_edge.gaze.samples import GazeSample

MIN_DWELL_MS = 200.0
"""Shorter dwells propose no mask."""
MIDDLE_NS = 60_000_000
"""A pursuit is placed at the median of the gaze within this time of its middle."""
NS_PER_MS = 1_000_000


def detect_dwells(samples: Sequence[GazeSample], *, px_per_deg: float) -> list[Fixation]:
    """Return the dwells of a recording, in order: fixations and pursuits of at least 200 ms.

    They are those of `detect_fixations`. A fixation is placed at its centroid; a pursuit or a merged dwell where the
    gaze was in its middle, the time of the frame that is shown for it.

    Args:
        samples: in order of time, frame pixels.
        px_per_deg: frame pixels in a degree of visual angle.
    """
    return [
        _place_in_middle(dwell, samples) if merged or dwell.kind is EventKind.PURSUIT else dwell
        for dwell, merged in detect_fixations(samples, px_per_deg=px_per_deg)
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


def dwell_key(dwell: Fixation) -> str:
    """Return the journal's name of a dwell: its onset, which does not depend on the number of dwells before it."""
    return f"dwell {dwell.onset_ns}"


def _place_in_middle(dwell: Fixation, samples: Sequence[GazeSample]) -> Fixation:
    time_ns = middle_ns(dwell)
    place = median_place(samples, time_ns - MIDDLE_NS, time_ns + MIDDLE_NS)
    return dwell if place is None else replace(dwell, x_px=place[0], y_px=place[1])
