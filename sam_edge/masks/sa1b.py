"""SA-1B's annotations: one JSON file for each image, with all of its masks.

The layout is that of the dataset of Kirillov et al., "Segment Anything" (2023), as its page describes it. Keys that it
does not name are kept in `extra`, and written again. Boxes are x0, y0, x1, y1 here and x, y, width, height in the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam_edge.errors import InputError
from sam_edge.masks.files import Entry, is_number, plain, plain_box, read_content, write_json
from sam_edge.masks.loose_entries import (
    box_or_none,
    number_or_none,
    read_segmentation,
    size_or_none,
    whole_or_none,
)
from sam_edge.masks.notes import ReadingNotes, warn_of_notes
from sam_edge.masks.polygons import polygons_to_mask
from sam_edge.masks.rle import Rle

_MASK_KEYS = (
    "id",
    "segmentation",
    "bbox",
    "area",
    "predicted_iou",
    "stability_score",
    "crop_box",
    "point_coords",
)


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
    """The model's prediction of the IoU with ground truth, 0..1; NaN where the file states none."""
    stability_score: float
    """IoU of the masks at a higher and a lower threshold, 0..1; NaN where the file states none."""
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
            **{
                key: value
                for key, value in (
                    ("predicted_iou", self.predicted_iou),
                    ("stability_score", self.stability_score),
                )
                if not math.isnan(value)
            },
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
    notes: tuple[str, ...] = ()
    """What `read_sa1b` replaced or left out, one line for each kind; empty where it read all as it stands."""

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


def read_sa1b(path: str | Path, *, strict: bool = False) -> Sa1bImage:
    """Read a file of SA-1B, or a list of masks as SAM's automatic mask generator returns them.

    What can be read is read: an area that is not that of the mask is taken from the mask, a damaged mask is left out.
    `notes` of the result says so, and a `SamEdgeWarning` names it.

    Args:
        path: the file.
        strict: refuse a file that differs from the format.

    Raises:
        InputError: the file cannot be read, or is no such file; with `strict`, it is damaged or inconsistent, and the
            message says where.
    """
    if not strict:
        loose = _read_loosely(path, read_content(path))
        warn_of_notes(path, loose.notes, stacklevel=2)
        return loose
    content = Entry.of(read_content(path), str(path))
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
        extra=entry.rest(*_MASK_KEYS),
    )


def _read_loosely(path: str | Path, content: object) -> Sa1bImage:
    if isinstance(content, list):
        content = {"annotations": content}
    file, notes = Entry.of(content, str(path)), ReadingNotes()
    listed = file.values.get("annotations")
    if not isinstance(listed, list):
        raise InputError(f"{path}: holds no annotations; accepted: a file of SA-1B")
    header = file.values.get("image")
    image = Entry(header if isinstance(header, Mapping) else {}, "image")
    entries = [
        Entry(item, f"annotations[{index}]") for index, item in enumerate(listed) if isinstance(item, Mapping)
    ]
    if len(entries) < len(listed):
        notes.add("annotations", f"{len(listed) - len(entries)} are no objects; left out")
    size = size_or_none(image)
    masks: list[Sa1bMask] = []
    taken: set[int] = set()
    for entry in entries:
        try:
            rle = _loose_rle(entry, size)
        except InputError as error:
            notes.add(entry.name, f"{error}; left out")
            continue
        if size is None:
            size = rle.size
            notes.add("image", "height and width are missing; taken from the first mask")
        number = whole_or_none(entry.values.get("id"))
        if number is None or number in taken:
            number = max(taken, default=0) + 1
            notes.add(entry.name, "its id is missing, taken or no whole number; it gets a new one")
        taken.add(number)
        masks.append(_loose_mask(entry, number, rle, notes))
    if size is None:
        raise InputError(
            f"{path}: states no size of the image, and holds no mask that does; give height and width"
        )
    file_name = image.values.get("file_name")
    return Sa1bImage(
        image_id=whole_or_none(image.values.get("image_id")) or 0,
        file_name=file_name if isinstance(file_name, str) else "",
        size=size,
        masks=tuple(masks),
        extra=image.rest("image_id", "file_name", "height", "width"),
        notes=notes.texts(),
    )


def _loose_rle(entry: Entry, size: tuple[int, int] | None) -> Rle:
    mask, _ = read_segmentation(entry, size)
    if not isinstance(mask, Rle):
        if size is None:
            raise InputError("its polygons need the size of the image")
        mask = Rle.from_mask(polygons_to_mask(mask, size))
    if size is not None and mask.size != size:
        raise InputError(f"its mask is {mask.size}, the image {size} (height, width)")
    return mask


def _loose_mask(entry: Entry, number: int, rle: Rle, notes: ReadingNotes) -> Sa1bMask:
    height, width = rle.size
    area_px = whole_or_none(entry.values.get("area"))
    if area_px != rle.area_px:
        notes.add(entry.name, "area is missing or not that of the mask; taken from the mask")
    box, crop_box = box_or_none(entry, "bbox"), box_or_none(entry, "crop_box")
    if box is None:
        notes.add(entry.name, "bbox is missing or no box; taken from the mask")
    points = entry.values.get("point_coords")
    if not isinstance(points, list) or not all(map(_is_point, points)):
        notes.add(entry.name, "point_coords are missing or no points; left empty")
        points = []
    scores = [number_or_none(entry.values.get(key)) for key in ("predicted_iou", "stability_score")]
    if None in scores:
        notes.add(entry.name, "predicted_iou or stability_score is missing; NaN")
    predicted_iou, stability_score = (math.nan if score is None else score for score in scores)
    return Sa1bMask(
        mask_id=number,
        rle=rle,
        box=box or rle.box or (0.0, 0.0, 0.0, 0.0),
        area_px=rle.area_px,
        predicted_iou=predicted_iou,
        stability_score=stability_score,
        crop_box=crop_box or (0.0, 0.0, float(width), float(height)),
        points=tuple((float(x), float(y)) for x, y in points),
        extra=entry.rest(*_MASK_KEYS),
    )


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))
