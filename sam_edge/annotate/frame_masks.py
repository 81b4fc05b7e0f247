"""Which masks a frame has already, and which are too small or too large to be an object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sam_edge.annotate.annotation import CONFIDENT, Annotation
from sam_edge.everything import GeneratedMask
from sam_edge.masks import box_iou, iou

SAME_OBJECT_IOU = 0.7
"""Masks that overlap by more than this show the same object."""
SAME_OBJECT_IOU_BY_HAND = 0.9
"""The same for two masks that a person accepted: nested objects, such as a rider with and without the horse, overlap
much."""
MIN_AREA_SHARE = 1e-4
"""Least area of a mask as a share of the frame."""
MIN_AREA_PX = 64
"""Least area of a mask, pixels, however small the frame."""
MAX_AREA_SHARE = 0.95
"""Largest area of a mask as a share of the frame; larger ones show no object. SA-1B has the same limit."""


def min_area_px(size: tuple[int, int]) -> int:
    """Return the least area, pixels, of a mask, an island or a hole in a frame of (height, width)."""
    return max(MIN_AREA_PX, round(MIN_AREA_SHARE * size[0] * size[1]))


def is_object_sized(mask: GeneratedMask, size: tuple[int, int]) -> bool:
    """Say whether a mask is neither a speck nor nearly all of a frame of (height, width)."""
    return min_area_px(size) <= mask.area <= MAX_AREA_SHARE * size[0] * size[1]


class FrameMasks:
    """The masks of one frame, compared with new ones."""

    def __init__(self, stem: str, annotations: Sequence[Annotation]) -> None:
        """Take the annotations of the frame called `stem`."""
        self.stem = stem
        self._annotations = list(annotations)
        self._masks = [annotation.mask for annotation in annotations]
        self._decoded: dict[int, NDArray[np.bool_]] = {}

    def add_new(self, mask: GeneratedMask) -> bool:
        """Add a mask unless the frame has one of the same object; say whether it was added."""
        if any(self._iou(index, mask) > SAME_OBJECT_IOU for index in self._nearby(mask)):
            return False
        self._masks.append(mask)
        return True

    def find_same(self, mask: GeneratedMask) -> int | None:
        """Return the number of the annotation that shows the same object, the best match; None without any."""
        overlaps = {
            index: self._iou(index, mask) for index in self._nearby(mask) if index < len(self._annotations)
        }
        best = max(overlaps, key=lambda index: overlaps[index], default=None)
        if best is None or overlaps[best] <= SAME_OBJECT_IOU:
            return None
        return self._annotations[best].number

    def find_replaced(self, mask: GeneratedMask) -> tuple[int, ...]:
        """Return the numbers of the annotations that a mask accepted by a person replaces."""
        numbers = []
        for index in self._nearby(mask):
            if index >= len(self._annotations):
                continue
            annotation = self._annotations[index]
            confident = annotation.decision == CONFIDENT
            threshold = SAME_OBJECT_IOU if confident else SAME_OBJECT_IOU_BY_HAND
            if self._iou(index, mask) > threshold:
                numbers.append(annotation.number)
        return tuple(numbers)

    def _nearby(self, mask: GeneratedMask) -> list[int]:
        """Return the indices of masks that may show the same object: of similar area, with boxes that meet."""
        nearby = []
        for index, other in enumerate(self._masks):
            smaller, larger = sorted((other.area, mask.area))
            if smaller > SAME_OBJECT_IOU * larger and box_iou([other.box], [mask.box])[0, 0] > 0:
                nearby.append(index)
        return nearby

    def _iou(self, index: int, mask: GeneratedMask) -> float:
        if index not in self._decoded:
            self._decoded[index] = self._masks[index].mask()
        return iou(self._decoded[index], mask.mask())
