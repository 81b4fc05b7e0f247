"""Read an image from a file, and write one as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError
from sam_edge.media.atomic import write_atomically
from sam_edge.media.integrity import is_truncated_jpeg
from sam_edge.media.png import encode_png

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
"""Endings, in lower case, of the files that count as images in a folder."""


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image file as RGB.

    Greyscale becomes RGB, an alpha channel is dropped (not blended), 16 bits a channel are scaled to 8, and
    the orientation that a camera noted in EXIF is applied, as `cv2.imread` does: the result stands upright.

    Args:
        path: the file; what it holds decides, not its ending.

    Returns:
        uint8 RGB (H, W, 3), C-contiguous.

    Raises:
        MediaError: it is missing, a folder, empty, cut off, or nothing that OpenCV can decode.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MediaError(f"{path}: no such image; check the path") from None
    except OSError as error:
        raise MediaError(f"{path}: the image cannot be read ({error.strerror or error})") from error
    if not data:
        raise MediaError(f"{path}: the image file is empty")
    if is_truncated_jpeg(data):
        raise MediaError(f"{path}: the image is cut off; copy the file again")
    return _rgb8(path, _decode(path, data))


def write_png(path: str | Path, image: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
    """Write an image (uint8 RGB or grey) or a mask (bool; 255 where True) as PNG. Makes missing folders.

    Raises:
        MediaError: `path` does not end in .png, `image` has another shape or dtype, or it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise MediaError(f"{path}: ends in {path.suffix!r}; accepted: .png")
    data = encode_png(image)
    with write_atomically(path) as part:
        part.write_bytes(data)


def _decode(path: Path, data: bytes) -> NDArray[np.integer[Any] | np.floating[Any]]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise MediaError(f"{path}: the image cannot be decoded ({error.err})") from error
    if image is None:
        raise MediaError(
            f"{path}: not an image, or damaged; accepted: {', '.join(s[1:] for s in IMAGE_SUFFIXES)}"
        )
    return image


def _rgb8(path: Path, image: NDArray[np.integer[Any] | np.floating[Any]]) -> NDArray[np.uint8]:
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise MediaError(f"{path}: holds {image.dtype} values; accepted: 8 or 16 bits a channel")
    return np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
