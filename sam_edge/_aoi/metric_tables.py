"""The metrics and the transitions as tables. Where Pupil Cloud's exports have a column, it has their name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.area_hits import NO_OBJECT
from sam_edge._aoi.looks import Looks
from sam_edge._aoi.metrics import ObjectMetrics
from sam_edge.timeline.columns import Column
from sam_edge.timeline.table import Table, text_values

METRIC_COLUMNS = (
    Column("recording name", "text"),
    Column("section", "text"),
    Column("label id", "int"),
    Column("aoi label", "text"),
    Column("total fixations", "int"),
    Column("total fixation duration [ms]", "float", 3),
    Column("average fixation duration [ms]", "float", 3),
    Column("first fixation duration [ms]", "float", 3),
    Column("time to first fixation [ms]", "float", 3),
    Column("dwell time [ms]", "float", 3),
    Column("visits", "int"),
    Column("revisits", "int"),
    Column("hit", "bool"),
    Column("shared fixations", "int"),
    Column("visible time [ms]", "float", 3),
)
"""A line an object and section."""
TRANSITION_COLUMNS = (
    Column("recording name", "text"),
    Column("section", "text"),
    Column("from", "int"),
    Column("to", "int"),
    Column("count", "int"),
)
"""A line a pair of objects that follow one another."""


FIXATION_COLUMNS = (
    Column("recording name", "text"),
    Column("section", "text"),
    Column("label id", "int"),
    Column("aoi label", "text"),
    Column("fixation id", "int"),
    Column("fixation duration [ms]", "float", 3),
)
"""A line a fixation and object that it was on."""


@dataclass(frozen=True, slots=True)
class SectionMetrics:
    """What a section's lines are made of."""

    section: str
    """Name of the section."""
    objects: Sequence[ObjectMetrics]
    """Its objects."""
    transitions: Mapping[tuple[int, int], int]
    """How often each pair (from, to) follows one another."""


def metrics_table(recording: str, sections: Sequence[SectionMetrics]) -> Table:
    """Return a line for each object of each section."""
    rows = [(item.section, metrics) for item in sections for metrics in item.objects]
    metrics = [row for _, row in rows]
    return Table.from_values(
        METRIC_COLUMNS,
        {
            "recording name": text_values([recording] * len(rows)),
            "section": text_values([section for section, _ in rows]),
            "label id": _whole([row.object_id for row in metrics]),
            "aoi label": text_values([row.label for row in metrics]),
            "total fixations": _whole([row.fixations for row in metrics]),
            "total fixation duration [ms]": _numbers([row.total_fixation_ms for row in metrics]),
            "average fixation duration [ms]": _numbers([row.mean_fixation_ms for row in metrics]),
            "first fixation duration [ms]": _numbers([row.first_fixation_ms for row in metrics]),
            "time to first fixation [ms]": _numbers([row.time_to_first_fixation_ms for row in metrics]),
            "dwell time [ms]": _numbers([row.dwell_ms for row in metrics]),
            "visits": _whole([row.visits for row in metrics]),
            "revisits": _whole([row.revisits for row in metrics]),
            "hit": np.array([row.hit for row in metrics], np.bool_),
            "shared fixations": _whole([row.shared_fixations for row in metrics]),
            "visible time [ms]": _numbers([row.visible_ms for row in metrics]),
        },
    )


def transitions_table(recording: str, sections: Sequence[SectionMetrics]) -> Table:
    """Return a line for each pair of objects of each section, in order of their numbers."""
    rows = [
        (item.section, pair, count) for item in sections for pair, count in sorted(item.transitions.items())
    ]
    return Table.from_values(
        TRANSITION_COLUMNS,
        {
            "recording name": text_values([recording] * len(rows)),
            "section": text_values([section for section, _, _ in rows]),
            "from": _whole([before for _, (before, _), _ in rows]),
            "to": _whole([after for _, (_, after), _ in rows]),
            "count": _whole([count for _, _, count in rows]),
        },
    )


def fixations_table(recording: str, numbers: NDArray[np.int64], sections: Sequence[Looks]) -> Table:
    """Return a line for each fixation of each section and each object that it was on.

    Args:
        recording: its name.
        numbers: (F,) number of each fixation of the recording.
        sections: fixations of each section.
    """
    rows = [
        (looks, row, number)
        for looks in sections
        for row, number in enumerate(looks.fixation_object.tolist())
        if number != NO_OBJECT
    ]
    durations = [(looks.end_ns[row] - looks.onset_ns[row]) / 1e6 for looks, row, _ in rows]
    return Table.from_values(
        FIXATION_COLUMNS,
        {
            "recording name": text_values([recording] * len(rows)),
            "section": text_values([looks.section.name for looks, _, _ in rows]),
            "label id": _whole([number for _, _, number in rows]),
            "aoi label": text_values([looks.labels.get(number) for looks, _, number in rows]),
            "fixation id": _whole([int(numbers[looks.fixation[row]]) for looks, row, _ in rows]),
            "fixation duration [ms]": _numbers(durations),
        },
    )


def _whole(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else value for value in values], np.float64)
