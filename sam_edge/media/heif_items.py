"""The items of a HEIF file, which HEIC and AVIF are (ISO 23008-12): which streams make up its image, and how."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

MAX_ITEMS = 4096
_ALPHA_TYPES = (b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")


@dataclass(frozen=True, slots=True)
class Grid:
    """An image that is put together from tiles, as phones store it."""

    rows: int
    """Tiles in a column."""
    columns: int
    """Tiles in a row."""
    size: tuple[int, int]
    """(height, width) of the whole, pixels; tiles reach over it."""


@dataclass(frozen=True, slots=True)
class HeifItem:
    """An image of the file: one coded item, or a grid of them."""

    tiles: tuple[int, ...]
    """Numbers of its coded items, row by row."""
    grid: Grid | None
    """How tiles are placed; None for a single item."""


@dataclass(frozen=True, slots=True)
class HeifImage:
    """The primary image of a HEIF file."""

    colour: HeifItem
    """Its colours."""
    alpha: HeifItem | None
    """Its alpha channel, where it has one."""
    crop: tuple[int, int, int, int] | None
    """(left, top, width, height) of the part that is shown, pixels before turning; None for all of it."""
    transforms: tuple[tuple[bytes, int], ...]
    """`irot` (quarter turns counter-clockwise) and `imir` (0: upside down, 1: left to right), in order."""


@dataclass(slots=True)
class _Items:
    """What the boxes of a `meta` box say."""

    primary: int = 0
    types: dict[int, bytes] = field(default_factory=dict)
    references: list[tuple[bytes, int, tuple[int, ...]]] = field(default_factory=list)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    assigned: dict[int, list[int]] = field(default_factory=dict)
    places: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Construction method, offset and length of each item with one extent."""
    idat: bytes = b""


def read_heif(data: bytes) -> HeifImage | None:
    """Read how the primary image of a HEIF file is made up; None where its boxes do not say so."""
    try:
        items = _read_items(data)
        if items is None or items.primary not in items.types:
            return None
        colour = _item(items, items.primary, data)
        alpha = next((_item(items, number, data) for number in _alphas(items)), None)
        return HeifImage(colour, alpha, _crop(items), _transforms(items))
    except (struct.error, IndexError, KeyError, StopIteration, ZeroDivisionError):
        return None


def _read_items(data: bytes) -> _Items | None:
    meta = next((body for kind, body in _boxes(data) if kind == b"meta"), None)
    if meta is None:
        return None
    items = _Items()
    for kind, body in _boxes(meta[4:]):
        if kind == b"pitm":
            items.primary = struct.unpack_from(">I" if body[0] else ">H", body, 4)[0]
        elif kind == b"iinf":
            items.types = _read_types(body)
        elif kind == b"iref":
            items.references = list(_read_references(body))
        elif kind == b"iprp":
            _read_properties(body, items)
        elif kind == b"iloc":
            items.places = _read_places(body)
        elif kind == b"idat":
            items.idat = body
    return items


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the content of each box (ISO 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = len(data) if size == 0 else at + size
        if end < at + head:
            return
        yield data[at + 4 : at + 8], data[at + head : end]
        at = end


def _read_types(body: bytes) -> dict[int, bytes]:
    types: dict[int, bytes] = {}
    for kind, entry in _boxes(body[6 if body[0] == 0 else 8 :]):
        if kind == b"infe" and entry[0] in (2, 3) and len(types) < MAX_ITEMS:
            layout = ">H" if entry[0] == 2 else ">I"
            after = 4 + struct.calcsize(layout) + 2
            types[struct.unpack_from(layout, entry, 4)[0]] = entry[after : after + 4]
    return types


def _read_references(body: bytes) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    letter = "I" if body[0] else "H"
    for kind, entry in _boxes(body[4:]):
        begin, count = struct.unpack_from(f">{letter}H", entry)
        targets = struct.unpack_from(
            f">{min(count, MAX_ITEMS)}{letter}", entry, struct.calcsize(f">{letter}H")
        )
        yield kind, begin, targets


def _read_properties(body: bytes, items: _Items) -> None:
    for kind, entry in _boxes(body):
        if kind == b"ipco":
            items.properties = list(_boxes(entry))
        elif kind == b"ipma":
            _read_assignments(entry, items.assigned)


def _read_assignments(body: bytes, assigned: dict[int, list[int]]) -> None:
    wide, long_ids = body[3] & 1, body[0] >= 1
    count, at = struct.unpack_from(">I", body, 4)[0], 8
    for _ in range(min(count, MAX_ITEMS)):
        number = struct.unpack_from(">I" if long_ids else ">H", body, at)[0]
        at += 4 if long_ids else 2
        amount, at = body[at], at + 1
        layout = f">{amount}{'H' if wide else 'B'}"
        numbers = struct.unpack_from(layout, body, at)
        assigned[number] = [value & (0x7FFF if wide else 0x7F) for value in numbers]
        at += struct.calcsize(layout)


def _read_places(body: bytes) -> dict[int, tuple[int, int, int]]:
    version = body[0]
    offset_bytes, length_bytes = body[4] >> 4, body[4] & 15
    base_bytes, index_bytes = body[5] >> 4, body[5] & 15 if version else 0
    wide = version == 2
    count, at = struct.unpack_from(">I" if wide else ">H", body, 6)[0], 10 if wide else 8
    places: dict[int, tuple[int, int, int]] = {}

    def take(width: int) -> int:
        nonlocal at
        at += width
        if at > len(body):
            raise IndexError
        return int.from_bytes(body[at - width : at], "big")

    for _ in range(min(count, MAX_ITEMS)):
        number = take(4 if wide else 2)
        method = take(2) & 15 if version else 0
        take(2)
        base, extents = take(base_bytes), take(2)
        for index in range(extents):
            take(index_bytes)
            offset, length = take(offset_bytes), take(length_bytes)
            if index == 0:
                places[number] = method, base + offset, length
    return places


def _item(items: _Items, number: int, data: bytes) -> HeifItem:
    if items.types[number] != b"grid":
        return HeifItem((number,), None)
    tiles = next(targets for kind, begin, targets in items.references if kind == b"dimg" and begin == number)
    method, offset, length = items.places[number]
    body = (items.idat if method == 1 else data)[offset : offset + length]
    wide = body[1] & 1
    height_width = struct.unpack_from(">II" if wide else ">HH", body, 4)[::-1]
    return HeifItem(tiles, Grid(body[2] + 1, body[3] + 1, (height_width[0], height_width[1])))


def _alphas(items: _Items) -> Iterator[int]:
    """Yield the items that are the primary image's alpha channel."""
    for kind, begin, targets in items.references:
        if kind != b"auxl" or items.primary not in targets:
            continue
        for name, content in _properties_of(items, begin):
            if name == b"auxC" and content[4:].split(b"\0")[0] in _ALPHA_TYPES:
                yield begin


def _crop(items: _Items) -> tuple[int, int, int, int] | None:
    """Return the clean aperture (ISO 14496-12, 12.1.4): encoders pad images to whole blocks."""
    found = dict(_properties_of(items, items.primary))
    if b"clap" not in found or b"ispe" not in found:
        return None
    size = struct.unpack_from(">II", found[b"ispe"], 4)
    numbers = struct.unpack_from(">8i", found[b"clap"])
    width, height, x, y = (Fraction(numbers[i], numbers[i + 1]) for i in range(0, 8, 2))
    left, top = (size[0] - width) / 2 + x, (size[1] - height) / 2 + y
    return max(0, round(left)), max(0, round(top)), round(width), round(height)


def _transforms(items: _Items) -> tuple[tuple[bytes, int], ...]:
    found = _properties_of(items, items.primary)
    return tuple(
        (name, content[0] & (3 if name == b"irot" else 1))
        for name, content in found
        if name in (b"irot", b"imir")
    )


def _properties_of(items: _Items, number: int) -> list[tuple[bytes, bytes]]:
    properties: Mapping[int, tuple[bytes, bytes]] = dict(enumerate(items.properties, start=1))
    return [properties[index] for index in items.assigned.get(number, []) if index in properties]
