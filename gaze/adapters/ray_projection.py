"""Projection of a line of sight in a headset's space to a pixel of its camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.fields import unit_vector
from sam_edge.gaze.samples import GazeRay

Axes = Literal["openxr", "camera"]
"""`openxr`: +x right, +y up, -z forward. `camera`: +x right, +y down, +z forward."""
Space = Literal["head", "world", "camera"]
"""Coordinate space of a ray."""
Vector = tuple[float, float, float]
_NEAREST_M = 0.01
_FAR_M = 1000.0
_DEPTH_RANGE = 3.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Position and orientation in a space whose axes the packet names."""

    position_m: Vector = (0.0, 0.0, 0.0)
    """Origin, metres."""
    orientation_xyzw: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    """Unit quaternion that rotates its own axes to those of the outer space."""

    def __post_init__(self) -> None:
        length = math.sqrt(sum(part * part for part in self.orientation_xyzw))
        if not all(map(math.isfinite, self.position_m)) or not abs(length - 1.0) < 0.01:
            raise GazeDataError(
                "a pose has no finite position or no unit quaternion; send x, y, z, w of length 1"
            )

    def point_inside(self, point: Vector) -> Vector:
        """Return a point of the outer space in this pose's own."""
        return self.vector_inside(_minus(point, self.position_m))

    def vector_inside(self, vector: Vector) -> Vector:
        """Return a direction of the outer space in this pose's own."""
        x, y, z, w = self.orientation_xyzw
        # v' = v + 2 q x (q x v + w v), with the conjugate quaternion.
        axis = (-x, -y, -z)
        inner = _cross(axis, vector)
        inner = (inner[0] + w * vector[0], inner[1] + w * vector[1], inner[2] + w * vector[2])
        rotated = _cross(axis, inner)
        return vector[0] + 2 * rotated[0], vector[1] + 2 * rotated[1], vector[2] + 2 * rotated[2]


@dataclass(frozen=True, slots=True)
class RayCamera:
    """The camera that rays are projected into: a pinhole with Brown-Conrady distortion (Brown 1966)."""

    width_px: int
    """Image width, pixels."""
    height_px: int
    """Image height, pixels."""
    fx_px: float
    """Focal length along x, pixels."""
    fy_px: float
    """Focal length along y, pixels."""
    cx_px: float
    """Principal point from the image's left edge; pixel centres at +0.5, so OpenCV's value plus 0.5."""
    cy_px: float
    """Principal point from the image's top edge."""
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """k1, k2, p1, p2, k3, in OpenCV's order; zeros for an image without lens distortion."""
    pose: Pose = Pose()
    """Pose of the camera relative to the head."""
    axes: Axes = "openxr"
    """Axes of `pose`, and of the camera's own space before projection."""

    def __post_init__(self) -> None:
        intrinsics = (self.fx_px, self.fy_px, self.cx_px, self.cy_px, *self.distortion)
        if not (1 <= self.width_px <= 65536 and 1 <= self.height_px <= 65536):
            raise GazeDataError(
                f"a camera image is {self.width_px}x{self.height_px}; accepted are 1 to 65536 pixels"
            )
        if not all(map(math.isfinite, intrinsics)) or self.fx_px <= 0.0 or self.fy_px <= 0.0:
            raise GazeDataError(
                "a camera has intrinsics that are not finite, or a focal length of zero or less"
            )

    def ray(
        self, origin_m: Vector, direction: Vector, *, space: Space, axes: Axes, head: Pose | None
    ) -> GazeRay:
        """Return a packet's ray in scene camera space (+x right, +y down, +z forward).

        Raises:
            GazeDataError: the ray has no direction, is in world space without a head pose, or its axes are not the
                camera's.
        """
        if space != "camera":
            if axes != self.axes:
                raise GazeDataError(
                    f"a ray has the axes {axes!r} and its camera {self.axes!r}; both must be the same"
                )
            if space == "world":
                if head is None:
                    raise GazeDataError("a ray in world space comes without a head pose")
                origin_m, direction = head.point_inside(origin_m), head.vector_inside(direction)
            origin_m, direction = self.pose.point_inside(origin_m), self.pose.vector_inside(direction)
        unit = unit_vector(direction)
        if unit is None or not all(map(math.isfinite, origin_m)):
            raise GazeDataError("a ray has no direction or no finite origin")
        if axes == "openxr":
            origin_m = (origin_m[0], -origin_m[1], -origin_m[2])
            unit = (unit[0], -unit[1], -unit[2])
        return GazeRay(origin_m, unit)

    def project(self, ray: GazeRay, distance_m: float) -> tuple[float, float] | None:
        """Return the pixel of the point at `distance_m` along the ray; None when it is not in front of the camera."""
        x, y, z = (start + distance_m * step for start, step in zip(ray.origin_m, ray.direction, strict=True))
        if z < _NEAREST_M:
            return None
        x, y = self._distort(x / z, y / z)
        u, v = self.fx_px * x + self.cx_px, self.fy_px * y + self.cy_px
        return (u, v) if abs(u) < 1e7 and abs(v) < 1e7 else None

    def depth_covariance(self, ray: GazeRay, distance_m: float) -> tuple[float, float, float] | None:
        """Return the pixel covariance (xx, xy, yy) that an unknown depth causes, square pixels.

        The depth is assumed between a third of `distance_m` and far away, uniform over the pixels between the
        projections of these two ends. None when one of them is not in front of the camera.
        """
        near, far = self.project(ray, distance_m / _DEPTH_RANGE), self.project(ray, _FAR_M)
        if near is None or far is None:
            return None
        x, y = (near[0] - far[0]) / 2, (near[1] - far[1]) / 2
        return x * x / 3, x * y / 3, y * y / 3

    def _distort(self, x: float, y: float) -> tuple[float, float]:
        k1, k2, p1, p2, k3 = self.distortion
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        )


def _minus(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
