"""Where a selection is in the world: its ray, an anchor on it, and the corners of its box.

Inside, camera space has x right, y down, z forward. A world has the axes of the device that states the poses:

* `openxr`: x right, y up, z backward, right-handed (OpenXR, WebXR, ARKit, glTF);
* `unity`: x right, y up, z forward, left-handed;
* `camera`: x right, y down, z forward, right-handed (OpenCV, Project Aria's cameras).

A quaternion rotates vectors by the same formula in all of them; in a left-handed world a positive angle turns the other
way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError
from sam_edge.masks import mask_to_box
from sam_edge.pointcloud.cameras import CameraModel
from sam_edge.pointcloud.depth import frame_width, remove_flying_pixels

WorldAxes: TypeAlias = Literal["openxr", "unity", "camera"]
"""Axes of a world."""
_FLIPS: dict[str, tuple[int, int, int]] = {"openxr": (1, -1, -1), "unity": (1, -1, 1), "camera": (1, 1, 1)}
UNIT_TOLERANCE = 0.01
"""Largest deviation of a quaternion's length from 1."""
LEAST_ANGLE_RAD = 0.01
"""Rays that differ by less than this cannot be crossed: each milliradian of error would move the crossing by more
than a tenth of its distance."""


@dataclass(frozen=True, slots=True)
class CameraPose:
    """Where a camera was when it took a frame."""

    position_m: tuple[float, float, float]
    """Its centre in the world, metres."""
    orientation_xyzw: tuple[float, float, float, float]
    """Unit quaternion that turns the camera's own axes, which are named like the world's, to the world's."""
    axes: WorldAxes = "openxr"
    """Axes of the world."""

    def __post_init__(self) -> None:
        """Refuse what is no pose. Raises `InputError`."""
        if self.axes not in _FLIPS:
            raise InputError(f"axes: {self.axes!r}; accepted: {', '.join(_FLIPS)}")
        length = float(np.linalg.norm(self.orientation_xyzw))
        if len(self.position_m) != 3 or not np.isfinite(self.position_m).all():
            raise InputError(f"position_m: {self.position_m}; accepted: three finite metres")
        if len(self.orientation_xyzw) != 4 or not abs(length - 1) < UNIT_TOLERANCE:
            raise InputError(
                f"orientation_xyzw: {self.orientation_xyzw}, length {length:g}; accepted: a unit quaternion x, y, z, w"
            )

    def world_from_camera(self) -> NDArray[np.float64]:
        """Return the transform (3, 4) from camera space (x right, y down, z forward) to the world.

        In `unity` its left part mirrors: the world is left-handed, and camera space is not.
        """
        x, y, z, w = np.asarray(self.orientation_xyzw) / np.linalg.norm(self.orientation_xyzw)
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        turned = rotation * np.asarray(_FLIPS[self.axes])
        return np.concatenate([turned, np.reshape(self.position_m, (3, 1))], axis=1)


@dataclass(frozen=True, slots=True)
class WorldRay:
    """A half-line of the world."""

    origin_m: NDArray[np.float64]
    """Centre of the camera (3,), metres."""
    direction: NDArray[np.float64]
    """Unit vector (3,)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a selected object is in the world."""

    ray: WorldRay
    """From the camera through the middle of the object's box."""
    anchor_m: NDArray[np.float64]
    """The point (3,) of the ray at the object's depth, metres."""
    quad_m: NDArray[np.float64]
    """Corners (4, 3) of the object's box at that depth, parallel to the image: top left, top right, bottom right,
    bottom left as the frame shows them, metres."""
    depth_m: float
    """Depth of the anchor along the camera's axis, metres."""
    source: Literal["depth map", "distance"]
    """What the depth is from."""


def place(
    mask: NDArray[np.bool_],
    camera: CameraModel,
    pose: CameraPose,
    *,
    depth_m: ArrayLike | None = None,
    distance_m: float | None = None,
) -> Placement:
    """Place a selection in the world.

    Args:
        mask: bool (H, W).
        camera: intrinsics of these frames.
        pose: where the camera was when it took the frame.
        depth_m: depth map (H, W) along the camera's axis, metres; NaN, infinity, zero and less mean unknown. The
            object's depth is the median over the mask without depth discontinuities.
        distance_m: distance of the object along the ray, metres, where no depth map is there: from the device's ray
            cast, or from `cross_rays`.

    Raises:
        InputError: the mask is empty or of another size than the camera's frames, neither or both of `depth_m` and
            `distance_m` are given, or no pixel of the mask has a depth.
    """
    if mask.dtype != np.bool_ or mask.shape != camera.size:
        raise InputError(
            f"mask: {mask.dtype} {mask.shape}; accepted: bool {camera.size}, as the camera's frames"
        )
    box = mask_to_box(mask)
    if box is None:
        raise InputError("mask: it is empty; accepted: a mask with a pixel or more")
    if (depth_m is None) == (distance_m is None):
        raise InputError("depth_m, distance_m: give one of the two")
    x0, y0, x1, y1 = box
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), ((x0 + x1) / 2, (y0 + y1) / 2)], np.float64)
    rays = camera.rays(corners)
    middle = rays[4] / np.linalg.norm(rays[4])
    if distance_m is not None:
        if not (np.isfinite(distance_m) and distance_m > 0):
            raise InputError(f"distance_m: {distance_m}; accepted: metres above 0")
        along = float(distance_m * middle[2])
    else:
        along = _median_depth(mask, np.asarray(depth_m, np.float64), camera)
    if not (rays[:, 2] > 0).all():
        raise InputError(
            "mask: its box reaches beyond 90 degrees from the camera's axis and has no corners in space"
        )
    matrix = pose.world_from_camera()
    points = (rays / rays[:, 2:] * along) @ matrix[:, :3].T + matrix[:, 3]
    return Placement(
        WorldRay(matrix[:, 3].copy(), matrix[:, :3] @ middle),
        points[4],
        points[:4],
        along,
        "depth map" if distance_m is None else "distance",
    )


def cross_rays(rays: Sequence[WorldRay]) -> tuple[NDArray[np.float64], float]:
    """Return the point that is nearest to rays from several places, and the root mean square of its distances to them.

    Where neither depth nor a ray cast is there, an object that is looked at from two places is found by its bearing.

    Args:
        rays: two or more, from one world.

    Returns:
        The point (3,), metres, and its distance from the rays, metres.

    Raises:
        InputError: fewer than two rays, or all of them nearly parallel: the head has to move.
    """
    if len(rays) < 2:
        raise InputError(f"rays: {len(rays)}; accepted: two or more, from different places")
    origins = np.stack([ray.origin_m for ray in rays])
    directions = np.stack([ray.direction for ray in rays])
    # What is across each ray: the sum of their projections has to vanish at the point.
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    widest = float(np.arccos(np.clip(directions @ directions.T, -1, 1)).max())
    if widest < LEAST_ANGLE_RAD:
        raise InputError(
            f"rays: they differ by {np.degrees(widest):.2f} degrees at most; accepted: "
            f"{np.degrees(LEAST_ANGLE_RAD):.2f} or more. Look at the object from another place"
        )
    point = np.linalg.solve(across.sum(axis=0), np.einsum("nij,nj->i", across, origins))
    off_m = np.linalg.norm(np.einsum("nij,nj->ni", across, point - origins), axis=1)
    return point, float(np.sqrt(np.mean(off_m**2)))


def change_axes(points_m: ArrayLike, *, given: WorldAxes, wanted: WorldAxes) -> NDArray[np.float64]:
    """Return points or directions (..., 3) of a world, given in the axes `given`, in the axes `wanted`."""
    for name, axes in (("given", given), ("wanted", wanted)):
        if axes not in _FLIPS:
            raise InputError(f"{name}: {axes!r}; accepted: {', '.join(_FLIPS)}")
    return np.asarray(points_m, np.float64) * np.multiply(_FLIPS[given], _FLIPS[wanted])


def _median_depth(mask: NDArray[np.bool_], depth_m: NDArray[np.float64], camera: CameraModel) -> float:
    if depth_m.shape != mask.shape:
        raise InputError(f"depth_m: shape {depth_m.shape}; accepted: {mask.shape}, as the mask")
    used = remove_flying_pixels(mask, depth_m, frame_width(camera))
    if not used.any():
        raise InputError(
            f"depth_m: none of the mask's {np.count_nonzero(mask)} pixels has a reliable depth above 0; give "
            "distance_m where the device measures no depth there"
        )
    return float(np.median(depth_m[used]))
