"""Polygons of a mask, and the mask of polygons.

Coordinates are COCO's: x right, y down, in pixels; pixel (row i, column j) covers [j, j + 1] x [i, i + 1]. Without a
tolerance the polygons run along the pixels' edges and give back the very same mask. A hole is joined to the outline
round it by a slit without width, because COCO's polygons have no holes of their own.

Rasterising follows `pycocotools`, pixel for pixel (Lin et al., "Microsoft COCO", 2014): vertices are rounded to fifths
of a pixel, edges are walked in steps of a fifth, and a pixel is inside where the middle of its column is crossed an odd
number of times above it. Several polygons are united, as COCO unites the polygons of an object.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError
from sam_edge.masks.boxes import mask_to_box
from sam_edge.masks.rle import check_size

STEPS = 5
"""Steps in a pixel, of vertices and of the walk along edges."""
FARTHEST_PX = 1e5
"""Vertices farther away than this are refused: no image is so large."""
LONGEST_STEPS = 50_000_000
"""Longest outline that is walked: a longer one would exhaust the memory."""


def mask_to_polygons(mask: NDArray[np.bool_], *, tolerance_px: float = 0.0) -> list[NDArray[np.float64]]:
    """Return the outlines of a mask.

    Args:
        mask: bool (H, W).
        tolerance_px: vertices are left out as long as the outline moves by no more than this (Douglas-Peucker). 0
            keeps the mask exactly; with more, pieces and holes no larger than this may go.

    Returns:
        One polygon (N, 2) of x, y for each piece of the mask (pieces that touch at a corner are one), with its holes;
        the closing edge from the last vertex to the first is not written. Empty for an empty mask.

    Raises:
        InputError: the mask is not bool (H, W), or the tolerance is negative.
    """
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise InputError(f"mask: {mask.dtype} {mask.shape}; accepted: bool (H, W)")
    if not 0 <= tolerance_px < np.inf:
        raise InputError(f"tolerance_px: {tolerance_px}; accepted: 0 or more pixels")
    box = mask_to_box(mask)
    if box is None:
        return []
    x0, y0, x1, y1 = (int(side) for side in box)
    # Every pixel becomes 2x2, so that a contour, which runs through pixels, tells on which of its sides the edge lies.
    part = np.ascontiguousarray(mask[y0:y1, x0:x1]).view(np.uint8)
    twice = cv2.resize(part, (2 * (x1 - x0), 2 * (y1 - y0)), interpolation=cv2.INTER_NEAREST)
    contours, tree = cv2.findContours(twice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons: dict[int, NDArray[np.float64]] = {}
    holes: list[tuple[int, NDArray[np.float64]]] = []
    for index, (contour, (_, _, _, parent)) in enumerate(zip(contours, np.asarray(tree)[0], strict=True)):
        corners = _corners(np.asarray(contour, np.int32).reshape(-1, 2), tolerance_px) + np.array([x0, y0])
        if len(corners) < 3:
            continue
        if parent < 0:
            polygons[index] = corners
        else:
            holes.append((int(parent), corners))
    for outer, hole in holes:
        if outer in polygons:
            polygons[outer] = _slit(polygons[outer], hole)
    return list(polygons.values())


def polygons_to_mask(polygons: Sequence[ArrayLike], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask of an object's polygons, as `pycocotools` rasterises them.

    Args:
        polygons: each (N, 2) of x, y, or flat (2N,) as COCO files hold them, of three vertices or more.
        size: (height, width) of the mask. What lies outside is cut off.

    Returns:
        bool (H, W): inside any of the polygons.

    Raises:
        InputError: a polygon has fewer than three vertices, an odd number of values, or is not finite.
    """
    height, width = check_size(size)
    inside = np.zeros(width * height, np.bool_)
    for number, polygon in enumerate(polygons):
        crossings = _crossings(as_polygon(polygon, f"polygon {number}"), height, width)
        places, counts = np.unique(crossings, return_counts=True)
        # Where it is crossed an even number of times, nothing changes; the outline's end lies behind the last pixel.
        places = places[counts % 2 == 1]
        for begin, end in itertools.zip_longest(places[::2], places[1::2], fillvalue=width * height):
            inside[begin:end] = True
    return np.ascontiguousarray(inside.reshape(width, height).T)


def as_polygon(polygon: ArrayLike, name: str = "polygon") -> NDArray[np.float64]:
    """Return a polygon, (N, 2) or flat (2N,), as float64 (N, 2).

    Raises:
        InputError: it has fewer than three vertices, an odd number of values, or is not finite.
    """
    try:
        vertices = np.asarray(polygon, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: not numbers ({error}); accepted: x0, y0, x1, y1, ...") from error
    if vertices.ndim == 1 and vertices.size % 2 == 0:
        vertices = vertices.reshape(-1, 2)
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3:
        raise InputError(f"{name}: shape {vertices.shape}; accepted: (N, 2) or (2N,) of 3 vertices or more")
    if not (np.abs(vertices) <= FARTHEST_PX).all():
        raise InputError(
            f"{name}: holds a vertex that is not finite or farther away than {FARTHEST_PX:g} pixels"
        )
    return vertices


def _corners(contour: NDArray[np.int32], tolerance_px: float) -> NDArray[np.float64]:
    """Turn a contour through doubled pixels into the corners of the edge between pixels."""
    path = (contour + 1) // 2
    path = path[(path != np.roll(path, 1, axis=0)).any(axis=1)]
    if tolerance_px > 0:
        path = np.asarray(cv2.approxPolyDP(path[:, None].astype(np.int32), tolerance_px, True)).reshape(-1, 2)
    if not len(path):
        return np.zeros((0, 2))
    before, after = path - np.roll(path, 1, axis=0), np.roll(path, -1, axis=0) - path
    straight = (before[:, 0] * after[:, 1] == before[:, 1] * after[:, 0]) & ((before * after).sum(axis=1) > 0)
    return np.asarray(path[~straight], np.float64)


def _slit(outer: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Join a hole to an outline: there and back along one line, whose two crossings cancel."""
    distances = ((outer[:, None, :] - hole[None, :1, :]) ** 2).sum(axis=2)
    at = int(distances[:, 0].argmin())
    return np.concatenate([outer[: at + 1], hole, hole[:1], outer[at:]])


def _crossings(polygon: NDArray[np.float64], height: int, width: int) -> NDArray[np.int64]:
    """Return where a polygon crosses the middles of columns: indices down the columns of the pixel below."""
    vertices = np.trunc(STEPS * polygon + 0.5).astype(np.int64)
    begin, end = vertices, np.roll(vertices, -1, axis=0)
    reach = np.abs(end - begin)
    flat = reach[:, 0] >= reach[:, 1]
    flip = np.where(flat, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])
    low, high = np.where(flip[:, None], end, begin), np.where(flip[:, None], begin, end)
    length = reach.max(axis=1)
    if length.sum() > LONGEST_STEPS:
        raise InputError(
            f"polygon: an outline of {length.sum() / STEPS:.3g} pixels; accepted: {LONGEST_STEPS / STEPS:.3g}"
        )
    slope = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0]) / np.maximum(length, 1)
    # One entry for each step of each edge, both ends included, in the order in which the outline is walked.
    edge = np.repeat(np.arange(len(length)), length + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(length + 1) - length - 1, length + 1)
    along = np.where(flip[edge], length[edge] - step, step)
    start = np.where(flat, low[:, 1], low[:, 0])[edge]
    across = np.trunc(start + slope[edge] * along + 0.5).astype(np.int64)
    main = np.where(flat, low[:, 0], low[:, 1])[edge] + along
    u, v = np.where(flat[edge], main, across), np.where(flat[edge], across, main)
    moved = np.flatnonzero(u[1:] != u[:-1])
    left, top = np.minimum(u[moved], u[moved + 1]), np.minimum(v[moved], v[moved + 1])
    middle = (left % STEPS == STEPS // 2) & (left >= 0) & (left // STEPS < width)
    columns, level = left[middle] // STEPS, top[middle]
    rows = np.ceil(np.clip((level + 0.5) / STEPS - 0.5, 0, height)).astype(np.int64)
    return np.asarray(columns * height + rows, np.int64)
