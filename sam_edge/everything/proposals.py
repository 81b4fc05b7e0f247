"""Ranked object proposals, and their average recall.

Kirillov et al., "Segment Anything" (2023), section 7.3 and appendix D: everything mode with hardly a filter, ranked by
the mean of predicted IoU and stability.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.everything.config import MaskGeneratorConfig
from sam_edge.everything.generate import generate_masks
from sam_edge.everything.generated_mask import GeneratedMask
from sam_edge.segmenter import Embedding, Segmenter

PROPOSAL_CONFIG = MaskGeneratorConfig(
    points_per_side=24, predicted_iou=0.3, stability=0.4, box_nms=0.9, crop_nms=0.9, skip_covered_iou=0.92
)
"""Wide filters: the ranking replaces them."""
COCO_IOUS = np.arange(0.5, 1.0, 0.05)
"""IoU thresholds over which COCO averages recall."""


def propose_objects(
    model: Segmenter,
    image: NDArray[np.uint8],
    *,
    limit: int = 1000,
    config: MaskGeneratorConfig = PROPOSAL_CONFIG,
    embedding: Embedding | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[GeneratedMask]:
    """Propose objects, the most likely first.

    Args:
        model: from `sam_edge.load`.
        image: RGB uint8 (H, W, 3).
        limit: most proposals.
        config: see `generate_masks`.
        embedding: see `generate_masks`.
        advance: see `generate_masks`.

    Raises:
        InputError: `limit` is less than 1, or the image is not RGB uint8.
    """
    if limit < 1:
        raise InputError(f"limit: {limit}; accepted: 1 or more")
    masks = generate_masks(model, image, config=config, embedding=embedding, advance=advance)
    return sorted(masks, key=score_proposal, reverse=True)[:limit]


def score_proposal(mask: GeneratedMask) -> float:
    """Return the score of a proposal, 0..1: the mean of predicted IoU and stability."""
    return (mask.predicted_iou + mask.stability_score) / 2


def average_recall(overlap: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Return the recall of each object, averaged over COCO's ten IoU thresholds (.5 to .95).

    Args:
        overlap: (objects, proposals): IoU of each object's mask with each proposal's, the most likely proposal first.
        limit: number of proposals that count, from the first.

    Returns:
        (objects,), 0..1; its mean over the objects of all images is AR@limit.
    """
    first = overlap[:, :limit]
    best = first.max(axis=1) if first.shape[1] else np.zeros(len(overlap))
    return np.asarray((best[:, None] > COCO_IOUS).mean(axis=1))
