"""From the values that an image file stores to RGB in 8 bits: the range of deep images, and alpha."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ValueRange = tuple[float, float]
"""The stored values that become black and white, as (black, white)."""
Values = NDArray[np.integer[Any] | np.floating[Any]]
BRIGHT_LUMA = 200.0
"""What is visible of a transparent image is set on black where its mean luma is above this, else on white."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_VALUES_AT_ONCE = 1 << 20
"""Values that are scaled at once: bounds the memory of the floating-point copy."""
_SAMPLED, _OUTSIDE_SHARE = 1 << 20, 0.0005
"""The range is found from about this many values, without this share at either end."""


@dataclass(frozen=True, slots=True)
class Converted:
    """An image in 8 bits, and what was done for it."""

    image: NDArray[np.uint8]
    """uint8 (H, W) or (H, W, C)."""
    note: str = ""
    """What a person should know of it; empty where nothing was decided."""


def scale_to_8_bits(
    values: Values, *, bits: int | None = None, value_range: ValueRange | None = None
) -> Converted:
    """Scale stored values to 8 bits.

    Without `value_range`, 8 bits stay as they are. Integers of more bits are scaled from 0 to the largest value of
    their depth: the file's own statement, else the smallest depth that holds the largest value. Where values fill less
    than a quarter of that depth and do not begin near 0, as thermal images do, and for floating point beyond 0 to 1,
    they are scaled from their least to their largest. The outermost 0.05 % of the values do not count.

    Args:
        values: (H, W) or (H, W, C), any integer or floating-point type.
        bits: significant bits of a channel, where the file states them.
        value_range: the values that become 0 and 255; values outside are clipped.
    """
    if value_range is not None:
        return Converted(_scale(values, *value_range))
    if values.dtype == np.uint8:
        return Converted(np.asarray(values, np.uint8))
    low, high = _usual_range(values)
    if not low <= high:
        return Converted(np.zeros(values.shape, np.uint8), "holds no finite value: it is black")
    if np.issubdtype(values.dtype, np.floating):
        if low >= 0.0 and high <= 1.0:
            return Converted(_scale(values, 0.0, 1.0))
        return Converted(_scale(values, low, high), _said(values, low, high, low, high))
    stored_bits = 8 * values.dtype.itemsize
    depth = bits or max(8, math.ceil(math.log2(high + 1)) if high > 0 else 8)
    white = float(2**depth - 1)
    if low < 0 or high > white or (high - low < white / 4 and low > white / 8):
        return Converted(_scale(values, low, high), _said(values, low, high, low, high))
    note = "" if bits or depth == stored_bits else _said(values, low, high, 0.0, white)
    return Converted(_scale(values, 0.0, white), note)


def drop_alpha(image: NDArray[np.uint8]) -> Converted:
    """Set an RGBA image (H, W, 4) on a plain background where it is transparent.

    The background is white; black where what is visible is nearly white itself. An image that is transparent
    everywhere keeps its colours: many programs write 0 where they mean nothing.
    """
    colours, alpha = image[..., :3], image[..., 3]
    if alpha.min() == 255:
        return Converted(np.ascontiguousarray(colours))
    if alpha.max() == 0:
        return Converted(
            np.ascontiguousarray(colours), "is transparent everywhere: its alpha channel is not used"
        )
    seen = colours[alpha > 127] if (alpha > 127).any() else colours[alpha > 0]
    bright = float(seen.mean(axis=0) @ _LUMA) > BRIGHT_LUMA
    background, name = (0, "black") if bright else (255, "white")
    blended = np.empty(colours.shape, np.uint8)
    rows = max(1, _VALUES_AT_ONCE // max(1, 3 * image.shape[1]))
    for begin in range(0, len(image), rows):
        part = slice(begin, begin + rows)
        weight = alpha[part, :, None].astype(np.uint32)
        blended[part] = (colours[part] * weight + background * (255 - weight) + 127) // 255
    return Converted(blended, f"has transparent parts: they are set on {name}")


def to_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W) or (H, W, 1) as RGB (H, W, 3), and RGB as it is."""
    if image.ndim == 2:
        image = image[..., None]
    return np.ascontiguousarray(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)


def _usual_range(values: Values) -> tuple[float, float]:
    """Return the least and the largest value, without the outermost 0.05 %: one hot pixel must not darken the rest."""
    with np.errstate(invalid="ignore"):
        # A signalling NaN warns where it is converted.
        some = values.reshape(-1)[:: max(1, values.size // _SAMPLED)].astype(np.float64)
    some = some[np.isfinite(some)]
    if some.size == 0:
        return math.nan, math.nan
    beyond = int(some.size * _OUTSIDE_SHARE)
    ordered = np.sort(some)
    return float(ordered[beyond]), float(ordered[-1 - beyond])


def _scale(values: Values, black: float, white: float) -> NDArray[np.uint8]:
    scaled = np.empty(values.shape, np.uint8)
    factor = 255.0 / (white - black) if white > black else 0.0
    rows = max(1, _VALUES_AT_ONCE // max(1, int(np.prod(values.shape[1:]))))
    for begin in range(0, len(values), rows):
        with np.errstate(invalid="ignore", over="ignore"):
            part = (values[begin : begin + rows].astype(np.float64) - black) * factor
        part = np.nan_to_num(part, nan=0.0, posinf=255.0, neginf=0.0)
        scaled[begin : begin + rows] = np.clip(np.floor(part + 0.5), 0, 255).astype(np.uint8)
    return scaled


def _said(values: Values, low: float, high: float, black: float, white: float) -> str:
    return (
        f"holds {values.dtype} values from {low:g} to {high:g}: {black:g} becomes black and {white:g} white "
        "(value_range sets others)"
    )
