"""Fixations as GazePlotter imports them: `stimulus,participant,timestamp,duration,eyemovementtype,AOI`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_edge._aoi.looks import NO_OBJECT, Looks
from sam_edge.timeline.columns import Column
from sam_edge.timeline.table import Table, text_values

FIXATION = 0
"""GazePlotter's number for a fixation."""
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

    A fixation on no object has an empty AOI.
    """
    counts = [len(looks.onset_ns) for looks in sections]
    begin_ns = np.repeat(np.array([looks.section.begin_ns for looks in sections], np.int64), counts)
    onset_ns = np.concatenate([np.zeros(0, np.int64), *(looks.onset_ns for looks in sections)])
    end_ns = np.concatenate([np.zeros(0, np.int64), *(looks.end_ns for looks in sections)])
    names = [_name(looks, number) for looks in sections for number in looks.fixation_object.tolist()]
    stimuli = [
        looks.section.name for looks, count in zip(sections, counts, strict=True) for _ in range(count)
    ]
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


def _name(looks: Looks, object_id: int) -> str | None:
    return None if object_id == NO_OBJECT else looks.labels.get(object_id, str(object_id))
