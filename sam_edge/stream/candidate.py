"""A candidate for the target: its mask on the newest scene, and the evidence for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.segmenter import Embedding
from sam_edge.stream.motion import grid_of
from sam_edge.stream.tuning import SelectionTuning

Grid = NDArray[np.float32]
"""Logits on the motion grid (rows, columns), clipped to `CLIP`: above 0 on the object."""

CLIP = 8.0
"""Logits are clipped to this before they are carried, so that an edge stays where it is between grid places."""
PART_SHARE = 0.8
"""What has this share of itself in something larger is part of it."""
DENSITY_STEP = 2
"""Cells of the motion grid per cell of the density, along each axis: gaze is not finer than that."""


@dataclass(eq=False, slots=True)
class ObjectCandidate:
    """One object that the person may mean, followed from scene to scene."""

    grid_logits: Grid
    """Its mask on the newest scene, on the motion grid."""
    score: float
    """Predicted IoU, as the model gave it last."""
    lowres_logits: NDArray[np.float32] | None = None
    """Low-resolution logits (4h, 4w) on the newest scene's embedding; None when it was only carried to it."""
    alternatives: Sequence[NDArray[np.float32]] = ()
    """Low-resolution logits of the other masks of the same decode that the model is sure of."""
    support: float = 0.0
    """How often, and how well, single segments were read as this object; a decaying sum."""
    trials: float = 0.0
    """How often they could have been; decays alike."""
    fits: dict[int, float] = field(default_factory=dict)
    """By dwell: how much likelier gaze would rest there if this is the target than anywhere on the frame."""
    pursuit: dict[int, float] = field(default_factory=dict)
    """By dwell: log-likelihood that gaze, which moved as it did, followed this, relative to the best candidate."""
    followed: bool = False
    """Whether its score is that of a mask found again from its box, rather than from one place."""
    clear: frozenset[int] = frozenset()
    """Dwells on it during which the model was sure of it."""
    log_prior: float = 0.0
    """Log of how well single segments reproduce it, weighted."""
    log_posterior: float = 0.0
    """Log-posterior of the best history that ends with this as the target."""
    since_dwell: int = -1
    """The dwell from which on it is the target in that history."""
    object_id: int | None = None
    """Its number, from the first time it was the target."""
    confirmed: bool = False
    """Whether two dwells have come to rest on it while it was the target."""
    leaves_behind: bool = False
    """Whether a part of it moved, on the newest scene that gaze rested on, and left the rest behind."""
    background: bool = False
    """Whether it looks like background on the newest scene, and no second dwell has confirmed it."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Its mask, bool (rows, columns) of the grid."""
        return np.asarray(self.grid_logits > 0)

    @property
    def area(self) -> int:
        """Its extent, cells of the grid."""
        return int(np.count_nonzero(self.grid_logits > 0))


def grid_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the IoU of two masks of the grid; 0 when both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0


def is_part(smaller: ObjectCandidate, larger: ObjectCandidate) -> bool:
    """Return whether most of a candidate lies in a larger one."""
    inner, outer = smaller.mask, larger.mask
    area = np.count_nonzero(inner)
    return bool(area < np.count_nonzero(outer) and np.count_nonzero(inner & outer) >= PART_SHARE * area)


def cell_of(x_px: float, y_px: float, grid: tuple[int, ...], frame_size: tuple[int, int]) -> tuple[int, int]:
    """Return row and column of the cell of a grid over the frame that a place, frame pixels, lies in or next to."""
    rows, columns = grid
    return (
        min(rows - 1, max(0, int(y_px * rows / frame_size[0]))),
        min(columns - 1, max(0, int(x_px * columns / frame_size[1]))),
    )


def to_grid(lowres_logits: NDArray[np.float32], embedding: Embedding) -> Grid:
    """Lay low-resolution logits (4h, 4w) of an embedding over the motion grid, clipped to `CLIP`."""
    size = embedding.frame_size
    return np.clip(embedding.placement.paste_on_grid(lowres_logits, size, grid_of(size)), -CLIP, CLIP)


def is_on(grid_logits: Grid, x_px: float, y_px: float, frame_size: tuple[int, int]) -> bool:
    """Return whether a place, frame pixels, lies on a mask; places outside count as the nearest edge."""
    return bool(grid_logits[cell_of(x_px, y_px, grid_logits.shape, frame_size)] > 0)


def box_on_frame(grid_logits: Grid, frame_size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the box x0, y0, x1, y1 of a mask that is not empty, frame pixels."""
    left, top, width, height = cv2.boundingRect((grid_logits > 0).astype(np.uint8))
    across, down = frame_size[1] / grid_logits.shape[1], frame_size[0] / grid_logits.shape[0]
    return left * across, top * down, (left + width) * across, (top + height) * down


def deepest_point(grid_logits: Grid, frame_size: tuple[int, int]) -> tuple[float, float]:
    """Return the place farthest inside a mask that is not empty, frame pixels."""
    depth = cv2.distanceTransform(np.pad((grid_logits > 0).astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (
        (float(column) + 0.5) * frame_size[1] / grid_logits.shape[1],
        (float(row) + 0.5) * frame_size[0] / grid_logits.shape[0],
    )


def on_one_piece(grid_logits: Grid, points: list[tuple[float, float]], frame_size: tuple[int, int]) -> bool:
    """Return whether all points, frame pixels, that lie on a mask lie on one piece of it.

    The mask of points on different objects is several pieces: not one object, but all of them. Gaps of a few cells, as
    a spoke or a strap leaves them, are bridged.
    """
    _, pieces = label_pieces(grid_logits)
    found = {int(pieces[cell_of(x_px, y_px, grid_logits.shape, frame_size)]) for x_px, y_px in points}
    return len(found - {0}) <= 1


def keep_pieces(grid_logits: Grid, points: list[tuple[float, float]], frame_size: tuple[int, int]) -> Grid:
    """Remove the pieces of a mask that none of the points, frame pixels, lies on; all stay when no point lies on any.

    A piece that touched the object when it was first seen, and has parted from it since, is not part of it.
    """
    count, pieces = label_pieces(grid_logits)
    if count <= 2:
        return grid_logits
    held = {int(pieces[cell_of(x_px, y_px, grid_logits.shape, frame_size)]) for x_px, y_px in points} - {0}
    if not held:
        return grid_logits
    return np.where(np.isin(pieces, list(held)) | (grid_logits <= 0), grid_logits, np.float32(-CLIP))


def label_pieces(grid_logits: Grid) -> tuple[int, NDArray[np.int32]]:
    """Label the pieces of a mask from 1, small gaps bridged; return the count of labels, 0 included, and the labels."""
    bridged = cv2.dilate((grid_logits > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    count, pieces = cv2.connectedComponents(bridged)
    return count, np.asarray(pieces, np.int32)


def is_background(grid_logits: Grid, tuning: SelectionTuning) -> bool:
    """Return whether a mask looks like background: it fills much of the frame, or several borders cut it off."""
    mask = grid_logits > 0
    borders = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    cut_off = sum(float(border.mean()) >= tuning.border_share for border in borders)
    return float(mask.mean()) > tuning.background_share or cut_off >= tuning.background_borders


def gaze_density(grid_logits: Grid, noise_cells: float | tuple[float, float]) -> Grid:
    """Return the density of gaze if an object is the target: even over it, and blurred by the tracker's error.

    Args:
        grid_logits: the object's mask on the grid.
        noise_cells: standard deviation of the tracker's error, cells of the grid; a pair along x and y.

    Returns:
        Density relative to gaze spread over the whole frame, on a grid coarser by `DENSITY_STEP`: 1 is no evidence.
    """
    rows, columns = grid_logits.shape
    size = (max(1, columns // DENSITY_STEP), max(1, rows // DENSITY_STEP))
    inside = cv2.resize((grid_logits > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    across, down = noise_cells if isinstance(noise_cells, tuple) else (noise_cells, noise_cells)
    blurred = cv2.GaussianBlur(
        inside,
        (0, 0),
        max(0.5, across / DENSITY_STEP),
        sigmaY=max(0.5, down / DENSITY_STEP),
        borderType=cv2.BORDER_CONSTANT,
    )
    total = float(blurred.sum())
    return np.asarray(blurred * (blurred.size / total) if total > 0 else blurred, np.float32)


def density_at(density: Grid, x_px: float, y_px: float, frame_size: tuple[int, int]) -> float:
    """Read a density at a place of the frame, frame pixels; places outside count as the nearest edge."""
    return float(density[cell_of(x_px, y_px, density.shape, frame_size)])


def upsample_mask(grid_logits: Grid, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
    """Scale a mask of the grid to the frame: bool (H, W)."""
    full = cv2.resize(grid_logits, (frame_size[1], frame_size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > 0)
