"""Automatic mask generation: finds and masks everything in a picture.

The method is that of Kirillov et al., "Segment Anything" (2023), section 5 and appendix B: decode a grid of points,
drop masks of low predicted IoU or stability, and keep the best of masks that overlap. Two differences save time:
filters work on the low-resolution logits, so that only masks that pass are scaled to the picture, and points inside an
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
from sam_edge.everything.generated_mask import GeneratedMask, rle_of_part
from sam_edge.everything.grid import Crop, crops_of, cut_off, grid_points
from sam_edge.everything.patches import MULTIMASK, Patch, Pool, patch_of, scaled, shown_places
from sam_edge.geometry import MASK_STRIDE, Placement, View
from sam_edge.masks import box_areas, fill_holes, mask_to_box, nms, remove_islands
from sam_edge.segmenter import Embedding, Segmenter, check_frame

FIRST_BATCH = 16
"""Points of the first call: what they find saves asking others."""


def generate_masks(
    model: Segmenter,
    image: NDArray[np.uint8],
    *,
    config: MaskGeneratorConfig | None = None,
    embedding: Embedding | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[GeneratedMask]:
    """Find and mask everything in a picture.

    Args:
        model: from `sam_edge.load`.
        image: RGB uint8 (H, W, 3).
        config: grid, crops and filters; None is `STANDARD`. `FAST` suits video.
        embedding: of the whole picture, if there is one already; it is then not encoded again. For the very masks of
            SAM's own generator (`MaskGeneratorConfig.exact`) it must come from `SamPredictor.embedding`.
        advance: called with the number of points that were done, asked or skipped, after every batch.
            `count_points` tells how many there are.

    Returns:
        The masks, those of the whole picture first, of each crop the best first; with crops, those of smaller ones
        first. Empty for a picture without anything.

    Raises:
        InputError: the image is not RGB uint8, or the embedding is not that of the whole of such a picture.
        EngineError: the engine failed.

    Example:
        >>> for found in generate_masks(model, image):
        ...     print(found.bbox, found.predicted_iou)
    """
    check_frame(image)
    chosen = config or STANDARD
    frame_size = (image.shape[0], image.shape[1])
    check_embedding(embedding, frame_size)
    found: list[Finished] = []
    crops = crops_of(frame_size, chosen)
    if chosen.exact:
        return generate_exact_masks(model, image, crops, chosen, embedding, advance)
    for number, crop in enumerate(crops):
        encoded = embedding if number == 0 else None
        encoded = encoded or model.encode(image, size=chosen.size, view=crop.view)
        patches = _patches(model, encoded, crop, chosen, advance)
        found += [_finished(patch, encoded.placement, chosen, frame_size) for patch in patches]
    if len(crops) > 1:
        found = _best(found, [-float(one.view.width * one.view.height) for one in found], chosen.crop_nms)
    if chosen.min_region_px > 0:
        # Masks that needed no cleaning are preferred to those that did.
        doubts = [float(one.cleaned) for one in found]
        found = _best(found, [-doubt for doubt in doubts], max(chosen.box_nms, chosen.crop_nms))
    return [one.mask for one in found]


def patches_of(model: Segmenter, embedding: Embedding, config: MaskGeneratorConfig) -> list[Patch]:
    """Return the masks of one encoded view that pass the filters, best first, before they are scaled to the frame."""
    return _patches(model, embedding, Crop(embedding.view, config.points_per_side), config, None)


def check_embedding(embedding: Embedding | None, frame_size: tuple[int, int]) -> None:
    """Refuse an embedding that is not that of the whole of a frame of (height, width).

    Raises:
        InputError: names what it shows.
    """
    if embedding is not None and (
        embedding.frame_size != frame_size or embedding.view != View.whole(frame_size)
    ):
        raise InputError(
            f"embedding: of {embedding.view} of a frame of {embedding.frame_size}; accepted: of the whole of a frame "
            f"of {frame_size} (height, width), as the image"
        )


def count_points(frame_size: tuple[int, int], config: MaskGeneratorConfig | None = None) -> int:
    """Return how many points the grids of a picture of (height, width) have together."""
    return sum(crop.points_per_side**2 for crop in crops_of(frame_size, config or STANDARD))


@dataclass(frozen=True, slots=True)
class Finished:
    """A mask in frame pixels."""

    mask: GeneratedMask
    """The mask."""
    view: View
    """The crop that it comes from."""
    cleaned: bool
    """Whether islands or holes were removed."""


def _patches(
    model: Segmenter,
    embedding: Embedding,
    crop: Crop,
    config: MaskGeneratorConfig,
    advance: Callable[[int], None] | None,
) -> list[Patch]:
    """Ask the points of one crop, and return the masks that no better one of the crop suppresses."""
    pool: Pool[Patch] = Pool(config.box_nms)
    frame = View.whole(embedding.frame_size)
    placement = embedding.placement
    points = grid_points(crop)
    rows, columns = shown_places(placement)
    known = np.zeros((rows, columns), np.bool_)
    places = placement.input_from_frame(points) / MASK_STRIDE
    at = (
        np.clip(places[:, 1].astype(int), 0, rows - 1),
        np.clip(places[:, 0].astype(int), 0, columns - 1),
    )
    begin = 0
    count = min(FIRST_BATCH, config.points_per_batch)
    while begin < len(points):
        asked = _next(known, at, begin, count)
        end = int(asked[-1]) + 1 if len(asked) == count else len(points)
        if len(asked):
            for patch, marks in _ask(model, embedding, points[asked], config):
                if patch is not None and not cut_off(patch.box, placement.view, frame):
                    pool.add(patch)
                if marks is not None:
                    known |= marks
        if advance is not None:
            advance(end - begin)
        begin, count = end, config.points_per_batch
    return pool.best()


def _next(
    known: NDArray[np.bool_], at: tuple[NDArray[np.int64], NDArray[np.int64]], begin: int, count: int
) -> NDArray[np.int64]:
    """Return the next points, `count` at most, that lie in nothing known yet."""
    open_ones = np.flatnonzero(~known[at[0][begin:], at[1][begin:]])[:count]
    return np.asarray(open_ones + begin, np.int64)


def _ask(
    model: Segmenter, embedding: Embedding, points: NDArray[np.float64], config: MaskGeneratorConfig
) -> list[tuple[Patch | None, NDArray[np.bool_] | None]]:
    """Decode points, and return each mask that passes the filters, with the places that it makes known."""
    placement = embedding.placement
    logits, scores = model.decode_logits(embedding, points=points[:, None])
    rows, columns = shown_places(placement)
    logits = logits[:, :, :rows, :columns]
    made: list[tuple[Patch | None, NDArray[np.bool_] | None]] = []
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
        smallest = _smallest_certain(passed, config.skip_covered_iou)
        for number, (low, score, stable) in enumerate(passed):
            patch = patch_of(
                low, placement, score=score, stability=stable, point=(float(point[0]), float(point[1]))
            )
            made.append((patch, low > 0 if number == smallest else None))
    return made


def _smallest_certain(
    passed: list[tuple[NDArray[np.float32], float, float]], skip_covered_iou: float | None
) -> int | None:
    """Return which of a point's masks tells that its place is known: the smallest, if it is certain enough."""
    if skip_covered_iou is None or not passed:
        return None
    areas = [np.count_nonzero(low > 0) for low, _, _ in passed]
    smallest = int(np.argmin(areas))
    return smallest if passed[smallest][1] >= skip_covered_iou else None


def stability_score(logits: NDArray[np.float32], offset: float) -> float:
    """Return the IoU of a mask (h, w) at a threshold higher and one lower by `offset` logits; 0 for an empty one."""
    union = np.count_nonzero(logits > -offset)
    return float(np.count_nonzero(logits > offset) / union) if union else 0.0


def _finished(
    patch: Patch, placement: Placement, config: MaskGeneratorConfig, frame_size: tuple[int, int]
) -> Finished:
    """Scale a patch to the frame, clean it, and describe it."""
    part, (top, left) = scaled(patch, placement)
    cleaned = part
    if config.min_region_px > 0:
        cleaned = fill_holes(part, 0, least_px=config.min_region_px)
        cleaned = remove_islands(cleaned, 0, least_px=config.min_region_px)
    x0, y0, x1, y1 = mask_to_box(cleaned) or (0.0, 0.0, 0.0, 0.0)
    view = placement.view
    mask = GeneratedMask(
        segmentation=rle_of_part(cleaned, (top, left), frame_size),
        area=int(np.count_nonzero(cleaned)),
        bbox=(x0 + left, y0 + top, x1 - x0, y1 - y0),
        predicted_iou=patch.score,
        point_coords=(patch.point,),
        stability_score=patch.stability,
        crop_box=(float(view.x0), float(view.y0), float(view.width), float(view.height)),
    )
    return Finished(mask, view, cleaned is not part)


def _best(found: list[Finished], scores: list[float], above: float) -> list[Finished]:
    """Drop masks whose boxes say the same as one of a better score, and masks without any pixel."""
    there = [index for index, one in enumerate(found) if box_areas([one.mask.box])[0] > 0]
    kept = nms([found[index].mask.box for index in there], [scores[index] for index in there], above=above)
    return [found[there[index]] for index in kept]
