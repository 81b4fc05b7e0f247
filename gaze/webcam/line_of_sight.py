"""From irises and head pose to lines of sight, and to the point on the screen where they end.

An eye is a ball that turns about its centre, which is fixed in the head; the iris is at a fixed distance from that
centre. The line of sight goes from the centre through the iris. That is so for an average person: where the centres are
and the angle between an eye's axis and its line of sight differ by some degrees, which a calibration takes out.

Sources: centre of rotation 13.5 mm behind the cornea (Fry and Hill 1962), the entrance pupil 3.05 mm behind it (Le
Grand's eye), lids and corners as in MediaPipe's canonical face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_edge.gaze.webcam.crops import Floats
from sam_edge.gaze.webcam.head import HeadPose

IRIS_FROM_CENTRE_MM = 10.5
BEHIND_CORNERS_MM = np.array([0.0, -1.0, 8.0])
"""From the middle between an eye's corners to its centre of rotation, for an average person, in the head's space."""


_LEAST_TOWARDS = -0.25
"""Eyes that are turned further from the camera's axis (75 degrees) look at no screen."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A flat screen under the camera, and where it stands in the camera's space."""

    size: tuple[int, int]
    """(height, width), pixels."""
    width_mm: float
    """Width of its image, millimetres."""
    camera_above_mm: float = 8.0
    """How far above the image's upper edge the camera sits."""
    camera_aside_mm: float = 0.0
    """How far the camera sits to the right of the image's middle, for who looks at the screen."""

    @property
    def px_per_mm(self) -> float:
        """Pixels in a millimetre."""
        return self.size[1] / self.width_mm

    def px_per_deg(self, distance_mm: float) -> float:
        """Pixels in a degree of visual angle, seen straight on from `distance_mm`."""
        return distance_mm * float(np.tan(np.radians(1.0))) * self.px_per_mm

    def points_px(self, points_mm: Floats) -> Floats:
        """Take points (n, 2) in the plane of the screen from the camera's space to the screen's pixels (n, 2).

        The camera looks at the person: its right is the screen's left.
        """
        x = self.size[1] / 2 + (self.camera_aside_mm - points_mm[:, 0]) * self.px_per_mm
        y = (points_mm[:, 1] - self.camera_above_mm) * self.px_per_mm
        return np.stack([x, y], axis=1)


@dataclass(frozen=True, slots=True)
class EyeRays:
    """What one frame tells of where the eyes look."""

    pose: HeadPose
    """Where the head is."""
    iris_rays: Floats
    """Unit vectors from the camera towards the irises' centres, left and right as seen, float64 (2, 3)."""


def sight_lines(look: EyeRays) -> tuple[Floats, Floats]:
    """Return where the lines of sight begin (2, 3), millimetres, and their directions (2, 3), in the camera's space."""
    eyes_mm = look.pose.shape.eyes_mm + BEHIND_CORNERS_MM
    centres = eyes_mm @ look.pose.rotation.T + look.pose.position_mm
    along = np.sum(centres * look.iris_rays, axis=1)
    # Where the camera's ray meets the ball on which the iris moves; at its edge where landmarks put it outside.
    offset_squared = np.sum(centres**2, axis=1) - along**2
    depth = np.sqrt(np.maximum(IRIS_FROM_CENTRE_MM**2 - offset_squared, 0.0))
    irises = look.iris_rays * (along - depth)[:, None]
    lines = irises - centres
    return centres, lines / np.linalg.norm(lines, axis=1, keepdims=True)


def gaze_point_mm(look: EyeRays) -> Floats | None:
    """Return where both eyes together look in the plane of the screen, (2,), millimetres in the camera's space.

    Their directions are averaged, so that it does not matter where the two lines cross. None when they look away from
    the screen.
    """
    origins, directions = sight_lines(look)
    origin, direction = origins.mean(axis=0), directions.mean(axis=0)
    if direction[2] > _LEAST_TOWARDS:
        return None
    point: Floats = (origin - direction * (origin[2] / direction[2]))[:2]
    return point
