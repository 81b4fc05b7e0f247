"""Fuzz target: the weight file of an ML program, whose first blob is read at the place that the input begins with."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.target import FuzzTarget, of_file


def targets() -> Iterator[FuzzTarget]:
    """Yield the target."""
    yield of_file("mil-blob", _parse, _seeds, file_name="weight.bin")


def _parse(path: Path) -> None:
    # Its package takes long to import, and other targets do without.
    from sam_edge.exporters.coreml.evaluate_mil.blob import HEADER_BYTES, BlobFile

    blobs = BlobFile(path)
    place = HEADER_BYTES
    for _ in range(min(blobs.count, 16)):
        blob = blobs.read(place)
        place += HEADER_BYTES + (blob.values.nbytes + 63) // 64 * 64


def _seeds() -> list[bytes]:
    from sam_edge.exporters.coreml.evaluate_mil.blob import BLOB_TYPES, DESCRIPTION, HEADER_BYTES, MARK

    header = struct.pack("<II", 1, 2).ljust(HEADER_BYTES, b"\0")
    data = bytes(range(24))
    return [
        header
        + DESCRIPTION.pack(MARK, code, len(data), 2 * HEADER_BYTES, 0).ljust(HEADER_BYTES, b"\0")
        + data
        for code in BLOB_TYPES
    ]
