"""Masks in frame pixels that are scaled when they are first asked for, and which of several is larger before they are.

Scaling a mask to a frame of 720x480 takes a third of a millisecond, and a decode gives four of them. Programs mostly
want the best one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sam_edge.geometry import MASK_STRIDE, Placement, clip_view

Mask = NDArray[np.bool_]
AREA_MARGIN = 1e-3
"""Share of the frame by which bounds of areas must differ to decide: more than rounding at the cells' edges moves."""


class LazyMasks:
    """Masks (..., K, H, W) of low-resolution logits (..., K, h, w). The first of each K can be had alone."""

    def __init__(
        self,
        logits: NDArray[np.float32],
        placement: Placement,
        frame_size: tuple[int, int],
        scaled: Mapping[int, Mask] | None = None,
    ) -> None:
        """Scale nothing yet.

        Args:
            logits: (..., K, h, w), not changed afterwards.
            placement: how their view lies in the encoder's input.
            frame_size: (height, width) of the frame.
            scaled: masks (H, W) that were scaled before, by their index in the flattened (..., K).
        """
        self._logits = logits
        self._placement = placement
        self._frame_size = frame_size
        self._scaled = dict(scaled or {})
        self._every: Mask | None = None
        self._best: Mask | None = None

    def every(self) -> Mask:
        """Return all masks (..., K, H, W)."""
        if self._every is None:
            self._every = self._stack(range(self._count))
            self._best, self._scaled = None, {}
        return self._every

    def best(self) -> Mask:
        """Return the first mask of each K: (..., H, W)."""
        if self._every is not None:
            return self._every[..., 0, :, :]
        if self._best is None:
            each = self._logits.shape[-3]
            self._best = self._stack(range(0, self._count, each)).reshape(
                *self._logits.shape[:-3], *self._frame_size
            )
        return self._best

    @property
    def _count(self) -> int:
        return int(np.prod(self._logits.shape[:-2]))

    def _stack(self, indices: range) -> Mask:
        """Scale the masks of these indices, and keep them for later calls: (N, H, W), or (..., K, H, W) for all."""
        flat = self._logits.reshape(self._count, *self._logits.shape[-2:])
        masks = np.empty((len(indices), *self._frame_size), np.bool_)
        for mask, index in zip(masks, indices, strict=True):
            ready = self._scaled.get(index)
            if ready is None:
                np.greater(self._placement.paste(flat[index], self._frame_size), 0, out=mask)
            else:
                mask[...] = ready
            self._scaled[index] = mask
        return (
            masks
            if len(indices) < self._count
            else masks.reshape(*self._logits.shape[:-2], *self._frame_size)
        )


def areas_that_decide(
    logits: NDArray[np.float32], placement: Placement, frame_size: tuple[int, int]
) -> tuple[NDArray[np.float64], dict[int, Mask]]:
    """Measure the areas of masks as far as it takes to tell the largest.

    Args:
        logits: (N, h, w), low-resolution.
        placement: how their view lies in the encoder's input.
        frame_size: (height, width) of the frame.

    Returns:
        (N,) areas in frame pixels, the largest of them in its true place; and the masks (H, W) that had to be scaled
        for it, by index.
    """
    least, most = bound_areas(logits, placement, frame_size)
    leader = int(least.argmax())
    rivals = np.flatnonzero(most + AREA_MARGIN * frame_size[0] * frame_size[1] >= least[leader])
    if len(rivals) == 1:
        return least, {}
    scaled = {int(index): placement.paste(logits[index], frame_size) > 0 for index in rivals}
    areas = np.full(len(logits), -1.0)
    for index, mask in scaled.items():
        areas[index] = np.count_nonzero(mask)
    return areas, scaled


def bound_areas(
    logits: NDArray[np.float32], placement: Placement, frame_size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound the areas of masks (N, h, w), frame pixels, without scaling them: at least, and at most, (N,) each.

    A pixel is interpolated between four logits: it is inside where all four are, and outside where none is.
    """
    inside = logits > 0
    shown, (step_x, step_y) = clip_view(placement.view, frame_size), placement.scale / MASK_STRIDE
    down = _pixels_of_cells(shown.y0 - placement.view.y0, shown.height, step_y, logits.shape[1])
    across = _pixels_of_cells(shown.x0 - placement.view.x0, shown.width, step_x, logits.shape[2])
    above, below = inside[:, :-1], inside[:, 1:]
    every, some = above & below, above | below
    bounds = (every[:, :, :-1] & every[:, :, 1:]), (some[:, :, :-1] | some[:, :, 1:])
    least, most = ((cells.astype(np.float32) @ across) @ down for cells in bounds)
    return least.astype(np.float64), most.astype(np.float64)


def _pixels_of_cells(first: int, count: int, step: float, logits: int) -> NDArray[np.float32]:
    """Count the pixels of a row, or of a column, that lie between each two neighbouring logits: (logits - 1,)."""
    places = (first + np.arange(count) + 0.5) * step - 0.5
    cells = np.clip(np.floor(places).astype(np.int64), 0, logits - 2)
    return np.bincount(cells, minlength=logits - 1).astype(np.float32)
