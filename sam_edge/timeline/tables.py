"""The three tables, and the columns of each. docs/reference/tables.md defines them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam_edge.timeline.columns import Column
from sam_edge.timeline.table import Table

FRAME_COLUMNS = (
    Column("frame", "int"),
    Column("time_s", "time"),
    Column("object", "int"),
    Column("label", "text"),
    Column("state", "text"),
    Column("origin", "text"),
    Column("age_ms", "float", 3),
    Column("predicted_iou", "float", 4),
    Column("x0", "float", 2),
    Column("y0", "float", 2),
    Column("x1", "float", 2),
    Column("y1", "float", 2),
    Column("area_px", "int"),
    Column("gaze_x_px", "float", 3),
    Column("gaze_y_px", "float", 3),
    Column("gaze_valid", "bool"),
    Column("on_object", "float", 4),
    Column("fixation", "int"),
)
"""A line a frame."""
SAMPLE_COLUMNS = (
    Column("time_s", "time"),
    Column("x_px", "float", 3),
    Column("y_px", "float", 3),
    Column("valid", "bool"),
    Column("object", "int"),
    Column("on_object", "float", 4),
    Column("distance_deg", "float", 4),
)
"""A line a gaze sample."""
FIXATION_COLUMNS = (
    Column("fixation", "int"),
    Column("kind", "text"),
    Column("start_s", "time"),
    Column("end_s", "time"),
    Column("duration_ms", "float", 3),
    Column("x_px", "float", 3),
    Column("y_px", "float", 3),
    Column("spread_px", "float", 3),
    Column("object", "int"),
    Column("label", "text"),
    Column("on_object", "float", 4),
    Column("distance_deg", "float", 4),
)
"""A line a fixation."""

HEADERS = [
    ",".join(column.name for column in columns)
    for columns in (FRAME_COLUMNS, SAMPLE_COLUMNS, FIXATION_COLUMNS)
]


@dataclass(frozen=True, slots=True, eq=False)
class TimelineTables:
    """Which object the gaze was on: by frames, by samples, and by fixations."""

    timeline: Table
    """A line a frame, in order."""
    samples: Table
    """A line a gaze sample, in order of time; those before and after the video, too."""
    fixations: Table
    """A line a fixation, in order of time."""
    on_areas: Table | None = None
    """A line a gaze sample and AOI that was defined beforehand and that it is on; None without any."""


def is_own_table(path: Path) -> bool:
    """Return whether an existing file may be one of these tables: another CSV has other columns."""
    if path.suffix.lower() != ".csv":
        return True
    with path.open("rb") as handle:
        header = handle.readline(1000).decode("utf-8", "replace").strip()
    return not header or header in HEADERS
