"""Images, categories and annotations of a COCO file, and the checks that they fit together.

Boxes are x0, y0, x1, y1 here, as everywhere in sam-edge, and x, y, width, height in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.masks.boxes import mask_to_box
from sam_edge.masks.files import plain, plain_box
from sam_edge.masks.loose_entries import Polygons
from sam_edge.masks.polygons import mask_to_polygons, polygons_to_mask
from sam_edge.masks.rle import Rle

ANNOTATION_KEYS = ("id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd")
"""Keys of an annotation that have a field of their own."""


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
    notes: tuple[str, ...] = ()
    """What `read_coco` replaced or left out, one line for each kind; empty where it read all as it stands."""

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


def _check_unique(name: str, what: str, numbers: Iterable[int]) -> None:
    seen: set[int] = set()
    for number in numbers:
        if number in seen:
            raise InputError(f"{name}: {what} {number} occurs twice; give each a number of its own")
        seen.add(number)
