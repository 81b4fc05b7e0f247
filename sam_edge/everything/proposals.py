"""Ranked proposals of objects, and how well the first so many of them meet the truth.

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

PROPOSALS = MaskGeneratorConfig(
    points_per_side=24, predicted_iou=0.3, stability=0.4, box_nms=0.9, crop_nms=0.9, skip_covered_iou=0.92
)
"""Filters wide open: ranking takes their place."""
IOUS = np.arange(0.5, 1.0, 0.05)
"""IoU above which a thing counts as found; recall is averaged over them, as COCO does."""


def propose_objects(
    model: Segmenter,
    image: NDArray[np.uint8],
    *,
    limit: int = 1000,
    config: MaskGeneratorConfig = PROPOSALS,
    embedding: Embedding | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[GeneratedMask]:
    """Propose what may be an object, the likeliest first.

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
    found = generate_masks(model, image, config=config, embedding=embedding, advance=advance)
    return sorted(found, key=rank, reverse=True)[:limit]


def rank(found: GeneratedMask) -> float:
    """Return how likely a mask is an object, 0..1: the mean of predicted IoU and stability."""
    return (found.predicted_iou + found.stability_score) / 2


def average_recall(overlap: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Return of each thing at which share of COCO's ten IoUs (.5 to .95) one of the first proposals meets it.

    Args:
        overlap: (things, proposals): IoU of each thing's mask with each proposal's, the likeliest proposal first.
        limit: how many of the first proposals count.

    Returns:
        (things,), 0..1; its mean over the things of all pictures is AR@limit.
    """
    first = overlap[:, :limit]
    best = first.max(axis=1) if first.shape[1] else np.zeros(len(overlap))
    return np.asarray((best[:, None] > IOUS).mean(axis=1))
