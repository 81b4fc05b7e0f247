"""AOIs that were defined beforehand, as the tables and metrics know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sam_edge.timeline import TimelineTables
from sam_edge.timeline.columns import Column
from sam_edge.timeline.table import Table, text_values

AREA_SAMPLE_COLUMNS = (
    Column("time_s", "time"),
    Column("object", "int"),
    Column("label", "text"),
    Column("on_object", "float", 4),
)
"""A line a gaze sample and AOI that it is on with a probability of 0.01 or more."""
AREA_SAMPLES = "aoi_samples"
"""Name of that table."""
VISIBLE_COLUMNS = (
    Column("label id", "int"),
    Column("aoi label", "text"),
    Column("begin_s", "time"),
    Column("end_s", "time"),
)
"""A line a span of time in which an AOI is visible."""


@dataclass(frozen=True, slots=True)
class Area:
    """A defined AOI of a recording."""

    number: int
    """Its number among the objects."""
    name: str
    """What it is called."""
    visible_ns: tuple[tuple[int, int], ...] = ()
    """When it is visible: begin and end of each span, nanoseconds after the first frame, in order."""

    def visible_ms(self, begin_ns: int, end_ns: int) -> float:
        """Return for how long it is visible within a span of time, milliseconds."""
        return sum(max(0, min(end, end_ns) - max(begin, begin_ns)) for begin, end in self.visible_ns) / 1e6


def merge_spans(areas: list[Area]) -> tuple[tuple[int, int], ...]:
    """Return when any of some AOIs is visible."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(span for area in areas for span in area.visible_ns):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return tuple(merged)


def visible_table(areas: tuple[Area, ...]) -> Table:
    """Return a line for each span in which an AOI is visible."""
    rows = [(area, *span) for area in areas for span in area.visible_ns]
    return Table.from_values(
        VISIBLE_COLUMNS,
        {
            "label id": np.array([area.number for area, _, _ in rows], np.int64),
            "aoi label": text_values([area.name for area, _, _ in rows]),
            "begin_s": np.array([begin for _, begin, _ in rows], np.int64),
            "end_s": np.array([end for _, _, end in rows], np.int64),
        },
    )


def relabel_objects(table: Table, labels: Mapping[int, str]) -> Table:
    """Return a table whose objects have these labels, and no others."""
    texts = [labels.get(number) for number in table.values["object"].tolist()]
    return replace(table, values={**table.values, "label": text_values(texts)})


def is_known(tables: TimelineTables, number: int) -> bool:
    """Return whether an object is in the tables: one that turned out to be a defined AOI is not."""
    return any((table.values["object"] == number).any() for table in (tables.timeline, tables.fixations))
