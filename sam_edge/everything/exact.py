"""Mask generation exactly as SAM's own generator: every point decoded, and filters on masks of the image's size.

Kirillov et al., "Segment Anything" (2023), appendix B, and https://github.com/facebookresearch/segment-anything:
`SamAutomaticMaskGenerator`. With the same weights in floating point the masks are the same, but for those whose scores
lie within rounding of a threshold or of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge import sam_compat
from sam_edge.everything.config import MaskGeneratorConfig
from sam_edge.everything.generated_mask import GeneratedMask, encode_part
from sam_edge.everything.grid import Crop, grid_points, touches_crop_edge
from sam_edge.everything.patches import MULTIMASK, STRIP_PX, MaskPool
from sam_edge.geometry import MASK_STRIDE, Placement, View
from sam_edge.masks import Rle, nms
from sam_edge.prompts import PADDING
from sam_edge.segmenter import Embedding, Segmenter

UPSCALE_MARGIN = 2
"""Low-resolution logits round a mask that interpolation reads."""


@dataclass(frozen=True, slots=True)
class ExactMask:
    """A mask of the image's size that passed the filters."""

    mask: GeneratedMask
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1: first and last pixels, as the original counts them; 1 less than box sides elsewhere."""
    unchanged: bool = True
    """Whether no small region was removed."""

    @property
    def score(self) -> float:
        """Predicted IoU."""
        return self.mask.predicted_iou

    @property
    def nbytes(self) -> int:
        """Memory of the mask."""
        return len(self.mask.segmentation.text)


def generate_exact_masks(
    model: Segmenter,
    image: NDArray[np.uint8],
    crops: list[Crop],
    config: MaskGeneratorConfig,
    embedding: Embedding | None,
    advance: Callable[[int], None] | None,
) -> list[GeneratedMask]:
    """Return the masks of the original's generator; see `generate_masks`. The first crop is the whole image."""
    masks: list[ExactMask] = []
    size = config.size or sam_compat.CANVAS
    for number, crop in enumerate(crops):
        encoded = embedding if number == 0 else None
        encoded = encoded or sam_compat.encode(model, image, crop.view, size)
        masks += _decode_crop(model, encoded, crop, config, advance)
    if len(crops) > 1:
        masks = _suppress_duplicates(
            masks, [1 / (item.mask.crop_box[2] * item.mask.crop_box[3]) for item in masks], config.crop_nms
        )
    if config.min_region_px > 0:
        masks = [_remove_small_regions(item, config.min_region_px) for item in masks]
        masks = _suppress_duplicates(
            masks, [float(item.unchanged) for item in masks], max(config.box_nms, config.crop_nms)
        )
    return [item.mask for item in masks]


def _decode_crop(
    model: Segmenter,
    embedding: Embedding,
    crop: Crop,
    config: MaskGeneratorConfig,
    advance: Callable[[int], None] | None,
) -> list[ExactMask]:
    """Decode every point of a crop, and return the masks that no better one of the crop suppresses."""
    pool: MaskPool[ExactMask] = MaskPool(config.box_nms)
    frame = View.whole(embedding.frame_size)
    points = grid_points(crop, coarse_first=False)
    for begin in range(0, len(points), config.points_per_batch):
        part = points[begin : begin + config.points_per_batch]
        logits, scores = _decode_points(model, embedding, part)
        for index, token in np.argwhere(scores > (config.predicted_iou or -np.inf)):
            if token not in MULTIMASK:
                continue
            point = (float(part[index, 0]), float(part[index, 1]))
            mask = _upscale_and_filter(
                logits[index, token], embedding, float(scores[index, token]), point, config
            )
            if mask is not None and not touches_crop_edge(mask.box, crop.view, frame):
                pool.add(mask)
        if advance is not None:
            advance(len(part))
    return pool.best()


def _decode_points(
    model: Segmenter, embedding: Embedding, points: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Decode one point a prompt. The original takes the grid's places for pixels' indices, half a pixel before ours."""
    count = len(points)
    places = np.zeros((count, 2, 2), np.float32)
    places[:, 0] = embedding.placement.input_from_frame(points)
    labels = np.tile(np.array([1, PADDING], np.int32), (count, 1))
    rows, columns = (side // MASK_STRIDE for side in embedding.placement.size)
    no_mask = np.zeros((count, 1, rows, columns), np.float32)
    return model.runtime.decode(embedding.data, places, labels, no_mask, np.zeros(count, np.float32))


def _upscale_and_filter(
    low: NDArray[np.float32],
    embedding: Embedding,
    score: float,
    point: tuple[float, float],
    config: MaskGeneratorConfig,
) -> ExactMask | None:
    """Scale a mask's logits to the image; None for an empty or an unstable mask."""
    inside, (top, left), stable = upscale_mask(low, embedding.placement, config.stability_offset)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if stable < config.stability or not len(rows):
        return None
    view = embedding.view
    top, left = view.y0 + top, view.x0 + left
    box = (left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]), top + int(rows[-1]))
    mask = GeneratedMask(
        segmentation=encode_part(inside, (top, left), embedding.frame_size),
        area=int(np.count_nonzero(inside)),
        bbox=_bbox_of(box),
        predicted_iou=score,
        point_coords=(point,),
        stability_score=stable,
        crop_box=(float(view.x0), float(view.y0), float(view.width), float(view.height)),
    )
    return ExactMask(mask, box)


def upscale_mask(
    low: NDArray[np.float32], placement: Placement, offset: float
) -> tuple[NDArray[np.bool_], tuple[int, int], float]:
    """Scale low-resolution logits (h, w) to the view as `sam_compat.upscale_logits` does, but only where a mask can be.

    A mask that lies in the padding, beyond the view, or between the pixels of a tiny image is empty.

    Returns:
        The mask, bool (H, W), of a part of the view; the part's first row and column in the view; and the mask's
        stability, the IoU of the masks at thresholds higher and lower by `offset` logits.
    """
    reachable = low > -offset
    rows, columns = np.flatnonzero(reachable.any(axis=1)), np.flatnonzero(reachable.any(axis=0))
    if not len(rows):
        return np.zeros((0, 0), np.bool_), (0, 0), 0.0
    top, bottom = max(0, int(rows[0]) - UPSCALE_MARGIN), min(low.shape[0], int(rows[-1]) + 1 + UPSCALE_MARGIN)
    left, right = (
        max(0, int(columns[0]) - UPSCALE_MARGIN),
        min(low.shape[1], int(columns[-1]) + 1 + UPSCALE_MARGIN),
    )
    part = low[top:bottom, left:right]
    shape = (MASK_STRIDE * part.shape[1], MASK_STRIDE * part.shape[0])
    wide = np.asarray(cv2.resize(part, shape, interpolation=cv2.INTER_LINEAR), np.float32)
    height, width = placement.inside
    x = _Axis.of(placement.view.width, width, MASK_STRIDE * left, MASK_STRIDE * right)
    y = _Axis.of(placement.view.height, height, MASK_STRIDE * top, MASK_STRIDE * bottom)
    wide = x.between(wide, axis=1)
    inside = np.empty((len(y.low), len(x.low)), np.bool_)
    higher = lower = 0
    strip = max(1, STRIP_PX // max(1, len(x.low)))
    for begin in range(0, len(y.low), strip):
        logits = y.part(begin, begin + strip).between(wide, axis=0)
        inside[begin : begin + strip] = logits > 0
        higher += np.count_nonzero(logits > offset)
        lower += np.count_nonzero(logits > -offset)
    return inside, (y.first, x.first), higher / lower if lower else 0.0


@dataclass(frozen=True, slots=True)
class _Axis:
    """Interpolation weights from the input to the image, along one axis."""

    first: int
    """The first pixel."""
    low: NDArray[np.int64]
    """(N,): of each pixel the place before it, counted from where the input was cut out."""
    high: NDArray[np.int64]
    """(N,): the place behind it."""
    share: NDArray[np.float32]
    """(N,): of the place behind."""

    @classmethod
    def of(cls, picture_px: int, inside_px: int, begin: int, end: int) -> _Axis:
        """Return the weights of the image's pixels that lie between `begin` and `end` of the input."""
        place = np.maximum(0, (np.arange(picture_px) + 0.5) * (inside_px / picture_px) - 0.5)
        low = np.minimum(place.astype(np.int64), inside_px - 1)
        high = np.minimum(low + 1, inside_px - 1)
        near = np.flatnonzero((high >= begin) & (low < end))
        low, high, share = low[near], high[near], (place[near] - low[near]).astype(np.float32)
        first = int(near[0]) if len(near) else 0
        return cls(first, np.maximum(low, begin) - begin, np.minimum(high, end - 1) - begin, share)

    def part(self, begin: int, end: int) -> _Axis:
        """Return the weights of a range of pixels."""
        return _Axis(self.first + begin, self.low[begin:end], self.high[begin:end], self.share[begin:end])

    def between(self, values: NDArray[np.float32], *, axis: int) -> NDArray[np.float32]:
        """Interpolate along an axis."""
        share = self.share[:, None] if axis == 0 else self.share
        return np.take(values, self.low, axis) * (1 - share) + np.take(values, self.high, axis) * share


def _remove_small_regions(item: ExactMask, least_px: int) -> ExactMask:
    """Remove small regions of a mask."""
    mask = item.mask.mask()
    clean = remove_small_regions(mask, least_px)
    if np.array_equal(clean, mask):
        return item
    rows, columns = np.flatnonzero(clean.any(axis=1)), np.flatnonzero(clean.any(axis=0))
    box = (float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1]))
    cleaned = replace(
        item.mask, segmentation=Rle.from_mask(clean), area=int(np.count_nonzero(clean)), bbox=_bbox_of(box)
    )
    return ExactMask(cleaned, box, unchanged=False)


def remove_small_regions(mask: NDArray[np.bool_], least_px: int) -> NDArray[np.bool_]:
    """Remove small regions as the original: first of the background, also at the border, then of the mask."""
    filled = ~_drop_small(~mask, least_px, keep_largest=False)
    return _drop_small(filled, least_px, keep_largest=True)


def _drop_small(mask: NDArray[np.bool_], least_px: int, *, keep_largest: bool) -> NDArray[np.bool_]:
    """Drop the connected components (8-neighbourhood) of fewer pixels; `keep_largest` keeps one."""
    _, labels, facts, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = facts[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    keep = areas >= least_px
    if keep_largest and not keep.any() and len(areas) > 1:
        keep[areas.argmax()] = True
    return np.asarray(keep[labels])


def _suppress_duplicates(masks: list[ExactMask], scores: list[float], above: float) -> list[ExactMask]:
    """Drop masks whose boxes overlap that of a better score by more than `above`."""
    return [masks[index] for index in nms([item.box for item in masks], scores, above=above)]


def _bbox_of(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Return x, y, width, height, counting pixels, of first and last pixels."""
    x0, y0, x1, y1 = box
    return float(x0), float(y0), float(x1 - x0 + 1), float(y1 - y0 + 1)
