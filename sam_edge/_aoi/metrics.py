"""The metrics of each object in a section. docs/aoi.md defines them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

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

    @property
    def revisits(self) -> int:
        """Visits after the first one."""
        return max(0, self.visits - 1)

    @property
    def hit(self) -> bool:
        """Whether there was a fixation on it."""
        return self.fixations > 0


def measure_objects(
    looks: Looks, options: LookOptions, *, objects: Iterable[int] = ()
) -> list[ObjectMetrics]:
    """Return the metrics of every object that was looked at in a section, by number.

    Args:
        looks: the section's fixations and samples.
        options: what counts as a look.
        objects: further objects, which have a line also if they were not looked at.
    """
    visited = [visit.object_id for visit in find_visits(looks, options)]
    numbers = sorted({*looks.objects, *objects})
    return [_measure(looks, number, visited.count(number)) for number in numbers]


def _measure(looks: Looks, object_id: int, visits: int) -> ObjectMetrics:
    own = looks.fixation_object == object_id
    durations_ms = ((looks.end_ns - looks.onset_ns)[own] / 1e6).tolist()
    onsets_ns = looks.onset_ns[own].tolist()
    on_it = looks.sample_object == object_id
    return ObjectMetrics(
        object_id=object_id,
        label=looks.labels.get(object_id),
        fixations=len(durations_ms),
        total_fixation_ms=sum(durations_ms),
        mean_fixation_ms=sum(durations_ms) / len(durations_ms) if durations_ms else None,
        first_fixation_ms=durations_ms[0] if durations_ms else None,
        time_to_first_fixation_ms=(onsets_ns[0] - looks.section.begin_ns) / 1e6 if onsets_ns else None,
        dwell_ms=int(np.sum(looks.interval_ns[on_it])) / 1e6,
        visits=visits,
    )
