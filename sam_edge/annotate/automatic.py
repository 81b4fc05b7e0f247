"""Masks without a person: what the semi-automatic and the automatic stage generate on a frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.annotate.frame_masks import min_area_px
from sam_edge.annotate.stage import AnnotationStage
from sam_edge.everything import FAST, GeneratedMask, MaskGeneratorConfig, count_points, generate_masks
from sam_edge.segmenter import Embedding, Segmenter

SEMI_CONFIG = replace(FAST, predicted_iou=0.92, stability=0.95, size=None)
"""Filters of the semi-automatic stage: confident masks alone."""
AUTOMATIC_CONFIG = MaskGeneratorConfig(stability=0.94)
"""Filters of the automatic stage."""
AUTOMATIC_INPUT_PX = 1024
"""Longer side of the encoder's input in the automatic stage, as in SAM. No person waits in this stage, and smaller
inputs lose objects: on a frame of a rider on a horse the best masks have IoUs of .88 at this size, .08 at 672x448."""
INPUT_STEP_PX = 64
"""The encoder's input has sides in multiples of this, so that frames of nearly the same shape share one input size."""


def config_for(
    stage: AnnotationStage, frame_size: tuple[int, int], input_size: tuple[int, int] | None
) -> MaskGeneratorConfig:
    """Return the options of a stage for a frame of (height, width); `input_size` None chooses one."""
    config = SEMI_CONFIG if stage == AnnotationStage.SEMI else AUTOMATIC_CONFIG
    if input_size is None and stage == AnnotationStage.AUTOMATIC:
        input_size = automatic_input_size(frame_size)
    return replace(config, size=input_size, min_region_px=min_area_px(frame_size))


def generate_candidates(
    model: Segmenter,
    image: NDArray[np.uint8],
    config: MaskGeneratorConfig,
    embedding: Embedding | None,
    on_share: Callable[[float], None],
) -> list[GeneratedMask]:
    """Generate masks of a frame, the best predicted IoU first.

    Args:
        model: from `sam_edge.load`.
        image: RGB uint8 (H, W, 3).
        config: from `config_for`.
        embedding: of the whole frame; None encodes it.
        on_share: called with the finished share of the points, 0..1.
    """
    points = count_points((image.shape[0], image.shape[1]), config)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        on_share(min(1.0, done / points))

    masks = generate_masks(model, image, config=config, embedding=embedding, advance=advance)
    return sorted(masks, key=lambda mask: -mask.predicted_iou)


def automatic_input_size(frame_size: tuple[int, int]) -> tuple[int, int]:
    """Return the encoder's input (height, width) of the automatic stage for a frame of (height, width)."""
    scale = AUTOMATIC_INPUT_PX / max(frame_size)
    height, width = (-(-round(side * scale) // INPUT_STEP_PX) * INPUT_STEP_PX for side in frame_size)
    return height, width


def config_to_json(config: MaskGeneratorConfig) -> dict[str, Any]:
    """Return the options for a mask's provenance, under the keys that data sets have had from the first."""
    return {
        "size": config.size,
        "points_per_side": config.points_per_side,
        "predicted_iou": config.predicted_iou,
        "stability": config.stability,
        "box_nms": config.box_nms,
        "skip_found": config.skip_covered_iou,
        "min_region_px": config.min_region_px,
    }
