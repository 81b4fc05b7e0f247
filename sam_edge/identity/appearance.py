"""What an object looks like, as numbers that can be compared."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

BINS = (6, 8, 8)
"""Bins of lightness, a and b of the CIELAB histogram."""
_LOW, _HIGH = (0, 88, 88), (256, 168, 168)
"""Range of each channel as OpenCV scales it; a and b beyond it, which are rare, count with the outer bins."""
COLOURS = int(np.prod(BINS))
CELL_POOL = 4
"""Low-resolution logits along a side of a cell of the encoder's embedding."""
RING_SHARE = 0.35
"""The surroundings of an object reach this share of its longer side away from it."""
RING_GAP = 2
"""Cells between an object and its surroundings: the edge of a mask is never exact."""
RING_MIN = 8
"""Cells that the surroundings reach at least."""
LIGHT = 110.0
"""Mean of each of red, green and blue that a frame is brought to, to compare objects in different light."""
LIGHT_GAIN = 4.0
"""A channel is made brighter or darker by this factor at most."""

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Appearance:
    """How an object looks on one frame."""

    colour: Vector
    """(384,) square roots of the CIELAB histogram under its mask: the dot product of two is their Bhattacharyya
    coefficient."""
    surround: Vector
    """(384,) the same of what is round it."""
    texture: Vector
    """(C,) mean of the encoder's embedding under its mask; C is 0 where there is no embedding."""
    light: Vector = field(default_factory=lambda: np.zeros(3, np.float32))
    """(3,) mean red, green and blue of the frame, 0 to 255; zeros where it is not known."""
    even_colour: Vector = field(default_factory=lambda: np.zeros(COLOURS, np.float32))
    """(384,) as `colour`, of the frame after its light was brought to `LIGHT`."""
    even_surround: Vector = field(default_factory=lambda: np.zeros(COLOURS, np.float32))
    """(384,) as `surround`, of the frame after its light was brought to `LIGHT`."""


def describe(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    cells: NDArray[np.float32] | None = None,
    coverage: NDArray[np.float32] | None = None,
) -> Appearance:
    """Describe an object.

    Args:
        image: the frame scaled to the mask's grid, RGB uint8 (rows, columns, 3).
        mask: bool (rows, columns), not empty.
        cells: the encoder's embedding (C, h, w); None where there is none.
        coverage: share of each cell that lies on the object (h, w).
    """
    texture = np.zeros(0, np.float32)
    if cells is not None and coverage is not None and coverage.any():
        weights = (coverage / coverage.sum()).ravel()
        texture = np.asarray(cells.reshape(len(cells), -1) @ weights, np.float32)
    ring = ring_round(mask)
    light = light_of(image)
    even = even_light(image, light)
    return Appearance(
        describe_colour(image, mask),
        describe_colour(image, ring),
        texture,
        light,
        describe_colour(even, mask),
        describe_colour(even, ring),
    )


def light_of(image: NDArray[np.uint8]) -> Vector:
    """Return the mean red, green and blue (3,) of an image, RGB uint8 (rows, columns, 3)."""
    return np.asarray(cv2.mean(image)[:3], np.float32)


def even_light(image: NDArray[np.uint8], light: Vector) -> NDArray[np.uint8]:
    """Return an image, RGB uint8 (rows, columns, 3), with the mean of each channel brought to `LIGHT`.

    Args:
        image: the image.
        light: its mean red, green and blue (3,).
    """
    gains = np.clip(LIGHT / np.maximum(light, 1), 1 / LIGHT_GAIN, LIGHT_GAIN)
    table = np.clip(np.arange(256)[:, None] * gains + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def describe_colour(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Vector:
    """Return the square roots of the CIELAB histogram of an object, whose sum is 1; zeros for an empty mask.

    Args:
        image: RGB uint8 (rows, columns, 3).
        mask: bool (rows, columns).
    """
    under = image[mask]
    if not len(under):
        return np.zeros(COLOURS, np.float32)
    colours = cv2.cvtColor(under[None], cv2.COLOR_RGB2LAB)[0].astype(np.int32)
    index = np.zeros(len(colours), np.int32)
    for channel, (bins, low, high) in enumerate(zip(BINS, _LOW, _HIGH, strict=True)):
        place = (colours[:, channel] - low) * bins // (high - low)
        index = index * bins + np.clip(place, 0, bins - 1)
    counts = np.bincount(index, minlength=COLOURS)
    return np.sqrt(counts / len(colours)).astype(np.float32)


def ring_round(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the surroundings of an object, bool (rows, columns)."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    reach = max(RING_MIN, int(RING_SHARE * max(width, height)))
    # Only the part of the grid that the ring can touch is computed.
    y0, y1 = max(0, top - reach), top + height + reach
    x0, x1 = max(0, left - reach), left + width + reach
    part = mask[y0:y1, x0:x1].astype(np.uint8)
    ring = np.zeros_like(mask)
    ring[y0:y1, x0:x1] = (_grow(part, reach) > 0) & (_grow(part, RING_GAP) == 0)
    return ring


def _grow(mask: NDArray[np.uint8], cells: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(mask, np.ones((2 * cells + 1, 2 * cells + 1), np.uint8)), np.uint8)
