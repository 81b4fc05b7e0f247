"""Files for other programs: BIDS, and COCO video (YouTube-VIS)."""

from sam_edge._aoi.exports.bids import write_bids
from sam_edge._aoi.exports.coco_video import MaskSpool, write_coco_video

__all__ = ["MaskSpool", "write_bids", "write_coco_video"]
