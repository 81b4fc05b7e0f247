"""Which object the gaze was on, and when: a line a frame, a line a gaze sample, a line a fixation.

    builder = TimelineBuilder(samples, px_per_deg=15.0)
    for frame, selection in ...:
        builder.add(frame.time_ns, frame.end_ns, selection)
    tables = builder.finish()
    tables.fixations.write("fixations.csv")

Everything that counts looks is computed from samples and fixations, never from frames. docs/reference/tables.md defines
the columns.
"""

from sam_edge.timeline.builder import TimelineBuilder
from sam_edge.timeline.fixation_source import FixationOrigin, choose_fixation_origin
from sam_edge.timeline.mask_proximity import MaskProximity
from sam_edge.timeline.readers import read_table
from sam_edge.timeline.refit import refit_fixations
from sam_edge.timeline.table import TABLE_ENDINGS, Table, require_writer
from sam_edge.timeline.tables import (
    FIXATION_COLUMNS,
    FRAME_COLUMNS,
    SAMPLE_COLUMNS,
    TimelineTables,
    is_own_table,
)

__all__ = [
    "FIXATION_COLUMNS",
    "FRAME_COLUMNS",
    "SAMPLE_COLUMNS",
    "TABLE_ENDINGS",
    "FixationOrigin",
    "MaskProximity",
    "Table",
    "TimelineBuilder",
    "TimelineTables",
    "choose_fixation_origin",
    "is_own_table",
    "read_table",
    "refit_fixations",
    "require_writer",
]
