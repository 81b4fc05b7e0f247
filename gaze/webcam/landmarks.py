"""The face's 468 landmarks, followed from frame to frame.

Source: MediaPipe 0.10.14, face_landmark and the graph around it: the next frame's square is the landmarks' bounding
box, 1.5 times as large, turned so that the outer eye corners are level.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.webcam.crops import Floats, Square, crop
from sam_edge.gaze.webcam.faces import FaceDetector
from sam_edge.gaze.webcam.networks import Network

OUTER_LEFT, INNER_LEFT, INNER_RIGHT, OUTER_RIGHT = 33, 133, 362, 263
"""Eye corners from left to right as seen in the image, numbers of landmarks."""
_LEAST_PRESENCE = 0.5
_MARGIN = 1.5
_LOOKS = 3
_KEEP, _KEEP_RAD = 0.06, 0.08
"""A square is kept until the face has moved by this share of the side, or turned by this angle."""
_FAR = 0.08
"""A face that is further off the middle of its square than this share of the side is looked at again."""
_ASIDE, _ASIDE_SIZE, _ASIDE_RAD = 0.05, 0.07, 0.07
"""How far squares are moved (share of the side), resized and turned for a mean of several looks."""
_STRIDES = (0.7549, 0.5698, 0.8191, 0.6711)
"""Irrational steps that fill the range of each of the four evenly."""


class FaceMesh:
    """Finds the landmarks of one face in a stream of frames; the detector runs only when the face was lost."""

    def __init__(self) -> None:
        """Open the networks."""
        self._detector = FaceDetector()
        self._network = Network("face_landmarks")
        self._square: Square | None = None
        self._looks = 0

    def find(self, image: NDArray[np.uint8]) -> Floats | None:
        """Return the landmarks of the largest face of an RGB frame, float64 (468, 3), or None.

        x and y are frame pixels, z is depth in the same unit, smaller towards the camera.
        """
        landmarks = None if self._square is None else self._near(image, self._square)
        if landmarks is None:
            faces = self._detector.find(image)
            landmarks = self._near(image, faces[0].square(margin=_MARGIN)) if faces else None
        self._square = None if landmarks is None else self._next(square_of(landmarks))
        return landmarks

    def mean(self, image: NDArray[np.uint8], landmarks: Floats, *, looks: int) -> Floats:
        """Return the mean landmarks (468, 3) of `looks` looks from squares that lie a little differently.

        The network's answer depends on how the face lies in its square, by half a pixel and more; the mean does not.
        `landmarks` are those that were found in this frame.
        """
        square = square_of(landmarks)
        seen = [landmarks]
        for _ in range(looks):
            self._looks += 1
            x, y, size, turn = (2.0 * (self._looks * stride % 1.0) - 1.0 for stride in _STRIDES)
            aside = Square(
                square.x_px + _ASIDE * x * square.side_px,
                square.y_px + _ASIDE * y * square.side_px,
                square.side_px * (1.0 + _ASIDE_SIZE * size),
                square.angle_rad + _ASIDE_RAD * turn,
            )
            found = self._at(image, aside)
            if found is not None:
                seen.append(found)
        return np.asarray(np.mean(seen, axis=0), np.float64)

    def _next(self, square: Square) -> Square:
        """Return the square for the next frame: the last one while it will do.

        Where the network sees the landmarks depends on how the face lies in the square: one that follows every tremble
        makes them tremble too.
        """
        last = self._square
        if last is None:
            return square
        moved = math.hypot(square.x_px - last.x_px, square.y_px - last.y_px) / last.side_px
        turned = abs(math.remainder(square.angle_rad - last.angle_rad, math.tau))
        same = moved < _KEEP and abs(square.side_px / last.side_px - 1.0) < 2 * _KEEP and turned < _KEEP_RAD
        return last if same else square

    def forget(self) -> None:
        """Run the face detector on the next frame."""
        self._square = None

    def _near(self, image: NDArray[np.uint8], square: Square) -> Floats | None:
        """Return the landmarks near a square; look again from where they are when the face has moved far."""
        landmarks = self._at(image, square)
        for _ in range(_LOOKS - 1):
            if landmarks is None:
                break
            new = square_of(landmarks)
            if math.hypot(new.x_px - square.x_px, new.y_px - square.y_px) < _FAR * square.side_px:
                break
            landmarks, square = self._at(image, new), new
        return landmarks

    def _at(self, image: NDArray[np.uint8], square: Square) -> Floats | None:
        side = self._network.side
        values, presence = self._network(crop(image, square, side, by_corners=True) / 255.0)
        if 1.0 / (1.0 + math.exp(-float(presence))) < _LEAST_PRESENCE:
            return None
        return square.to_frame(values.reshape(-1, 3), side)


def square_of(landmarks: Floats) -> Square:
    """Return the square in which to look for the face in the next frame."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    across = landmarks[OUTER_RIGHT, :2] - landmarks[OUTER_LEFT, :2]
    middle = (low + high) / 2
    side = _MARGIN * float((high - low).max())
    return Square(float(middle[0]), float(middle[1]), side, math.atan2(float(across[1]), float(across[0])))
