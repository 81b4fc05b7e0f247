"""The eyes close up: iris, eyelids, and how far each eye is open.

Source: MediaPipe 0.10.14, iris_landmark and the graph around it: the square is centred between the eye's corners, 2.3
times as wide as they are apart; the network knows the eye on the image's left side, the other one is mirrored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.webcam.crops import Floats, Square, crop
from sam_edge.gaze.webcam.landmarks import INNER_LEFT, INNER_RIGHT, OUTER_LEFT, OUTER_RIGHT
from sam_edge.gaze.webcam.networks import Network

_SCALE = 2.3
_LOWER, _UPPER = slice(1, 8), slice(9, 16)
"""Points of the lids between the corners, of the contour's 71: the lower one, then the upper one."""


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye in one frame."""

    iris_px: Floats
    """Iris: its centre, then four points on its edge, float64 (5, 2), frame pixels."""
    outline_px: Floats
    """Lids and brow, float64 (71, 2), frame pixels. The first 16 go round the opening."""
    openness: float
    """Mean distance of the lids over the distance of the corners: about 0.25 when open, below 0.1 when shut."""

    @property
    def centre_px(self) -> Floats:
        """Centre of the iris (2,), frame pixels."""
        centre: Floats = self.iris_px[0]
        return centre

    @property
    def lids_px(self) -> Floats:
        """The opening between the lids as a polygon, float64 (16, 2), frame pixels."""
        return np.concatenate([self.outline_px[:9], self.outline_px[_UPPER][::-1]])

    @property
    def iris_diameter_px(self) -> float:
        """Diameter of the iris, pixels."""
        spokes = self.iris_px[1:] - self.iris_px[1:].mean(axis=0)
        return 2.0 * float(np.median(np.hypot(*spokes.T)))


class EyeFinder:
    """Finds iris and lids round the corners that the face's landmarks give."""

    def __init__(self) -> None:
        """Open the network."""
        self._network = Network("iris_landmarks")

    def find(self, image: NDArray[np.uint8], landmarks: Floats) -> tuple[Eye, Eye]:
        """Return the eye on the left and the eye on the right of an RGB image."""
        left = square_between(landmarks[OUTER_LEFT], landmarks[INNER_LEFT])
        right = square_between(landmarks[INNER_RIGHT], landmarks[OUTER_RIGHT], mirrored=True)
        return self._at(image, left), self._at(image, right)

    def _at(self, image: NDArray[np.uint8], square: Square) -> Eye:
        side = self._network.side
        outline, iris = self._network(crop(image, square, side) / 255.0)
        placed = square.to_frame(outline.reshape(-1, 3), side)[:, :2]
        return Eye(
            square.to_frame(iris.reshape(-1, 3), side)[:, :2],
            placed,
            openness(placed),
        )


def square_between(left: Floats, right: Floats, *, mirrored: bool = False) -> Square:
    """Return the square round an eye with these corners, frame pixels, left and right as seen."""
    (ax, ay), (bx, by) = left[:2], right[:2]
    side = _SCALE * max(abs(bx - ax), abs(by - ay), 1.0)
    return Square((ax + bx) / 2, (ay + by) / 2, float(side), math.atan2(by - ay, bx - ax), mirrored)


def openness(outline_px: Floats) -> float:
    """Return the mean distance of the lids over the distance of the corners (after Soukupova and Cech, 2016)."""
    width = float(np.hypot(*(outline_px[8] - outline_px[0])))
    lids = np.hypot(*(outline_px[_UPPER] - outline_px[_LOWER]).T)
    return float(lids.mean()) / max(width, 1e-6)
