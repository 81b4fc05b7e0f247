"""Boxes (x0, y0, x1, y1) in frame pixels: round masks, how far they overlap, and which of them say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError


def mask_to_box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """Return the smallest box (x0, y0, x1, y1) round a mask (H, W), frame pixels; None when it is empty."""
    rows, columns = np.asarray(mask.any(axis=1)), np.asarray(mask.any(axis=0))
    if not rows.any():
        return None
    y0, x0 = int(rows.argmax()), int(columns.argmax())
    y1, x1 = len(rows) - int(rows[::-1].argmax()), len(columns) - int(columns[::-1].argmax())
    return float(x0), float(y0), float(x1), float(y1)


def masks_to_boxes(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the smallest box round each of many masks (N, H, W): (N, 4), frame pixels; zeros for an empty mask.

    Raises:
        InputError: `masks` is not (N, H, W).
    """
    if masks.ndim != 3:
        raise InputError(f"masks: shape {masks.shape}; accepted: (N, H, W); give one mask as mask[None]")
    boxes = np.zeros((len(masks), 4))
    if masks.size == 0:
        return boxes
    for low, high, axis in ((1, 3, 2), (0, 2, 1)):
        side = np.asarray(masks.any(axis=axis))
        boxes[:, low] = side.argmax(axis=1)
        boxes[:, high] = side.shape[1] - side[:, ::-1].argmax(axis=1)
        boxes[~side.any(axis=1)] = 0
    return boxes


def box_areas(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the area of each box (N, 4), square pixels; 0 for one whose sides are not in order."""
    array = as_boxes("boxes", boxes)
    sides = np.clip(array[:, 2:] - array[:, :2], 0, None)
    return np.asarray(sides[:, 0] * sides[:, 1])


def box_iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return intersection over union of every box of one set (N, 4) with every box of another (M, 4): (N, M), 0..1.

    Two boxes without area have 0.

    Raises:
        InputError: boxes are not finite (N, 4).
    """
    one, other = as_boxes("first", first), as_boxes("second", second)
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    shared = sides[..., 0] * sides[..., 1]
    union = box_areas(one)[:, None] + box_areas(other)[None] - shared
    shares: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return shares


def nms(boxes: ArrayLike, scores: ArrayLike, *, above: float = 0.7) -> NDArray[np.int64]:
    """Keep the best of boxes that say the same (non-maximum suppression).

    Args:
        boxes: (N, 4) frame pixels.
        scores: (N,), higher is better; of equal ones the first is better.
        above: boxes whose IoU with a better one that is kept exceeds this are dropped, 0..1. SAM's own is 0.7.

    Returns:
        Indices of those kept, best first.

    Raises:
        InputError: shapes do not fit, or a value is not finite.
    """
    array = as_boxes("boxes", boxes)
    values = _as_scores(scores, len(array))
    _check_share("above", above)
    return _best_of(values, lambda best, left: box_iou(array[best][None], array[left])[0], above)


def suppress_overlaps(
    overlap: NDArray[np.floating[Any]], scores: ArrayLike, *, above: float
) -> NDArray[np.int64]:
    """Suppress duplicates by any measure of overlap: `mask_iou`, for example.

    Args:
        overlap: (N, N), symmetric.
        scores: (N,), higher is better; of equal ones the first is better.
        above: items whose overlap with a better item that is kept exceeds this are dropped.

    Returns:
        Indices of those kept, best first.

    Raises:
        InputError: shapes do not fit, or a score is not finite.
    """
    if overlap.ndim != 2 or overlap.shape[0] != overlap.shape[1]:
        raise InputError(f"overlap: shape {overlap.shape}; accepted: (N, N)")
    values = _as_scores(scores, len(overlap))
    _check_share("above", above)
    return _best_of(values, lambda best, left: np.asarray(overlap[best, left]), above)


def as_boxes(name: str, boxes: ArrayLike) -> NDArray[np.float64]:
    """Return boxes as float64 (N, 4); no box at all may come in any shape.

    Raises:
        InputError: they are not numbers, not (N, 4), or not finite.
    """
    try:
        array = np.asarray(boxes, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: not boxes ({error}); accepted: numbers (N, 4) x0, y0, x1, y1") from error
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise InputError(f"{name}: shape {array.shape}; accepted: (N, 4) x0, y0, x1, y1")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: holds NaN or infinity; accepted: finite pixels")
    return array


def _best_of(
    scores: NDArray[np.float64],
    overlap_of: Callable[[np.intp, NDArray[np.intp]], NDArray[np.floating[Any]]],
    above: float,
) -> NDArray[np.int64]:
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[overlap_of(best, left) <= above]
    return np.array(kept, np.int64)


def _as_scores(scores: ArrayLike, count: int) -> NDArray[np.float64]:
    values = np.asarray(scores, np.float64)
    if values.shape != (count,):
        raise InputError(f"scores: shape {values.shape}; accepted: ({count},), one for each")
    if not np.isfinite(values).all():
        raise InputError("scores: holds NaN or infinity; accepted: finite numbers")
    return values


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name}: {value}; accepted: 0 to 1")
