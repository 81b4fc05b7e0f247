"""COCO files as other tools write them: what can be read is read, and what was replaced or left out is noted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import InputError
from sam_edge.masks.boxes import mask_to_box
from sam_edge.masks.coco_types import (
    ANNOTATION_KEYS,
    CocoAnnotation,
    CocoCategory,
    CocoDataset,
    CocoImage,
)
from sam_edge.masks.files import Entry
from sam_edge.masks.loose_entries import (
    Polygons,
    box_or_none,
    number_or_none,
    read_segmentation,
    size_or_none,
    whole_or_none,
)
from sam_edge.masks.notes import ReadingNotes
from sam_edge.masks.polygons import polygons_to_mask
from sam_edge.masks.rle import Rle

_FILE_KEYS = ("file_name", "filename", "path", "coco_url", "url")
"""Keys under which tools name the file of an image."""


def read_loosely(path: str | Path, content: object) -> CocoDataset:
    """Read a COCO file, or the list of results that pycocotools evaluates.

    Raises:
        InputError: it holds neither images nor annotations.
    """
    if isinstance(content, list):
        content = {"annotations": content}
    file = Entry.of(content, str(path))
    if not any(isinstance(file.values.get(key), list) for key in ("images", "annotations")):
        raise InputError(
            f"{path}: holds neither images nor annotations; accepted: a file of COCO's annotations"
        )
    return _CocoReader(file).read()


class _Numbers:
    """Numbers by what a file calls them; what is no number, missing or taken gets a new one."""

    def __init__(self, given: Iterable[object]) -> None:
        known = [number for number in map(whole_or_none, given) if number is not None]
        self._next = max(known, default=0) + 1
        self.of: dict[Any, int] = {}

    def add(self, given: object) -> int:
        """Return the number of a new entry."""
        number = whole_or_none(given)
        if number is None or number in self.of.values():
            number, self._next = self._next, self._next + 1
        self.of.setdefault(_key(given), number)
        return number

    def find(self, given: object) -> int | None:
        """Return the number of an entry that is known."""
        return self.of.get(_key(given))


class _CocoReader:
    """Reads one file."""

    def __init__(self, file: Entry) -> None:
        self.file = file
        self.notes = ReadingNotes()
        self.images: dict[int, CocoImage] = {}
        self.categories: dict[int, CocoCategory] = {}
        self.image_numbers = _Numbers(entry.values.get("id") for entry in self._entries("images"))
        self.category_numbers = _Numbers(entry.values.get("id") for entry in self._entries("categories"))

    def read(self) -> CocoDataset:
        """Return what can be read."""
        annotations = self._entries("annotations")
        sizes = self._sizes_of_masks(annotations)
        for entry in self._entries("images", note=True):
            self._read_image(entry, sizes)
        for entry in self._entries("categories", note=True):
            self._read_category(entry)
        self.annotation_numbers = _Numbers(entry.values.get("id") for entry in annotations)
        read = [self._read_annotation(entry, sizes) for entry in self._entries("annotations", note=True)]
        return CocoDataset(
            images=tuple(self.images.values()),
            categories=tuple(self.categories.values()),
            annotations=tuple(annotation for annotation in read if annotation is not None),
            extra=self.file.rest("images", "categories", "annotations"),
            notes=self.notes.texts(),
        )

    def _entries(self, key: str, *, note: bool = False) -> list[Entry]:
        value = self.file.values.get(key)
        found = []
        for index, item in enumerate(value if isinstance(value, list) else []):
            if isinstance(item, dict):
                found.append(Entry(item, f"{key}[{index}]"))
            elif note:
                self.notes.add(f"{key}[{index}]", "is no object; left out")
        return found

    def _sizes_of_masks(self, annotations: Iterable[Entry]) -> dict[Any, tuple[int, int]]:
        """Return the size that the run lengths of each image state, by what the file calls the image."""
        sizes: dict[Any, tuple[int, int]] = {}
        for entry in annotations:
            mask = entry.values.get("segmentation")
            size = mask.get("size") if isinstance(mask, dict) else None
            sides = [whole_or_none(side) for side in size] if isinstance(size, list) else []
            if len(sides) == 2 and sides[0] and sides[1] and min(sides[0], sides[1]) > 0:
                sizes.setdefault(_key(entry.values.get("image_id")), (sides[0], sides[1]))
        return sizes

    def _read_image(self, entry: Entry, sizes: dict[Any, tuple[int, int]]) -> None:
        given = entry.values.get("id")
        if self.image_numbers.find(given) is not None or given is None:
            self.notes.add(entry.name, "its id is missing or taken; left out")
            return
        size = size_or_none(entry)
        if size is None:
            size = sizes.get(_key(given))
            known = "taken from its run lengths" if size else "left out, with its annotations"
            self.notes.add(entry.name, f"height and width are missing; {known}")
            if size is None:
                return
        names = (entry.values.get(key) for key in _FILE_KEYS)
        file_name = next((name for name in names if isinstance(name, str) and name), None)
        if file_name is None:
            self.notes.add(entry.name, "file_name is missing; left empty")
        number = self._number(self.image_numbers, given, entry)
        extra = entry.rest("id", "file_name", "height", "width")
        self.images[number] = CocoImage(number, file_name or "", size, extra)

    def _read_category(self, entry: Entry) -> None:
        given = entry.values.get("id")
        if self.category_numbers.find(given) is not None or given is None:
            self.notes.add(entry.name, "its id is missing or taken; left out")
            return
        number = self._number(self.category_numbers, given, entry)
        name = entry.values.get("name")
        if not isinstance(name, str):
            self.notes.add(entry.name, "name is missing; its id is taken")
            name = str(given)
        self.categories[number] = CocoCategory(number, name, entry.rest("id", "name"))

    def _read_annotation(self, entry: Entry, sizes: dict[Any, tuple[int, int]]) -> CocoAnnotation | None:
        image = self._image_of(entry, sizes)
        if image is None:
            self.notes.add(entry.name, "image_id names no image; left out")
            return None
        try:
            segmentation, lost = read_segmentation(entry, image.size)
            if isinstance(segmentation, Rle) and segmentation.size != image.size:
                raise InputError(f"its mask is {segmentation.size}, its image {image.size} (height, width)")
            box, area_px = self._box_and_area(entry, segmentation, image.size)
        except InputError as error:
            self.notes.add(entry.name, f"{error}; left out")
            return None
        if lost:
            self.notes.add(entry.name, lost)
        crowd = whole_or_none(entry.values.get("iscrowd", 0) or 0)
        if crowd not in (0, 1):
            self.notes.add(entry.name, "iscrowd is neither 0 nor 1; taken as 0")
        given = entry.values.get("id")
        return CocoAnnotation(
            annotation_id=self._number(self.annotation_numbers, given, entry),
            image_id=image.image_id,
            category_id=self._category_of(entry),
            segmentation=segmentation,
            box=box,
            area_px=area_px,
            crowd=crowd == 1,
            extra=entry.rest(*ANNOTATION_KEYS),
        )

    def _image_of(self, entry: Entry, sizes: dict[Any, tuple[int, int]]) -> CocoImage | None:
        """Return the image of an annotation; one is made where the file lists no images, as results do."""
        given = entry.values.get("image_id")
        number = self.image_numbers.find(given)
        if number is not None:
            return self.images.get(number)
        size = sizes.get(_key(given))
        if isinstance(self.file.values.get("images"), list) or given is None or size is None:
            return None
        self.notes.add("file", "lists no images; they follow from the run lengths, without names of files")
        number = self.image_numbers.add(given)
        self.images[number] = CocoImage(number, "", size)
        return self.images[number]

    def _category_of(self, entry: Entry) -> int:
        """Return the number of an annotation's category; one is made where the file has none."""
        given = entry.values.get("category_id")
        number = self.category_numbers.find(given)
        if number is None or number not in self.categories:
            name = "unknown" if given is None else str(given)
            self.notes.add(entry.name, f"its category is missing; a category {name!r} is added")
            number = self.category_numbers.add(given)
            self.categories[number] = CocoCategory(number, name)
        return number

    def _box_and_area(
        self, entry: Entry, segmentation: Rle | Polygons, size: tuple[int, int]
    ) -> tuple[tuple[float, float, float, float], float]:
        """Return box and area as the file states them, else those of the mask."""
        box, area_px = box_or_none(entry, "bbox"), number_or_none(entry.values.get("area"))
        if box is not None and area_px is not None and area_px >= 0:
            return box, area_px
        mask = segmentation.mask() if isinstance(segmentation, Rle) else polygons_to_mask(segmentation, size)
        if box is None:
            self.notes.add(entry.name, "bbox is missing or no box; taken from the mask")
            box = mask_to_box(mask) or (0.0, 0.0, 0.0, 0.0)
        if area_px is None or area_px < 0:
            self.notes.add(entry.name, "area is missing or no area; taken from the mask")
            area_px = float(np.count_nonzero(mask))
        return box, area_px

    def _number(self, numbers: _Numbers, given: object, entry: Entry) -> int:
        number = numbers.add(given)
        if number != whole_or_none(given):
            self.notes.add(entry.name, "its id is missing, taken or no whole number; it gets a new one")
        return number


def _key(given: object) -> object:
    """Return what entries are found by: `7`, `7.0` and `"7"` are the same."""
    number = whole_or_none(given)
    return number if number is not None else str(given)
