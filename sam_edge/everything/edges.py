"""An edge map from the masks of a grid of points.

Kirillov et al., "Segment Anything" (2023), appendix D: Sobel filtering of the masks' probabilities where their outer
boundary lies, the largest value of all masks at each place, and thinning by suppression across the edge.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.everything.config import MaskGeneratorConfig
from sam_edge.everything.generate import check_embedding, decode_patches
from sam_edge.everything.patches import Patch
from sam_edge.geometry import MASK_STRIDE, Placement, View
from sam_edge.segmenter import Embedding, Segmenter, check_frame

EDGE_CONFIG = MaskGeneratorConfig(points_per_side=16, predicted_iou=0.5, stability=0.5, skip_covered_iou=0.92)
"""The paper's grid, with wide filters: weak masks give weak edges."""
BLUR_PX = 1.0
"""Sigma of the blur before the edge's direction is measured, input pixels."""
MIN_RIDGE_CURVATURE = 1e-4
"""Least curvature of a ridge."""


def detect_edges(
    model: Segmenter,
    image: NDArray[np.uint8],
    *,
    config: MaskGeneratorConfig = EDGE_CONFIG,
    thin: bool = True,
    embedding: Embedding | None = None,
) -> NDArray[np.float32]:
    """Detect the edges of objects in an image.

    Args:
        model: from `sam_edge.load`.
        image: RGB uint8 (H, W, 3).
        config: grid and filters of the masks; crops are ignored.
        thin: keep only the ridge of each edge.
        embedding: of the whole image; None encodes it.

    Returns:
        float32 (H, W), 0..1: 1 at the strongest edge of the image; all 0 without any mask.

    Raises:
        InputError: the image is not RGB uint8, or the embedding shows another frame or a part of it.
        EngineError: the engine failed.
    """
    check_frame(image)
    frame_size = (image.shape[0], image.shape[1])
    check_embedding(embedding, frame_size)
    if embedding is None:
        embedding = model.encode(image, size=config.size, view=View.whole(frame_size))
    placement = embedding.placement
    strength = np.zeros(placement.inside, np.float32)
    for patch in decode_patches(model, embedding, config):
        _add_edge(strength, patch, placement)
    strength = _normalize(strength)
    if thin:
        strength = thin_edges(strength)
    height, width = frame_size
    grown = width > strength.shape[1]
    how = cv2.INTER_LINEAR if grown or not thin else cv2.INTER_AREA
    # Thinning may drop the strongest place, and scaling weakens lines: normalize again.
    return _normalize(np.asarray(cv2.resize(strength, (width, height), interpolation=how), np.float32))


def thin_edges(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the places of an edge map (H, W) that are no weaker than their neighbours across the edge."""
    smooth = cv2.GaussianBlur(strength, (0, 0), BLUR_PX)
    # Across a ridge the second derivative is most negative: its direction is that of the Hessian's lowest eigenvalue.
    xx = cv2.Sobel(smooth, cv2.CV_32F, 2, 0, ksize=3)
    yy = cv2.Sobel(smooth, cv2.CV_32F, 0, 2, ksize=3)
    xy = cv2.Sobel(smooth, cv2.CV_32F, 1, 1, ksize=3)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    step_x, step_y = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    columns, rows = np.meshgrid(
        np.arange(strength.shape[1], dtype=np.float32), np.arange(strength.shape[0], dtype=np.float32)
    )
    lowest = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
    ridge = lowest < -MIN_RIDGE_CURVATURE
    for sign in (-1, 1):
        neighbour = cv2.remap(
            smooth,
            columns + sign * step_x,
            rows + sign * step_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        ridge &= smooth >= neighbour
    return np.where(ridge, strength, np.float32(0))


def _normalize(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale to a maximum of 1; a map of zeros stays."""
    largest = float(strength.max())
    return np.asarray(strength / largest, np.float32) if largest > 0 else strength


def _add_edge(strength: NDArray[np.float32], patch: Patch, placement: Placement) -> None:
    """Add the edge of one mask to the map, in input pixels, where it is stronger than the present value."""
    top, left = (MASK_STRIDE * place for place in patch.corner)
    height, width = (MASK_STRIDE * side for side in patch.logits.shape)
    logits = cv2.resize(patch.logits.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    part = strength[top : top + height, left : left + width]
    logits = logits[: part.shape[0], : part.shape[1]]
    probability = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    slope = np.hypot(
        cv2.Sobel(probability, cv2.CV_32F, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE),
        cv2.Sobel(probability, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE),
    )
    inside = (logits > 0).astype(np.uint8)
    boundary = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    np.maximum(part, np.where(boundary, slope, 0), out=part)
