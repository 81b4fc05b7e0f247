"""How the picture moves: dense optical flow, and what is carried along with it."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDE_PX = 427
"""Flow is computed on frames scaled down to this: half of DAVIS's 854, where it costs 1 to 3 ms."""


class FrameMotion:
    """Optical flow from each frame back to the one before.

    Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016), as OpenCV has it.
    """

    def __init__(self) -> None:
        """Begin without a frame."""
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._grey: NDArray[np.uint8] | None = None
        self._back: NDArray[np.float32] | None = None
        self._scale = 1.0

    def advance(self, image: NDArray[np.uint8]) -> None:
        """Take the next frame, RGB uint8 (H, W, 3)."""
        height, width = image.shape[:2]
        self._scale = min(1.0, LONG_SIDE_PX / max(height, width))
        size = (max(16, round(width * self._scale)), max(16, round(height * self._scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._grey is not None and self._grey.shape == grey.shape:
            # From the new frame back to the old one, so that a mask is carried by one lookup a pixel.
            # An array in the third place would be a first guess of the flow; None, which the stubs leave out, is none.
            self._back = np.asarray(self._flow.calc(grey, self._grey, cast(Any, None)), np.float32)
        else:
            self._back = None
        self._grey = grey

    def carry_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Carry a mask (H, W) of the frame before to this one."""
        if self._back is None:
            return mask
        rows, columns = self._back.shape[:2]
        small = cv2.resize(mask.astype(np.uint8) * 255, (columns, rows), interpolation=cv2.INTER_AREA)
        x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
        moved = cv2.remap(small, x + self._back[..., 0], y + self._back[..., 1], cv2.INTER_LINEAR)
        full = cv2.resize(moved, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_LINEAR)
        return np.asarray(full >= 128)

    def carry_point(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Carry a point of the frame before, frame pixels, to this one."""
        if self._back is None:
            return x_px, y_px
        rows, columns = self._back.shape[:2]
        step_x, step_y = 0.0, 0.0
        # The flow is known where things are now; two rounds find where the point went.
        for _ in range(2):
            column = min(columns - 1, max(0, int((x_px + step_x) * self._scale)))
            row = min(rows - 1, max(0, int((y_px + step_y) * self._scale)))
            back_x, back_y = self._back[row, column]
            step_x, step_y = -float(back_x) / self._scale, -float(back_y) / self._scale
        return x_px + step_x, y_px + step_y
