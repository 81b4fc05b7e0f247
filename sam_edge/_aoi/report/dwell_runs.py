"""Samples on objects as runs: few numbers, from which a page computes the dwell time of any span."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sam_edge._aoi.looks import Looks, Section
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
    runs = [run for number in looks.objects for run in _runs_on(looks, number, study)]
    return sorted(runs, key=lambda run: (run.begin_ns, run.object_id))


def _runs_on(looks: Looks, number: int, study: Study) -> Iterator[DwellRun]:
    own = looks.sample_object == number
    times_ns, ends_ns = looks.sample_ns[own], (looks.sample_ns + looks.interval_ns)[own]
    if not len(times_ns):
        return
    begins = np.append(True, times_ns[1:] != ends_ns[:-1])
    for start in study.sections:
        place = times_ns.searchsorted(start.begin_ns)
        begins[place : place + 1] = True
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(times_ns)) - 1
    for begin, end in zip(first, last, strict=True):
        yield DwellRun(number, int(times_ns[begin]), int(ends_ns[end]), int(end - begin + 1))
