"""Masks as data: what a decode returns, and how masks are stored, compared, cleaned and exchanged.

`sam_edge.masks.coco` and `sam_edge.masks.sa1b` read and write whole files of annotations.
"""

from sam_edge.masks.boxes import box_areas, box_iou, box_of, boxes_of, nms, suppress
from sam_edge.masks.clean import without_holes, without_islands
from sam_edge.masks.overlap import iou, mask_iou
from sam_edge.masks.polygons import mask_of_polygons, polygons_of
from sam_edge.masks.result import NEAR_BEST, Masks, best_first
from sam_edge.masks.rle import Rle

__all__ = [
    "NEAR_BEST",
    "Masks",
    "Rle",
    "best_first",
    "box_areas",
    "box_iou",
    "box_of",
    "boxes_of",
    "iou",
    "mask_iou",
    "mask_of_polygons",
    "nms",
    "polygons_of",
    "suppress",
    "without_holes",
    "without_islands",
]
