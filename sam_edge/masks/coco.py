"""COCO's object annotations (`instances_*.json`): read with every value checked, and written.

The layout is that of https://cocodataset.org/#format-data. Keys that it does not name are kept in `extra`, and written
again. Boxes are x0, y0, x1, y1 here, as everywhere in sam-edge, and x, y, width, height in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.masks.boxes import mask_to_box
from sam_edge.masks.files import Entry, is_number, plain, plain_box, read_json, write_json
from sam_edge.masks.polygons import mask_to_polygons, polygons_to_mask
from sam_edge.masks.rle import Rle

Polygons = tuple[tuple[float, ...], ...]
"""Polygons of one object, each x0, y0, x1, y1, ... in frame pixels."""


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image."""

    image_id: int
    """Number by which annotations name it."""
    file_name: str
    """Path of its file, relative to the folder of images."""
    size: tuple[int, int]
    """(height, width), pixels."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file, for example `license`."""


@dataclass(frozen=True, slots=True)
class CocoCategory:
    """A category of objects."""

    category_id: int
    """Number by which annotations name it."""
    name: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file, for example `supercategory`."""


@dataclass(frozen=True, slots=True)
class CocoAnnotation:
    """One object in one image."""

    annotation_id: int
    """Number, unique in the file."""
    image_id: int
    category_id: int
    segmentation: Rle | Polygons
    """The mask as run lengths or polygons. The mask of several polygons is their union."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in frame pixels; zeros for an empty mask."""
    area_px: float
    """Area of the mask, square pixels."""
    crowd: bool = False
    """Whether it annotates a group of objects, COCO's `iscrowd`."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file, for example `score`, or where the mask came from."""

    @classmethod
    def of(
        cls,
        mask: NDArray[np.bool_],
        *,
        annotation_id: int,
        image_id: int,
        category_id: int,
        as_polygons: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> CocoAnnotation:
        """Describe a mask, bool (H, W). Both forms keep it exactly.

        Raises:
            InputError: the mask is not bool (H, W), or is empty and to be written as polygons.
        """
        area_px = int(np.count_nonzero(mask))
        if as_polygons and area_px == 0:
            raise InputError("mask: empty; an empty mask has no polygons; write it as run lengths")
        outlines = (
            tuple(tuple(outline.ravel().tolist()) for outline in mask_to_polygons(mask))
            if as_polygons
            else ()
        )
        return cls(
            annotation_id=annotation_id,
            image_id=image_id,
            category_id=category_id,
            segmentation=outlines if as_polygons else Rle.from_mask(mask),
            box=mask_to_box(mask) or (0.0, 0.0, 0.0, 0.0),
            area_px=area_px,
            extra=dict(extra or {}),
        )

    def mask(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask, bool (H, W), for an image of `size` (height, width).

        Raises:
            InputError: the run lengths are those of another size.
        """
        if not isinstance(self.segmentation, Rle):
            return polygons_to_mask(self.segmentation, size)
        if self.segmentation.size != size:
            raise InputError(
                f"annotation {self.annotation_id}: its mask is {self.segmentation.size}, the image {size}"
            )
        return self.segmentation.mask()

    def to_json(self) -> dict[str, Any]:
        """Return the annotation as a COCO file holds it."""
        if isinstance(self.segmentation, Rle):
            segmentation: Any = self.segmentation.to_json()
        else:
            segmentation = [[plain(value) for value in polygon] for polygon in self.segmentation]
        return {
            **self.extra,
            "id": self.annotation_id,
            "image_id": self.image_id,
            "category_id": self.category_id,
            "segmentation": segmentation,
            "bbox": plain_box(self.box),
            "area": plain(self.area_px),
            "iscrowd": int(self.crowd),
        }


@dataclass(frozen=True, slots=True)
class CocoDataset:
    """Images, categories, and the annotated objects."""

    images: tuple[CocoImage, ...]
    categories: tuple[CocoCategory, ...]
    annotations: tuple[CocoAnnotation, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file, for example `info` and `licenses`."""

    def check(self, name: str = "dataset") -> None:
        """Check that numbers are unique and refer to something, and that masks have the size of their image.

        Raises:
            InputError: one of these is not so; the message names the annotation.
        """
        sizes = {image.image_id: image.size for image in self.images}
        category_ids = {category.category_id for category in self.categories}
        _check_unique(name, "image", [image.image_id for image in self.images])
        _check_unique(name, "category", [category.category_id for category in self.categories])
        _check_unique(name, "annotation", [annotation.annotation_id for annotation in self.annotations])
        for annotation in self.annotations:
            here = f"{name}: annotation {annotation.annotation_id}"
            if annotation.image_id not in sizes:
                raise InputError(f"{here}: image_id {annotation.image_id} is no image of the file")
            if annotation.category_id not in category_ids:
                raise InputError(f"{here}: category_id {annotation.category_id} is no category of the file")
            if (
                isinstance(annotation.segmentation, Rle)
                and annotation.segmentation.size != sizes[annotation.image_id]
            ):
                raise InputError(
                    f"{here}: its mask is {annotation.segmentation.size}, its image {sizes[annotation.image_id]} "
                    "(height, width)"
                )


def read_coco(path: str | Path) -> CocoDataset:
    """Read a COCO file of object annotations.

    Raises:
        InputError: the file cannot be read, is damaged, or is inconsistent; the message says where.
    """
    content = read_json(path)
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
        extra=entry.rest("id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd"),
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


def _check_unique(name: str, what: str, numbers: Iterable[int]) -> None:
    seen: set[int] = set()
    for number in numbers:
        if number in seen:
            raise InputError(f"{name}: {what} {number} occurs twice; give each a number of its own")
        seen.add(number)
