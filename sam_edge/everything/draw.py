"""Draws generated masks on an image: each in a colour of its own, small ones above large ones."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.everything.generated_mask import GeneratedMask

FILL_ALPHA = 0.5
"""Opacity of the colour inside a mask."""
HUE_STEP = 0.61803398875
"""Step of the hue from mask to mask, the golden ratio: successive colours differ clearly."""


def draw_masks(image: NDArray[np.uint8], masks: Sequence[GeneratedMask]) -> NDArray[np.uint8]:
    """Draw masks on a copy of an image.

    Args:
        image: RGB uint8 (H, W, 3).
        masks: of that image.

    Raises:
        InputError: a mask has another size than the image.
    """
    out: NDArray[np.uint8] = image.copy()
    line_px = max(1, round(min(image.shape[:2]) / 400))
    for index, item in sorted(enumerate(masks), key=lambda pair: -pair[1].area):
        if item.segmentation.size != image.shape[:2]:
            raise InputError(
                f"masks: one of {item.segmentation.size}; accepted: {image.shape[:2]}, as the image"
            )
        x0, y0, x1, y1 = (int(side) for side in item.box)
        mask = item.mask()[y0:y1, x0:x1]
        colour = np.array(colour_for(index), np.float32)
        part = out[y0:y1, x0:x1]
        part[mask] = np.rint((1 - FILL_ALPHA) * part[mask] + FILL_ALPHA * colour).astype(np.uint8)
        outline, _ = cv2.findContours(
            np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x0, y0)
        )
        cv2.drawContours(out, outline, -1, colour_for(index), line_px, cv2.LINE_AA)
    return out


def colour_for(index: int) -> tuple[int, int, int]:
    """Return the colour, RGB, of the mask at an index of the list."""
    red, green, blue = colorsys.hsv_to_rgb(index * HUE_STEP % 1.0, 0.75 + 0.25 * (index % 2), 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
