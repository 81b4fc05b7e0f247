"""What an object looks like, as numbers that can be compared."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BINS = (6, 8, 8)
"""Bins of lightness, a and b of the CIELAB histogram."""
_LOW, _HIGH = (0, 88, 88), (256, 168, 168)
"""Range of each channel as OpenCV scales it; a and b beyond it, which are rare, count with the outer bins."""


def describe_colour(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the CIELAB histogram of an object, its sum 1.

    Args:
        image: RGB uint8 (rows, columns, 3).
        mask: bool (rows, columns), not empty.
    """
    colours = cv2.cvtColor(image[mask][None], cv2.COLOR_RGB2LAB)[0].astype(np.int32)
    index = np.zeros(len(colours), np.int32)
    for channel, (bins, low, high) in enumerate(zip(BINS, _LOW, _HIGH, strict=True)):
        place = (colours[:, channel] - low) * bins // (high - low)
        index = index * bins + np.clip(place, 0, bins - 1)
    counts = np.bincount(index, minlength=int(np.prod(BINS)))
    return np.asarray(counts / max(1, len(colours)), np.float32)
