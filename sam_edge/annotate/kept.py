"""An accepted mask, and how a line of the journal holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sam_edge.annotate.answers import OBJECT
from sam_edge.everything import GeneratedMask
from sam_edge.masks import Rle
from sam_edge.masks.files import Entry


@dataclass(frozen=True, slots=True)
class Kept:
    """One accepted mask."""

    stem: str
    """The frame."""
    index: int
    """Number of the frame."""
    stage: str
    """`assisted`, `semi` or `automatic`."""
    mask: GeneratedMask
    """The mask, with the points that prompted it."""
    decision: str
    """`accepted` by the person as proposed, `corrected` by the person, or `confident`: by its scores alone."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Model, engine, versions, and the dwell that it goes back to."""
    category: str = OBJECT
    """What it shows, as the person called it."""
    number: int = 0
    """Its number in the journal, from 1, whatever was deleted before; given when it is kept."""


def content_of(kept: Kept) -> dict[str, Any]:
    """Return what the journal holds of a mask; its number is that of its line among those of masks."""
    return {
        "stem": kept.stem,
        "index": kept.index,
        "stage": kept.stage,
        "decision": kept.decision,
        "category": kept.category,
        "provenance": dict(kept.provenance),
        **kept.mask.record(),
    }


def read_kept(entry: Entry) -> Kept:
    """Read it back.

    Raises:
        InputError: a value is missing or not accepted.
    """
    points = entry.values.get("point_coords")
    if not isinstance(points, list) or not all(isinstance(one, list) and len(one) == 2 for one in points):
        raise entry.error("point_coords", points, "a list of points [x, y]")
    x, y, width, height = entry.numbers("bbox", 4)
    left, top, across, down = entry.numbers("crop_box", 4)
    mask = GeneratedMask(
        segmentation=Rle.from_json(entry.values.get("segmentation")),
        area=entry.whole("area"),
        bbox=(x, y, width, height),
        predicted_iou=entry.number("predicted_iou"),
        point_coords=tuple((float(px), float(py)) for px, py in points),
        stability_score=entry.number("stability_score"),
        crop_box=(left, top, across, down),
    )
    return Kept(
        stem=entry.text("stem"),
        index=entry.whole("index"),
        stage=entry.text("stage"),
        mask=mask,
        decision=entry.text("decision"),
        provenance=dict(entry.entry("provenance").values),
        category=entry.text("category"),
    )
