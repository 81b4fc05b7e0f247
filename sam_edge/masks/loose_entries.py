"""Values of annotation files as tools write them: whole numbers as text or with a fraction, masks in several forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sam_edge.errors import InputError
from sam_edge.masks.files import Entry, is_number
from sam_edge.masks.rle import Rle

Polygons = tuple[tuple[float, ...], ...]
"""Polygons of one object, each x0, y0, x1, y1, ... in frame pixels."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in frame pixels."""
_VERTICES = 3


def whole_or_none(value: object) -> int | None:
    """Return a whole number, also of `640.0`, `"640"` and `true`; None for anything else."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        digits = value.strip()
        return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 20 else None
    if isinstance(value, (int, float)) and is_number(value) and value == int(value):
        return int(value)
    return None


def number_or_none(value: object) -> float | None:
    """Return a finite number, also of text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, (int, float)) and is_number(value) else None


def size_or_none(entry: Entry) -> tuple[int, int] | None:
    """Return (height, width) of an image; None where it is missing or no size."""
    height, width = whole_or_none(entry.values.get("height")), whole_or_none(entry.values.get("width"))
    return (height, width) if height and width and min(height, width) > 0 else None


def box_or_none(entry: Entry, key: str) -> Box | None:
    """Return a box x, y, width, height as x0, y0, x1, y1; None where it is missing or none."""
    value = entry.values.get(key)
    numbers = [number_or_none(item) for item in value] if isinstance(value, list) else []
    sides = [number for number in numbers if number is not None]
    if len(numbers) != 4 or len(sides) != 4 or min(sides[2:]) < 0:
        return None
    x, y, width, height = sides
    return x, y, x + width, y + height


def read_segmentation(entry: Entry, size: tuple[int, int] | None) -> tuple[Rle | Polygons, str]:
    """Return the mask of an entry, and what was left out of it.

    Args:
        entry: with the mask under `segmentation`: run lengths as an object or a flat list, polygons as lists of
            numbers or of points, or one polygon alone.
        size: (height, width) of its image, for run lengths in a flat list; None where it is not known.

    Raises:
        InputError: there is no mask, or it is damaged.
    """
    value = entry.values.get("segmentation")
    if isinstance(value, Mapping):
        return Rle.from_json(_plain_rle(value)), ""
    if not isinstance(value, list) or not value:
        raise InputError(
            "holds no mask (a box alone, or nothing)" if not value else "its mask is of no known form"
        )
    if all(map(is_number, value)):
        counts = [whole_or_none(number) for number in value]
        whole = [number for number in counts if number is not None]
        if size is not None and len(whole) == len(counts) and sum(whole) == size[0] * size[1]:
            return Rle.from_counts(whole, size), ""
        value = [value]
    elif all(map(_is_point, value)):
        value = [[number for point in value for number in point]]
    polygons = [polygon for polygon in map(_polygon, value) if polygon is not None]
    if not polygons:
        raise InputError("its mask is of no known form: no polygon of three points or more, no run lengths")
    lost = len(value) - len(polygons)
    return tuple(polygons), f"{lost} polygons of fewer than three points are left out" if lost else ""


def _plain_rle(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return run lengths with whole numbers, where a tool wrote them as text or with a fraction."""
    plain = dict(value)
    for key in ("size", "counts"):
        if isinstance(plain.get(key), list):
            numbers = [whole_or_none(number) for number in plain[key]]
            plain[key] = plain[key] if None in numbers else numbers
    return plain


def _polygon(part: object) -> tuple[float, ...] | None:
    if not isinstance(part, list):
        return None
    if part and all(map(_is_point, part)):
        part = [number for point in part for number in point]
    if len(part) < 2 * _VERTICES or len(part) % 2 or not all(map(is_number, part)):
        return None
    return tuple(float(number) for number in part)


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))
