"""PNG files that say who made them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError

_HEADER_BYTES = 33
"""Signature and IHDR chunk: what every PNG begins with (PNG specification, third edition, 11.2.2)."""


def _text_chunk(keyword: bytes, text: bytes) -> bytes:
    body = b"tEXt" + keyword + b"\0" + text
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


_MARK = _text_chunk(b"Software", b"sam-edge")


def encode_png(image: NDArray[np.uint8] | NDArray[np.bool_]) -> bytes:
    """Encode an image as an 8-bit PNG whose `Software` text is `sam-edge`.

    Args:
        image: uint8 RGB (H, W, 3), uint8 grey (H, W), or a bool mask (H, W), which becomes 0 and 255.

    Raises:
        MediaError: another shape or dtype, or no pixels.
    """
    grey_or_colour = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if (
        not grey_or_colour
        or image.dtype not in (np.uint8, np.bool_)
        or (image.ndim == 3 and image.dtype == bool)
    ):
        raise MediaError(
            f"image is {image.dtype} {image.shape}; accepted: uint8 (H, W, 3), uint8 (H, W) or bool (H, W)"
        )
    if image.size == 0:
        raise MediaError(f"image is {image.shape}; accepted: at least one pixel")
    pixels = image.astype(np.uint8)
    if image.dtype == np.bool_:
        pixels *= np.uint8(255)
    elif image.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., ::-1])
    try:
        _, encoded = cv2.imencode(".png", pixels)
    except cv2.error as error:
        raise MediaError(
            f"the image of shape {image.shape} cannot be encoded as PNG ({error.err})"
        ) from error
    data = encoded.tobytes()
    return data[:_HEADER_BYTES] + _MARK + data[_HEADER_BYTES:]


def is_written_by_sam_edge(path: Path) -> bool:
    """Return True when `path` is a PNG that `encode_png` made. Raises `OSError`."""
    with path.open("rb") as handle:
        head = handle.read(_HEADER_BYTES + len(_MARK))
    return head.startswith(b"\x89PNG\r\n\x1a\n") and head.endswith(_MARK)
