"""How far masks overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError

BLOCK_PX = 1 << 18
"""Pixels of every mask that are compared at a time: bounds the memory, and keeps float32 sums of ones exact."""


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return intersection over union of two masks of one shape; 1 when both are empty."""
    union = int(np.count_nonzero(first | second))
    return 1.0 if union == 0 else int(np.count_nonzero(first & second)) / union


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return intersection over union of every mask of one set with every mask of another.

    Args:
        first: (N, H, W).
        second: (M, H, W); None compares the first set with itself.

    Returns:
        (N, M), 0..1; 1 where both are empty. The counts behind it are exact.

    Raises:
        InputError: they are not bool (N, H, W) of one height and width.
    """
    other = first if second is None else second
    for name, masks in (("first", first), ("second", other)):
        if masks.dtype != np.bool_ or masks.ndim != 3:
            raise InputError(f"{name}: {masks.dtype} {masks.shape}; accepted: bool (N, H, W)")
    if first.shape[1:] != other.shape[1:]:
        raise InputError(
            f"second: masks of {other.shape[1:]}, the first are {first.shape[1:]}; give one height and width"
        )
    pixels = first.shape[1] * first.shape[2]
    rows, columns = first.reshape(len(first), pixels), other.reshape(len(other), pixels)
    shared = np.zeros((len(rows), len(columns)))
    for begin in range(0, pixels, BLOCK_PX):
        part = slice(begin, begin + BLOCK_PX)
        shared += rows[:, part].astype(np.float32) @ columns[:, part].astype(np.float32).T
    areas = np.count_nonzero(rows, axis=1)[:, None] + np.count_nonzero(columns, axis=1)[None]
    union = areas - shared
    shares: NDArray[np.float64] = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    return shares
