"""Point clouds, and the boxes round them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError

ROUNDS = 3
"""Rounds in which the box is rotated about each of its axes to become smaller."""


@dataclass(frozen=True, slots=True)
class OrientedBox:
    """A box of any orientation."""

    centre_m: NDArray[np.float64]
    """(3,): centre, metres."""
    axes: NDArray[np.float64]
    """(3, 3): rotation matrix; row i is the unit vector along side i, longest side first."""
    extent_m: NDArray[np.float64]
    """(3,): lengths of the sides, metres, longest first."""

    @property
    def corners_m(self) -> NDArray[np.float64]:
        """(8, 3): corners, metres; bit k of a corner's index is its side along axis k."""
        signs = np.array([[(corner >> axis & 1) - 0.5 for axis in range(3)] for corner in range(8)])
        return np.asarray(self.centre_m + (signs * self.extent_m) @ self.axes)


@dataclass(frozen=True, slots=True)
class PointCloud:
    """Points on the visible part of an object's surface."""

    points_m: NDArray[np.float64]
    """(N, 3), metres: in the camera's space (x right, y down, z forward), or in the world's for a cloud with a pose."""
    colours: NDArray[np.uint8]
    """(N, 3), RGB."""
    space: str = "camera"
    """`camera` or `world`."""

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points_m)

    @property
    def centroid_m(self) -> NDArray[np.float64]:
        """(3,): mean of the points."""
        return np.asarray(self.points_m.mean(axis=0))

    @property
    def extent_m(self) -> NDArray[np.float64]:
        """(3,): extent along x, y, z."""
        return np.asarray(np.ptp(self.points_m, axis=0))

    @property
    def box(self) -> OrientedBox:
        """A small oriented box round the points; see `fit_oriented_box`.

        A flat or straight cloud has sides of length 0.
        """
        return fit_oriented_box(self.points_m)

    def downsample(self, voxel_m: float) -> PointCloud:
        """Return a cloud with one point, the mean, in each voxel of `voxel_m` metres.

        Raises:
            InputError: `voxel_m` is not positive.
        """
        if not (np.isfinite(voxel_m) and voxel_m > 0):
            raise InputError(f"voxel_m: {voxel_m}; accepted: positive metres")
        cells = np.floor(self.points_m / voxel_m).astype(np.int64)
        _, which, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        which = which.reshape(-1)
        values = np.concatenate([self.points_m, self.colours], axis=1)
        sums = np.stack([np.bincount(which, column) for column in values.T], axis=1) / counts[:, None]
        return PointCloud(sums[:, :3], np.rint(sums[:, 3:]).astype(np.uint8), self.space)


def merge_clouds(clouds: Sequence[PointCloud], *, voxel_m: float = 0.005) -> PointCloud:
    """Merge views of an object at several times, in the world's space.

    Args:
        clouds: of one object, back-projected with poses.
        voxel_m: one point stays in each voxel of this size, metres.

    Raises:
        InputError: there is none, or one is in the camera's space while there are several.
    """
    if not clouds:
        raise InputError("clouds: none; give one or more")
    if len(clouds) > 1 and any(cloud.space != "world" for cloud in clouds):
        raise InputError(
            "clouds: one is in its camera's space; call backproject with a pose, so that all are in the world's"
        )
    points = np.concatenate([cloud.points_m for cloud in clouds])
    colours = np.concatenate([cloud.colours for cloud in clouds])
    return PointCloud(points, colours, clouds[0].space).downsample(voxel_m)


def fit_oriented_box(points_m: ArrayLike) -> OrientedBox:
    """Return a small oriented box round points (N, 3).

    Starts at the principal axes; then rotates the box about each axis to the rectangle of least area round the points'
    projection, if that makes it smaller.

    Raises:
        InputError: there is no point, or one is not finite.
    """
    points = np.asarray(points_m, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0 or not np.isfinite(points).all():
        raise InputError(f"points_m: shape {points.shape}; accepted: finite (N, 3), N of 1 or more")
    middle = points.mean(axis=0)
    _, _, axes = np.linalg.svd(_scatter_matrix(points - middle), full_matrices=True)
    for _ in range(ROUNDS):
        for axis in range(3):
            axes = _rotate_axes(points - middle, axes, axis)
    placed = (points - middle) @ axes.T
    low, high = placed.min(axis=0), placed.max(axis=0)
    order = np.argsort(low - high, kind="stable")
    centre = middle + ((low + high) / 2) @ axes
    axes = axes[order]
    if np.linalg.det(axes) < 0:
        axes[2] = -axes[2]
    return OrientedBox(centre, axes, (high - low)[order])


def _scatter_matrix(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points.T @ points)


def _rotate_axes(points: NDArray[np.float64], axes: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Rotate a box about one of its axes to the least area of its other two sides."""
    first, second = (other for other in range(3) if other != axis)
    flat = np.ascontiguousarray((points @ axes[[first, second]].T).astype(np.float32))
    _, _, degrees = cv2.minAreaRect(cv2.convexHull(flat))
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = axes.copy()
    turned[first] = cosine * axes[first] + sine * axes[second]
    turned[second] = cosine * axes[second] - sine * axes[first]
    before, after = (np.ptp(points @ both.T, axis=0).prod() for both in (axes, turned))
    flatter = [np.ptp(points @ both[[first, second]].T, axis=0).prod() for both in (axes, turned)]
    return turned if after < before or (after == before and flatter[1] < flatter[0]) else axes
