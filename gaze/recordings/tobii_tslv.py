"""Tobii's TSLV container (type, status, length, value), as Pro Glasses 2 writes it to `et.tslv.gz`."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import CUT_OFF, open_binary, unpacked_limit
from sam_edge.gaze.recordings.tobii_camera import TobiiCamera

_MAGIC = b"TS\x00\x00\x05\x00\x00\x00TSLV1"
_HEADER = struct.Struct("<HHI")
_MAX_VALUE_BYTES = 1 << 16
_TIME, _VIDEO_CLOCK, _INDEX, _DIRECTION, _POINT, _GAZE, _CAMERA = 50, 54, 57, 104, 110, 112, 300
_SCENE = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value from a log of Pro Glasses 2."""

    kind: Literal["gaze", "point", "left", "right", "video"]
    """Gaze point (0..1), gaze point in 3-D (mm), direction of an eye, or the scene video's clock (microseconds)."""
    time_us: int
    """Time on the recording unit's clock, microseconds."""
    index: int | None
    """Number of the gaze estimate it belongs to."""
    good: bool
    """Whether the glasses mark it as valid."""
    values: tuple[float, ...] | None
    """The numbers; None when they are not finite."""


def is_tslv(first: bytes) -> bool:
    """Return whether a file with these first bytes is a TSLV container."""
    return first.startswith(_MAGIC)


def measurements(path: Path, notes: list[str]) -> Iterator[Measurement]:
    """Yield the gaze data of a container; a note is added when it breaks off. Raises `GazeDataError`."""
    time_us, index = 0, None
    for kind, status, value in _records(path, notes):
        good = status == 0
        if kind == _TIME and len(value) == 8:
            (time_us,), index = struct.unpack("<q", value), None
        elif kind == _INDEX and len(value) == 8:
            (index,) = struct.unpack("<q", value)
        elif kind == _GAZE and len(value) == 8:
            yield Measurement("gaze", time_us, index, good, _finite("<2f", value))
        elif kind == _POINT and len(value) == 12:
            yield Measurement("point", time_us, index, good, _finite("<3f", value))
        elif kind == _DIRECTION and len(value) == 16:
            eye = value[0]
            yield Measurement("right" if eye else "left", time_us, index, good, _finite("<3f", value[4:]))
        elif kind == _VIDEO_CLOCK and len(value) == 12 and good:
            (video_us,) = struct.unpack_from("<q", value, 4)
            if value[0] == _SCENE:
                yield Measurement("video", time_us, None, good, (float(video_us),))


def read_camera(path: Path) -> TobiiCamera | None:
    """Return the scene camera's calibration, or None when the container has none. Raises `GazeDataError`."""
    for kind, _, value in _records(path, []):
        if kind == _CAMERA and len(value) == 100:
            numbers = struct.unpack_from("<12f2f", value, 4)
            width, height = struct.unpack_from("<2H", value, 96)
            if not all(map(math.isfinite, numbers)) or min(width, height, *numbers[12:14]) <= 0:
                raise GazeDataError(f"{path}: the scene camera's calibration is damaged; copy the file again")
            return TobiiCamera(numbers[3:12], numbers[0:3], numbers[12:14], (height, width))
    return None


def _records(path: Path, notes: list[str]) -> Iterator[tuple[int, int, bytes]]:
    most, total = unpacked_limit(path), 0
    with open_binary(path) as handle:
        try:
            while header := handle.read(_HEADER.size):
                if len(header) < _HEADER.size:
                    notes.append(CUT_OFF)
                    return
                kind, status, size = _HEADER.unpack(header)
                padded = (size + 3) // 4 * 4
                total += _HEADER.size + padded
                if size > _MAX_VALUE_BYTES or total > most:
                    raise GazeDataError(
                        f"{path}: a value of {size} bytes at byte {total}; this is no TSLV, or it is damaged"
                    )
                value = _take(handle, padded)
                if value is None:
                    notes.append(CUT_OFF)
                    return
                yield kind, status, value[:size]
        except EOFError:
            notes.append(CUT_OFF)


def _take(handle: BinaryIO, size: int) -> bytes | None:
    value = handle.read(size)
    return value if len(value) == size else None


def _finite(layout: str, value: bytes) -> tuple[float, ...] | None:
    numbers = struct.unpack(layout, value)
    return numbers if all(map(math.isfinite, numbers)) else None
