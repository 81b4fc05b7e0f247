"""One colour for each object, by its number: the same over the video and in lists, and that of the pages."""

from __future__ import annotations

import math

import numpy as np

GOLDEN_ANGLE_DEG, FIRST_HUE_DEG = 137.508, 8.0
"""Steps of the golden angle keep the hues of neighbouring numbers far apart, however many objects there are."""
LIGHTNESS, CHROMA = 0.76, 0.16
"""In OKLCH: bright enough for dark text on it. The same as in `serve/page/object-colours.js`."""
_LMS_FROM_LAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
"""From OKLab to linear sRGB: B. Ottosson, "A perceptual color space for image processing", 2020."""


def object_rgb(object_id: int) -> tuple[int, int, int]:
    """Return the colour of an object as sRGB, 0..255 each; what sRGB cannot show is clipped."""
    hue = math.radians((FIRST_HUE_DEG + GOLDEN_ANGLE_DEG * (object_id - 1)) % 360)
    lab = np.array([LIGHTNESS, CHROMA * math.cos(hue), CHROMA * math.sin(hue)])
    linear = np.clip(_RGB_FROM_LMS @ (_LMS_FROM_LAB @ lab) ** 3, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(value) for value in np.rint(255 * encoded))
    return red, green, blue


def object_hex(object_id: int) -> str:
    """Return the colour of an object as text of a style sheet, `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*object_rgb(object_id))
