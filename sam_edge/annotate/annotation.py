"""An accepted mask, and its line in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sam_edge.annotate.answers import OBJECT
from sam_edge.everything import GeneratedMask
from sam_edge.masks import Rle
from sam_edge.masks.files import Entry

CONFIDENT = "confident"
"""The decision about masks that were accepted by their scores alone, without a person."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One accepted mask."""

    stem: str
    """File name of the frame, without its suffix."""
    index: int
    """Number of the frame."""
    stage: str
    """`assisted`, `semi` or `automatic`."""
    mask: GeneratedMask
    """The mask, with the points that prompted it."""
    decision: str
    """`accepted` by a person as proposed, `corrected` by a person, or `confident`: by its scores alone."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Model, engine, versions, and the dwell that proposed it."""
    category: str = OBJECT
    """Label of the object."""
    number: int = 0
    """Number in the journal, from 1; it stays when others are deleted. The journal sets it."""


def annotation_to_json(annotation: Annotation) -> dict[str, Any]:
    """Return the journal's line; the number is not in it: it is that of the line among those of masks."""
    return {
        "stem": annotation.stem,
        "index": annotation.index,
        "stage": annotation.stage,
        "decision": annotation.decision,
        "category": annotation.category,
        "provenance": dict(annotation.provenance),
        **annotation.mask.record(),
    }


def annotation_from_json(entry: Entry) -> Annotation:
    """Read a line that `annotation_to_json` wrote.

    Raises:
        InputError: a value is missing or not accepted.
    """
    points = entry.values.get("point_coords")
    if not isinstance(points, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in points):
        raise entry.error("point_coords", points, "a list of points [x, y]")
    x, y, width, height = entry.numbers("bbox", 4)
    left, top, crop_width, crop_height = entry.numbers("crop_box", 4)
    mask = GeneratedMask(
        segmentation=Rle.from_json(entry.values.get("segmentation")),
        area=entry.whole("area"),
        bbox=(x, y, width, height),
        predicted_iou=entry.number("predicted_iou"),
        point_coords=tuple((float(px), float(py)) for px, py in points),
        stability_score=entry.number("stability_score"),
        crop_box=(left, top, crop_width, crop_height),
    )
    return Annotation(
        stem=entry.text("stem"),
        index=entry.whole("index"),
        stage=entry.text("stage"),
        mask=mask,
        decision=entry.text("decision"),
        provenance=dict(entry.entry("provenance").values),
        category=entry.text("category"),
    )
