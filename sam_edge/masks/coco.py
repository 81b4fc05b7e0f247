"""COCO's object annotations (`instances_*.json`): read with every value checked, and written.

The layout is that of https://cocodataset.org/#format-data. Keys that it does not name are kept in `extra`, and written
again. Boxes are x0, y0, x1, y1 here, as everywhere in sam-edge, and x, y, width, height in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sam_edge.errors import InputError
from sam_edge.masks.coco_reader import read_loosely
from sam_edge.masks.coco_types import (
    ANNOTATION_KEYS,
    CocoAnnotation,
    CocoCategory,
    CocoDataset,
    CocoImage,
)
from sam_edge.masks.files import Entry, is_number, read_content, write_json
from sam_edge.masks.loose_entries import Polygons
from sam_edge.masks.notes import warn_of_notes
from sam_edge.masks.rle import Rle

__all__ = [
    "CocoAnnotation",
    "CocoCategory",
    "CocoDataset",
    "CocoImage",
    "Polygons",
    "read_coco",
    "write_coco",
]


def read_coco(path: str | Path, *, strict: bool = False) -> CocoDataset:
    """Read a COCO file of object annotations, or a list of results as pycocotools evaluates them.

    Files of other tools often differ from the format: ids and sizes as text, boxes without masks, polygons or run
    lengths as flat lists, areas that are missing. What can be read is read. What was replaced or left out is in `notes`
    of the result, and a `SamEdgeWarning` names it.

    Args:
        path: the file.
        strict: refuse a file that differs from the format.

    Raises:
        InputError: the file cannot be read, or is no such file; with `strict`, it is damaged or inconsistent, and the
            message says where.
    """
    if not strict:
        dataset = read_loosely(path, read_content(path))
        warn_of_notes(path, dataset.notes, stacklevel=2)
        return dataset
    content = Entry.of(read_content(path), str(path))
    dataset = CocoDataset(
        images=tuple(
            CocoImage(
                entry.whole("id"),
                entry.text("file_name"),
                entry.size(),
                entry.rest("id", "file_name", "height", "width"),
            )
            for entry in content.entries("images")
        ),
        categories=tuple(
            CocoCategory(entry.whole("id"), entry.text("name"), entry.rest("id", "name"))
            for entry in content.entries("categories")
        ),
        annotations=tuple(_read_annotation(entry) for entry in content.entries("annotations")),
        extra=content.rest("images", "categories", "annotations"),
    )
    dataset.check(str(path))
    return dataset


def write_coco(path: str | Path, dataset: CocoDataset) -> None:
    """Write a COCO file of object annotations; nothing half-written ever stands under `path`.

    Raises:
        InputError: numbers occur twice or name nothing, or masks have another size than their image.
        MediaError: the file cannot be written.
    """
    dataset.check()
    write_json(
        path,
        {
            **dataset.extra,
            "images": [
                {
                    **image.extra,
                    "id": image.image_id,
                    "file_name": image.file_name,
                    "height": image.size[0],
                    "width": image.size[1],
                }
                for image in dataset.images
            ],
            "categories": [
                {**category.extra, "id": category.category_id, "name": category.name}
                for category in dataset.categories
            ],
            "annotations": [annotation.to_json() for annotation in dataset.annotations],
        },
    )


def _read_annotation(entry: Entry) -> CocoAnnotation:
    crowd = entry.whole("iscrowd", 0)
    if crowd not in (0, 1):
        raise entry.error("iscrowd", crowd, "0 or 1")
    area_px = entry.number("area")
    if area_px < 0:
        raise entry.error("area", area_px, "0 or more")
    return CocoAnnotation(
        annotation_id=entry.whole("id"),
        image_id=entry.whole("image_id"),
        category_id=entry.whole("category_id"),
        segmentation=_read_segmentation(entry),
        box=entry.box("bbox"),
        area_px=area_px,
        crowd=bool(crowd),
        extra=entry.rest(*ANNOTATION_KEYS),
    )


def _read_segmentation(entry: Entry) -> Rle | Polygons:
    value = entry.values.get("segmentation")
    if isinstance(value, Mapping):
        try:
            return Rle.from_json(value)
        except InputError as error:
            raise InputError(f"{entry.name}: segmentation: {error}") from error
    parts = value if isinstance(value, list) else []
    if not parts or not all(_is_outline(part) for part in parts):
        raise entry.error("segmentation", value, "run lengths, or polygons [x0, y0, x1, y1, x2, y2, ...]")
    return tuple(tuple(float(number) for number in part) for part in parts)


def _is_outline(part: object) -> bool:
    return isinstance(part, list) and len(part) >= 6 and len(part) % 2 == 0 and all(map(is_number, part))
