"""What a decode returns, and which of its masks fits best."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sam_edge.masks.boxes import masks_to_boxes
from sam_edge.masks.lazy_masks import LazyMasks

NEAR_BEST = 0.1
"""Masks whose predicted IoU lies this close to the best one's are candidates for `best_first`."""


@dataclass(frozen=True, slots=True, init=False)
class Masks:
    """Masks of one prompt (K, ...) or of several (P, K, ...), best first."""

    scores: NDArray[np.float32]
    """(K,) or (P, K): IoU with the truth as the model predicts it."""
    logits: NDArray[np.float32]
    """(K, h, w) or (P, K, h, w): low-resolution logits in the encoder's input, 4 input pixels apart; > 0 is inside."""
    token: NDArray[np.int64]
    """(K,) or (P, K): which of SAM's four outputs each is; 0 the single mask, 1 to 3 the three of the multimask."""
    _full: NDArray[np.bool_] | LazyMasks = field(repr=False)

    def __init__(
        self,
        masks: NDArray[np.bool_] | LazyMasks,
        scores: NDArray[np.float32],
        logits: NDArray[np.float32],
        token: NDArray[np.int64],
    ) -> None:
        """Hold masks that are there, (K, H, W) or (P, K, H, W), or that are scaled when they are asked for."""
        for name, value in (("_full", masks), ("scores", scores), ("logits", logits), ("token", token)):
            object.__setattr__(self, name, value)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(K, H, W) or (P, K, H, W) in frame pixels. Those of a decode are scaled to the frame when first asked for."""
        return self._full.every() if isinstance(self._full, LazyMasks) else self._full

    @property
    def best(self) -> NDArray[np.bool_]:
        """The first mask: (H, W), or (P, H, W) for several prompts. Without `masks`, it alone is scaled."""
        return self._full.best() if isinstance(self._full, LazyMasks) else self._full[..., 0, :, :]

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Box (x0, y0, x1, y1) of each mask in frame pixels: (K, 4) or (P, K, 4); zeros for an empty mask."""
        flat = self.masks.reshape(-1, *self.masks.shape[-2:])
        return masks_to_boxes(flat).reshape(*self.masks.shape[:-2], 4)


def best_first(
    areas: NDArray[np.float64], scores: NDArray[np.float32], token: NDArray[np.int64], *, ambiguous: bool
) -> NDArray[np.int64]:
    """Order the masks of one prompt.

    One point may mean a part or the whole. Predicted IoU compares masks without knowing which was meant, and leans to
    parts; people mean wholes. So for an `ambiguous` prompt the largest of the multimask's masks within 0.1 of their
    best predicted IoU comes first. A prompt that says more is what SAM's single mask is trained for: it comes first
    where it was asked for. The rest goes by predicted IoU.

    Args:
        areas: (K,) pixels of each mask. Only those of `near_best` count, and only for an `ambiguous` prompt.
        scores: (K,) predicted IoU.
        token: (K,) which of SAM's four outputs each is.
        ambiguous: whether the prompt is a single point.

    Returns:
        (K,) indices, the mask that fits best first.
    """
    by_score = np.argsort(-scores, kind="stable")
    multi = by_score[token[by_score] > 0]
    single = by_score[token[by_score] == 0]
    if ambiguous and len(multi):
        near = near_best(scores, token)
        chosen = near[np.argmax(areas[near])]
    else:
        chosen = single[0] if len(single) else by_score[0]
    return np.concatenate([[chosen], by_score[by_score != chosen]])


def near_best(scores: NDArray[np.float32], token: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of the multimask's masks among which the area decides in `best_first`, best score first."""
    by_score = np.argsort(-scores, kind="stable")
    multi = by_score[token[by_score] > 0]
    near: NDArray[np.int64] = multi[scores[multi] >= scores[multi].max(initial=-np.inf) - NEAR_BEST]
    return near
