"""Depth maps: which pixels of a mask have a reliable depth.

At the edge of an object a depth map mixes near and far ("flying pixels"), and a mask is a pixel or two off. Both put
points of the background into the object. Such pixels lie in a depth discontinuity, or are separated from the object's
surface by one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError
from sam_edge.masks import mask_to_box
from sam_edge.pointcloud.cameras import CameraModel

JUMP_SHARE = 0.03
"""Neighbouring pixels whose depths differ by more than this share of their depth are not one surface."""
EDGE_PX = 2
"""Pixels this close to a depth discontinuity are not reliable."""
SMALL_SHARE = 0.1
"""Surfaces with fewer pixels than this share of the largest one are dropped."""
REACH_SHARE = 0.5
"""Other surfaces belong to the object if their depth is within this share of its apparent size of the largest one's."""


def remove_flying_pixels(
    mask: NDArray[np.bool_], depth_m: NDArray[np.floating], size_per_depth: float = 1.0
) -> NDArray[np.bool_]:
    """Remove the pixels of a mask whose depth is not that of the object.

    Args:
        mask: bool (H, W).
        depth_m: (H, W), metres; NaN, infinity, zero and less mean unknown.
        size_per_depth: width of the frame as a multiple of the depth: frame width / focal length, both in pixels.

    Returns:
        bool (H, W): the mask without pixels of unknown depth, within 2 pixels of a jump in depth, or on another
        surface.
    """
    box = mask_to_box(mask)
    kept = np.zeros(mask.shape, np.bool_)
    if box is None:
        return kept
    # Discontinuities matter a little beyond the mask, and nowhere else.
    x0, y0, x1, y1 = (int(side) for side in box)
    part = (
        slice(max(0, y0 - EDGE_PX - 2), y1 + EDGE_PX + 2),
        slice(max(0, x0 - EDGE_PX - 2), x1 + EDGE_PX + 2),
    )
    kept[part] = _object_surface(
        mask[part], depth_m[part], size_per_depth * max(x1 - x0, y1 - y0) / mask.shape[1]
    )
    return kept


def frame_width(camera: CameraModel) -> float:
    """Return the width of the frame at a depth of 1, measured near its middle."""
    height, width = camera.size
    middle = np.array([[width / 2, height / 2], [width / 2 + 1, height / 2]])
    rays = camera.rays(middle)
    flat = rays[:, :2] / rays[:, 2:]
    return float(width * np.linalg.norm(flat[1] - flat[0]))


def depth_from_disparity(disparity_px: ArrayLike, focal_px: float, baseline_m: float) -> NDArray[np.float64]:
    """Return the depth, metres, of a stereo pair's disparity (H, W), pixels; NaN where there is none.

    Raises:
        InputError: the focal length or the baseline is not positive.
    """
    for name, value in (("focal_px", focal_px), ("baseline_m", baseline_m)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name}: {value}; accepted: a positive number")
    disparity = np.asarray(disparity_px, np.float64)
    known = np.isfinite(disparity) & (disparity > 0)
    depth: NDArray[np.float64] = np.full(disparity.shape, np.nan)
    return np.divide(focal_px * baseline_m, disparity, out=depth, where=known)


def _near_jumps(depth_m: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return whether depth jumps within EDGE_PX of each pixel, by more than a plane's slope explains."""
    known = np.isfinite(depth_m) & (depth_m > 0)
    inverse = np.zeros(depth_m.shape, np.float32)
    np.divide(1.0, depth_m, out=inverse, where=known, casting="unsafe")
    jumps = np.zeros(depth_m.shape, np.uint8)
    for axis in (0, 1):
        # Of inverse depth the second difference is 0 on every plane, however steep.
        first, second, third = (
            np.take(inverse, range(at, inverse.shape[axis] - 2 + at), axis=axis) for at in range(3)
        )
        there = np.ones(first.shape, np.bool_)
        for at in range(3):
            there &= np.take(known, range(at, inverse.shape[axis] - 2 + at), axis=axis)
        bent = there & (np.abs(first - 2 * second + third) > JUMP_SHARE * second)
        target = jumps[1:-1] if axis == 0 else jumps[:, 1:-1]
        target |= bent.astype(np.uint8)
    kernel = np.ones((2 * EDGE_PX - 1, 2 * EDGE_PX - 1), np.uint8)
    return np.asarray(cv2.dilate(jumps, kernel) > 0)


def _cut_at_jumps(surface: NDArray[np.bool_], depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the surface, uint8, without the pixels from which depth jumps to the right or downwards."""
    cut = surface.copy()
    for axis in (0, 1):
        here = depth[:-1] if axis == 0 else depth[:, :-1]
        there = depth[1:] if axis == 0 else depth[:, 1:]
        jump = (here > 0) & (there > 0) & (np.abs(here - there) > 4 * JUMP_SHARE * np.minimum(here, there))
        part = cut[:-1] if axis == 0 else cut[:, :-1]
        part &= ~jump
    return np.asarray(cut, np.uint8)


def _object_surface(
    mask: NDArray[np.bool_], depth_m: NDArray[np.floating], width_per_depth: float
) -> NDArray[np.bool_]:
    """Return the pixels of the object's surface; `width_per_depth` is its apparent width as a multiple of its depth."""
    known: NDArray[np.bool_] = mask & np.isfinite(depth_m) & (depth_m > 0)
    if not known.any():
        return known
    depth = np.where(known, depth_m, 0).astype(np.float32)
    surface = known & ~_near_jumps(depth_m)
    if not surface.any():
        surface = known
    _, labels = cv2.connectedComponents(_cut_at_jumps(surface, depth), connectivity=4)
    labels[~surface] = 0
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    largest = int(np.argmax(counts))
    near, far = np.percentile(depth[labels == largest], (2, 98))
    reach = REACH_SHARE * float(np.median(depth[labels == largest])) * width_per_depth
    keep = np.zeros(len(counts), np.bool_)
    for label in np.flatnonzero(counts >= SMALL_SHARE * counts[largest]):
        middle = float(np.median(depth[labels == label]))
        keep[label] = label == largest or near - reach <= middle <= far + reach
    keep[0] = False
    return np.asarray(keep[labels])
