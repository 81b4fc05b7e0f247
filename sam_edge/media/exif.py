"""TIFF tags and the orientation that cameras note in them (EXIF), read without decoding an image."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.media.jpeg import START as JPEG_START
from sam_edge.media.jpeg import read_jpeg_structure

ORIENTATION = 0x0112
_TYPE_FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 16: "Q"}
"""Whole-number types of TIFF 6.0 and BigTIFF, as `struct` calls them."""
MAX_TAGS, MAX_DIRECTORIES, MAX_VALUES = 4096, 65536, 64
"""Limits that no honest file reaches: what lies beyond them is not read."""


@dataclass(frozen=True, slots=True)
class TiffDirectory:
    """One image file directory of a TIFF: the tags of one page."""

    values: Mapping[int, tuple[int, ...]]
    """Whole numbers by tag; other types, and more than 64 values, are left out."""
    places: Mapping[int, int]
    """Where in the file the values of each tag stand, bytes."""

    def first(self, tag: int, default: int = 0) -> int:
        """Return the first value of a tag."""
        return (self.values.get(tag) or (default,))[0]


def read_tiff_directories(data: bytes, *, limit: int = MAX_DIRECTORIES) -> list[TiffDirectory]:
    """Read the chain of directories of a TIFF or BigTIFF; a broken file gives the directories before the fault."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return []
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    pointer = "Q" if big else "I"
    directories: list[TiffDirectory] = []
    seen: set[int] = set()
    try:
        at = struct.unpack_from(order + pointer, data, 8 if big else 4)[0]
        while at and at not in seen and len(directories) < limit:
            seen.add(at)
            directory, next_at = _read_directory(data, at, order, big=big)
            directories.append(directory)
            at = struct.unpack_from(order + pointer, data, next_at)[0]
    except struct.error:
        pass
    return directories


def orientation_of(data: bytes) -> int:
    """Return the EXIF orientation, 1 to 8, that an image file states; 1 (upright) where it states none.

    Knows JPEG, PNG (eXIf, and the older hexadecimal text of ImageMagick), WebP and TIFF.
    """
    block = _find_exif(data)
    if block is None:
        return 1
    directories = read_tiff_directories(block, limit=1)
    value = directories[0].first(ORIENTATION, 1) if directories else 1
    return value if 1 <= value <= 8 else 1


def without_orientation(data: bytes) -> bytes:
    """Return a TIFF whose first page states that it is upright: OpenCV turns some kinds of TIFF itself."""
    directories = read_tiff_directories(data, limit=1)
    if not directories or directories[0].first(ORIENTATION, 1) == 1:
        return data
    place = directories[0].places[ORIENTATION]
    upright = struct.pack(("<" if data[:2] == b"II" else ">") + "H", 1)
    return data[:place] + upright + data[place + 2 :]


def turn_upright(image: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Turn and mirror an image (H, W) or (H, W, C) as its EXIF orientation says (Exif 2.32, 4.6.4)."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    mirror_y = orientation in (3, 4, 7, 8)
    mirror_x = orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(image[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1])


def _read_directory(data: bytes, at: int, order: str, *, big: bool) -> tuple[TiffDirectory, int]:
    count_format, entry_bytes, inline_bytes = ("Q", 20, 8) if big else ("H", 12, 4)
    count = struct.unpack_from(order + count_format, data, at)[0]
    at += struct.calcsize(order + count_format)
    values: dict[int, tuple[int, ...]] = {}
    places: dict[int, int] = {}
    for index in range(min(count, MAX_TAGS)):
        entry = at + index * entry_bytes
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        amount = struct.unpack_from(order + ("Q" if big else "I"), data, entry + 4)[0]
        letter = _TYPE_FORMATS.get(kind)
        if letter is None or not 0 < amount <= MAX_VALUES:
            continue
        place = entry + entry_bytes - inline_bytes
        layout = f"{order}{amount}{letter}"
        if struct.calcsize(layout) > inline_bytes:
            place = struct.unpack_from(order + ("Q" if big else "I"), data, place)[0]
        if tag not in values:
            values[tag], places[tag] = struct.unpack_from(layout, data, place), place
    return TiffDirectory(values, places), at + count * entry_bytes


def _find_exif(data: bytes) -> bytes | None:
    """Return the TIFF block with an image file's EXIF; None where it has none."""
    if data.startswith(JPEG_START):
        return read_jpeg_structure(data).exif
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _exif_of_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _exif_of_webp(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return data
    return None


def _exif_of_png(data: bytes) -> bytes | None:
    at = 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        content = data[at + 8 : at + 8 + length]
        if kind == b"eXIf":
            return content.removeprefix(b"Exif\0\0")
        if kind in (b"zTXt", b"tEXt") and content.startswith(
            (b"Raw profile type exif\0", b"Raw profile type APP1\0")
        ):
            return _exif_of_text(content.partition(b"\0")[2], compressed=kind == b"zTXt")
        at += 12 + length
    return None


def _exif_of_text(text: bytes, *, compressed: bool) -> bytes | None:
    """Return the EXIF block of ImageMagick's text: a name, a length, and hexadecimal digits, on lines of their own."""
    try:
        if compressed:
            text = zlib.decompressobj().decompress(text[1:], 1 << 20)
        block = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except (zlib.error, ValueError):
        return None
    return block.removeprefix(b"Exif\0\0")


def _exif_of_webp(data: bytes) -> bytes | None:
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            return data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0")
        at += 8 + length + length % 2
    return None
