"""Which masks are worth keeping: of one question, of one frame, and what is twice the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sam_edge.annotate.answers import Draft, Proposal
from sam_edge.annotate.kept import Kept
from sam_edge.everything import GeneratedMask
from sam_edge.everything.generate import stability
from sam_edge.masks import Masks, Rle, box_iou, fill_holes, iou, mask_to_box, remove_islands
from sam_edge.segmenter import Embedding, Segmenter

CONFIDENT_DECISION = "confident"
"""What the journal says of masks that no person was asked about."""
SAME = 0.7
"""Masks whose IoU exceeds this are of one thing."""
SAME_BY_HAND = 0.9
"""Of two that a person accepted: nested things, such as a rider with and without the horse, overlap much."""
ALIKE = 0.95
"""Of SAM's masks for one prompt: those that are more alike than this are shown once."""
LEAST_SHARE = 1e-4
"""Masks of a smaller share of the frame are specks."""
LEAST_PX = 64
"""Masks of fewer pixels are specks, however small the frame."""
MOST_SHARE = 0.95
"""A mask of a larger share of the frame shows no thing; so it was for SA-1B."""


def least_px(size: tuple[int, int]) -> int:
    """Return the fewest pixels of a mask, an island or a hole in a frame of (height, width)."""
    return max(LEAST_PX, round(LEAST_SHARE * size[0] * size[1]))


def fits(found: GeneratedMask, size: tuple[int, int]) -> bool:
    """Say whether a mask is neither a speck nor all of the picture."""
    return least_px(size) <= found.area <= MOST_SHARE * size[0] * size[1]


def candidates_of(
    model: Segmenter, embedding: Embedding, draft: Draft, *, corrects: NDArray[np.float32] | None = None
) -> Masks | None:
    """Return SAM's masks for what was said, best first, cleaned, those that are alike once; None for nothing.

    Args:
        model: from `sam_edge.load`.
        embedding: of the frame.
        draft: what was said.
        corrects: low-resolution logits of the mask that the last point corrects; SAM was trained to be told.
    """
    points = draft.points
    made = model.decode(
        embedding,
        points=[(one.x_px, one.y_px) for one in points] if points else None,
        labels=[int(one.on) for one in points] if points else None,
        boxes=None if draft.box is None else draft.box.sides,
        mask=corrects,
    )
    chosen: list[int] = []
    for index, mask in enumerate(made.masks):
        low = made.logits[index] > 0
        if mask.any() and all(iou(low, made.logits[other] > 0) <= ALIKE for other in chosen):
            chosen.append(index)
    if not chosen:
        return None
    cleaned = [fill_holes(remove_islands(np.ascontiguousarray(made.masks[index]))) for index in chosen]
    return Masks(np.stack(cleaned), made.scores[chosen], made.logits[chosen], made.token[chosen])


def found_of(asked: Proposal, embedding: Embedding) -> GeneratedMask:
    """Describe the mask that is shown, as everything mode does."""
    mask, view = asked.mask, embedding.view
    x0, y0, x1, y1 = mask_to_box(mask) or (0.0, 0.0, 0.0, 0.0)
    return GeneratedMask(
        segmentation=Rle.from_mask(mask),
        area=int(np.count_nonzero(mask)),
        bbox=(x0, y0, x1 - x0, y1 - y0),
        predicted_iou=asked.score,
        point_coords=tuple((point.x_px, point.y_px) for point in asked.draft.points),
        stability_score=stability(asked.candidates.logits[asked.draft.shown], 1.0),
        crop_box=(float(view.x0), float(view.y0), float(view.width), float(view.height)),
    )


class Known:
    """The masks that a frame has."""

    def __init__(self, stem: str, kept: Sequence[Kept]) -> None:
        """Compare with the masks of the frame called `stem`."""
        self.stem = stem
        self._kept = list(kept)
        self._found = [one.mask for one in kept]
        self._masks: dict[int, NDArray[np.bool_]] = {}

    def takes(self, found: GeneratedMask) -> bool:
        """Say whether a mask is none that the frame has; it then is one."""
        if any(self._iou(index, found) > SAME for index in self._near(found)):
            return False
        self._found.append(found)
        return True

    def shows(self, found: GeneratedMask) -> int | None:
        """Return the number of the kept mask that shows the same, the most like it; None for none."""
        near = {index: self._iou(index, found) for index in self._near(found) if index < len(self._kept)}
        best = max(near, key=lambda index: near[index], default=None)
        return None if best is None or near[best] <= SAME else self._kept[best].number

    def replaced_by(self, found: GeneratedMask) -> tuple[int, ...]:
        """Return the numbers of the masks that one accepted by a person stands for from now on."""
        numbers = []
        for index in self._near(found):
            by_hand = self._kept[index].decision != CONFIDENT_DECISION if index < len(self._kept) else True
            if index < len(self._kept) and self._iou(index, found) > (SAME_BY_HAND if by_hand else SAME):
                numbers.append(self._kept[index].number)
        return tuple(numbers)

    def _near(self, found: GeneratedMask) -> list[int]:
        """Return which masks may be the same: of two that are, neither area nor box differs much."""
        near = []
        for index, one in enumerate(self._found):
            smaller, larger = sorted((one.area, found.area))
            if smaller > SAME * larger and box_iou([one.box], [found.box])[0, 0] > 0:
                near.append(index)
        return near

    def _iou(self, index: int, found: GeneratedMask) -> float:
        if index not in self._masks:
            self._masks[index] = self._found[index].mask()
        return iou(self._masks[index], found.mask())
