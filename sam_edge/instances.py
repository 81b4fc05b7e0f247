"""Masks for the boxes of any detector, in a few calls of the decoder and in bounded memory."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError, MissingExtraError
from sam_edge.everything.generated_mask import GeneratedMask
from sam_edge.masks.boxes import as_boxes
from sam_edge.masks.mask_stack import MaskStack
from sam_edge.segmenter import Embedding, Segmenter, check_frame

BOXES_PER_CALL = 32
"""Boxes that are decoded in one call."""


@dataclass(frozen=True, slots=True)
class Instances:
    """One mask for each box."""

    masks: MaskStack
    """N masks (H, W) in frame pixels; empty for a box that does not lie on the frame. `np.asarray(masks)` makes them
    bool (N, H, W) at once."""
    scores: NDArray[np.float32]
    """(N,): IoU with the truth as the model predicts it; 0 for a box that does not lie on the frame."""


def segment_boxes(
    model: Segmenter,
    image: NDArray[np.uint8],
    boxes: ArrayLike,
    *,
    size: tuple[int, int] | None = None,
    embedding: Embedding | None = None,
) -> Instances:
    """Segment the object in each box.

    Args:
        model: from `sam_edge.load`.
        image: RGB uint8 (H, W, 3).
        boxes: (N, 4) x0, y0, x1, y1 in frame pixels; what reaches over the frame's edge is cut off.
        size: the encoder's input (height, width); None picks one by the frame.
        embedding: of the whole image; None encodes it.

    Returns:
        One mask and score for each box, in their order.

    Raises:
        InputError: the image is not RGB uint8, the boxes are not finite (N, 4), or the embedding is that of a frame of
            another size.
        EngineError: the engine failed.
    """
    check_frame(image)
    height, width = image.shape[:2]
    corners = as_boxes("boxes", boxes)
    shown = np.clip(corners, 0, [width, height, width, height])
    there = np.flatnonzero((shown[:, 2] > shown[:, 0]) & (shown[:, 3] > shown[:, 1]))
    masks = MaskStack((height, width), len(corners))
    scores = np.zeros(len(corners), np.float32)
    if embedding is not None and embedding.frame_size != (height, width):
        raise InputError(
            f"embedding: of a frame of {embedding.frame_size}; accepted: {(height, width)}, as the image"
        )
    if len(there):
        encoded = embedding if embedding is not None else model.encode(image, size=size)
        for begin in range(0, len(there), BOXES_PER_CALL):
            part = there[begin : begin + BOXES_PER_CALL]
            logits, predicted = model.decode_logits(encoded, boxes=shown[part])
            for index, low, score in zip(part, logits[:, 0], predicted[:, 0], strict=True):
                # One at a time: a frame of 12 megapixels takes 48 MB while it is scaled.
                masks.put(int(index), encoded.placement.paste(low, encoded.frame_size) > 0)
                scores[index] = score
    return Instances(masks, scores)


def add_masks(
    model: Segmenter, image: NDArray[np.uint8], detections: Any, *, size: tuple[int, int] | None = None
) -> Any:
    """Add masks to the detections of a detector.

    Args:
        model: from `sam_edge.load`.
        image: RGB uint8 (H, W, 3).
        detections: `supervision.Detections`, or anything with boxes (N, 4) under `xyxy` that can be copied.
        size: the encoder's input (height, width); None picks one by the frame.

    Returns:
        A copy with bool (N, H, W) under `mask`; the argument is not changed.

    Raises:
        InputError: there are no boxes under `xyxy`, or they are not finite (N, 4).
    """
    if not hasattr(detections, "xyxy"):
        raise InputError(
            f"detections: {type(detections).__name__} has no boxes; accepted: supervision.Detections"
        )
    result = copy.copy(detections)
    result.mask = np.asarray(segment_boxes(model, image, detections.xyxy, size=size).masks)
    return result


def to_detections(masks: Sequence[GeneratedMask]) -> Any:
    """Convert masks of `generate_masks` to `supervision.Detections`, with predicted IoU as confidence.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    try:
        supervision = importlib.import_module("supervision")
    except ImportError as error:
        raise MissingExtraError(
            "supervision", extra="supervision", purpose="supervision.Detections"
        ) from error
    if not masks:
        return supervision.Detections.empty()
    return supervision.Detections(
        xyxy=np.array([mask.box for mask in masks], np.float32),
        mask=np.stack([mask.mask() for mask in masks]),
        confidence=np.array([mask.predicted_iou for mask in masks], np.float32),
        class_id=np.zeros(len(masks), int),
    )
