"""Close-ups of places that may be an AOI: SAM makes a mask there, and its looks decide."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.defined.definition import FrameSpot, read_mask
from sam_edge.geometry import View
from sam_edge.identity.appearance import Appearance
from sam_edge.identity.known_views import KnownViews
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.candidate import CLIP, Grid, box_on_frame, grid_iou, to_grid
from sam_edge.stream.closeup import SIDE, points_from_mask, to_lowres, view_around
from sam_edge.stream.object_identity import describe_target

MIN_PREDICTED_IOU = 0.5
"""Masks that the model is less sure of are not looked at."""
EDGE_PX = 0.5
"""A corner of a box lies inside its view by this: the view's last pixel ends where the view does."""
SAME_IOU = 0.9
"""Of two masks that overlap this much only the one that the model is surer of is looked at."""
AREA_RATIO = 4.0
"""A mask this much smaller or larger than the place that was proposed is not looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class CloseUp:
    """What SAM shows at a place, and how likely it is the AOI."""

    grid_logits: Grid
    """Mask on the motion grid."""
    view: Appearance
    """How it looks."""
    log_odds: float
    """Log-odds that it is the AOI."""
    predicted_iou: float
    """Of the mask, as the model predicts it."""


def look_at_place(
    model: Segmenter,
    image: NDArray[np.uint8],
    small: NDArray[np.uint8],
    place: NDArray[np.bool_],
    known: KnownViews,
) -> CloseUp | None:
    """Return the most likely of SAM's masks at a place; None where there is none.

    Args:
        model: encodes and decodes.
        image: the frame, RGB uint8 (H, W, 3).
        small: the frame scaled to the motion grid, RGB uint8 (rows, columns, 3).
        place: (rows, columns) on the motion grid, not empty.
        known: how the AOI looks; its mean embedding takes part in what is seen.
    """
    size = (image.shape[0], image.shape[1])
    logits = np.where(place, CLIP, -CLIP).astype(np.float32)
    box = box_on_frame(logits, size)
    embedding = model.encode(image, size=(SIDE, SIDE), view=view_around(box, size))
    known.see_embedding(embedding.data[0])
    masks, scores = decode_place(model, embedding, logits, box)
    best: CloseUp | None = None
    area = np.count_nonzero(place)
    seen: list[NDArray[np.bool_]] = []
    for index in np.argsort(-scores, kind="stable"):
        lowres, score = masks[index], scores[index]
        if score < MIN_PREDICTED_IOU:
            break
        grid_logits = to_grid(lowres, embedding)
        own = grid_logits > 0
        if not area / AREA_RATIO <= np.count_nonzero(own) <= area * AREA_RATIO:
            continue
        if any(grid_iou(own, other) > SAME_IOU for other in seen):
            continue
        seen.append(own)
        view = describe_target(small, grid_logits, embedding)
        odds = known.log_odds(view)
        if best is None or odds + 2 * score > best.log_odds + 2 * best.predicted_iou:
            best = CloseUp(grid_logits, view, odds, float(score))
    return best


def decode_place(
    model: Segmenter, embedding: Embedding, logits: Grid, box: tuple[float, float, float, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return low-resolution logits (8, 4h, 4w) and predicted IoUs (8,): prompted by points, and by the box."""
    size = embedding.frame_size
    expected = to_lowres(logits, embedding, size)
    step = 4 / embedding.placement.scale
    origin = (embedding.view.x0, embedding.view.y0)
    places, _ = points_from_mask(expected) if (expected > 0).any() else (np.zeros((0, 2)), None)
    inside = [(point + 0.5) * step + origin for point in places[:3]] or [
        np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    ]
    by_points, scores = model.decode_logits(embedding, points=[inside])
    by_box, box_scores = model.decode_logits(embedding, boxes=[clip_box(box, embedding.view)])
    return np.concatenate([by_points[0], by_box[0]]), np.concatenate([scores[0], box_scores[0]])


def make_mask(
    model: Segmenter, image: NDArray[np.uint8], given: NDArray[np.bool_] | FrameSpot
) -> NDArray[np.bool_]:
    """Return the mask (H, W) of an AOI that is given on a frame: as it is, or the one that its box or points prompt."""
    if not isinstance(given, FrameSpot):
        return given
    if given.mask is not None:
        return read_mask(given.mask)
    height, width = image.shape[:2]
    if given.box is not None:
        view = view_around(given.box, (height, width))
        return model.segment(image, boxes=clip_box(given.box, view), view=view, size=(448, 448)).best
    points = [(min(x, width - EDGE_PX), min(y, height - EDGE_PX)) for x, y in given.points]
    return model.segment(image, points=points).best


def clip_box(box: tuple[float, float, float, float], view: View) -> tuple[float, float, float, float]:
    """Return the part of a box, x0, y0, x1, y1, that lies in a view."""
    x0, y0, x1, y1 = view.x0, view.y0, view.x0 + view.width - EDGE_PX, view.y0 + view.height - EDGE_PX
    return (
        min(max(box[0], x0), x1),
        min(max(box[1], y0), y1),
        min(max(box[2], x0), x1),
        min(max(box[3], y0), y1),
    )


def mask_to_grid(mask: NDArray[np.bool_], grid: tuple[int, int]) -> Grid:
    """Scale a mask of the frame to logits on the motion grid (rows, columns)."""
    share = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray((2 * share - 1) * CLIP, np.float32)


def describe_given(
    model: Segmenter, image: NDArray[np.uint8], grid_logits: Grid, known: KnownViews
) -> Appearance:
    """Return how an AOI looks whose mask on a frame or picture is known."""
    size = (image.shape[0], image.shape[1])
    view: View = view_around(box_on_frame(grid_logits, size), size)
    embedding = model.encode(image, size=(SIDE, SIDE), view=view)
    known.see_embedding(embedding.data[0])
    return describe_target(image, grid_logits, embedding)
