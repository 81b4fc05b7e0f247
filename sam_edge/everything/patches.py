"""Masks before they are scaled to the picture: a cut-out of low-resolution logits each, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.geometry import MASK_STRIDE, Placement
from sam_edge.masks import nms

POOL_BYTES = 96 << 20
"""Candidates that are held at a time. When there are more, duplicates are dropped at once, then the worst."""
EACH_BYTES = 1024
"""What a candidate takes beside its logits or runs: on a large grid most are tiny, and there are many."""
STRIP_PX = 1 << 22
"""Pixels that are scaled at a time."""
MULTIMASK = (1, 2, 3)
"""The three of SAM's outputs that stand for the sub-part, the part and the whole."""
OUTSIDE = np.float32(-1e3)
"""Logit of what lies beyond a cut-out."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One mask that passed the filters."""

    logits: NDArray[np.float16]
    """(h, w): low-resolution logits of the mask's box with one place more on each side; the rest is not inside."""
    corner: tuple[int, int]
    """Row and column of its first logit."""
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


def patch_of(
    logits: NDArray[np.float32],
    placement: Placement,
    *,
    score: float,
    stability: float,
    point: tuple[float, float],
) -> Patch | None:
    """Cut a mask's logits (h, w), which begin at the input's corner, out round its box; None where it is empty."""
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


def scaled(patch: Patch, placement: Placement) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Scale a patch to the frame: the mask, bool (H, W), of a part of the frame, and the part's first row and column.

    Bilinear, as `Placement.paste`, and the same mask: only the part where it can be inside is made, in strips.
    """
    view, step = placement.view, placement.scale / MASK_STRIDE
    top, left = patch.corner
    height, width = patch.logits.shape
    low = np.pad(patch.logits.astype(np.float32), 1, constant_values=OUTSIDE)
    # A cut-out that begins or ends with the input goes on as it is there, as the whole map would.
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


class Candidate(Protocol):
    """A mask that passed the filters, in whatever form."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in frame pixels."""

    @property
    def score(self) -> float:
        """Predicted IoU."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""


Kept = TypeVar("Kept", bound=Candidate)


class Pool(Generic[Kept]):
    """Candidates of one crop, in bounded memory."""

    def __init__(self, above: float, room_bytes: int = POOL_BYTES) -> None:
        """Drop a patch when its box's IoU with a better one exceeds `above`."""
        self._above = above
        self._room_bytes = room_bytes
        self._patches: list[Kept] = []
        self._bytes = 0

    def add(self, patch: Kept) -> None:
        """Take one more."""
        self._patches.append(patch)
        self._bytes += patch.nbytes + EACH_BYTES
        if self._bytes > self._room_bytes:
            self._shrink()

    def best(self) -> list[Kept]:
        """Return those that no better one suppresses, best first."""
        kept = nms([patch.box for patch in self._patches], self._scores(), above=self._above)
        return [self._patches[index] for index in kept]

    def _shrink(self) -> None:
        """Drop duplicates, and then the worst until half of the room is free."""
        kept: list[Kept] = []
        total = 0
        for patch in self.best():
            total += patch.nbytes + EACH_BYTES
            if total > self._room_bytes // 2:
                break
            kept.append(patch)
        self._patches = kept
        self._bytes = sum(patch.nbytes + EACH_BYTES for patch in kept)

    def _scores(self) -> list[float]:
        return [patch.score for patch in self._patches]


def _reach(first: int, count: int, step: float, side_px: int) -> tuple[int, int]:
    """Return the frame pixels, from and to, that the logits `first` to `first + count` can reach."""
    low = int(np.floor((first - 0.5) / step)) - 1
    high = int(np.ceil((first + count + 0.5) / step)) + 1
    return max(0, min(low, side_px - 1)), min(side_px, max(high, 1))


def _continue_at_edges(low: NDArray[np.float32], patch: Patch, placement: Placement) -> None:
    """Repeat the outermost logits beyond the input's own edges."""
    top, left = patch.corner
    rows, columns = (side // MASK_STRIDE for side in placement.size)
    shown_rows, shown_columns = shown_places(placement)
    if left == 0:
        low[:, 0] = low[:, 1]
    if left + patch.logits.shape[1] >= min(columns, shown_columns):
        low[:, -1] = low[:, -2]
    if top == 0:
        low[0] = low[1]
    if top + patch.logits.shape[0] >= min(rows, shown_rows):
        low[-1] = low[-2]


def shown_places(placement: Placement) -> tuple[int, int]:
    """Return how many rows and columns of the low-resolution logits show the view; the rest is letterbox."""
    height, width = placement.inside
    return -(-height // MASK_STRIDE), -(-width // MASK_STRIDE)
