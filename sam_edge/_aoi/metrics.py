"""The metrics of each object in a section. docs/reference/metrics.md defines them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sam_edge._aoi.areas import Area
from sam_edge._aoi.looks import LookOptions, Looks
from sam_edge._aoi.visits import find_visits


@dataclass(frozen=True, slots=True)
class ObjectMetrics:
    """How one object was looked at in one section."""

    object_id: int
    label: str | None
    """None without a label."""
    fixations: int
    """Number of fixations on it."""
    total_fixation_ms: float
    """Sum of their durations, milliseconds."""
    mean_fixation_ms: float | None
    """Mean of their durations; None without any."""
    first_fixation_ms: float | None
    """Duration of the first one; None without any."""
    time_to_first_fixation_ms: float | None
    """From the section's beginning to the onset of the first one; None without any."""
    dwell_ms: float
    """Sum of the intervals of the samples on it."""
    visits: int
    """Number of visits."""
    shared_fixations: int = 0
    """Of its fixations, the number of those that were on another object too."""
    visible_ms: float | None = None
    """For how long a defined AOI is visible, milliseconds; None for an object that gaze met."""

    @property
    def revisits(self) -> int:
        """Visits after the first one."""
        return max(0, self.visits - 1)

    @property
    def hit(self) -> bool:
        """Whether there was a fixation on it."""
        return self.fixations > 0


def measure_objects(looks: Looks, options: LookOptions, *, areas: Iterable[Area] = ()) -> list[ObjectMetrics]:
    """Return the metrics of every object that was looked at in a section, by number.

    Args:
        looks: the section's fixations and samples.
        options: what counts as a look.
        areas: defined AOIs, which have a line also if they were not looked at.
    """
    visited = [visit.object_id for visit in find_visits(looks, options)]
    by_number = {area.number: area for area in areas}
    numbers = sorted({*looks.objects, *by_number})
    return [_measure(looks, number, visited.count(number), by_number.get(number)) for number in numbers]


def _measure(looks: Looks, object_id: int, visits: int, area: Area | None) -> ObjectMetrics:
    own = looks.fixation_object == object_id
    shared = np.isin(looks.fixation, looks.fixation[own]) & ~own
    durations_ms = ((looks.end_ns - looks.onset_ns)[own] / 1e6).tolist()
    onsets_ns = looks.onset_ns[own].tolist()
    on_it = looks.sample_object == object_id
    return ObjectMetrics(
        object_id=object_id,
        label=looks.labels.get(object_id) if area is None else area.name,
        fixations=len(durations_ms),
        total_fixation_ms=sum(durations_ms),
        mean_fixation_ms=sum(durations_ms) / len(durations_ms) if durations_ms else None,
        first_fixation_ms=durations_ms[0] if durations_ms else None,
        time_to_first_fixation_ms=(onsets_ns[0] - looks.section.begin_ns) / 1e6 if onsets_ns else None,
        dwell_ms=int(np.sum(looks.interval_ns[on_it])) / 1e6,
        visits=visits,
        shared_fixations=len(np.unique(looks.fixation[shared])),
        visible_ms=None if area is None else area.visible_ms(looks.section.begin_ns, looks.section.end_ns),
    )
