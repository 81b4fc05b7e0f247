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
"""The mask is averaged over cells, or its pixels divided: a standard deviation spans at least this number of cells."""
MIN_VARIANCE_PX2 = 0.49
"""A position is never known better than to about a pixel, square pixels."""


class MaskProximity:
    """One mask, asked about many gaze positions on its frame.

    Pixel (row, column) covers the square from (column, row) to (column + 1, row + 1). What lies outside the frame does
    not belong to the object.
    """

    def __init__(self, mask: NDArray[np.bool_], *, margin_px: float = 0.0) -> None:
        """Take a mask, bool (H, W), that is not empty; `margin_px` widens the object for `probability`."""
        self._mask = np.ascontiguousarray(mask).view(np.uint8)
        self._margin_px = margin_px
        self._pad = math.ceil(margin_px)
        self._box = cv2.boundingRect(self._mask)
        self._edge: NDArray[np.float64] | None = None

    def distances_px(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance of positions (N, 2) to the nearest pixel of the mask, pixels; 0 inside."""
        distances = np.zeros(len(points))
        outside = ~self._contains(points)
        if outside.any():
            gaps = np.maximum(np.abs(points[outside, None, :] - self._edge_pixels()[None]) - 0.5, 0.0)
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
        left, top, width, height = self._box
        block, parts = 2 ** max(0, level), 2 ** max(0, -level)
        columns = _reached(at_px[0], sigma_px[0], left - self._pad, left + width + self._pad, block)
        rows = _reached(at_px[1], sigma_px[1], top - self._pad, top + height + self._pad, block)
        cells = self._cut_widened(columns, rows).astype(np.float32)
        if block > 1 and cells.size:
            size = cells.shape[1] // block, cells.shape[0] // block
            cells = np.asarray(cv2.resize(cells, size, interpolation=cv2.INTER_AREA), np.float32)
        cells = cells.repeat(parts, axis=0).repeat(parts, axis=1)
        side = block / parts
        dx = columns.start + (np.arange(cells.shape[1]) + 0.5) * side - at_px[0]
        dy = rows.start + (np.arange(cells.shape[0]) + 0.5) * side - at_px[1]
        return cells, dx[None], dy[:, None], side

    def _cut_widened(self, columns: range, rows: range) -> NDArray[np.bool_]:
        """Return a part of the mask, widened by the margin; it may reach beyond the frame."""
        pad = self._pad
        part = _cut(
            self._mask,
            range(columns.start - pad, columns.stop + pad),
            range(rows.start - pad, rows.stop + pad),
        )
        if not pad or not part.any():
            return part[pad : len(part) - pad, pad : part.shape[1] - pad] > 0
        outside = (part == 0).astype(np.uint8)
        distances = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray(distances[pad:-pad, pad:-pad] <= self._margin_px)

    def _contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        height, width = self._mask.shape
        columns, rows = np.floor(points).astype(np.int64).T
        known = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        found = self._mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)] > 0
        return np.asarray(known & found)

    def _edge_pixels(self) -> NDArray[np.float64]:
        """Return the centres (N, 2) of the mask's pixels that have a neighbour outside it, frame pixels."""
        if self._edge is None:
            left, top, width, height = self._box
            inside = self._mask[top : top + height, left : left + width]
            kernel = np.ones((3, 3), np.uint8)
            core = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
            edge = cv2.findNonZero(inside - np.asarray(core, np.uint8))
            self._edge = np.add(np.asarray(edge, np.float64).reshape(-1, 2), (left + 0.5, top + 0.5))
        return self._edge


def _cut(mask: NDArray[np.uint8], columns: range, rows: range) -> NDArray[np.uint8]:
    """Return a part of a mask that may reach beyond the frame, where there is no object."""
    part = np.zeros((len(rows), len(columns)), np.uint8)
    top, left = max(rows.start, 0), max(columns.start, 0)
    known = mask[top : max(rows.stop, 0), left : max(columns.stop, 0)]
    height, width = known.shape
    part[top - rows.start :, left - columns.start :][:height, :width] = known
    return part


def _with_floor(covariance_px2: Covariance) -> Covariance:
    """Return a covariance whose smallest variance in any direction is `MIN_VARIANCE_PX2`."""
    xx, xy, yy = covariance_px2
    lacking = max(0.0, MIN_VARIANCE_PX2 - ((xx + yy) / 2 - math.hypot((xx - yy) / 2, xy)))
    return xx + lacking, xy, yy + lacking


def _reached(at_px: float, sigma_px: float, low: int, high: int, block: int) -> range:
    """Return the pixels along one axis within reach of a position, and from `low` to `high`, in whole blocks."""
    reach_px = REACH_SIGMAS * sigma_px
    first = math.floor(max(at_px - reach_px, low) / block) * block
    last = math.ceil(min(at_px + reach_px, high) / block) * block
    return range(first, max(first, last))
