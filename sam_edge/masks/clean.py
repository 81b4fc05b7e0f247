"""Islands and holes: small regions that do not belong in a mask, a known fault of SAM's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.masks.boxes import box_of

ISLAND_SHARE = 0.05
"""Pieces below this share of the largest piece are islands."""
HOLE_SHARE = 0.01
"""Holes below this share of the mask are faults; larger ones may be there in the thing."""


def without_islands(
    mask: NDArray[np.bool_], share: float = ISLAND_SHARE, *, least_px: float = 0.0
) -> NDArray[np.bool_]:
    """Drop small pieces of a mask. Pixels that touch at a corner are one piece; the largest piece always stays.

    Args:
        mask: bool (H, W).
        share: pieces smaller than this share of the largest one go, 0..1.
        least_px: pieces of fewer pixels than this go, too.

    Returns:
        bool (H, W); the mask itself when nothing had to go.

    Raises:
        InputError: the mask is not bool (H, W), or an option is out of range.
    """
    _check(mask, share, least_px)
    box = box_of(mask)
    if box is None:
        return mask
    x0, y0, x1, y1 = (int(side) for side in box)
    part = np.ascontiguousarray(mask[y0:y1, x0:x1]).view(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=8, ltype=cv2.CV_32S)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    keep = areas >= max(share * areas.max(), least_px)
    keep[areas.argmax()] = True
    keep[0] = False
    if keep.sum() == count - 1:
        return mask
    cleaned = np.zeros_like(mask)
    cleaned[y0:y1, x0:x1] = keep[labels]
    return cleaned


def without_holes(
    mask: NDArray[np.bool_], share: float = HOLE_SHARE, *, least_px: float = 0.0
) -> NDArray[np.bool_]:
    """Fill small holes of a mask. A hole is enclosed: one that reaches the frame's border is none.

    Args:
        mask: bool (H, W).
        share: holes smaller than this share of the mask are filled, 0..1; 1 fills every one smaller than the mask.
        least_px: holes of fewer pixels than this are filled, too.

    Returns:
        bool (H, W); the mask itself when nothing had to be filled.

    Raises:
        InputError: the mask is not bool (H, W), or an option is out of range.
    """
    _check(mask, share, least_px)
    box = box_of(mask)
    if box is None:
        return mask
    x0, y0, x1, y1 = (int(side) for side in box)
    # With a rim, all that is outside of the mask is one region; background pixels that touch at a corner are two.
    outside = cv2.copyMakeBorder(
        (~mask[y0:y1, x0:x1]).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1
    )
    _, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4, ltype=cv2.CV_32S)
    fill = stats[:, cv2.CC_STAT_AREA] < max(share * np.count_nonzero(mask), least_px)
    fill[0] = False
    fill[labels[0, 0]] = False
    if not fill.any():
        return mask
    cleaned: NDArray[np.bool_] = mask.copy()
    cleaned[y0:y1, x0:x1] |= np.asarray(fill[labels[1:-1, 1:-1]], np.bool_)
    return cleaned


def _check(mask: NDArray[np.bool_], share: float, least_px: float) -> None:
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise InputError(f"mask: {mask.dtype} {mask.shape}; accepted: bool (H, W)")
    if not 0 <= share <= 1:
        raise InputError(f"share: {share}; accepted: 0 to 1")
    if not 0 <= least_px < np.inf:
        raise InputError(f"least_px: {least_px}; accepted: 0 or more pixels")
