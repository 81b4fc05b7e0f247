"""The follower's view: a square round the object, and how a mask is carried from one view to the next."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.geometry import View, crop_padded

SIDE = 168
"""The network's input is this wide and high: three windows of seven places at stride 8, without padding."""
CELL = 2
"""Input pixels a cell of the mask."""
CELLS = SIDE // CELL
"""The mask is this many cells wide and high."""
CLIP = 8.0
"""Logits are clipped to this, so that an edge stays where it is between cells."""
MARGIN = 1.4
"""The view is the object's longer side times this."""
MIN_SIDE_PX = 84
"""The view's least side, frame pixels: magnifying more than twice gains nothing."""

Cells = NDArray[np.float32]
"""Logits or probabilities of the view, (CELLS, CELLS)."""


def square_round(box: tuple[float, float, float, float]) -> View:
    """Return the square view round a box x0, y0, x1, y1, frame pixels; it may reach over the frame's edge."""
    x0, y0, x1, y1 = box
    side = max(max(x1 - x0, y1 - y0) * MARGIN, MIN_SIDE_PX)
    return View(int((x0 + x1 - side) / 2), int((y0 + y1 - side) / 2), int(side), int(side))


def render_crop(image: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Scale a view of an RGB frame (H, W, 3) to the network's input: uint8 (SIDE, SIDE, 3).

    By halves, then bilinear: a fraction of the time that the exact area of each pixel takes.
    """
    part = crop_padded(image, view)
    while part.shape[0] >= 2 * SIDE:
        half = (part.shape[1] // 2, part.shape[0] // 2)
        part = np.asarray(cv2.resize(part, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)


def sample_map(values: Cells, view: View, frame_size: tuple[int, int], outside: float) -> Cells:
    """Scale a map over the frame to a view's cells, by area where it shrinks.

    Args:
        values: probabilities or logits (rows, columns), on the frame or on a grid that covers it.
        view: the view.
        frame_size: height and width of the frame, pixels.
        outside: the value of cells that lie outside the frame.
    """
    step = view.width / CELLS
    factor = min(1.0, 2.0 * frame_size[1] / (step * values.shape[1]))
    small = values
    if factor < 1.0:
        size = (max(1, round(values.shape[1] * factor)), max(1, round(values.shape[0] * factor)))
        small = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    across, down = small.shape[1] / frame_size[1], small.shape[0] / frame_size[0]
    matrix = np.array(
        [
            [step * across, 0, (0.5 * step + view.x0) * across - 0.5],
            [0, step * down, (0.5 * step + view.y0) * down - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": outside}
    return np.asarray(
        cv2.warpAffine(small, matrix, (CELLS, CELLS), flags=flags, **cast(Any, border)), np.float32
    )


def places_before(
    back: NDArray[np.float32], frame_size: tuple[int, int], view: View, view_before: View
) -> NDArray[np.float32]:
    """Find where each cell of a view was on the earlier frame, in cells of that frame's view.

    Args:
        back: motion from the frame to the earlier one on the motion grid (rows, columns, 2), grid pixels x, y.
        frame_size: height and width of the frame.
        view: of the frame.
        view_before: of the earlier frame.

    Returns:
        float32 (CELLS, CELLS, 2): columns and rows; a cell's own index is its centre.
    """
    rows, columns = back.shape[:2]
    across, down = columns / frame_size[1], rows / frame_size[0]
    step, step_before = view.width / CELLS, view_before.width / CELLS
    centres = (np.arange(CELLS, dtype=np.float32) + 0.5) * step
    x, y = np.meshgrid((centres + view.x0) * across - 0.5, (centres + view.y0) * down - 0.5)
    x, y = x.astype(np.float32), y.astype(np.float32)
    moved = cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    there_x = ((x + moved[..., 0] + 0.5) / across - view_before.x0) / step_before - 0.5
    there_y = ((y + moved[..., 1] + 0.5) / down - view_before.y0) / step_before - 0.5
    return np.stack([there_x, there_y], axis=-1).astype(np.float32)


def carry_cells(logits: Cells, places: NDArray[np.float32]) -> Cells:
    """Carry logits of the earlier view to the newer one; what was outside the earlier view is not on the object.

    Args:
        logits: of the earlier view.
        places: from `places_before`.
    """
    clipped = np.clip(logits, -CLIP, CLIP)
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": -CLIP}
    return np.asarray(
        cv2.remap(clipped, places, cast(Any, None), cv2.INTER_LINEAR, **cast(Any, border)), np.float32
    )


def paste_cells(
    logits: Cells, view: View, frame_size: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Lay a view's cells over a whole frame.

    Args:
        logits: (CELLS, CELLS).
        view: of the frame.
        frame_size: height and width of the frame, pixels.
        size: rows and columns of the result, which covers the frame.

    Returns:
        float32 of `size`, bilinear; -CLIP outside the view.
    """
    across, down = frame_size[1] / size[1], frame_size[0] / size[0]
    scale = CELLS / view.width
    matrix = np.array(
        [
            [across * scale, 0, (0.5 * across - view.x0) * scale - 0.5],
            [0, down * scale, (0.5 * down - view.y0) * scale - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": -CLIP}
    return np.asarray(
        cv2.warpAffine(logits, matrix, size[::-1], flags=flags, **cast(Any, border)), np.float32
    )
