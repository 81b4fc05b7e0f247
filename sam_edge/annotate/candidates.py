"""SAM's masks for the prompts of a proposal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_edge.annotate.proposal import Draft, Proposal
from sam_edge.everything import GeneratedMask
from sam_edge.everything.generate import stability_score
from sam_edge.masks import Masks, Rle, fill_holes, iou, mask_to_box, remove_islands
from sam_edge.segmenter import Embedding, Segmenter

DUPLICATE_IOU = 0.95
"""Of SAM's masks for one prompt, those that overlap a better one by more than this are left out."""


def decode_candidates(
    model: Segmenter, embedding: Embedding, draft: Draft, *, corrects: NDArray[np.float32] | None = None
) -> Masks | None:
    """Decode the prompts of a draft.

    Args:
        model: from `sam_edge.load`.
        embedding: of the frame.
        draft: the prompts.
        corrects: low-resolution logits (4h, 4w) of the mask that the last point corrects. SAM was trained to get the
            earlier mask with a correcting point.

    Returns:
        The masks, best first, without islands, holes and duplicates; None when all are empty.
    """
    points = draft.points
    masks = model.decode(
        embedding,
        points=[(point.x_px, point.y_px) for point in points] if points else None,
        labels=[int(point.positive) for point in points] if points else None,
        boxes=None if draft.box is None else draft.box.sides,
        mask=corrects,
    )
    distinct: list[int] = []
    for index, mask in enumerate(masks.masks):
        inside = masks.logits[index] > 0
        if mask.any() and all(iou(inside, masks.logits[other] > 0) <= DUPLICATE_IOU for other in distinct):
            distinct.append(index)
    if not distinct:
        return None
    cleaned = [fill_holes(remove_islands(np.ascontiguousarray(masks.masks[index]))) for index in distinct]
    return Masks(np.stack(cleaned), masks.scores[distinct], masks.logits[distinct], masks.token[distinct])


def describe_mask(proposal: Proposal, embedding: Embedding) -> GeneratedMask:
    """Return the shown mask of a proposal in the form of `generate_masks`."""
    mask, view = proposal.mask, embedding.view
    x0, y0, x1, y1 = mask_to_box(mask) or (0.0, 0.0, 0.0, 0.0)
    return GeneratedMask(
        segmentation=Rle.from_mask(mask),
        area=int(np.count_nonzero(mask)),
        bbox=(x0, y0, x1 - x0, y1 - y0),
        predicted_iou=proposal.score,
        point_coords=tuple((point.x_px, point.y_px) for point in proposal.draft.points),
        stability_score=stability_score(proposal.candidates.logits[proposal.draft.mask_index], 1.0),
        crop_box=(float(view.x0), float(view.y0), float(view.width), float(view.height)),
    )
