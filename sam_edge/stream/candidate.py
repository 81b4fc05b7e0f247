"""A thing that the person may mean: its mask on the newest scene, and what speaks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.segmenter import Embedding
from sam_edge.stream.motion import grid_of

Grid = NDArray[np.float32]
"""Logits on the motion grid (rows, columns), clipped to `CLIP`: above 0 on the thing."""

CLIP = 8.0
"""Logits are clipped to this before they are carried, so that an edge stays where it is between grid places."""
DENSITY_STEP = 2
"""Grid pixels a step of the density: gaze is not finer than that."""


@dataclass(eq=False, slots=True)
class Candidate:
    """One reading of what the person looks at, followed from scene to scene."""

    soft: Grid
    """Its mask on the newest scene."""
    score: float
    """Predicted IoU, as the model gave it last."""
    low: NDArray[np.float32] | None = None
    """Low-resolution logits (4h, 4w) on the newest scene's embedding; None when it was only carried to it."""
    votes: float = 0.0
    """How often, and how well, a look on its own was read as this thing; a decaying sum."""
    chances: float = 0.0
    """How often it could have been; decays alike."""
    fits: dict[int, float] = field(default_factory=dict)
    """For each rest: how much likelier gaze would rest there if this is meant than anywhere on the frame."""
    prior: float = 0.0
    """Log of how well it is reproduced by looks on their own."""
    worth: float = 0.0
    """Log-likelihood of the best story that ends with this being meant."""
    since: int = -1
    """The rest from which on it is meant in that story."""
    object_id: int | None = None
    """Its number once it has been selected."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where it is, bool (rows, columns) of the grid."""
        return np.asarray(self.soft > 0)

    @property
    def area(self) -> int:
        """Its extent, grid pixels."""
        return int(np.count_nonzero(self.soft > 0))


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the IoU of two masks of the grid; 0 when both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0


def cell_of(x_px: float, y_px: float, grid: tuple[int, ...], frame_size: tuple[int, int]) -> tuple[int, int]:
    """Return the row and column of a grid over the frame that a place, frame pixels, falls in, or is nearest to."""
    rows, columns = grid
    return (
        min(rows - 1, max(0, int(y_px * rows / frame_size[0]))),
        min(columns - 1, max(0, int(x_px * columns / frame_size[1]))),
    )


def on_grid(low: NDArray[np.float32], embedding: Embedding) -> Grid:
    """Lay low-resolution logits (4h, 4w) of an embedding over the motion grid, clipped to `CLIP`."""
    size = embedding.frame_size
    return np.clip(embedding.placement.paste_on_grid(low, size, grid_of(size)), -CLIP, CLIP)


def box_on_frame(soft: Grid, frame_size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the box x0, y0, x1, y1 of a mask that is not empty, frame pixels."""
    left, top, width, height = cv2.boundingRect((soft > 0).astype(np.uint8))
    across, down = frame_size[1] / soft.shape[1], frame_size[0] / soft.shape[0]
    return left * across, top * down, (left + width) * across, (top + height) * down


def deepest_on_frame(soft: Grid, frame_size: tuple[int, int]) -> tuple[float, float]:
    """Return the place farthest inside a mask that is not empty, frame pixels."""
    depth = cv2.distanceTransform(np.pad((soft > 0).astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (
        (float(column) + 0.5) * frame_size[1] / soft.shape[1],
        (float(row) + 0.5) * frame_size[0] / soft.shape[0],
    )


def in_one_piece(soft: Grid, points: list[tuple[float, float]], frame_size: tuple[int, int]) -> bool:
    """Say whether the points of a mask, frame pixels, lie on one piece of it. Points beside the mask do not count.

    A mask of several points on different things is several pieces: no thing, but all that was asked for. Gaps of a few
    grid pixels, as a spoke or a strap leaves them, are bridged.
    """
    _, pieces = pieces_of(soft)
    found = {int(pieces[cell_of(x_px, y_px, soft.shape, frame_size)]) for x_px, y_px in points}
    return len(found - {0}) <= 1


def pieces_with(soft: Grid, points: list[tuple[float, float]], frame_size: tuple[int, int]) -> Grid:
    """Leave out the pieces of a mask that none of the points, frame pixels, lies on; all stay if none does.

    What touched the thing when it was first seen, and has parted from it since, was never meant.
    """
    count, pieces = pieces_of(soft)
    if count <= 2:
        return soft
    held = {int(pieces[cell_of(x_px, y_px, soft.shape, frame_size)]) for x_px, y_px in points} - {0}
    if not held:
        return soft
    return np.where(np.isin(pieces, list(held)) | (soft <= 0), soft, np.float32(-CLIP))


def pieces_of(soft: Grid) -> tuple[int, NDArray[np.int32]]:
    """Number the pieces of a mask from 1, small gaps bridged; return how many numbers there are, 0 included."""
    bridged = cv2.dilate((soft > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    count, pieces = cv2.connectedComponents(bridged)
    return count, np.asarray(pieces, np.int32)


def gaze_density(soft: Grid, noise_grid: float) -> Grid:
    """Say where gaze would rest if a thing were meant: spread evenly over it, and blurred by the tracker's error.

    Args:
        soft: the thing's mask on the grid.
        noise_grid: standard deviation of the tracker's error, grid pixels.

    Returns:
        Density relative to gaze spread over the whole frame, on a grid coarser by `DENSITY_STEP`: 1 is no evidence.
    """
    rows, columns = soft.shape
    size = (max(1, columns // DENSITY_STEP), max(1, rows // DENSITY_STEP))
    thing = cv2.resize((soft > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    sigma = max(0.5, noise_grid / DENSITY_STEP)
    blurred = cv2.GaussianBlur(thing, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    total = float(blurred.sum())
    return np.asarray(blurred * (blurred.size / total) if total > 0 else blurred, np.float32)


def density_at(density: Grid, x_px: float, y_px: float, frame_size: tuple[int, int]) -> float:
    """Read a density at a place of the frame, frame pixels; places outside count as the nearest edge."""
    return float(density[cell_of(x_px, y_px, density.shape, frame_size)])


def upsampled(soft: Grid, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
    """Scale a mask of the grid to the frame: bool (H, W)."""
    full = cv2.resize(soft, (frame_size[1], frame_size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > 0)
