"""Back-projects a mask with depth into space."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError
from sam_edge.pointcloud.cameras import CameraModel
from sam_edge.pointcloud.cloud import PointCloud
from sam_edge.pointcloud.depth import frame_width, remove_flying_pixels
from sam_edge.segmenter import check_frame

ROTATION_TOLERANCE = 1e-3
"""Largest deviation of R R^T from the identity in a pose."""


def backproject(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    depth_m: ArrayLike,
    camera: CameraModel,
    *,
    world_from_camera: ArrayLike | None = None,
    along_ray: bool = False,
    raw: bool = False,
) -> PointCloud:
    """Lift what a mask shows into space.

    Args:
        image: RGB uint8 (H, W, 3).
        mask: bool (H, W).
        depth_m: (H, W), metres; NaN, infinity, zero and less mean unknown.
        camera: intrinsics of these frames.
        world_from_camera: rigid transform (4, 4) or (3, 4), metres; the points are then in the world's space.
        along_ray: True for depth as the distance from the camera, False for depth along its axis.
        raw: keep pixels at depth discontinuities, which mix the object with its background.

    Raises:
        InputError: sizes differ, the pose is no rigid transform, or no pixel of the mask has a reliable depth.
    """
    check_frame(image)
    size = (image.shape[0], image.shape[1])
    depth = np.asarray(depth_m, np.float64)
    if mask.dtype != np.bool_ or mask.shape != size:
        raise InputError(f"mask: {mask.dtype} {mask.shape}; accepted: bool {size}, as the image")
    if depth.shape != size:
        raise InputError(
            f"depth_m: shape {depth.shape}; accepted: {size}, as the image; scale it by its nearest pixels"
        )
    if camera.size != size:
        raise InputError(
            f"camera: made for frames of {camera.size}; accepted: {size} (height, width), as the image"
        )
    pose = _check_pose(world_from_camera)
    known = mask & np.isfinite(depth) & (depth > 0)
    used = known if raw else remove_flying_pixels(mask, depth, frame_width(camera))
    rows, columns = np.nonzero(used)
    if not len(rows):
        raise InputError(
            f"depth_m: none of the mask's {np.count_nonzero(mask)} pixels has a reliable depth above 0"
        )
    rays = camera.rays(np.stack([columns + 0.5, rows + 0.5], axis=1))
    length = np.linalg.norm(rays, axis=1) if along_ray else rays[:, 2]
    points = rays * (depth[rows, columns] / length)[:, None]
    if pose is not None:
        points = points @ pose[:, :3].T + pose[:, 3]
    return PointCloud(points, image[rows, columns], "camera" if pose is None else "world")


def _check_pose(matrix: ArrayLike | None) -> NDArray[np.float64] | None:
    if matrix is None:
        return None
    pose = np.asarray(matrix, np.float64)
    if pose.shape not in ((4, 4), (3, 4)) or not np.isfinite(pose).all():
        raise InputError(f"world_from_camera: shape {pose.shape}; accepted: finite (4, 4) or (3, 4)")
    rotation = pose[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > ROTATION_TOLERANCE or np.linalg.det(rotation) < 0:
        raise InputError("world_from_camera: its left part is no rotation; accepted: a rigid transform")
    return pose[:3]
