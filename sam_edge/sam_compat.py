"""Resampling identical to the original SAM (https://github.com/facebookresearch/segment-anything), bit for bit.

The original scales an image with Pillow's bilinear filter, which widens with the reduction; `Placement.render` takes
OpenCV's, which are faster and as good. Programs that want the original's masks, and not only masks as good, need its
pixels: `SamPredictor`, and everything mode with `MaskGeneratorConfig.exact`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.geometry import LETTERBOX_RGB, Placement, View, crop_padded
from sam_edge.segmenter import Embedding, Segmenter

CANVAS = (1024, 1024)
"""The input (height, width) that the original encodes."""
FRACTION_BITS = 22
"""Fraction bits of a weight, as in Pillow for 8-bit images."""
STRIP_PX = 1 << 20
"""Pixels of a strip: images are scaled in strips, to bound the memory."""


def encode(model: Segmenter, image: NDArray[np.uint8], view: View, size: tuple[int, int]) -> Embedding:
    """Encode a view of an image, RGB uint8 (H, W, 3), with the pixels that the original would encode.

    Raises:
        EngineError: the engine failed.
    """
    placement = Placement(view, size)
    height, width = placement.inside
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = LETTERBOX_RGB
    canvas[:height, :width] = resize(crop_padded(image, view), (height, width))
    return Embedding(model.runtime.encode(canvas[None]), placement, (image.shape[0], image.shape[1]))


def resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale an image (H, W, 3) to (height, width) as `PIL.Image.resize` does with `BILINEAR`: bit for bit."""
    height, width = size
    wide = np.empty((image.shape[0], width, 3), np.uint8)
    rows = max(1, STRIP_PX // width)
    for begin in range(0, image.shape[0], rows):
        wide[begin : begin + rows] = _along(image[begin : begin + rows], width, axis=1)
    scaled = np.empty((height, width, 3), np.uint8)
    columns = max(1, STRIP_PX // height)
    for begin in range(0, width, columns):
        scaled[:, begin : begin + columns] = _along(wide[:, begin : begin + columns], height, axis=0)
    return scaled


def upscale_logits(
    low: NDArray[np.float32], placement: Placement, frame_size: tuple[int, int]
) -> NDArray[np.float32]:
    """Scale low-resolution logits to the image as the original does: to the input, and from there, without padding."""
    wide = cv2.resize(low, placement.size[::-1], interpolation=cv2.INTER_LINEAR)
    height, width = placement.inside
    return np.asarray(
        cv2.resize(wide[:height, :width], frame_size[::-1], interpolation=cv2.INTER_LINEAR), np.float32
    )


def _along(image: NDArray[np.uint8], count: int, *, axis: int) -> NDArray[np.uint8]:
    """Scale one axis to `count` pixels, in whole numbers as Pillow does."""
    first, weights = _weights(image.shape[axis], count)
    shape = (1, -1, 1) if axis == 1 else (-1, 1, 1)
    total: NDArray[np.int32] | int = 1 << (FRACTION_BITS - 1)
    for tap in range(weights.shape[1]):
        at = np.minimum(first + tap, image.shape[axis] - 1)
        total = total + np.take(image, at, axis=axis) * weights[:, tap].reshape(shape)
    return np.clip(total >> FRACTION_BITS, 0, 255).astype(np.uint8)


def _weights(before: int, after: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return for each output pixel its first input pixel, and the weights of the input pixels from there on."""
    step = before / after
    reach = max(step, 1.0)
    centre = (np.arange(after) + 0.5) * step
    first = np.maximum(0, np.trunc(centre - reach + 0.5)).astype(np.int64)
    end = np.minimum(before, np.trunc(centre + reach + 0.5)).astype(np.int64)
    places = first[:, None] + np.arange(int((end - first).max()))
    shares = np.maximum(0, 1 - np.abs(places + 0.5 - centre[:, None]) / reach)
    shares[places >= end[:, None]] = 0
    shares /= shares.sum(axis=1, keepdims=True)
    return first, np.trunc(shares * (1 << FRACTION_BITS) + 0.5).astype(np.int32)
