"""Labels of the objects of a recording."""

from __future__ import annotations

from sam_edge.timeline import TimelineTables


def object_labels(tables: TimelineTables) -> dict[int, str]:
    """Return the labels of those objects that have one."""
    further = () if tables.on_areas is None else (tables.on_areas,)
    return {
        number: label
        for table in (tables.timeline, tables.fixations, *further)
        for number, label in zip(table.values["object"].tolist(), table.values["label"].tolist(), strict=True)
        if label is not None
    }
