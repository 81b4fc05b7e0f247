"""Compounds: masks that take in a second object next to the one that gaze rests on.

SAM reads a point on an object that touches another one as either of them alone, and as both together. Which of these
is meant follows from what is left when the smaller mask is taken out of the larger one. The rest is an object of its
own, and the larger mask a compound, when SAM finds the rest by itself, clear of the smaller mask, and when the rest
stays with the surroundings: what moves together against them, as a horse and its rider, is one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.candidate import Grid, deepest_point, grid_iou, is_background, to_grid
from sam_edge.stream.motion import Motion
from sam_edge.stream.tuning import SelectionTuning

Mask = NDArray[np.bool_]
"""Bool (rows, columns) of the motion grid."""
RIM = np.ones((3, 3), np.uint8)
"""The rim of the smaller mask belongs to neither."""
RING_INNER, RING_OUTER = np.ones((5, 5), np.uint8), np.ones((25, 25), np.uint8)
"""The surroundings of a mask lie between it dilated by these."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a larger mask without a smaller one."""

    larger: int
    """Index of the larger mask."""
    smaller: Mask
    """The smaller mask."""
    mask: Mask
    """The largest piece of the rest."""


def find_compounds(
    model: Segmenter,
    embedding: Embedding,
    grids: Sequence[Grid],
    motion: Motion | None,
    tuning: SelectionTuning,
) -> set[int]:
    """Return the indices of those masks of one place that are compounds: SAM finds the rest by itself.

    Args:
        model: decodes the rests.
        embedding: the scene.
        grids: the masks, logits on the motion grid.
        motion: from the scene before; None, where it is not known, finds nothing.
        tuning: what counts as a rest, and as an object of its own.
    """
    if motion is None:
        return set()
    rests = []
    for rest in find_rests(grids, tuning):
        moves = motions_of(rest, grids[rest.larger] > 0, motion)
        if moves is not None and moves[1] < max(tuning.still_cells, tuning.left_behind * moves[0]):
            moving = moves[0] >= tuning.moving_cells
            rests.append((rest, tuning.min_moving_rest_iou if moving else tuning.min_rest_iou))
    if not rests:
        return set()
    places = [
        deepest_point(np.where(rest.mask, 1.0, -1.0).astype(np.float32), embedding.frame_size)
        for rest, _ in rests
    ]
    logits, scores = model.decode_logits(embedding, points=[[place] for place in places])
    return {
        rest.larger
        for (rest, min_iou), maps, values in zip(rests, logits, scores, strict=True)
        if any(
            is_object(to_grid(lowres_logits, embedding) > 0, float(score), rest, min_iou, tuning)
            for lowres_logits, score in zip(maps[1:], values[1:], strict=True)
        )
    }


def find_rests(grids: Sequence[Grid], tuning: SelectionTuning) -> list[Rest]:
    """Return the rests of masks that contain a smaller one which makes up much of them."""
    masks = [np.asarray(grid > 0) for grid in grids]
    rests = []
    for larger, whole in enumerate(masks):
        area = np.count_nonzero(whole)
        if is_background(grids[larger], tuning):
            # It has its own odds.
            continue
        for inner in masks:
            inner_area = np.count_nonzero(inner)
            if not tuning.compound_share * area <= inner_area < 0.9 * area:
                continue
            if np.count_nonzero(inner & whole) < tuning.compound_overlap * inner_area:
                continue
            rest = largest_piece(whole & (cv2.dilate(inner.astype(np.uint8), RIM) == 0))
            min_area = max(tuning.min_rest_share * area, tuning.min_rest_piece * (area - inner_area))
            if rest is not None and np.count_nonzero(rest) >= min_area:
                rests.append(Rest(larger, inner, rest))
    return rests


def find_left_behind(grids: Sequence[Grid], motion: Motion | None, tuning: SelectionTuning) -> set[int]:
    """Return the indices of those masks of one scene which hold another one that leaves the rest of them behind.

    Here motion alone decides, so that it must be clear: the smaller mask moves, and the rest is still.
    """
    if motion is None:
        return set()
    return {
        rest.larger
        for rest in find_rests(grids, tuning)
        if (moves := motions_of(rest, grids[rest.larger] > 0, motion)) is not None
        and np.count_nonzero(rest.mask) >= tuning.min_left_share * np.count_nonzero(grids[rest.larger] > 0)
        and moves[0] >= tuning.moving_cells
        and moves[1] < tuning.surely_left_behind * moves[0]
    }


def motions_of(rest: Rest, whole: Mask, motion: Motion) -> tuple[float, float] | None:
    """Return how far the smaller mask and the rest moved against the surroundings of both, cells of the grid.

    None where there are no surroundings.
    """
    image = whole.astype(np.uint8)
    ring = (cv2.dilate(image, RING_OUTER) > 0) & (cv2.dilate(image, RING_INNER) == 0)
    if not ring.any():
        return None
    around, inner, outer = (np.median(motion.back[mask], axis=0) for mask in (ring, rest.smaller, rest.mask))
    return float(np.linalg.norm(inner - around)), float(np.linalg.norm(outer - around))


def is_object(found: Mask, score: float, rest: Rest, min_iou: float, tuning: SelectionTuning) -> bool:
    """Return whether a mask that SAM found at a rest shows that this is an object of its own."""
    shared = np.count_nonzero(found & rest.smaller)
    return bool(
        score >= tuning.min_rest_score
        and shared < (1 - tuning.compound_overlap) * np.count_nonzero(rest.smaller)
        and grid_iou(found, rest.mask) >= min_iou
    )


def largest_piece(mask: Mask) -> Mask | None:
    """Return the largest connected piece of a mask; None when the mask is empty."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return None
    return np.asarray(pieces == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))
