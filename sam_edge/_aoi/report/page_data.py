"""What the page computes from: objects, fixations and runs of samples as plain values. Times are milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sam_edge._aoi.area_hits import NO_OBJECT
from sam_edge._aoi.areas import Area
from sam_edge._aoi.looks import Looks, Section
from sam_edge._aoi.object_labels import object_labels
from sam_edge._aoi.report.dwell_runs import find_dwell_runs
from sam_edge._aoi.report.gaze_on_objects import place_fixations
from sam_edge._aoi.report.object_picture import PagePicture
from sam_edge._aoi.study import Study
from sam_edge.timeline import TimelineTables


def page_data(study: Study, tables: TimelineTables, pictures: Mapping[int, PagePicture]) -> dict[str, Any]:
    """Return the values for `JSON.parse`; `pictures` are those of the objects, by number."""
    fixations, runs = list(_fixations(study, tables)), find_dwell_runs(tables, study)
    labels = object_labels(tables)
    looked_at = {entry[2] for entry in fixations} | {run.object_id for run in runs}
    areas = {area.number: area for area in study.areas}
    numbers = sorted({*looked_at, *pictures, *labels, *areas} - {NO_OBJECT})
    return {
        "recording": study.recording,
        "duration": _ms(study.duration_ns),
        "maxOff": study.options.max_off_ms,
        "warnings": list(study.warnings),
        "sections": [
            {"name": section.name, "begin": _ms(section.begin_ns), "end": _ms(section.end_ns)}
            for section in study.sections
        ],
        "objects": [
            {
                "id": number,
                "label": areas[number].name if number in areas else labels.get(number),
                "picture": _picture(pictures.get(number)),
                "visible": _spans(areas.get(number)),
            }
            for number in numbers
        ],
        "fixations": fixations,
        "runs": [[run.object_id, _ms(run.begin_ns), _ms(run.end_ns), run.samples] for run in runs],
    }


def _fixations(study: Study, tables: TimelineTables) -> Iterator[list[Any]]:
    """Yield onset, end, object, and the position on its box, of each fixation within the recording."""
    looks = Looks.from_tables(tables, Section("", 0, study.duration_ns), study.options)
    points = place_fixations(tables).tolist()
    shown = tables.fixations.values["object"].tolist()
    spans = zip(looks.onset_ns.tolist(), looks.end_ns.tolist(), looks.fixation_object.tolist(), strict=True)
    for row, (onset, end, number) in zip(looks.fixation.tolist(), spans, strict=True):
        x, y = points[row]
        known = number != NO_OBJECT and number == shown[row] and x == x
        yield [_ms(onset), _ms(end), number, *([round(x, 4), round(y, 4)] if known else [None, None])]


def _spans(area: Area | None) -> list[list[float]] | None:
    return None if area is None else [[_ms(begin), _ms(end)] for begin, end in area.visible_ns]


def _picture(picture: PagePicture | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    return {
        "source": picture.source,
        "height": picture.size[0],
        "width": picture.size[1],
        "outline": picture.outline,
        "box": picture.box,
        "time": round(picture.time_s, 3),
    }


def _ms(time_ns: int) -> float:
    return round(time_ns / 1e6, 6)
