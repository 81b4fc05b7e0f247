"""Automatic mask generation: finds and masks everything in an image.

The method is that of Kirillov et al., "Segment Anything" (2023), section 5 and appendix B: decode a grid of points,
drop masks of low predicted IoU or stability, and keep the best of masks that overlap. Two differences save time:
filters work on the low-resolution logits, so that only masks that pass are scaled to the image, and points inside an
earlier confident mask are skipped (`MaskGeneratorConfig.skip_covered_iou`). `MaskGeneratorConfig.exact` does without
both: see `exact.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.everything.config import STANDARD, MaskGeneratorConfig
from sam_edge.everything.exact import generate_exact_masks
from sam_edge.everything.generated_mask import GeneratedMask, encode_part
from sam_edge.everything.grid import Crop, grid_points, layout_crops, touches_crop_edge
from sam_edge.everything.patches import (
    MULTIMASK,
    MaskPool,
    Patch,
    extract_patch,
    upscale_patch,
    view_grid_size,
)
from sam_edge.geometry import MASK_STRIDE, Placement, View
from sam_edge.masks import box_areas, fill_holes, mask_to_box, nms, remove_islands
from sam_edge.segmenter import Embedding, Segmenter, check_frame

FIRST_BATCH = 16
"""Points of the first call: their masks cover points of later calls."""


def generate_masks(
    model: Segmenter,
    image: NDArray[np.uint8],
    *,
    config: MaskGeneratorConfig | None = None,
    embedding: Embedding | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[GeneratedMask]:
    """Generate masks of everything in an image.

    Args:
        model: from `sam_edge.load`.
        image: RGB uint8 (H, W, 3).
        config: grid, crops and filters; None is `STANDARD`. `FAST` suits video.
        embedding: of the whole image; None encodes it. For the masks of SAM's own generator
            (`MaskGeneratorConfig.exact`) it must come from `SamPredictor.embedding`.
        advance: called after every batch with the number of points in it, decoded or skipped. `count_points` returns
            their total.

    Returns:
        The masks: of the whole image best first; with crops, those of smaller crops first, best first within a crop.
        Empty when no mask passes the filters.

    Raises:
        InputError: the image is not RGB uint8, or the embedding is not that of the whole of such an image.
        EngineError: the engine failed.

    Example:
        >>> for mask in generate_masks(model, image):
        ...     print(mask.bbox, mask.predicted_iou)
    """
    check_frame(image)
    config = config or STANDARD
    frame_size = (image.shape[0], image.shape[1])
    check_embedding(embedding, frame_size)
    masks: list[CropMask] = []
    crops = layout_crops(frame_size, config)
    if config.exact:
        return generate_exact_masks(model, image, crops, config, embedding, advance)
    for number, crop in enumerate(crops):
        encoded = embedding if number == 0 else None
        encoded = encoded or model.encode(image, size=config.size, view=crop.view)
        patches = _decode_crop(model, encoded, crop, config, advance)
        masks += [_finish_patch(patch, encoded.placement, config, frame_size) for patch in patches]
    if len(crops) > 1:
        masks = _suppress_duplicates(
            masks, [-float(item.view.width * item.view.height) for item in masks], config.crop_nms
        )
    if config.min_region_px > 0:
        # Masks that needed no cleaning are preferred to those that did.
        doubts = [float(item.cleaned) for item in masks]
        masks = _suppress_duplicates(
            masks, [-doubt for doubt in doubts], max(config.box_nms, config.crop_nms)
        )
    return [item.mask for item in masks]


def decode_patches(model: Segmenter, embedding: Embedding, config: MaskGeneratorConfig) -> list[Patch]:
    """Return the masks of one encoded view that pass the filters, best first, not yet scaled to the frame."""
    return _decode_crop(model, embedding, Crop(embedding.view, config.points_per_side), config, None)


def check_embedding(embedding: Embedding | None, frame_size: tuple[int, int]) -> None:
    """Refuse an embedding of anything but the whole of a frame of (height, width).

    Raises:
        InputError: names its view and frame.
    """
    if embedding is not None and (
        embedding.frame_size != frame_size or embedding.view != View.whole(frame_size)
    ):
        raise InputError(
            f"embedding: of {embedding.view} of a frame of {embedding.frame_size}; accepted: of the whole of a frame "
            f"of {frame_size} (height, width), as the image"
        )


def count_points(frame_size: tuple[int, int], config: MaskGeneratorConfig | None = None) -> int:
    """Return the number of points in all grids of an image of (height, width)."""
    return sum(crop.points_per_side**2 for crop in layout_crops(frame_size, config or STANDARD))


@dataclass(frozen=True, slots=True)
class CropMask:
    """A mask in frame pixels."""

    mask: GeneratedMask
    view: View
    """The crop in which it was generated."""
    cleaned: bool
    """Whether islands or holes were removed."""


def _decode_crop(
    model: Segmenter,
    embedding: Embedding,
    crop: Crop,
    config: MaskGeneratorConfig,
    advance: Callable[[int], None] | None,
) -> list[Patch]:
    """Decode the points of one crop, and return the masks that no better one of the crop suppresses."""
    pool: MaskPool[Patch] = MaskPool(config.box_nms)
    frame = View.whole(embedding.frame_size)
    placement = embedding.placement
    points = grid_points(crop)
    rows, columns = view_grid_size(placement)
    covered = np.zeros((rows, columns), np.bool_)
    places = placement.input_from_frame(points) / MASK_STRIDE
    at = (
        np.clip(places[:, 1].astype(int), 0, rows - 1),
        np.clip(places[:, 0].astype(int), 0, columns - 1),
    )
    begin = 0
    count = min(FIRST_BATCH, config.points_per_batch)
    while begin < len(points):
        batch = _next_points(covered, at, begin, count)
        end = int(batch[-1]) + 1 if len(batch) == count else len(points)
        if len(batch):
            for patch, marks in _decode_points(model, embedding, points[batch], config):
                if patch is not None and not touches_crop_edge(patch.box, placement.view, frame):
                    pool.add(patch)
                if marks is not None:
                    covered |= marks
        if advance is not None:
            advance(end - begin)
        begin, count = end, config.points_per_batch
    return pool.best()


def _next_points(
    covered: NDArray[np.bool_], at: tuple[NDArray[np.int64], NDArray[np.int64]], begin: int, count: int
) -> NDArray[np.int64]:
    """Return the indices of the next points, `count` at most, that no earlier mask covers."""
    uncovered = np.flatnonzero(~covered[at[0][begin:], at[1][begin:]])[:count]
    return np.asarray(uncovered + begin, np.int64)


def _decode_points(
    model: Segmenter, embedding: Embedding, points: NDArray[np.float64], config: MaskGeneratorConfig
) -> list[tuple[Patch | None, NDArray[np.bool_] | None]]:
    """Decode points, and return each mask that passes the filters, with the places that it covers, if any."""
    placement = embedding.placement
    logits, scores = model.decode_logits(embedding, points=points[:, None])
    rows, columns = view_grid_size(placement)
    logits = logits[:, :, :rows, :columns]
    results: list[tuple[Patch | None, NDArray[np.bool_] | None]] = []
    for index, point in enumerate(points):
        passed = []
        for token in MULTIMASK:
            score = float(scores[index, token])
            if score <= config.predicted_iou and config.predicted_iou > 0:
                continue
            low = logits[index, token]
            stable = stability_score(low, config.stability_offset)
            if stable < config.stability:
                continue
            passed.append((low, score, stable))
        covering = _find_covering(passed, config.skip_covered_iou)
        for number, (low, score, stable) in enumerate(passed):
            patch = extract_patch(
                low, placement, score=score, stability=stable, point=(float(point[0]), float(point[1]))
            )
            results.append((patch, low > 0 if number == covering else None))
    return results


def _find_covering(
    passed: list[tuple[NDArray[np.float32], float, float]], skip_covered_iou: float | None
) -> int | None:
    """Return the index of the mask of a point that covers other points: the smallest, if it is confident enough."""
    if skip_covered_iou is None or not passed:
        return None
    areas = [np.count_nonzero(low > 0) for low, _, _ in passed]
    smallest = int(np.argmin(areas))
    return smallest if passed[smallest][1] >= skip_covered_iou else None


def stability_score(logits: NDArray[np.float32], offset: float) -> float:
    """Return the IoU of a mask (h, w) at a threshold higher and one lower by `offset` logits; 0 for an empty one."""
    union = np.count_nonzero(logits > -offset)
    return float(np.count_nonzero(logits > offset) / union) if union else 0.0


def _finish_patch(
    patch: Patch, placement: Placement, config: MaskGeneratorConfig, frame_size: tuple[int, int]
) -> CropMask:
    """Scale a patch to the frame, and remove its islands and holes."""
    part, (top, left) = upscale_patch(patch, placement)
    cleaned = part
    if config.min_region_px > 0:
        cleaned = fill_holes(part, 0, least_px=config.min_region_px)
        cleaned = remove_islands(cleaned, 0, least_px=config.min_region_px)
    x0, y0, x1, y1 = mask_to_box(cleaned) or (0.0, 0.0, 0.0, 0.0)
    view = placement.view
    mask = GeneratedMask(
        segmentation=encode_part(cleaned, (top, left), frame_size),
        area=int(np.count_nonzero(cleaned)),
        bbox=(x0 + left, y0 + top, x1 - x0, y1 - y0),
        predicted_iou=patch.score,
        point_coords=(patch.point,),
        stability_score=patch.stability,
        crop_box=(float(view.x0), float(view.y0), float(view.width), float(view.height)),
    )
    return CropMask(mask, view, cleaned is not part)


def _suppress_duplicates(masks: list[CropMask], scores: list[float], above: float) -> list[CropMask]:
    """Drop masks whose boxes overlap that of a better score by more than `above`, and empty masks."""
    filled = [index for index, item in enumerate(masks) if box_areas([item.mask.box])[0] > 0]
    kept = nms([masks[index].mask.box for index in filled], [scores[index] for index in filled], above=above)
    return [masks[filled[index]] for index in kept]
