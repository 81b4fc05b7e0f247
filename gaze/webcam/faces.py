"""Where the face is: the detector's anchors, its decoding, and the choice of one face.

Source: MediaPipe 0.10.14, face_detection_short_range: four layers of anchors (strides 8, 16, 16, 16, two anchors a cell
in each), scores clipped to +-100, overlapping boxes merged by weight above an overlap of 0.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.webcam.crops import Floats, Square, crop
from sam_edge.gaze.webcam.networks import Network

_CELLS = ((16, 2), (8, 6))
"""Cells a side, and anchors in each."""
_LEAST_SCORE = 0.5
_MERGE_OVERLAP = 0.3
_KEYPOINTS = 6


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """One face that the detector found."""

    score: float
    """How sure it is, 0..1."""
    box_px: tuple[float, float, float, float]
    """Left, top, right, bottom, frame pixels."""
    keypoints_px: Floats
    """Right eye, left eye, nose tip, mouth, right and left ear (the person's own), float64 (6, 2), frame pixels."""

    def square(self, *, margin: float = 1.5) -> Square:
        """Return the square for the landmark network: level with the eyes, `margin` times as large as the box."""
        x0, y0, x1, y1 = self.box_px
        (ax, ay), (bx, by) = self.keypoints_px[:2]
        side = margin * max(x1 - x0, y1 - y0)
        return Square((x0 + x1) / 2, (y0 + y1) / 2, side, math.atan2(by - ay, bx - ax))


class FaceDetector:
    """Finds faces that are within about two metres of the camera."""

    def __init__(self) -> None:
        """Open the network."""
        self._network = Network("face_detector")
        self._anchors = _anchors()

    def find(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return the faces in an RGB frame, the largest first."""
        height, width = image.shape[:2]
        whole = Square(width / 2, height / 2, max(height, width))
        side = self._network.side
        values = crop(image, whole, side, border=cv2.BORDER_CONSTANT, by_corners=True) / 127.5 - 1.0
        raw, logits = self._network(values)
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -100.0, 100.0)))
        good = scores >= _LEAST_SCORE
        found = _merge(_decode(raw[good], self._anchors[good], side), scores[good])
        faces = [self._face(values, score, whole) for values, score in found]
        return sorted(faces, key=lambda face: face.box_px[0] - face.box_px[2])

    def _face(self, values: Floats, score: float, whole: Square) -> DetectedFace:
        points = whole.to_frame(values.reshape(-1, 2), self._network.side)
        (x0, y0), (x1, y1) = points[:2]
        return DetectedFace(score, (float(x0), float(y0), float(x1), float(y1)), points[2:])


def _anchors() -> Floats:
    """Return the anchors' centres (896, 2), share of the side."""
    layers = []
    for cells, each in _CELLS:
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), each, axis=0))
    return np.concatenate(layers)


def _decode(raw: Floats, anchors: Floats, side: int) -> Floats:
    """Return corners and keypoints (n, 16) in crop pixels: x0, y0, x1, y1, then x and y of six points."""
    values: Floats = raw.copy()
    centres = anchors * side
    values[:, :2] += centres
    half = values[:, 2:4] / 2
    middle = values[:, :2].copy()
    values[:, :2], values[:, 2:4] = middle - half, middle + half
    values[:, 4:] += np.tile(centres, _KEYPOINTS)
    return values


def _merge(values: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """Merge overlapping detections by their scores' weights; the best score stands for each group."""
    found = []
    order = np.argsort(-scores)
    while len(order):
        best = order[0]
        near = _overlaps(values[best], values[order]) > _MERGE_OVERLAP
        near[0] = True
        group = order[near]
        found.append((np.average(values[group], axis=0, weights=scores[group]), float(scores[best])))
        order = order[~near]
    return found


def _overlaps(one: Floats, others: Floats) -> Floats:
    """Return the intersection over union of a box with others (n,)."""
    width = np.minimum(one[2], others[:, 2]) - np.maximum(one[0], others[:, 0])
    height = np.minimum(one[3], others[:, 3]) - np.maximum(one[1], others[:, 1])
    shared = np.clip(width, 0.0, None) * np.clip(height, 0.0, None)
    area = (one[2] - one[0]) * (one[3] - one[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    overlaps: Floats = shared / np.maximum(area + areas - shared, 1e-9)
    return overlaps
