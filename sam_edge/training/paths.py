"""Motion of synthetic scenes: where each pixel of a frame comes from in a photograph, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

COARSE = 4
"""Maps are computed on a grid coarser by this, and scaled up."""

Places = NDArray[np.float32]
"""(rows, columns, 2): places x, y, pixels of a photograph."""


@dataclass(frozen=True, slots=True)
class AffinePath:
    """A similarity transform round a centre that changes steadily, with some acceleration."""

    centre: NDArray[np.float64]
    """(2,) pixels."""
    velocity: NDArray[np.float64]
    """(4,): x, y in pixels, angle in radians, logarithm of the scale; each a frame."""
    acceleration: NDArray[np.float64]
    """(4,): the same, a frame squared."""
    start: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    """(4,): the same, at frame 0."""

    def inverse(self, places: Places, frame: float) -> Places:
        """Find where places of a frame were before the motion."""
        shift_x, shift_y, angle, log_scale = (
            self.start + self.velocity * frame + self.acceleration * frame**2 / 2
        )
        x = places[..., 0] - self.centre[0] - shift_x
        y = places[..., 1] - self.centre[1] - shift_y
        cos, sin = np.cos(angle) * np.exp(-log_scale), np.sin(angle) * np.exp(-log_scale)
        moved = np.stack([cos * x + sin * y + self.centre[0], cos * y - sin * x + self.centre[1]], axis=-1)
        return moved.astype(np.float32)


@dataclass(frozen=True, slots=True)
class ElasticPath:
    """A smooth displacement field that swings between two shapes."""

    shapes: NDArray[np.float32]
    """(2, n, n, 2) pixels: displacements on a control grid over `box`."""
    box: NDArray[np.float64]
    """(4,) x0, y0, x1, y1, pixels."""
    phase: float
    """Radians, at frame 0."""
    speed: float
    """Radians a frame."""

    def inverse(self, places: Places, frame: float) -> Places:
        """Displace places."""
        angle = self.phase + self.speed * frame
        shape = (np.cos(angle) * self.shapes[0] + np.sin(angle) * self.shapes[1]).astype(np.float32)
        count = shape.shape[0]
        fine = np.asarray(
            cv2.resize(shape, (8 * count, 8 * count), interpolation=cv2.INTER_CUBIC), np.float32
        )
        scale = 8 * count / (self.box[2:] - self.box[:2])
        index = ((places - self.box[:2]) * scale - 0.5).astype(np.float32)
        moved = cv2.remap(
            fine, index[..., 0], index[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(places + moved, np.float32)


@dataclass(frozen=True, slots=True)
class LimbPath:
    """A part beyond a pivot that swings round it, as limbs do."""

    pivot: NDArray[np.float64]
    """(2,) pixels."""
    direction: NDArray[np.float64]
    """(2,) unit vector to the moving part."""
    softness_px: float
    """Width of the bend."""
    swing: float
    """Largest angle, radians."""
    phase: float
    """Radians, at frame 0."""
    speed: float
    """Radians a frame."""

    def inverse(self, places: Places, frame: float) -> Places:
        """Turn the places of the moving part back."""
        angle = self.swing * np.sin(self.phase + self.speed * frame)
        relative = places - self.pivot
        weight = 1 / (1 + np.exp(np.clip(-(relative @ self.direction) / self.softness_px, -30, 30)))
        turn = angle * weight
        cos, sin = np.cos(turn), np.sin(turn)
        x = cos * relative[..., 0] + sin * relative[..., 1]
        y = cos * relative[..., 1] - sin * relative[..., 0]
        return (np.stack([x, y], axis=-1) + self.pivot).astype(np.float32)


MotionPath = AffinePath | ElasticPath | LimbPath
"""One part of a motion."""


def frame_places(size: tuple[int, int]) -> Places:
    """Return the coarse grid of places of a frame of `size` (height, width)."""
    rows, columns = size[0] // COARSE, size[1] // COARSE
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    return (np.stack([x * size[1] / columns, y * size[0] / rows], axis=-1)).astype(np.float32)


def remap_layer(
    layer: NDArray[np.uint8], places: Places, size: tuple[int, int], *, outside: int | None
) -> NDArray[np.uint8]:
    """Draw a layer at a frame's places: uint8 of `size`; `outside` is the value beyond its edges, None mirrors it."""
    fine = np.asarray(
        cv2.resize(places, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32
    ) - np.float32(0.5)
    border = cv2.BORDER_REFLECT_101 if outside is None else cv2.BORDER_CONSTANT
    drawn = cv2.remap(
        layer, fine[..., 0], fine[..., 1], cv2.INTER_LINEAR, borderMode=border, borderValue=outside or 0
    )
    return np.asarray(drawn, np.uint8)
