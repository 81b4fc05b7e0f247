"""Camera models: pixels to rays and back. x right, y down, z forward, metres; pixel centres at +0.5."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError

MIN_FOCAL_SHARE = 0.05
"""Least focal length as a share of the frame's side. A shorter one would see 169 degrees: it is not in pixels."""
MAX_ITERATIONS, TOLERANCE = 20, 1e-12
"""Of the fisheye's inversion: most iterations, and the change at which it has converged."""


class CameraModel(ABC):
    """Intrinsics of a camera."""

    size: tuple[int, int]
    """(height, width) of its frames, pixels."""

    @abstractmethod
    def rays(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ray of each frame point (N, 2): (N, 3), of any length, z positive."""

    @abstractmethod
    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the frame point (N, 2) of each point (N, 3) in the camera's space; NaN for those behind it."""


@dataclass(frozen=True, slots=True)
class Pinhole(CameraModel):
    """A camera without distortion."""

    focal_px: tuple[float, float]
    """Focal lengths fx, fy, pixels."""
    centre_px: tuple[float, float]
    """Principal point cx, cy, frame pixels. OpenCV counts a pixel's own index as its place: add 0.5 to its values."""
    size: tuple[int, int]
    """(height, width) of its frames, pixels."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: a focal length is not positive or absurdly short, or the principal point is far outside the
                frame.
        """
        check_intrinsics(self.focal_px, self.centre_px, self.size)

    @classmethod
    def from_opencv(cls, matrix: ArrayLike, size: tuple[int, int]) -> Pinhole:
        """Take OpenCV's camera matrix (3, 3) of frames of `size` (height, width)."""
        array = np.asarray(matrix, np.float64)
        if array.shape != (3, 3) or not np.isfinite(array).all():
            raise InputError(f"matrix: shape {array.shape}; accepted: finite (3, 3)")
        return cls((array[0, 0], array[1, 1]), (array[0, 2] + 0.5, array[1, 2] + 0.5), size)

    def rays(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CameraModel.rays`. z is 1."""
        flat = (points - self.centre_px) / self.focal_px
        return np.concatenate([flat, np.ones((len(points), 1))], axis=1)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CameraModel.project`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = points[:, :2] / points[:, 2:]
        flat[points[:, 2] <= 0] = np.nan
        return np.asarray(flat * self.focal_px + self.centre_px)


@dataclass(frozen=True, slots=True)
class Fisheye624(CameraModel):
    """A fisheye camera of Project Aria.

    Six radial, two tangential and four thin-prism coefficients, as projectaria_tools documents its `FISHEYE624`
    ("CameraModel intrinsic models").
    """

    focal_px: float
    """Focal length, pixels."""
    centre_px: tuple[float, float]
    """Principal point cx, cy, frame pixels. Aria's calibration counts a pixel's own index: add 0.5 to its values."""
    radial: tuple[float, ...]
    """k0 to k5."""
    tangential: tuple[float, ...]
    """p0, p1."""
    prism: tuple[float, ...]
    """s0 to s3."""
    size: tuple[int, int]
    """(height, width) of its frames, pixels."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: a focal length is not positive, the principal point is far outside the frame, or coefficients
                are missing.
        """
        check_intrinsics((self.focal_px, self.focal_px), self.centre_px, self.size)
        counts = (len(self.radial), len(self.tangential), len(self.prism))
        if counts != (6, 2, 4):
            raise InputError(f"radial, tangential, prism: {counts} coefficients; accepted: 6, 2 and 4")

    @classmethod
    def from_aria(cls, params: ArrayLike, size: tuple[int, int]) -> Fisheye624:
        """Take the 15 parameters of an Aria calibration, of frames of `size` (height, width)."""
        array = np.asarray(params, np.float64)
        if array.shape != (15,) or not np.isfinite(array).all():
            raise InputError(
                f"params: shape {array.shape}; accepted: 15 finite numbers, the focal length first"
            )
        values = array.tolist()
        return cls(
            focal_px=values[0],
            centre_px=(values[1] + 0.5, values[2] + 0.5),
            radial=tuple(values[3:9]),
            tangential=tuple(values[9:11]),
            prism=tuple(values[11:15]),
            size=size,
        )

    def rays(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CameraModel.rays`. Of length 1; z is positive within 90 degrees of the axis."""
        out = (points - self.centre_px) / self.focal_px
        bent = out.copy()
        for _ in range(MAX_ITERATIONS):
            before, bent = bent, out - (self._distort(bent) - bent)
            if np.abs(bent - before).max(initial=0) < TOLERANCE:
                break
        radius = np.hypot(bent[:, 0], bent[:, 1])
        theta = np.minimum(radius, 1.5)
        for _ in range(MAX_ITERATIONS):
            value, slope = self._bend_angle(theta)
            before, theta = theta, np.clip(theta - (value - radius) / np.maximum(slope, 0.1), 0, 1.57)
            if np.abs(theta - before).max(initial=0) < TOLERANCE:
                break
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = bent * np.where(radius > 0, np.sin(theta) / radius, 0)[:, None]
        return np.concatenate([flat, np.cos(theta)[:, None]], axis=1)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `CameraModel.project`."""
        side = np.hypot(points[:, 0], points[:, 1])
        bent, _ = self._bend_angle(np.arctan2(side, points[:, 2]))
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = points[:, :2] * np.where(side > 0, bent / side, 0)[:, None]
        flat[points[:, 2] <= 0] = np.nan
        return np.asarray(self._distort(flat) * self.focal_px + self.centre_px)

    def _bend_angle(self, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the radius of an angle from the axis, and its derivative."""
        square = theta * theta
        value, slope = np.zeros_like(theta), np.zeros_like(theta)
        for power in range(len(self.radial), 0, -1):
            factor = self.radial[power - 1]
            value = (value + factor) * square
            slope = (slope + (2 * power + 1) * factor) * square
        return theta * (1 + value), 1 + slope

    def _distort(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply the tangential and the thin-prism part."""
        square = (flat**2).sum(axis=1)
        (p0, p1), (s0, s1, s2, s3) = self.tangential, self.prism
        shear = 2 * (flat[:, 0] * p0 + flat[:, 1] * p1)
        moved: NDArray[np.float64] = flat * (1 + shear[:, None])
        moved[:, 0] += square * (p0 + s0 + s1 * square)
        moved[:, 1] += square * (p1 + s2 + s3 * square)
        return moved


def check_intrinsics(
    focal_px: tuple[float, float], centre_px: tuple[float, float], size: tuple[int, int]
) -> None:
    """Refuse intrinsics that do not fit the frame size.

    Raises:
        InputError: names the value that does not fit.
    """
    if not all(np.isfinite(focal) and focal > 0 for focal in focal_px):
        raise InputError(f"focal_px: {focal_px}; accepted: positive pixels")
    if min(size) < 1:
        raise InputError(f"size: {size}; accepted: (height, width) of 1 or more pixels")
    if any(focal < MIN_FOCAL_SHARE * side for focal, side in zip(focal_px, size[::-1], strict=True)):
        raise InputError(
            f"focal_px: {focal_px} does not fit frames of {size} (height, width); give pixels of these frames, not "
            "shares of their sides"
        )
    for place, side, name in zip(centre_px, size[::-1], ("width", "height"), strict=True):
        if not -side <= place <= 2 * side:
            raise InputError(
                f"centre_px: {centre_px} does not fit frames of {size} (height, width): it lies more than a {name} "
                "outside; give the intrinsics of these frames"
            )
