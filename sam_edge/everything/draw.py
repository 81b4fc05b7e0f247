"""A picture of everything that was found: each mask in a colour of its own, large ones below small ones."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.everything.generated_mask import GeneratedMask

FILL = 0.5
"""Share of the colour in a mask's inside."""
GOLDEN = 0.61803398875
"""Step of the hue from mask to mask: neighbours in the list never look alike."""


def draw_masks(image: NDArray[np.uint8], found: Sequence[GeneratedMask]) -> NDArray[np.uint8]:
    """Draw masks on a copy of a picture.

    Args:
        image: RGB uint8 (H, W, 3).
        found: masks of that picture.

    Raises:
        InputError: a mask has another size than the image.
    """
    out: NDArray[np.uint8] = image.copy()
    line_px = max(1, round(min(image.shape[:2]) / 400))
    for rank, one in sorted(enumerate(found), key=lambda pair: -pair[1].area):
        if one.segmentation.size != image.shape[:2]:
            raise InputError(
                f"found: a mask of {one.segmentation.size}; accepted: {image.shape[:2]}, as the image"
            )
        x0, y0, x1, y1 = (int(side) for side in one.box)
        mask = one.mask()[y0:y1, x0:x1]
        colour = np.array(colour_of(rank), np.float32)
        part = out[y0:y1, x0:x1]
        part[mask] = np.rint((1 - FILL) * part[mask] + FILL * colour).astype(np.uint8)
        outline, _ = cv2.findContours(
            np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x0, y0)
        )
        cv2.drawContours(out, outline, -1, colour_of(rank), line_px, cv2.LINE_AA)
    return out


def colour_of(rank: int) -> tuple[int, int, int]:
    """Return a colour, RGB, for the mask of a rank."""
    red, green, blue = colorsys.hsv_to_rgb(rank * GOLDEN % 1.0, 0.75 + 0.25 * (rank % 2), 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
