"""Masks as values: what a decode returns, which of its masks is meant, and small tools on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAR_BEST = 0.1
"""Masks whose predicted IoU lies this close to the best one's are candidates for `best_first`."""


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks of one prompt (K, ...) or of several (P, K, ...), best first."""

    masks: NDArray[np.bool_]
    """(K, H, W) or (P, K, H, W) in frame pixels."""
    scores: NDArray[np.float32]
    """(K,) or (P, K): IoU with the truth as the model predicts it."""
    logits: NDArray[np.float32]
    """(K, h, w) or (P, K, h, w): low-resolution logits in the encoder's input, 4 input pixels apart; > 0 is inside."""
    token: NDArray[np.int64]
    """(K,) or (P, K): which of SAM's four outputs each is; 0 the single mask, 1 to 3 the three of the multimask."""

    @property
    def best(self) -> NDArray[np.bool_]:
        """The first mask: (H, W), or (P, H, W) for several prompts."""
        return self.masks[..., 0, :, :]

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Box (x0, y0, x1, y1) of each mask in frame pixels: (K, 4) or (P, K, 4); zeros for an empty mask."""
        flat = self.masks.reshape(-1, *self.masks.shape[-2:])
        boxes = [box_of(mask) or (0.0, 0.0, 0.0, 0.0) for mask in flat]
        return np.array(boxes, np.float64).reshape(*self.masks.shape[:-2], 4)


def best_first(
    areas: NDArray[np.float64], scores: NDArray[np.float32], token: NDArray[np.int64], *, ambiguous: bool
) -> NDArray[np.int64]:
    """Order the masks of one prompt.

    One point may mean a part or the whole. Predicted IoU compares masks without knowing which was meant, and leans to
    parts; people mean wholes. So for an `ambiguous` prompt the largest of the multimask's masks within 0.1 of their
    best predicted IoU comes first. A prompt that says more is what SAM's single mask is trained for: it comes first
    where it was asked for. The rest goes by predicted IoU.

    Args:
        areas: (K,) pixels of each mask.
        scores: (K,) predicted IoU.
        token: (K,) which of SAM's four outputs each is.
        ambiguous: whether the prompt is a single point.

    Returns:
        (K,) indices, the mask that is meant first.
    """
    by_score = np.argsort(-scores, kind="stable")
    multi = by_score[token[by_score] > 0]
    single = by_score[token[by_score] == 0]
    if ambiguous and len(multi):
        near = multi[scores[multi] >= scores[multi].max() - NEAR_BEST]
        chosen = near[np.argmax(areas[near])]
    else:
        chosen = single[0] if len(single) else by_score[0]
    return np.concatenate([[chosen], by_score[by_score != chosen]])


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """Return the smallest box (x0, y0, x1, y1) round a mask (H, W), frame pixels; None when it is empty."""
    rows, columns = np.asarray(mask.any(axis=1)), np.asarray(mask.any(axis=0))
    if not rows.any():
        return None
    y0, x0 = int(rows.argmax()), int(columns.argmax())
    y1, x1 = len(rows) - int(rows[::-1].argmax()), len(columns) - int(columns[::-1].argmax())
    return float(x0), float(y0), float(x1), float(y1)


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return intersection over union of two masks of one shape; 1 when both are empty."""
    union = int(np.count_nonzero(first | second))
    return 1.0 if union == 0 else int(np.count_nonzero(first & second)) / union
