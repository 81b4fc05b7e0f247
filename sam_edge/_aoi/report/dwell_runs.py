"""Samples on objects as runs: few numbers, from which a page computes the dwell time of any span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_edge._aoi.looks import NO_OBJECT, Looks, Section
from sam_edge._aoi.study import Study
from sam_edge.timeline import TimelineTables


@dataclass(frozen=True, slots=True)
class DwellRun:
    """Samples on one object, each of which lasts until the next one."""

    object_id: int
    """The object."""
    begin_ns: int
    """Time of the first sample, nanoseconds after the first frame."""
    end_ns: int
    """When the last one ends."""
    samples: int
    """Number of the samples."""


def find_dwell_runs(tables: TimelineTables, study: Study) -> list[DwellRun]:
    """Return the runs of a recording, in order of time. A run ends where a section begins."""
    section = Section("", 0, study.duration_ns)
    looks = Looks.from_tables(tables, section, study.options)
    times_ns = tables.samples.values["time_s"]
    times_ns = times_ns[(times_ns >= 0) & (times_ns < study.duration_ns)]
    if not len(times_ns):
        return []
    objects, ends_ns = looks.sample_object, times_ns + looks.interval_ns
    begins = np.append(True, (np.diff(objects) != 0) | (times_ns[1:] != ends_ns[:-1]))
    for start in study.sections:
        begins[times_ns.searchsorted(start.begin_ns) : times_ns.searchsorted(start.begin_ns) + 1] = True
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(times_ns)) - 1
    return [
        DwellRun(int(objects[begin]), int(times_ns[begin]), int(ends_ns[end]), int(end - begin + 1))
        for begin, end in zip(first, last, strict=True)
        if objects[begin] != NO_OBJECT
    ]
