"""The scene camera of Tobii glasses: transforms 3-D gaze points to its space.

Gaze points are millimetres in the head unit's space (x to the wearer's left, y up, z forward); the calibration's
rotation and translation take them to the camera (x right, y down, z forward).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam_edge.gaze.samples import GazeRay


@dataclass(frozen=True, slots=True)
class TobiiCamera:
    """Calibration of a scene camera."""

    rotation: tuple[float, ...]
    """Rotation from the head unit's space to the camera's, 3x3 in rows."""
    translation_mm: tuple[float, ...]
    """Translation of the same map, millimetres."""
    focal_px: tuple[float, ...]
    """Focal lengths (x, y), pixels."""
    size: tuple[int, int]
    """(height, width) of the scene video, pixels."""

    @property
    def px_per_deg(self) -> float:
        """Pixels per degree at the middle of the frame."""
        return sum(self.focal_px) / 2 * math.pi / 180.0

    def ray_to(self, point_mm: tuple[float, ...]) -> tuple[GazeRay | None, float | None]:
        """Return the ray from the camera to a gaze point, and its length in metres."""
        x, y, z = point_mm
        rows = (self.rotation[0:3], self.rotation[3:6], self.rotation[6:9])
        point = [a * x + b * y + c * z + t for (a, b, c), t in zip(rows, self.translation_mm, strict=True)]
        length = math.hypot(*point)
        if length == 0.0:
            return None, None
        direction = (point[0] / length, point[1] / length, point[2] / length)
        return GazeRay((0.0, 0.0, 0.0), direction), length / 1e3
