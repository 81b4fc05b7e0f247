"""SAM's own generator, on any engine: for programs written for `segment_anything.SamAutomaticMaskGenerator`.

Names, defaults and records are those of the original (https://github.com/facebookresearch/segment-anything).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.everything.config import MaskGeneratorConfig
from sam_edge.everything.generate import generate_masks
from sam_edge.everything.generated_mask import GeneratedMask
from sam_edge.segmenter import Segmenter

OUTPUT_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")


class SamAutomaticMaskGenerator:
    """Generate masks of everything in an image, as the original does.

    Example:
        >>> generator = SamAutomaticMaskGenerator(sam_edge.load())
        >>> for record in generator.generate(image):
        ...     print(record["bbox"], record["predicted_iou"])
    """

    def __init__(
        self,
        model: Segmenter,
        points_per_side: int = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        min_mask_region_area: int = 0,
        output_mode: str = "binary_mask",
        *,
        exact: bool = True,
    ) -> None:
        """Take the original's arguments, except `point_grids`.

        Args:
            model: from `sam_edge.load`.
            points_per_side: see `MaskGeneratorConfig`, also for what follows.
            points_per_batch: most points decoded in one call.
            pred_iou_thresh: `MaskGeneratorConfig.predicted_iou`.
            stability_score_thresh: `MaskGeneratorConfig.stability`.
            stability_score_offset: `MaskGeneratorConfig.stability_offset`.
            box_nms_thresh: `MaskGeneratorConfig.box_nms`.
            crop_n_layers: `MaskGeneratorConfig.crop_layers`.
            crop_nms_thresh: `MaskGeneratorConfig.crop_nms`.
            crop_overlap_ratio: `MaskGeneratorConfig.crop_overlap`.
            crop_n_points_downscale_factor: `MaskGeneratorConfig.crop_points_divisor`.
            min_mask_region_area: `MaskGeneratorConfig.min_region_px`.
            output_mode: form of the masks: `binary_mask` is bool (H, W), `uncompressed_rle` and `coco_rle` are run
                lengths as a list and as COCO's text.
            exact: `MaskGeneratorConfig.exact`: the same masks given the same weights; False is many times faster.

        Raises:
            InputError: a value is not accepted.
        """
        if output_mode not in OUTPUT_MODES:
            raise InputError(f"output_mode: {output_mode!r}; accepted: {', '.join(OUTPUT_MODES)}")
        self.model = model
        self.output_mode = output_mode
        self.config = MaskGeneratorConfig(
            points_per_side=points_per_side,
            points_per_batch=points_per_batch,
            predicted_iou=pred_iou_thresh,
            stability=stability_score_thresh,
            stability_offset=stability_score_offset,
            box_nms=box_nms_thresh,
            crop_layers=crop_n_layers,
            crop_nms=crop_nms_thresh,
            crop_overlap=crop_overlap_ratio,
            crop_points_divisor=crop_n_points_downscale_factor,
            min_region_px=min_mask_region_area,
            exact=exact,
        )

    def generate(self, image: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Generate the masks of an image, RGB uint8 (H, W, 3).

        Returns:
            Dicts of `segmentation`, `area`, `bbox` (x, y, width, height, from the first to the last pixel: one less
            than COCO counts), `predicted_iou`, `point_coords`, `stability_score` and `crop_box`.

        Raises:
            InputError: the image is not RGB uint8.
            EngineError: the engine failed.
        """
        masks = generate_masks(self.model, image, config=self.config)
        return [self._record(mask) for mask in masks]

    def _record(self, mask: GeneratedMask) -> dict[str, Any]:
        record = mask.record(binary=self.output_mode == "binary_mask")
        if self.output_mode == "uncompressed_rle":
            rle = mask.segmentation
            record["segmentation"] = {"size": list(rle.size), "counts": rle.counts.tolist()}
        x, y, width, height = mask.bbox
        record["bbox"] = [x, y, width - 1, height - 1]
        return record
