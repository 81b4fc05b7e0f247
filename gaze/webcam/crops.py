"""Turned squares of an image, as the landmark networks want them, and the way back to frame pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Square:
    """A square part of a frame that may be turned, and mirrored."""

    x_px: float
    """Centre, frame pixels."""
    y_px: float
    """Centre, frame pixels."""
    side_px: float
    """Length of a side, frame pixels."""
    angle_rad: float = 0.0
    """How far its upper side is turned, clockwise as seen."""
    mirrored: bool = False
    """Whether left and right are swapped in the crop."""

    def frame_from_crop(self, crop_side: int) -> Floats:
        """Return the affine map (2, 3) from pixels of a crop of `crop_side` to frame pixels."""
        scale = self.side_px / crop_side
        cos, sin = scale * math.cos(self.angle_rad), scale * math.sin(self.angle_rad)
        flip = -1.0 if self.mirrored else 1.0
        turn = np.array([[flip * cos, -sin], [flip * sin, cos]])
        middle = np.array([self.x_px, self.y_px]) - turn @ np.full(2, crop_side / 2)
        return np.column_stack([turn, middle])

    def to_frame(self, points: Floats, crop_side: int) -> Floats:
        """Take points (n, 2) or (n, 3) of a crop to the frame; depth is scaled with them."""
        affine = self.frame_from_crop(crop_side)
        placed = points[:, :2] @ affine[:, :2].T + affine[:, 2]
        return np.column_stack([placed, points[:, 2:] * (self.side_px / crop_side)])


def crop(
    image: NDArray[np.uint8],
    square: Square,
    side: int,
    *,
    border: int = cv2.BORDER_REPLICATE,
    by_corners: bool = False,
) -> NDArray[np.float32]:
    """Cut a square out of an RGB frame and return it as float32 (1, 3, side, side), 0..255.

    Pixels are sampled at their centres. With `by_corners` at their upper left corners, which is how MediaPipe cuts
    on a CPU: it is off by half of the scale, and its face networks are used that way.
    """
    affine = square.frame_from_crop(side)
    if not by_corners:
        # OpenCV counts pixels from their middle, we from their corner.
        affine[:, 2] += affine[:, :2] @ np.full(2, 0.5) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image, affine, (side, side), flags=flags, borderMode=border)
    return np.ascontiguousarray(cut.transpose(2, 0, 1)[None], np.float32)
