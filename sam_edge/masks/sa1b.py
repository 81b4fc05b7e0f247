"""SA-1B's annotations: one JSON file for each image, with all of its masks.

The layout is that of the dataset of Kirillov et al., "Segment Anything" (2023), as its page describes it. Keys that it
does not name are kept in `extra`, and written again. Boxes are x0, y0, x1, y1 here and x, y, width, height in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam_edge.errors import InputError
from sam_edge.masks.files import Entry, is_number, plain, plain_box, read_json, write_json
from sam_edge.masks.rle import Rle


@dataclass(frozen=True, slots=True)
class Sa1bMask:
    """One mask of an image."""

    mask_id: int
    """Number, unique in the file."""
    rle: Rle
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 around the mask, frame pixels."""
    area_px: int
    """Pixels of the mask."""
    predicted_iou: float
    """The model's prediction of the IoU with ground truth, 0..1."""
    stability_score: float
    """IoU of the masks at a higher and a lower threshold, 0..1."""
    crop_box: tuple[float, float, float, float]
    """x0, y0, x1, y1 of the part of the image that the model saw, frame pixels."""
    points: tuple[tuple[float, float], ...]
    """The points x, y in frame pixels that prompted it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file."""

    def to_json(self) -> dict[str, Any]:
        """Return the mask as an SA-1B file holds it."""
        return {
            **self.extra,
            "id": self.mask_id,
            "segmentation": self.rle.to_json(),
            "bbox": plain_box(self.box),
            "area": self.area_px,
            "predicted_iou": self.predicted_iou,
            "stability_score": self.stability_score,
            "crop_box": plain_box(self.crop_box),
            "point_coords": [[plain(x), plain(y)] for x, y in self.points],
        }


@dataclass(frozen=True, slots=True)
class Sa1bImage:
    """One image and its masks."""

    image_id: int
    file_name: str
    size: tuple[int, int]
    """(height, width), pixels."""
    masks: tuple[Sa1bMask, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file's `image`."""

    def check(self, name: str = "image") -> None:
        """Check that numbers are unique, and that masks fit the image and their own area.

        Raises:
            InputError: one of these is not so; the message names the annotation.
        """
        seen: set[int] = set()
        for mask in self.masks:
            here = f"{name}: annotation {mask.mask_id}"
            if mask.mask_id in seen:
                raise InputError(f"{here} occurs twice; give each a number of its own")
            seen.add(mask.mask_id)
            if mask.rle.size != self.size:
                raise InputError(
                    f"{here}: its mask is {mask.rle.size}, the image {self.size} (height, width)"
                )
            if mask.rle.area_px != mask.area_px:
                raise InputError(f"{here}: area is {mask.area_px}, its mask has {mask.rle.area_px} pixels")


def read_sa1b(path: str | Path) -> Sa1bImage:
    """Read a file of SA-1B.

    Raises:
        InputError: the file cannot be read, is damaged, or is inconsistent; the message says where.
    """
    content = read_json(path)
    entry = content.entry("image")
    image = Sa1bImage(
        image_id=entry.whole("image_id"),
        file_name=entry.text("file_name"),
        size=entry.size(),
        masks=tuple(_read_mask(item) for item in content.entries("annotations")),
        extra=entry.rest("image_id", "file_name", "height", "width"),
    )
    image.check(str(path))
    return image


def write_sa1b(path: str | Path, image: Sa1bImage) -> None:
    """Write a file of SA-1B; nothing half-written ever stands under `path`.

    Raises:
        InputError: numbers occur twice, or a mask does not fit the image or its own area.
        MediaError: the file cannot be written.
    """
    image.check()
    header = {
        **image.extra,
        "image_id": image.image_id,
        "width": image.size[1],
        "height": image.size[0],
        "file_name": image.file_name,
    }
    write_json(path, {"image": header, "annotations": [mask.to_json() for mask in image.masks]})


def _read_mask(entry: Entry) -> Sa1bMask:
    points = entry.values.get("point_coords")
    if not isinstance(points, list) or not all(map(_is_point, points)):
        raise entry.error("point_coords", points, "a list of points [x, y]")
    try:
        rle = Rle.from_json(entry.values.get("segmentation"))
    except InputError as error:
        raise InputError(f"{entry.name}: segmentation: {error}") from error
    return Sa1bMask(
        mask_id=entry.whole("id"),
        rle=rle,
        box=entry.box("bbox"),
        area_px=entry.whole("area"),
        predicted_iou=entry.number("predicted_iou"),
        stability_score=entry.number("stability_score"),
        crop_box=entry.box("crop_box"),
        points=tuple((float(x), float(y)) for x, y in points),
        extra=entry.rest(
            "id",
            "segmentation",
            "bbox",
            "area",
            "predicted_iou",
            "stability_score",
            "crop_box",
            "point_coords",
        ),
    )


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))
