"""A generated mask, with the field names of SAM's generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.masks import Rle
from sam_edge.masks.sa1b import Sa1bMask

BLOCK_PX = 1 << 22
"""Pixels that are encoded at a time, to bound the memory."""


@dataclass(frozen=True, slots=True)
class GeneratedMask:
    """The mask of an object or of a part of one."""

    segmentation: Rle
    """The mask as COCO's run lengths; `mask()` gives it as bool (H, W)."""
    area: int
    """Pixels of the mask."""
    bbox: tuple[float, float, float, float]
    """x, y, width, height round the mask, frame pixels, as COCO counts them: a mask of one pixel is 1 wide."""
    predicted_iou: float
    """IoU with the truth as the model predicts it."""
    point_coords: tuple[tuple[float, float], ...]
    """The points x, y in frame pixels that prompted it."""
    stability_score: float
    """IoU of the masks at a higher and a lower threshold."""
    crop_box: tuple[float, float, float, float]
    """x, y, width, height of the part of the image that the model saw."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 round the mask, frame pixels."""
        x, y, width, height = self.bbox
        return x, y, x + width, y + height

    def mask(self) -> NDArray[np.bool_]:
        """Return the mask, bool (H, W)."""
        return self.segmentation.mask()

    def record(self, *, binary: bool = False) -> dict[str, Any]:
        """Return what SAM's generator returns: a dict, with the mask as COCO's run lengths or as bool (H, W)."""
        return {
            "segmentation": self.mask() if binary else self.segmentation.to_json(),
            "area": self.area,
            "bbox": list(self.bbox),
            "predicted_iou": self.predicted_iou,
            "point_coords": [list(point) for point in self.point_coords],
            "stability_score": self.stability_score,
            "crop_box": list(self.crop_box),
        }

    def sa1b(self, mask_id: int) -> Sa1bMask:
        """Return it as an entry of an SA-1B file."""
        x, y, width, height = self.crop_box
        return Sa1bMask(
            mask_id=mask_id,
            rle=self.segmentation,
            box=self.box,
            area_px=self.area,
            predicted_iou=self.predicted_iou,
            stability_score=self.stability_score,
            crop_box=(x, y, x + width, y + height),
            points=self.point_coords,
        )


def encode_part(part: NDArray[np.bool_], corner: tuple[int, int], frame_size: tuple[int, int]) -> Rle:
    """Encode a mask that is given for a part of the frame, and empty elsewhere.

    Args:
        part: bool (H, W).
        corner: the part's first row and column in the frame.
        frame_size: (height, width) of the frame, which holds the part.
    """
    height = frame_size[0]
    top, left = corner
    begins, ends = [], []
    columns_at_once = max(1, BLOCK_PX // max(1, part.shape[0]))
    for first in range(0, part.shape[1], columns_at_once):
        block = part[:, first : first + columns_at_once].T
        # One empty place before and after each column, so that every run begins and ends inside it.
        padded = np.zeros((block.shape[0], block.shape[1] + 2), np.bool_)
        padded[:, 1:-1] = block
        column, row = np.nonzero(padded[:, 1:] != padded[:, :-1])
        places = (left + first + column.astype(np.int64)) * height + top + row
        begins.append(places[0::2])
        ends.append(places[1::2])
    begin, end = np.concatenate(begins), np.concatenate(ends)
    # A run to the bottom of one column goes on at the top of the next.
    joined = np.flatnonzero(end[:-1] == begin[1:])
    begin, end = np.delete(begin, joined + 1), np.delete(end, joined)
    total = frame_size[0] * frame_size[1]
    edges = np.stack([begin, end], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], edges, [total]]))
    return Rle.from_counts(counts[:-1] if len(counts) > 1 and counts[-1] == 0 else counts, frame_size)
