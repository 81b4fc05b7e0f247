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
    """One picture."""

    image_id: int
    """Its number; annotations name it."""
    file_name: str
    """Its file, relative to the folder of pictures."""
    size: tuple[int, int]
    """(height, width), pixels."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file, for example `license`."""


@dataclass(frozen=True, slots=True)
class CocoCategory:
    """One kind of thing."""

    category_id: int
    """Its number; annotations name it."""
    name: str
    """What it is called."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file, for example `supercategory`."""


@dataclass(frozen=True, slots=True)
class CocoAnnotation:
    """One object in one picture."""

    annotation_id: int
    """Its number."""
    image_id: int
    """The picture that it is in."""
    category_id: int
    """What it is."""
    segmentation: Rle | Polygons
    """Its mask, or its outlines; the mask of polygons is all that any of them holds."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in frame pixels; zeros for an empty mask."""
    area_px: float
    """Its area, square pixels."""
    crowd: bool = False
    """Whether it stands for a group of things."""
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
        outlines = tuple(tuple(one.ravel().tolist()) for one in mask_to_polygons(mask)) if as_polygons else ()
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
        """Return the mask, bool (H, W), for a picture of `size` (height, width).

        Raises:
            InputError: the run lengths are those of another size.
        """
        if not isinstance(self.segmentation, Rle):
            return polygons_to_mask(self.segmentation, size)
        if self.segmentation.size != size:
            raise InputError(
                f"annotation {self.annotation_id}: its mask is {self.segmentation.size}, the picture {size}"
            )
        return self.segmentation.mask()

    def to_json(self) -> dict[str, Any]:
        """Return what a COCO file holds of it."""
        given = self.segmentation
        outlines = (
            given.to_json() if isinstance(given, Rle) else [[plain(one) for one in part] for part in given]
        )
        return {
            **self.extra,
            "id": self.annotation_id,
            "image_id": self.image_id,
            "category_id": self.category_id,
            "segmentation": outlines,
            "bbox": plain_box(self.box),
            "area": plain(self.area_px),
            "iscrowd": int(self.crowd),
        }


@dataclass(frozen=True, slots=True)
class CocoDataset:
    """Pictures, what kinds of things there are, and the things."""

    images: tuple[CocoImage, ...]
    """The pictures."""
    categories: tuple[CocoCategory, ...]
    """The kinds of things."""
    annotations: tuple[CocoAnnotation, ...]
    """The things."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file, for example `info` and `licenses`."""

    def check(self, name: str = "dataset") -> None:
        """Refuse numbers that occur twice or name nothing, and masks of another size than their picture.

        Raises:
            InputError: one of that.
        """
        sizes = {image.image_id: image.size for image in self.images}
        kinds = {category.category_id for category in self.categories}
        _check_unique(name, "image", [image.image_id for image in self.images])
        _check_unique(name, "category", [category.category_id for category in self.categories])
        _check_unique(name, "annotation", [one.annotation_id for one in self.annotations])
        for one in self.annotations:
            here = f"{name}: annotation {one.annotation_id}"
            if one.image_id not in sizes:
                raise InputError(f"{here}: image_id {one.image_id} is no picture of the file")
            if one.category_id not in kinds:
                raise InputError(f"{here}: category_id {one.category_id} is no category of the file")
            if isinstance(one.segmentation, Rle) and one.segmentation.size != sizes[one.image_id]:
                raise InputError(
                    f"{here}: its mask is {one.segmentation.size}, its picture {sizes[one.image_id]} (height, width)"
                )


def read_coco(path: str | Path) -> CocoDataset:
    """Read a COCO file of object annotations.

    Raises:
        InputError: it cannot be read, is damaged, or something in it does not fit; the message names it.
    """
    content = read_json(path)
    dataset = CocoDataset(
        images=tuple(
            CocoImage(
                one.whole("id"),
                one.text("file_name"),
                one.size(),
                one.rest("id", "file_name", "height", "width"),
            )
            for one in content.entries("images")
        ),
        categories=tuple(
            CocoCategory(one.whole("id"), one.text("name"), one.rest("id", "name"))
            for one in content.entries("categories")
        ),
        annotations=tuple(_read_annotation(one) for one in content.entries("annotations")),
        extra=content.rest("images", "categories", "annotations"),
    )
    dataset.check(str(path))
    return dataset


def write_coco(path: str | Path, dataset: CocoDataset) -> None:
    """Write a COCO file of object annotations; nothing half-written ever stands under `path`.

    Raises:
        InputError: numbers occur twice or name nothing, or masks have another size than their picture.
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
                {**one.extra, "id": one.category_id, "name": one.name} for one in dataset.categories
            ],
            "annotations": [annotation.to_json() for annotation in dataset.annotations],
        },
    )


def _read_annotation(one: Entry) -> CocoAnnotation:
    crowd = one.whole("iscrowd", 0)
    if crowd not in (0, 1):
        raise one.error("iscrowd", crowd, "0 or 1")
    area_px = one.number("area")
    if area_px < 0:
        raise one.error("area", area_px, "0 or more")
    return CocoAnnotation(
        annotation_id=one.whole("id"),
        image_id=one.whole("image_id"),
        category_id=one.whole("category_id"),
        segmentation=_read_segmentation(one),
        box=one.box("bbox"),
        area_px=area_px,
        crowd=bool(crowd),
        extra=one.rest("id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd"),
    )


def _read_segmentation(one: Entry) -> Rle | Polygons:
    value = one.values.get("segmentation")
    if isinstance(value, Mapping):
        try:
            return Rle.from_json(value)
        except InputError as error:
            raise InputError(f"{one.name}: segmentation: {error}") from error
    parts = value if isinstance(value, list) else []
    if not parts or not all(_is_outline(part) for part in parts):
        raise one.error("segmentation", value, "run lengths, or polygons [x0, y0, x1, y1, x2, y2, ...]")
    return tuple(tuple(float(number) for number in part) for part in parts)


def _is_outline(part: object) -> bool:
    return isinstance(part, list) and len(part) >= 6 and len(part) % 2 == 0 and all(map(is_number, part))


def _check_unique(name: str, what: str, numbers: Iterable[int]) -> None:
    seen: set[int] = set()
    for number in numbers:
        if number in seen:
            raise InputError(f"{name}: {what} {number} occurs twice; give each a number of its own")
        seen.add(number)
