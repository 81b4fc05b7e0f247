"""Masks before they are scaled to the image: low-resolution logits cropped to the mask, with its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.geometry import MASK_STRIDE, Placement
from sam_edge.masks import nms

POOL_BYTES = 96 << 20
"""Most memory of a pool. Above it, duplicates are dropped, then the worst masks."""
OVERHEAD_BYTES = 1024
"""Memory of a mask in addition to its logits or run lengths: a large grid gives many tiny masks."""
STRIP_PX = 1 << 22
"""Pixels that are scaled at a time."""
MULTIMASK = (1, 2, 3)
"""Output tokens of SAM for the sub-part, the part and the whole."""
OUTSIDE = np.float32(-1e3)
"""Logit outside a patch."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One mask that passed the filters."""

    logits: NDArray[np.float16]
    """(h, w): low-resolution logits of the mask's box, padded by one on each side; logits elsewhere are negative."""
    corner: tuple[int, int]
    """Row and column of the first logit."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in frame pixels, to the resolution of the logits."""
    score: float
    """Predicted IoU."""
    stability: float
    """IoU of the masks at a higher and a lower threshold."""
    point: tuple[float, float]
    """The point x, y in frame pixels that prompted it."""

    @property
    def nbytes(self) -> int:
        """Memory of the logits."""
        return self.logits.nbytes


def extract_patch(
    logits: NDArray[np.float32],
    placement: Placement,
    *,
    score: float,
    stability: float,
    point: tuple[float, float],
) -> Patch | None:
    """Crop the low-resolution logits (h, w) of an input to the mask's box; None for an empty mask."""
    inside = logits > 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return None
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    corners = placement.frame_from_input(MASK_STRIDE * np.array([[x0, y0], [x1, y1]], np.float64))
    view = placement.view
    corners = np.clip(corners, (view.x0, view.y0), (view.x0 + view.width, view.y0 + view.height))
    top, left = max(0, y0 - 1), max(0, x0 - 1)
    part = logits[top : y1 + 1, left : x1 + 1]
    box = tuple(float(value) for value in corners.ravel())
    return Patch(
        logits=np.clip(part, -1e3, 1e3).astype(np.float16),
        corner=(top, left),
        box=(box[0], box[1], box[2], box[3]),
        score=score,
        stability=stability,
        point=point,
    )


def upscale_patch(patch: Patch, placement: Placement) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Scale a patch to the frame, bilinear, with the same result as `Placement.paste`.

    Returns:
        The mask, bool (H, W), of the part of the frame that it can reach; and the part's first row and column.
    """
    view, step = placement.view, placement.scale / MASK_STRIDE
    top, left = patch.corner
    height, width = patch.logits.shape
    low = np.pad(patch.logits.astype(np.float32), 1, constant_values=OUTSIDE)
    # At an edge of the input the outermost logits continue, as in the whole map.
    _continue_at_edges(low, patch, placement)
    x0, x1 = _reach(left, width, step[0], view.width)
    y0, y1 = _reach(top, height, step[1], view.height)
    mask = np.empty((y1 - y0, x1 - x0), np.bool_)
    rows = max(1, STRIP_PX // max(1, x1 - x0))
    for begin in range(y0, y1, rows):
        end = min(begin + rows, y1)
        matrix = np.array(
            [
                [step[0], 0, step[0] * (x0 + 0.5) - 0.5 - left + 1],
                [0, step[1], step[1] * (begin + 0.5) - 0.5 - top + 1],
            ]
        )
        strip = cv2.warpAffine(
            low,
            matrix,
            (x1 - x0, end - begin),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mask[begin - y0 : end - y0] = strip > 0
    return mask, (view.y0 + y0, view.x0 + x0)


class ScoredMask(Protocol):
    """A mask that passed the filters: a `Patch` or an `ExactMask`."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in frame pixels."""

    @property
    def score(self) -> float:
        """Predicted IoU."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""


AnyMask = TypeVar("AnyMask", bound=ScoredMask)


class MaskPool(Generic[AnyMask]):
    """The masks of one crop, in bounded memory."""

    def __init__(self, max_iou: float, max_bytes: int = POOL_BYTES) -> None:
        """Suppress a mask whose box overlaps that of a better one by more than `max_iou`."""
        self._max_iou = max_iou
        self._max_bytes = max_bytes
        self._masks: list[AnyMask] = []
        self._bytes = 0

    def add(self, mask: AnyMask) -> None:
        """Add a mask."""
        self._masks.append(mask)
        self._bytes += mask.nbytes + OVERHEAD_BYTES
        if self._bytes > self._max_bytes:
            self._shrink()

    def best(self) -> list[AnyMask]:
        """Return the masks that no better one suppresses, best first."""
        kept = nms([mask.box for mask in self._masks], self._scores(), above=self._max_iou)
        return [self._masks[index] for index in kept]

    def _shrink(self) -> None:
        """Drop duplicates, then the worst masks until half of the memory is free."""
        kept: list[AnyMask] = []
        total = 0
        for mask in self.best():
            total += mask.nbytes + OVERHEAD_BYTES
            if total > self._max_bytes // 2:
                break
            kept.append(mask)
        self._masks = kept
        self._bytes = sum(mask.nbytes + OVERHEAD_BYTES for mask in kept)

    def _scores(self) -> list[float]:
        return [mask.score for mask in self._masks]


def _reach(first: int, count: int, step: float, side_px: int) -> tuple[int, int]:
    """Return the frame pixels, from and to, that the logits `first` to `first + count` can reach."""
    low = int(np.floor((first - 0.5) / step)) - 1
    high = int(np.ceil((first + count + 0.5) / step)) + 1
    return max(0, min(low, side_px - 1)), min(side_px, max(high, 1))


def _continue_at_edges(low: NDArray[np.float32], patch: Patch, placement: Placement) -> None:
    """Repeat the outermost logits beyond the input's own edges."""
    top, left = patch.corner
    rows, columns = (side // MASK_STRIDE for side in placement.size)
    view_rows, view_columns = view_grid_size(placement)
    if left == 0:
        low[:, 0] = low[:, 1]
    if left + patch.logits.shape[1] >= min(columns, view_columns):
        low[:, -1] = low[:, -2]
    if top == 0:
        low[0] = low[1]
    if top + patch.logits.shape[0] >= min(rows, view_rows):
        low[-1] = low[-2]


def view_grid_size(placement: Placement) -> tuple[int, int]:
    """Return the (rows, columns) of the low-resolution logits that the view fills; the rest is letterbox."""
    height, width = placement.inside
    return -(-height // MASK_STRIDE), -(-width // MASK_STRIDE)
