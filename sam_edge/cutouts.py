"""Cut-outs: the pixels of a mask on a transparent background."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError, MediaError
from sam_edge.masks import mask_to_box
from sam_edge.media.atomic import write_atomically
from sam_edge.segmenter import check_frame


def cutout_rgba(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], *, margin_px: int = 0, soft_px: float = 0.0
) -> NDArray[np.uint8]:
    """Cut the pixels of a mask out of an image.

    Args:
        image: RGB uint8 (H, W, 3).
        mask: bool (H, W).
        margin_px: transparent border round the mask's box, as far as the image reaches.
        soft_px: width over which the edge fades, centred on the mask's edge; 0 is a hard edge.

    Returns:
        RGBA uint8 (h, w, 4), cropped to the mask's box and the margin; colours are not premultiplied.

    Raises:
        InputError: the mask is empty or of another size than the image, or an option is negative.
    """
    check_frame(image)
    if mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
        raise InputError(f"mask: {mask.dtype} {mask.shape}; accepted: bool {image.shape[:2]}, as the image")
    if margin_px < 0 or not 0 <= soft_px < np.inf:
        raise InputError(f"margin_px, soft_px: {margin_px}, {soft_px}; accepted: 0 or more")
    box = mask_to_box(mask)
    if box is None:
        raise InputError("mask: empty; there is nothing to cut out")
    x0, y0 = (max(0, int(side) - margin_px) for side in box[:2])
    x1, y1 = min(mask.shape[1], int(box[2]) + margin_px), min(mask.shape[0], int(box[3]) + margin_px)
    alpha = mask[y0:y1, x0:x1].astype(np.uint8) * np.uint8(255)
    if soft_px > 0:
        alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), soft_px / 2), np.uint8)
    return np.dstack([image[y0:y1, x0:x1], alpha])


def write_cutout(path: str | Path, rgba: NDArray[np.uint8]) -> None:
    """Write a cut-out, RGBA uint8 (h, w, 4), as PNG; nothing half-written ever stands under `path`.

    Raises:
        MediaError: the name does not end in .png, the array is no RGBA image, or it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise MediaError(f"{path}: ends in {path.suffix!r}; accepted: .png")
    if rgba.dtype != np.uint8 or rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.size == 0:
        raise MediaError(f"rgba: {rgba.dtype} {rgba.shape}; accepted: uint8 (h, w, 4)")
    _, encoded = cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))
    with write_atomically(path) as part:
        part.write_bytes(encoded.tobytes())
