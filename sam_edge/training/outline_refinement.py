"""Outlines drawn by hand are coarse; the model itself finds the object's edge inside and near them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.masks import iou, mask_to_box, mask_to_polygons
from sam_edge.media.atomic import write_atomically
from sam_edge.segmenter import Segmenter
from sam_edge.training.photographs import ObjectOutline, read_photograph

MIN_IOU = 0.75
"""A mask that overlaps the drawn outline less than this is another object, and the outline is left out."""
TOLERANCE_PX = 0.5
"""Corners of a refined outline are left out as long as it moves by no more than this."""


def refine_outlines(
    outlines: Sequence[ObjectOutline], model: Segmenter, *, advance: Callable[[], None] = lambda: None
) -> list[ObjectOutline]:
    """Replace each outline by that of the model's mask of the same object; those that it does not find are left out.

    Args:
        outlines: drawn by hand, all of a photograph one after the other.
        model: encodes each photograph once.
        advance: called after each photograph.
    """
    refined: list[ObjectOutline] = []
    for path, group in groupby(outlines, key=lambda outline: outline.photograph):
        image = read_photograph(path)
        embedding = model.encode(image)
        for outline in group:
            drawn = outline.mask((image.shape[0], image.shape[1])) > 0
            box = mask_to_box(drawn)
            if box is None:
                continue
            masks = model.decode(embedding, boxes=box).masks
            best = max(masks, key=lambda mask: float(iou(mask, drawn)))
            if float(iou(best, drawn)) >= MIN_IOU:
                refined.append(ObjectOutline(path, largest_outline(best)))
        advance()
    return refined


def largest_outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the outline of a mask's largest piece, in 0..1 of the sides."""
    polygons = mask_to_polygons(mask, tolerance_px=TOLERANCE_PX)
    largest = max(polygons, key=lambda polygon: cv2.contourArea(polygon.astype(np.float32)))
    return largest / (mask.shape[1], mask.shape[0])


def write_outlines(path: Path, outlines: Sequence[ObjectOutline]) -> None:
    """Keep outlines in a JSON file."""
    entries = [
        {"photograph": str(item.photograph), "polygon": np.round(item.polygon, 5).tolist()}
        for item in outlines
    ]
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(entries), encoding="utf-8")


def read_outlines(path: Path) -> Iterator[ObjectOutline]:
    """Read what `write_outlines` wrote."""
    for entry in json.loads(path.read_text(encoding="utf-8")):
        yield ObjectOutline(Path(entry["photograph"]), np.array(entry["polygon"]))
