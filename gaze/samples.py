"""One gaze sample of an eye tracker, and the line of sight that some trackers measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

HeadPoseValues: TypeAlias = tuple[float, float, float, float, float, float]
"""Position x, y, z in the camera's space, millimetres, then yaw, pitch, roll, degrees."""

SCENE_PX_PER_DEG = 15.0
"""Scene pixels in a degree of visual angle, unless stated: typical for scene cameras of head-mounted trackers."""


@dataclass(frozen=True, slots=True)
class GazeRay:
    """A line of sight in the scene camera's space: +x right, +y down, +z forward."""

    origin_m: tuple[float, float, float]
    """Origin of the ray, metres."""
    direction: tuple[float, float, float]
    """Unit vector along the line of sight."""


@dataclass(frozen=True, slots=True)
class GazeSample:
    """One gaze sample in scene pixels (origin top-left, x right, y down; pixel centres at +0.5)."""

    time_ns: int
    """Host time, monotonic nanoseconds. In a recording, 0 is the instant the first frame is shown."""
    x_px: float
    """Horizontal position in scene pixels; NaN when invalid. May lie outside the frame."""
    y_px: float
    """Vertical position in scene pixels; NaN when invalid. May lie outside the frame."""
    confidence: float = 1.0
    """The tracker's confidence in this sample, 0..1."""
    device_time_ns: int | None = None
    """Time on the tracker's own clock, nanoseconds; None when it has no clock."""
    offset_uncertainty_ns: int | None = None
    """Uncertainty of the offset host time minus device time, as a half-width, nanoseconds."""
    left_valid: bool | None = None
    """Whether the left eye was seen; None when the tracker does not report it."""
    right_valid: bool | None = None
    """Whether the right eye was seen; None when the tracker does not report it."""
    ray: GazeRay | None = None
    """Line of sight; None when the tracker does not measure it."""
    depth_m: float | None = None
    """Distance of the point of regard from the ray's origin, metres."""
    covariance_px2: tuple[float, float, float] | None = None
    """Uncertainty of the position as (xx, xy, yy), square pixels."""
    head: HeadPoseValues | None = None
    """Pose of the head in the camera's space; None unless the tracker is remote and measures it."""

    @property
    def valid(self) -> bool:
        """True when both coordinates are finite and the confidence is not zero."""
        return math.isfinite(self.x_px) and math.isfinite(self.y_px) and self.confidence > 0.0
