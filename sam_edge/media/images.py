"""Read an image from a file, and write one as PNG."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError, SamEdgeWarning
from sam_edge.media.atomic import write_atomically
from sam_edge.media.image_decoder import ImageError, decode_image
from sam_edge.media.image_type import IMAGE_SUFFIXES
from sam_edge.media.pixels import ValueRange
from sam_edge.media.png import encode_png

__all__ = ["IMAGE_SUFFIXES", "ImageNotes", "read_image", "write_png"]


class ImageNotes:
    """Warns of what was decided for the images of one folder, each kind of decision once."""

    def __init__(self) -> None:
        """Begin without a warning."""
        self._said: set[str] = set()

    def warn(self, name: str, notes: tuple[str, ...]) -> None:
        """Warn of an image's notes, unless another image had the same ones."""
        for note in notes:
            # Values differ from image to image; what was decided does not.
            kind = re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "", note)
            if kind not in self._said:
                self._said.add(kind)
                warnings.warn(f"{name} {note}", SamEdgeWarning, stacklevel=3)


def read_image(
    path: str | Path, *, value_range: ValueRange | None = None, notes: ImageNotes | None = None
) -> NDArray[np.uint8]:
    """Read an image file as RGB.

    Reads JPEG, PNG, BMP, WebP, TIFF, GIF, JPEG 2000, HEIC, AVIF and PNM. Greyscale becomes RGB; the orientation that a
    camera noted is applied, so that the result stands upright; of several pages or frames the first is read. More than
    8 bits are scaled by what the image holds (see `scale_to_8_bits`); transparent parts are set on white, or on
    black where what is visible is nearly white. A `SamEdgeWarning` says what was decided.

    Args:
        path: the file; what it holds decides, not its ending.
        value_range: the stored values that become black and white, as (black, white), for images whose range is known;
            None finds it.
        notes: warns once for many images; None warns of each.

    Returns:
        uint8 RGB (H, W, 3), C-contiguous.

    Raises:
        MediaError: it is missing, a folder, empty, cut off, damaged, or of a kind that is not read.
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
    check_value_range(value_range)
    try:
        decoded = decode_image(data, value_range=value_range)
    except ImageError as error:
        raise MediaError(f"{path}: {error}") from error
    (notes or ImageNotes()).warn(str(path), decoded.notes)
    return decoded.image


def check_value_range(value_range: ValueRange | None) -> None:
    """Raise `MediaError` for a range that is not two rising finite numbers."""
    if value_range is None:
        return
    if len(value_range) != 2 or not all(map(math.isfinite, value_range)) or value_range[0] >= value_range[1]:
        raise MediaError(
            f"value_range is {value_range}; accepted: (black, white), two finite values, the first one smaller"
        )


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
