"""Reads `weight.bin`, the file in which an ML program keeps its large constants.

Layout, little-endian: a header of 64 bytes (uint32 number of blobs, uint32 version 2), then blobs. A blob is 64 bytes
of description (uint32 mark 0xDEADBEEF, uint32 element type, uint64 size in bytes, uint64 place of the data in the
file, uint64 bits of padding in the last byte) and its data. A constant names the place of its description.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import ExportError

VERSION = 2
MARK = 0xDEADBEEF
HEADER_BYTES = 64
DESCRIPTION_BYTES = 64
DESCRIPTION = struct.Struct("<IIQQQ")


@dataclass(frozen=True, slots=True)
class BlobType:
    """An element type of the weight file."""

    name: str
    """As MIL names it."""
    bits: int
    """Bits an element."""
    stored: str
    """numpy's type of what is read; elements of less than 8 bits are unpacked into it."""


BLOB_TYPES = {
    1: BlobType("FLOAT16", 16, "<f2"),
    2: BlobType("FLOAT32", 32, "<f4"),
    3: BlobType("UINT8", 8, "u1"),
    4: BlobType("INT8", 8, "i1"),
    6: BlobType("INT16", 16, "<i2"),
    7: BlobType("UINT16", 16, "<u2"),
    8: BlobType("INT4", 4, "i1"),
    9: BlobType("UINT1", 1, "u1"),
    10: BlobType("UINT2", 2, "u1"),
    11: BlobType("UINT4", 4, "u1"),
    12: BlobType("UINT3", 3, "u1"),
    13: BlobType("UINT6", 6, "u1"),
    14: BlobType("INT32", 32, "<i4"),
    15: BlobType("UINT32", 32, "<u4"),
}


@dataclass(frozen=True, slots=True)
class Blob:
    """One constant of a weight file."""

    kind: BlobType
    """Its element type."""
    values: NDArray[np.generic]
    """Its elements in one row; padding is left out."""


class BlobFile:
    """An opened weight file."""

    def __init__(self, path: Path) -> None:
        """Read the file at `path`.

        Raises:
            ExportError: it cannot be read or is not a weight file of version 2.
        """
        try:
            self._content = path.read_bytes()
        except OSError as error:
            raise ExportError(f"weights: {path} cannot be read: {error}") from error
        self._path = path
        if len(self._content) < HEADER_BYTES:
            raise ExportError(f"weights: {path} has {len(self._content)} bytes, less than a header")
        self.count, version = struct.unpack_from("<II", self._content)
        if version != VERSION:
            raise ExportError(f"weights: {path} is of version {version}; accepted: {VERSION}")

    def read(self, place: int) -> Blob:
        """Read the blob whose description starts at byte `place`.

        Raises:
            ExportError: no description is there, its type is not known, or its data lie outside the file.
        """
        if place + DESCRIPTION_BYTES > len(self._content):
            raise ExportError(f"weights: {self._path} ends before byte {place + DESCRIPTION_BYTES}")
        mark, code, size, start, padding_bits = DESCRIPTION.unpack_from(self._content, place)
        if mark != MARK:
            raise ExportError(f"weights: {self._path} has no description at byte {place}")
        if code not in BLOB_TYPES:
            raise ExportError(
                f"weights: {self._path} holds element type {code} at byte {place}; accepted: {sorted(BLOB_TYPES)}"
            )
        if start + size > len(self._content):
            raise ExportError(f"weights: {self._path} ends inside the data of the blob at byte {place}")
        kind = BLOB_TYPES[code]
        data = np.frombuffer(self._content, np.uint8, size, start)
        if kind.bits >= 8:
            return Blob(kind, data.view(kind.stored))
        count = (8 * size - padding_bits) // kind.bits
        values = unpack_bits(data, kind.bits, count)
        return Blob(kind, signed(values, kind.bits) if kind.name == "INT4" else values)


def unpack_bits(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    """Unpack `count` elements of `bits` bits each, least significant bit first, into uint8.

    Raises:
        ExportError: `packed` is too short.
    """
    if 8 * packed.size < bits * count:
        raise ExportError(f"weights: {count} elements of {bits} bits do not fit in {packed.size} bytes")
    spread = np.unpackbits(packed, bitorder="little")[: bits * count].reshape(count, bits)
    return np.asarray(spread @ (1 << np.arange(bits, dtype=np.uint8)), np.uint8)


def signed(values: NDArray[np.uint8], bits: int) -> NDArray[np.int8]:
    """Read the low `bits` bits of each element as a two's complement number."""
    half = 1 << (bits - 1)
    return ((values.astype(np.int16) ^ half) - half).astype(np.int8)
