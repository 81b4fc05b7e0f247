"""Which fixations and which samples of a section were on which object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.area_hits import NO_OBJECT, AreaHits
from sam_edge._aoi.object_labels import object_labels
from sam_edge.errors import InputError
from sam_edge.timeline import TimelineTables

GAP_INTERVALS = 3.0
"""A sample lasts until the next one; where that is later than this many usual intervals, for one usual interval."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a recording."""

    name: str
    """What it is called in tables."""
    begin_ns: int
    """When it begins, nanoseconds after the first frame."""
    end_ns: int
    """When it ends; samples and fixations that begin before that belong to it."""

    def __post_init__(self) -> None:
        if self.end_ns <= self.begin_ns:
            raise InputError(
                f"section {self.name}: ends at {self.end_ns / 1e9:g} s, and begins at {self.begin_ns / 1e9:g} s; give "
                "an end after the beginning"
            )


@dataclass(frozen=True, slots=True)
class LookOptions:
    """What counts as a look at an object."""

    min_on_object: float = 0.5
    """Least probability, 0..1, that gaze is on an object for a fixation or sample to count for it."""
    max_off_ms: float = 500.0
    """A visit goes on over a pause of at most this, milliseconds, without a fixation on the object."""

    def __post_init__(self) -> None:
        if not 0.0 < self.min_on_object <= 1.0:
            raise InputError(f"min_on_object: {self.min_on_object}; accepted: above 0, and up to 1")
        if not self.max_off_ms >= 0.0:
            raise InputError(f"max_off_ms: {self.max_off_ms}; accepted: milliseconds, 0 or more")


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Fixations and samples of one section, each with the object that it was on."""

    section: Section
    """The section."""
    fixation: NDArray[np.int64]
    """(F,) row of each fixation in the table; a fixation on several objects stands once for each of them."""
    onset_ns: NDArray[np.int64]
    """(F,) when each fixation begins, in order, nanoseconds after the first frame."""
    end_ns: NDArray[np.int64]
    """(F,) when each fixation ends."""
    fixation_object: NDArray[np.int64]
    """(F,) the object that each fixation was on; `NO_OBJECT` where it was on none."""
    sample_ns: NDArray[np.int64]
    """(N,) time of each sample, in order; a sample on several objects stands once for each of them."""
    sample_object: NDArray[np.int64]
    """(N,) the object that each sample was on; `NO_OBJECT` where it was on none."""
    interval_ns: NDArray[np.int64]
    """(N,) how long each sample lasts, nanoseconds."""
    labels: dict[int, str]
    """Labels of those objects that have one."""

    @classmethod
    def from_tables(cls, tables: TimelineTables, section: Section, options: LookOptions) -> Looks:
        """Take the fixations and samples of a section from the tables of a whole recording."""
        fixations, samples = tables.fixations.values, tables.samples.values
        onset_ns, end_ns = fixations["start_s"], fixations["end_s"]
        fixation_object = _on_objects(fixations["object"], fixations["on_object"], options.min_on_object)
        sample_object = _on_objects(samples["object"], samples["on_object"], options.min_on_object)
        _add_early_samples(sample_object, samples, onset_ns, end_ns, fixation_object)
        interval_ns = _intervals(samples["time_s"], section.end_ns)
        on_areas = AreaHits.from_tables(tables, options.min_on_object)
        fixation, fixation_object = on_areas.add_fixations(fixation_object)
        sample, sample_object = on_areas.add_samples(sample_object)
        onset_ns, end_ns = onset_ns[fixation], end_ns[fixation]
        sample_ns, interval_ns = samples["time_s"][sample], interval_ns[sample]
        chosen = (onset_ns >= section.begin_ns) & (onset_ns < section.end_ns)
        inside = (sample_ns >= section.begin_ns) & (sample_ns < section.end_ns)
        return cls(
            section,
            fixation[chosen],
            onset_ns[chosen],
            end_ns[chosen],
            fixation_object[chosen],
            sample_ns[inside],
            sample_object[inside],
            interval_ns[inside],
            object_labels(tables),
        )

    @property
    def objects(self) -> list[int]:
        """The objects that a fixation or a sample was on, by number."""
        found = np.union1d(self.fixation_object, self.sample_object)
        return [int(number) for number in found if number != NO_OBJECT]

    def fixations(self) -> Iterator[tuple[int, int, list[int]]]:
        """Yield onset, end, and the objects of each fixation, in order; no objects where it was on none."""
        rows = zip(self.onset_ns.tolist(), self.end_ns.tolist(), self.fixation_object.tolist(), strict=True)
        for _, group in groupby(zip(self.fixation.tolist(), rows, strict=True), key=lambda item: item[0]):
            spans = [row for _, row in group]
            yield spans[0][0], spans[0][1], [number for _, _, number in spans if number != NO_OBJECT]


def _on_objects(
    objects: NDArray[np.int64], on_object: NDArray[np.float64], min_on_object: float
) -> NDArray[np.int64]:
    """Return the objects, and `NO_OBJECT` where the gaze was probably not on them."""
    return np.where(on_object >= min_on_object, objects, NO_OBJECT)


def _add_early_samples(
    sample_object: NDArray[np.int64],
    samples: Mapping[str, NDArray[Any]],
    onset_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    fixation_object: NDArray[np.int64],
) -> None:
    """Count the valid samples of a fixation for its object, where that object's mask is not shown at their time.

    A mask appears a moment after the gaze has landed; the fixation's first samples are on the object as well.
    """
    times_ns, shown, valid = samples["time_s"], samples["object"], samples["valid"]
    for onset, end, number in zip(onset_ns, end_ns, fixation_object, strict=True):
        if number == NO_OBJECT:
            continue
        own = slice(times_ns.searchsorted(onset), times_ns.searchsorted(end, side="right"))
        early = valid[own] & (shown[own] != number) & (sample_object[own] == NO_OBJECT)
        sample_object[own][early] = number


def _intervals(times_ns: NDArray[np.int64], section_end_ns: int) -> NDArray[np.int64]:
    """Return how long each sample lasts: until the next one, or for the usual interval; no longer than the section."""
    if len(times_ns) < 2:
        return np.zeros(len(times_ns), np.int64)
    steps_ns = np.diff(times_ns)
    usual_ns = int(np.median(steps_ns))
    lasting = np.where(steps_ns > GAP_INTERVALS * usual_ns, usual_ns, steps_ns)
    left_ns = np.maximum(section_end_ns - times_ns, 0)
    return np.asarray(np.minimum(np.append(lasting, usual_ns), left_ns), np.int64)
