"""SA-1B's annotations: one JSON file for one picture, with every mask that was found in it.

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
    """One mask of a picture."""

    mask_id: int
    """Its number."""
    rle: Rle
    """The mask."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 round the mask, frame pixels."""
    area_px: int
    """Pixels of the mask."""
    predicted_iou: float
    """IoU with the truth as the model predicts it."""
    stability_score: float
    """IoU of the masks at a higher and a lower threshold."""
    crop_box: tuple[float, float, float, float]
    """x0, y0, x1, y1 of the part of the picture that the model saw."""
    points: tuple[tuple[float, float], ...]
    """The points x, y in frame pixels that prompted it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file."""

    def to_json(self) -> dict[str, Any]:
        """Return what an SA-1B file holds of it."""
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
    """One picture and its masks."""

    image_id: int
    """Its number."""
    file_name: str
    """Its file."""
    size: tuple[int, int]
    """(height, width), pixels."""
    masks: tuple[Sa1bMask, ...]
    """What was found in it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the file's `image`."""

    def check(self, name: str = "picture") -> None:
        """Refuse numbers that occur twice, and masks that do not fit the picture or their own area.

        Raises:
            InputError: one of that.
        """
        seen: set[int] = set()
        for one in self.masks:
            here = f"{name}: annotation {one.mask_id}"
            if one.mask_id in seen:
                raise InputError(f"{here} occurs twice; give each a number of its own")
            seen.add(one.mask_id)
            if one.rle.size != self.size:
                raise InputError(
                    f"{here}: its mask is {one.rle.size}, the picture {self.size} (height, width)"
                )
            if one.rle.area_px != one.area_px:
                raise InputError(f"{here}: area is {one.area_px}, its mask has {one.rle.area_px} pixels")


def read_sa1b(path: str | Path) -> Sa1bImage:
    """Read a file of SA-1B.

    Raises:
        InputError: it cannot be read, is damaged, or something in it does not fit; the message names it.
    """
    content = read_json(path)
    image = content.entry("image")
    picture = Sa1bImage(
        image_id=image.whole("image_id"),
        file_name=image.text("file_name"),
        size=image.size(),
        masks=tuple(_read_mask(one) for one in content.entries("annotations")),
        extra=image.rest("image_id", "file_name", "height", "width"),
    )
    picture.check(str(path))
    return picture


def write_sa1b(path: str | Path, picture: Sa1bImage) -> None:
    """Write a file of SA-1B; nothing half-written ever stands under `path`.

    Raises:
        InputError: numbers occur twice, or a mask does not fit the picture or its own area.
        MediaError: the file cannot be written.
    """
    picture.check()
    image = {
        **picture.extra,
        "image_id": picture.image_id,
        "width": picture.size[1],
        "height": picture.size[0],
        "file_name": picture.file_name,
    }
    write_json(path, {"image": image, "annotations": [mask.to_json() for mask in picture.masks]})


def _read_mask(one: Entry) -> Sa1bMask:
    points = one.values.get("point_coords")
    if not isinstance(points, list) or not all(map(_is_point, points)):
        raise one.error("point_coords", points, "a list of points [x, y]")
    try:
        rle = Rle.from_json(one.values.get("segmentation"))
    except InputError as error:
        raise InputError(f"{one.name}: segmentation: {error}") from error
    return Sa1bMask(
        mask_id=one.whole("id"),
        rle=rle,
        box=one.box("bbox"),
        area_px=one.whole("area"),
        predicted_iou=one.number("predicted_iou"),
        stability_score=one.number("stability_score"),
        crop_box=one.box("crop_box"),
        points=tuple((float(x), float(y)) for x, y in points),
        extra=one.rest(
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
