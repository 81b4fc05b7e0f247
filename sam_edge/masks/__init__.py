"""Masks as data: what a decode returns, and how masks are stored, compared, cleaned and exchanged."""

from sam_edge.masks.boxes import box_iou, box_of, boxes_of, nms, suppress
from sam_edge.masks.overlap import iou, mask_iou
from sam_edge.masks.result import NEAR_BEST, Masks, best_first

__all__ = [
    "NEAR_BEST",
    "Masks",
    "best_first",
    "box_iou",
    "box_of",
    "boxes_of",
    "iou",
    "mask_iou",
    "nms",
    "suppress",
]
