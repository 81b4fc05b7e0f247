"""Fixations as a tracker's own software found them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

FOREIGN_FIXATIONS = "fixations.csv is not the tracker's own: it lacks its columns, and is not read"
"""Note on a file of another program in the folder of a recording."""
_FROM_PRO_LAB = (
    "the glasses record none; Tobii Pro Lab finds them, and its export has them in 'Eye movement type'"
)
WHY_NO_FIXATIONS = {
    "tobii-glasses2": _FROM_PRO_LAB,
    "tobii-glasses3": _FROM_PRO_LAB,
    "tobii-pro-lab": "it needs 'Eye movement type' and 'Eye movement type index' in the export",
    "smi-text": "it needs 'L Event Info' or 'R Event Info', as BeGaze exports them with the samples",
    "aria-mps": "the Machine Perception Services find none",
    "bids": "it needs a _physioevents.tsv.gz with its JSON, and rows whose trial_type is 'fixation'",
    "neon-csv": "it needs the fixations.csv of Pupil Cloud or Neon Player",
    "neon-native": "the phone found none; Pupil Cloud and Neon Player export a fixations.csv",
    "pupil-core": "it needs the fixations.csv that Pupil Player exports with its fixation detector",
    "eyelink-asc": "it needs EFIX lines; convert the EDF again with events",
    "csv": "a CSV of samples has none",
    "ego4d": "a gaze CSV of Ego4D has none",
}
"""By format: why a recording may hold no fixations of its tracker, and where they come from."""


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
