"""How far a gaze position is from a mask, and how probable it is that the gaze is on it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Covariance = tuple[float, float, float]
"""Uncertainty of a position as (xx, xy, yy), square pixels."""

REACH_SIGMAS = 5.0
"""The mask counts up to this number of standard deviations away from the gaze."""
CELLS_PER_SIGMA = 4.0
"""The mask is averaged over cells, or its pixels divided, so that a standard deviation is at least so many cells."""
MIN_VARIANCE_PX2 = 0.49
"""A position is never known better than to about a pixel, square pixels."""


class MaskProximity:
    """One mask, asked about many gaze positions on its frame.

    Pixel (row, column) covers the square from (column, row) to (column + 1, row + 1). What lies outside the frame does
    not belong to the object.
    """

    def __init__(self, mask: NDArray[np.bool_], *, margin_px: float = 0.0) -> None:
        """Take a mask, bool (H, W), that is not empty; `margin_px` widens the object for `probability`."""
        self._mask = np.ascontiguousarray(mask)
        left, top, width, height = cv2.boundingRect(self._mask.view(np.uint8))
        inside = np.ascontiguousarray(mask[top : top + height, left : left + width]).view(np.uint8)
        self._corner = (left, top)
        self._edge = _edge_pixels(inside, (left, top))
        pad = math.ceil(margin_px)
        self._levels = [_widen(inside, margin_px, pad).astype(np.float32)]
        self._levels_corner = (left - pad, top - pad)

    def distances_px(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance of positions (N, 2) to the nearest pixel of the mask, pixels; 0 inside."""
        distances = np.zeros(len(points))
        outside = ~self._contains(points)
        gaps = np.maximum(np.abs(points[outside, None, :] - self._edge[None]) - 0.5, 0.0)
        distances[outside] = np.sqrt((gaps * gaps).sum(axis=2).min(axis=1))
        return distances

    def probability(self, x_px: float, y_px: float, covariance_px2: Covariance) -> float:
        """Return the probability, 0..1, that gaze measured at a position is on the object.

        The true position is normally distributed round the measured one; the probability is the integral of its
        density over the mask, widened by the margin.
        """
        xx, xy, yy = _with_floor(covariance_px2)
        smallest = math.sqrt((xx + yy) / 2 - math.hypot((xx - yy) / 2, xy))
        level = math.floor(math.log2(smallest / CELLS_PER_SIGMA))
        cells, dx, dy, side = self._around((x_px, y_px), (math.sqrt(xx), math.sqrt(yy)), level)
        determinant = xx * yy - xy * xy
        weights = np.exp((yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (-2 * determinant))
        density = side * side / (2 * math.pi * math.sqrt(determinant))
        return min(1.0, float((weights * cells).sum()) * density)

    def _around(
        self, at_px: tuple[float, float], sigma_px: tuple[float, float], level: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64], float]:
        """Return the share of the object in the cells round a position, their offsets x and y, and their side, pixels.

        A cell is 2^level pixels wide; below level 0, pixels are divided.
        """
        cells = self._level(max(0, level))
        side, parts = 2.0 ** max(0, level), 2 ** max(0, -level)
        (left, top), (height, width) = self._levels_corner, cells.shape
        columns = _reached(at_px[0], sigma_px[0], left, side, width)
        rows = _reached(at_px[1], sigma_px[1], top, side, height)
        near = cells[rows, columns].repeat(parts, axis=0).repeat(parts, axis=1)
        side /= parts
        dx = left + (np.arange(columns.start * parts, columns.stop * parts) + 0.5) * side - at_px[0]
        dy = top + (np.arange(rows.start * parts, rows.stop * parts) + 0.5) * side - at_px[1]
        return near, dx[None], dy[:, None], side

    def _contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        height, width = self._mask.shape
        columns, rows = np.floor(points).astype(np.int64).T
        known = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        found = self._mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        return np.asarray(known & found)

    def _level(self, level: int) -> NDArray[np.float32]:
        """Return the share of the object in cells of 2^level pixels."""
        while len(self._levels) <= level:
            finer = self._levels[-1]
            height, width = finer.shape
            even = cv2.copyMakeBorder(finer, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT, value=0)
            size = (width + 1) // 2, (height + 1) // 2
            self._levels.append(np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), np.float32))
        return self._levels[level]


def _edge_pixels(inside: NDArray[np.uint8], corner: tuple[int, int]) -> NDArray[np.float64]:
    """Return the centres (N, 2) of the pixels of a mask that have a neighbour outside it, frame pixels."""
    core = cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    rows, columns = np.nonzero(inside.astype(bool) & (np.asarray(core) == 0))
    return np.stack([columns + corner[0] + 0.5, rows + corner[1] + 0.5], axis=1)


def _widen(inside: NDArray[np.uint8], margin_px: float, pad: int) -> NDArray[np.bool_]:
    """Return a mask with everything that is no farther than a margin from it, `pad` pixels larger on each side."""
    if not margin_px:
        return inside.astype(bool)
    outside = cv2.copyMakeBorder(inside, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0) == 0
    distances = cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distances <= margin_px)


def _with_floor(covariance_px2: Covariance) -> Covariance:
    """Return a covariance whose smallest variance in any direction is `MIN_VARIANCE_PX2`."""
    xx, xy, yy = covariance_px2
    lacking = max(0.0, MIN_VARIANCE_PX2 - ((xx + yy) / 2 - math.hypot((xx - yy) / 2, xy)))
    return xx + lacking, xy, yy + lacking


def _reached(at_px: float, sigma_px: float, corner_px: int, side_px: float, count: int) -> slice:
    """Return which of `count` cells along one axis lie within reach of a position."""
    reach_px = REACH_SIGMAS * sigma_px
    first = math.floor((at_px - reach_px - corner_px) / side_px)
    last = math.ceil((at_px + reach_px - corner_px) / side_px)
    return slice(min(max(first, 0), count), min(max(last, 0), count))
