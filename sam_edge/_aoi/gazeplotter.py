"""Fixations as GazePlotter imports them: `stimulus,participant,timestamp,duration,eyemovementtype,AOI`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_edge._aoi.looks import Looks
from sam_edge.timeline.columns import Column
from sam_edge.timeline.table import Table, text_values

FIXATION = 0
"""GazePlotter's number for a fixation."""
SEPARATOR = "|"
"""Between the AOIs of one fixation."""
COLUMNS = (
    Column("stimulus", "text"),
    Column("participant", "text"),
    Column("timestamp", "float", 3),
    Column("duration", "float", 3),
    Column("eyemovementtype", "int"),
    Column("AOI", "text"),
)
"""A line a fixation; times in milliseconds."""


def gazeplotter_table(recording: str, sections: Sequence[Looks]) -> Table:
    """Return a line a fixation. A stimulus is a section, a participant a recording; times count from the section.

    A fixation on no object has an empty AOI, one on several has all of them.
    """
    rows = [(looks, *fixation) for looks in sections for fixation in looks.fixations()]
    begin_ns = np.array([looks.section.begin_ns for looks, _, _, _ in rows], np.int64)
    onset_ns = np.array([onset for _, onset, _, _ in rows], np.int64)
    end_ns = np.array([end for _, _, end, _ in rows], np.int64)
    names = [_name(looks, objects) for looks, _, _, objects in rows]
    stimuli = [looks.section.name for looks, _, _, _ in rows]
    return Table.from_values(
        COLUMNS,
        {
            "stimulus": text_values(stimuli),
            "participant": text_values([recording] * len(names)),
            "timestamp": (onset_ns - begin_ns) / 1e6,
            "duration": (end_ns - onset_ns) / 1e6,
            "eyemovementtype": np.full(len(names), FIXATION, np.int64),
            "AOI": text_values(names),
        },
    )


def _name(looks: Looks, objects: Sequence[int]) -> str | None:
    return SEPARATOR.join(looks.labels.get(number, str(number)) for number in objects) or None
