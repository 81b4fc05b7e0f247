"""Colours, sizes and positions that everything drawn on a frame shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SELECTION_RGB = (255, 46, 126)
"""Colour of the selection: a pink that grass, sky, skin and stone do not have."""
GAZE_RGB = (255, 221, 51)
"""Colour of the gaze."""
INK_RGB = (16, 18, 24)
"""Colour of rims and panels."""
SHIFT = 4
"""Positions are drawn in sixteenths of a pixel."""


def drawing_unit(size: tuple[int, int]) -> float:
    """Return the factor of line widths and letters for a frame of `size` (height, width): 1 at 720 pixels."""
    return max(min(size) / 720, 0.3)


def to_sixteenths(points: Sequence[tuple[float, float]]) -> NDArray[np.int32]:
    """Turn frame positions (pixel centres at +0.5) into OpenCV's drawing positions, in sixteenths."""
    return np.rint((np.array(points, np.float64) - 0.5) * (1 << SHIFT)).astype(np.int32)
