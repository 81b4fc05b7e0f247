"""Which masks may be kept as a reference of an object, by rules that need no training.

The thresholds are those of SAMURAI (Yang et al., 2024) and DAM4SAM (Videnovic et al., 2025): what a tracker compares
later frames with must show the object alone, at its usual size, and be a mask that the model is sure of.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.candidate import Grid
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning

AREAS = 10
"""Areas that the usual one is the median of."""
MIN_AREAS = 3
"""Areas below this number say nothing about the usual one."""
Box = tuple[int, int, int, int]
"""Columns and rows x0, y0, x1, y1 of a grid."""


class ReferenceRules:
    """Decides for one object which of its masks may be a reference."""

    def __init__(self, tuning: SelectionTuning = DEFAULT_TUNING) -> None:
        """Begin without a mask; `tuning` has the thresholds."""
        self._tuning = tuning
        self._areas: deque[int] = deque(maxlen=AREAS)

    def accept(self, grid_logits: Grid, score: float, *, distractor: bool, looked_at: bool = True) -> bool:
        """Take a mask that was decoded, and return whether it may be a reference.

        Args:
            grid_logits: the mask on the motion grid.
            score: predicted IoU.
            distractor: whether another mask of the same decode shows something next to it, from `has_distractor`.
            looked_at: whether gaze is on it; True where gaze does not matter.
        """
        area = int(np.count_nonzero(grid_logits > 0))
        usual = statistics.median(self._areas) if len(self._areas) >= MIN_AREAS else area
        self._areas.append(area)
        steady = abs(area - usual) <= self._tuning.max_area_change * usual
        return (
            area > 0 and looked_at and steady and score >= self._tuning.min_reference_score and not distractor
        )


def has_distractor(
    chosen: NDArray[np.bool_], others: Sequence[NDArray[np.bool_]], tuning: SelectionTuning = DEFAULT_TUNING
) -> bool:
    """Return whether another mask of the same decode shows something else than the chosen one, next to it.

    The largest piece of the other mask off the chosen one, joined with it, has another box.

    Args:
        chosen: bool (rows, columns).
        others: the other masks, of the same shape.
        tuning: how much the boxes overlap at least.
    """
    own = box_of(chosen)
    if own is None:
        return False
    for other in others:
        piece = largest_piece_box(other & ~chosen, tuning.min_area_cells)
        if piece is None:
            continue
        joined = (min(own[0], piece[0]), min(own[1], piece[1]), max(own[2], piece[2]), max(own[3], piece[3]))
        # The joined box holds the own one, so that their IoU is the ratio of their areas.
        if box_area(own) <= tuning.max_distractor_iou * box_area(joined):
            return True
    return False


def box_of(mask: NDArray[np.bool_]) -> Box | None:
    """Return the box of a mask; None when it is empty."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return None if width == 0 else (left, top, left + width, top + height)


def box_area(box: Box) -> int:
    """Return the area of a box, cells."""
    return (box[2] - box[0]) * (box[3] - box[1])


def largest_piece_box(mask: NDArray[np.bool_], min_cells: int) -> Box | None:
    """Return the box of the largest connected piece of a mask; None when it has fewer than `min_cells` cells."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return None
    piece = stats[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())]
    if piece[cv2.CC_STAT_AREA] < min_cells:
        return None
    left, top = int(piece[cv2.CC_STAT_LEFT]), int(piece[cv2.CC_STAT_TOP])
    return left, top, left + int(piece[cv2.CC_STAT_WIDTH]), top + int(piece[cv2.CC_STAT_HEIGHT])
