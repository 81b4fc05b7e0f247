"""Masks as data: what a decode returns, and how masks are stored, compared, cleaned and exchanged.

`sam_edge.masks.coco` and `sam_edge.masks.sa1b` read and write whole files of annotations.
"""

from sam_edge.masks.boxes import box_areas, box_iou, mask_to_box, masks_to_boxes, nms, suppress_overlaps
from sam_edge.masks.clean import fill_holes, remove_islands
from sam_edge.masks.mask_stack import MaskStack
from sam_edge.masks.overlap import iou, mask_iou
from sam_edge.masks.polygons import mask_to_polygons, polygons_to_mask
from sam_edge.masks.result import NEAR_BEST, Masks, best_first
from sam_edge.masks.rle import Rle

__all__ = [
    "NEAR_BEST",
    "MaskStack",
    "Masks",
    "Rle",
    "best_first",
    "box_areas",
    "box_iou",
    "fill_holes",
    "iou",
    "mask_iou",
    "mask_to_box",
    "mask_to_polygons",
    "masks_to_boxes",
    "nms",
    "polygons_to_mask",
    "remove_islands",
    "suppress_overlaps",
]
