"""Mask quality on this machine's engines: IoU with the ground truth on labelled images."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.exporters.image_sets import LabelledImage
from sam_edge.masks import iou
from sam_edge.segmenter import Segmenter
from sam_edge.stream.candidate import to_grid
from sam_edge.stream.closeup import Track, look_closer


@dataclass(frozen=True, slots=True)
class MaskQuality:
    """IoU of the first mask with the ground truth; each object is prompted by one point."""

    objects: int
    """Prompted objects."""
    iou: float
    """Mean IoU of masks of whole frames."""
    iou_error: float
    """Standard error of that mean."""
    closeup_iou: float
    """Mean IoU of masks of close-ups, as live sessions make them."""


def measure_quality(
    model: Segmenter, images: Sequence[LabelledImage], size: tuple[int, int]
) -> Generator[str, None, MaskQuality]:
    """Prompt every object by its innermost point; yields its progress.

    Args:
        model: the model to measure.
        images: labelled images.
        size: encoder input (height, width) for whole images, which are letterboxed.
    """
    whole: list[float] = []
    closeups: list[float] = []
    for index, labelled in enumerate(images):
        yield f"quality of {size[1]}x{size[0]}: image {index + 1} of {len(images)}"
        embedding = model.encode(labelled.image, size=size)
        # All objects of an image in one call, which takes half as long as one call each.
        masks = model.decode(embedding, points=np.asarray(labelled.points)[:, None])
        for number, truth in enumerate(labelled.objects):
            whole.append(iou(masks.masks[number, 0], truth))
            lowres_logits = masks.logits[number, 0]
            track = Track(
                object_id=0,
                time_ns=0,
                grid_logits=to_grid(lowres_logits, embedding),
                score=float(masks.scores[number, 0]),
                decoded_ns=0,
                lowres_logits=lowres_logits,
                embedding=embedding,
            )
            closeups.append(iou(segment_closeup(model, labelled.image, track), truth))
    count = len(whole)
    error = float(np.std(whole) / np.sqrt(count)) if count else 0.0
    return MaskQuality(
        objects=count,
        iou=float(np.mean(whole)) if count else 0.0,
        iou_error=error,
        closeup_iou=float(np.mean(closeups)) if count else 0.0,
    )


def segment_closeup(model: Segmenter, image: NDArray[np.uint8], track: Track) -> NDArray[np.bool_]:
    """Return the mask of an object after a close-up: bool (H, W), frame pixels."""
    size = (image.shape[0], image.shape[1])
    closeup = look_closer(model, image, track, lambda: track)
    if closeup is None or closeup.lowres_logits is None or closeup.embedding is None:
        return np.zeros(size, bool)
    return np.asarray(closeup.embedding.placement.paste(closeup.lowres_logits, size) > 0)
