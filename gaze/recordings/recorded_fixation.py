"""Fixations as a tracker's own software found them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

FOREIGN_FIXATIONS = "fixations.csv is not the tracker's own: it lacks its columns, and is not read"
"""Note on a file of another program in the folder of a recording."""


@dataclass(frozen=True, slots=True)
class RecordedFixation:
    """One fixation of a recording."""

    fixation_id: int
    """Its number in the recording; where the format has none, its place in time, from 1."""
    onset_ns: int
    """When it begins, nanoseconds on the clock of `GazeSample.time_ns`."""
    end_ns: int
    """When it ends, on the same clock."""
    x_px: float = math.nan
    """Mean horizontal position, scene pixels; NaN where the recording states none."""
    y_px: float = math.nan
    """Mean vertical position, scene pixels; NaN where the recording states none."""

    def shifted(self, shift_ns: int) -> RecordedFixation:
        """Return the fixation with `shift_ns` added to its times."""
        return replace(self, onset_ns=self.onset_ns + shift_ns, end_ns=self.end_ns + shift_ns)


def sort_fixations(fixations: Iterable[RecordedFixation]) -> tuple[RecordedFixation, ...]:
    """Return fixations in order of time; of those with the same number and onset, the last one."""
    named = {(fixation.fixation_id, fixation.onset_ns): fixation for fixation in fixations}
    return tuple(sorted(named.values(), key=lambda fixation: (fixation.onset_ns, fixation.end_ns)))


def number_fixations(fixations: Iterable[RecordedFixation]) -> tuple[RecordedFixation, ...]:
    """Return fixations in order of time, numbered from 1: for formats that do not number them."""
    ordered = sorted(fixations, key=lambda fixation: (fixation.onset_ns, fixation.end_ns))
    return tuple(replace(fixation, fixation_id=number) for number, fixation in enumerate(ordered, start=1))
