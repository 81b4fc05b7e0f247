"""Mask formats of the wire: run lengths along rows, and grey PNG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.masks.rle import MAX_PIXELS


def runs_of(mask: NDArray[np.bool_]) -> bytes:
    """Encode a mask, bool (H, W), as run lengths along its rows: u32; the first run is outside the mask."""
    flat = np.ascontiguousarray(mask).view(np.uint8).reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0, 0] if flat[0] else [0]
    return np.diff(np.concatenate([first, changes, [flat.size]])).astype("<u4").tobytes()


def mask_of_runs(data: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode run lengths to a mask, bool (H, W), of `size` (height, width).

    Raises:
        InputError: the runs do not fill the mask exactly.
    """
    pixels = size[0] * size[1]
    runs = np.frombuffer(data, "<u4").astype(np.int64) if len(data) % 4 == 0 else np.zeros(0, np.int64)
    if int(runs.sum()) != pixels or not 0 < pixels <= MAX_PIXELS:
        raise InputError(f"mask: runs that fill {int(runs.sum())} pixels; accepted: {size[1]}x{size[0]}")
    values = np.zeros(len(runs), np.bool_)
    values[1::2] = True
    return np.repeat(values, runs).reshape(size)


def mask_of_png(data: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode a grey PNG to a mask, bool (H, W), of `size` (height, width).

    Raises:
        InputError: it is not a PNG of that size.
    """
    # The size stands in bytes 16 to 23 of a PNG. It is checked before the image is decompressed.
    png_size = (int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    invalid = InputError(f"mask: not a PNG of {size[1]}x{size[0]}, or damaged")
    if png_size != size or not data.startswith(b"\x89PNG"):
        raise invalid
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise invalid from error
    if image is None:
        raise invalid
    return np.asarray(image > 127)
