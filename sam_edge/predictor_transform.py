"""Places in an image and in the encoder's input, as the original's `ResizeLongestSide` converts them.

The original (https://github.com/facebookresearch/segment-anything) scales an image so that its longer side is as long
as the input. `SamPredictor.transform` is one; its methods take numpy arrays, and those that end in `_torch` tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge import sam_compat


@dataclass(frozen=True, slots=True)
class ResizeLongestSide:
    """Scales images, points and boxes to a length of the longer side."""

    target_length: int
    """Length of the longer side, pixels."""

    def apply_image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale an image, uint8 (H, W, 3), with the original's filter."""
        return sam_compat.resize(
            image, self.get_preprocess_shape(image.shape[0], image.shape[1], self.target_length)
        )

    def apply_coords(
        self, coords: NDArray[np.floating[Any]], original_size: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """Scale points (..., 2) x, y of an image of `original_size` (height, width), pixels."""
        return np.asarray(coords, np.float64) * self._scale(original_size)

    def apply_boxes(
        self, boxes: NDArray[np.floating[Any]], original_size: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """Scale boxes (..., 4) x0, y0, x1, y1 of an image of `original_size` (height, width), pixels."""
        corners = self.apply_coords(np.reshape(boxes, (-1, 2, 2)), original_size)
        return corners.reshape(-1, 4)

    def apply_coords_torch(self, coords: Any, original_size: tuple[int, ...]) -> Any:
        """Scale points (..., 2), a tensor; see `apply_coords`. The result is a float tensor on the same device."""
        return coords.float() * coords.new_tensor(self._scale(original_size), dtype=coords.float().dtype)

    def apply_boxes_torch(self, boxes: Any, original_size: tuple[int, ...]) -> Any:
        """Scale boxes (..., 4), a tensor; see `apply_boxes`."""
        return self.apply_coords_torch(boxes.reshape(-1, 2, 2), original_size).reshape(-1, 4)

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        """Return (height, width) of a scaled image."""
        scale = long_side_length / max(oldh, oldw)
        return int(oldh * scale + 0.5), int(oldw * scale + 0.5)

    def _scale(self, original_size: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the factors of x and y."""
        height, width = original_size[:2]
        new_height, new_width = self.get_preprocess_shape(height, width, self.target_length)
        return np.array([new_width / width, new_height / height])
