"""The fixations and pursuits of a whole recording: events that noise or a lost sample split are one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median

from sam_edge.gaze.events.detector import EventDetector
from sam_edge.gaze.events.merging import is_continuation, merge_fixations
from sam_edge.gaze.events.smoothing import smooth_kinds
from sam_edge.gaze.events.types import EventKind, EventUpdate, Fixation, LabelledSample
from sam_edge.gaze.samples import GazeSample

MERGE_GAP_NS = 75_000_000
"""Two events with a shorter gap between them, and close to each other, are one."""
MERGE_DISTANCE_DEG = 1.5
"""Largest distance across the gap: three times the usual one for still images, because objects move in the gap."""
EVENT_EDGE_NS = 40_000_000
"""Time before and after a gap whose median gaze places each side of it."""


def detect_fixations(
    samples: Sequence[GazeSample], *, px_per_deg: float, rate_hz: float | None = None
) -> list[tuple[Fixation, bool]]:
    """Return the fixations and pursuits of a recording, in order, and of each whether it was merged from several.

    Events that noise, a lost sample or a tiny saccade separated are merged, as in Olsen, "The Tobii I-VT Fixation
    Filter" (2012). The kind is the one that most of the samples have, by `smooth_kinds`.

    Args:
        samples: in order of time, scene pixels.
        px_per_deg: scene pixels in a degree of visual angle.
        rate_hz: samples a second where it is known; None to learn it from the samples.

    Raises:
        InputError: an argument is out of its range.
    """
    events = _EventCollector()
    detector = EventDetector(px_per_deg=px_per_deg, rate_hz=rate_hz)
    for sample in samples:
        events.add(detector.update(sample))
    events.add(detector.flush())
    merged: list[tuple[Fixation, bool]] = []
    for event in events.fixations(samples, px_per_deg):
        if merged and _continues(merged[-1][0], event, samples, MERGE_DISTANCE_DEG * px_per_deg):
            merged[-1] = (_merge(merged[-1][0], event), True)
        else:
            merged.append((event, False))
    return merged


def samples_between(samples: Sequence[GazeSample], begin_ns: int, end_ns: int) -> Sequence[GazeSample]:
    """Return the samples of an interval, both ends included."""
    first = bisect_left(samples, begin_ns, key=_time_ns)
    return samples[first : bisect_right(samples, end_ns, key=_time_ns)]


def median_place(samples: Sequence[GazeSample], begin_ns: int, end_ns: int) -> tuple[float, float] | None:
    """Return the median x, y of the valid gaze in an interval, scene pixels; None without any."""
    valid = [sample for sample in samples_between(samples, begin_ns, end_ns) if sample.valid]
    if not valid:
        return None
    return median(sample.x_px for sample in valid), median(sample.y_px for sample in valid)


class _EventCollector:
    """Keeps the newest report of each fixation, and every label."""

    def __init__(self) -> None:
        self._latest: dict[int, Fixation] = {}
        self._labels: list[LabelledSample] = []

    def add(self, update: EventUpdate) -> None:
        """Take what one sample made known."""
        self._labels += update.labels
        for fixation in update.fixations:
            self._latest[fixation.event_id] = fixation

    def fixations(self, samples: Sequence[GazeSample], px_per_deg: float) -> list[Fixation]:
        """Return every fixation with the kind that most of its samples have, judged with the whole recording."""
        stable: Counter[int] = Counter()
        pursuit: Counter[int] = Counter()
        for label in smooth_kinds(samples, self._labels, px_per_deg=px_per_deg):
            stable[label.event_id] += label.kind.stable
            pursuit[label.event_id] += label.kind is EventKind.PURSUIT
        return [
            _with_kind(event, 2 * pursuit[event.event_id] > stable[event.event_id], samples)
            for event in self._latest.values()
        ]


def _with_kind(event: Fixation, is_pursuit: bool, samples: Sequence[GazeSample]) -> Fixation:
    """Return the event with its kind; one that turns out to be a fixation is placed at its centroid."""
    if is_pursuit:
        return replace(event, kind=EventKind.PURSUIT)
    valid = [s for s in samples_between(samples, event.onset_ns, event.time_ns) if s.valid]
    if event.kind is EventKind.PURSUIT and valid:
        x_px, y_px = fmean(s.x_px for s in valid), fmean(s.y_px for s in valid)
        event = replace(event, x_px=x_px, y_px=y_px)
    return replace(event, kind=EventKind.FIXATION)


def _continues(first: Fixation, second: Fixation, samples: Sequence[GazeSample], distance_px: float) -> bool:
    """Return whether the second event continues the first one, by the gaze on both sides of the gap."""
    before = median_place(samples, first.time_ns - EVENT_EDGE_NS, first.time_ns) or (first.x_px, first.y_px)
    after = median_place(samples, second.onset_ns, second.onset_ns + EVENT_EDGE_NS) or (
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


def _time_ns(sample: GazeSample) -> int:
    return sample.time_ns
