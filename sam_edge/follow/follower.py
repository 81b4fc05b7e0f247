"""Following objects: each one's mask is carried by motion and corrected by the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.follow.crops import (
    CLIP,
    MIN_SIDE_PX,
    Cells,
    carry_cells,
    paste_cells,
    places_before,
    render_crop,
    sample_map,
    square_round,
)
from sam_edge.follow.network import FollowerInput, FollowerNetwork, Memory
from sam_edge.geometry import View

LOOSE = 2.0
"""A view wider than this times the object shows it too small to be trusted on; new ones are 1.4 times as wide."""


@dataclass(frozen=True, slots=True)
class Followed:
    """An object on one frame."""

    view: View
    """The square that was looked at."""
    logits: Cells
    """Its mask there."""
    confidence: float
    """Predicted IoU."""
    before: Memory
    """This crop, for the next frame."""
    trusted: Memory
    """The crop whose mask is trusted."""

    def grid_logits(self, frame_size: tuple[int, int], grid: tuple[int, int]) -> NDArray[np.float32]:
        """Lay the mask over a grid (rows, columns) that covers the frame."""
        return paste_cells(np.clip(self.logits, -CLIP, CLIP), self.view, frame_size, grid)

    def mask(self, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask on the frame: bool (H, W)."""
        return np.asarray(self.grid_logits(frame_size, frame_size) > 0)


def begin(
    network: FollowerNetwork, image: NDArray[np.uint8], mask: NDArray[np.float32], confidence: float = 1.0
) -> Followed | None:
    """Begin to follow an object with a mask that is trusted.

    Args:
        network: computes the keys.
        image: the frame, RGB uint8 (H, W, 3).
        mask: on the frame or on a grid over it, 0 to 1.
        confidence: in the mask.

    Returns:
        The object; None when the mask is empty.
    """
    size = (image.shape[0], image.shape[1])
    box = box_on_frame(mask, 0.5, size)
    if box is None:
        return None
    view = square_round(box)
    logits = (2 * sample_map(mask, view, size, 0.0) - 1) * np.float32(CLIP)
    crop = render_crop(image, view)
    (output,) = network.run([FollowerInput(crop, logits, None, None)])
    memory = Memory(output.keys, probability(logits))
    return Followed(view, logits, confidence, memory, memory)


def trust_again(item: Followed, frame_size: tuple[int, int], mask: NDArray[np.float32]) -> Followed | None:
    """Trust a new mask of a frame on which the object was followed: its crop was looked at, the network is not run.

    Args:
        item: the object on that frame.
        frame_size: height and width of the frame, pixels.
        mask: on the frame or on a grid over it, 0 to 1.

    Returns:
        The object; None when the mask is empty, or reaches out of what was looked at.
    """
    box = box_on_frame(mask, 0.5, frame_size)
    if box is None or not surrounds(item.view, box):
        return None
    logits = (2 * sample_map(mask, item.view, frame_size, 0.0) - 1) * np.float32(CLIP)
    memory = Memory(item.before.keys, probability(logits))
    return replace(item, logits=logits, before=memory, trusted=memory)


def surrounds(view: View, box: tuple[float, float, float, float]) -> bool:
    """Return whether a box x0, y0, x1, y1 lies in a view, and is not much smaller than objects in views are."""
    x0, y0, x1, y1 = box
    inside = view.x0 <= x0 and view.y0 <= y0 and x1 <= view.x0 + view.width and y1 <= view.y0 + view.height
    return inside and view.width <= LOOSE * max(x1 - x0, y1 - y0, MIN_SIDE_PX)


def follow(
    network: FollowerNetwork, image: NDArray[np.uint8], back: NDArray[np.float32], objects: Sequence[Followed]
) -> list[Followed | None]:
    """Follow objects from the frame before to this one.

    Args:
        network: corrects the masks, all in one batch.
        image: the frame, RGB uint8 (H, W, 3).
        back: motion from this frame to the one before on the motion grid (rows, columns, 2), grid pixels x, y.
        objects: on the frame before.

    Returns:
        Each object; None where motion left nothing of it.
    """
    size = (image.shape[0], image.shape[1])
    views = [next_view(item, back, size) for item in objects]
    inputs = [
        FollowerInput(
            render_crop(image, view),
            carry_cells(item.logits, places_before(back, size, view, item.view)),
            item.trusted,
            item.before,
        )
        for item, view in zip(objects, views, strict=True)
        if view is not None
    ]
    outputs = iter(network.run(inputs) if inputs else [])
    followed: list[Followed | None] = []
    for item, view in zip(objects, views, strict=True):
        if view is None:
            followed.append(None)
            continue
        output = next(outputs)
        before = Memory(output.keys, probability(output.logits))
        followed.append(Followed(view, output.logits, output.confidence, before, item.trusted))
    return followed


def next_view(item: Followed, back: NDArray[np.float32], frame_size: tuple[int, int]) -> View | None:
    """Return the view of an object on the next frame, round its mask as motion carries it."""
    rows, columns = back.shape[:2]
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    grid = item.grid_logits(frame_size, (rows, columns))
    border = cv2.BORDER_REPLICATE
    carried = cv2.remap(grid, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR, borderMode=border)
    box = box_on_frame(np.asarray(carried, np.float32), 0.0, frame_size)
    return None if box is None else square_round(box)


def box_on_frame(
    values: NDArray[np.float32], threshold: float, frame_size: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """Return the box x0, y0, x1, y1, frame pixels, of what is above a threshold on a grid over the frame."""
    left, top, width, height = cv2.boundingRect((values > threshold).astype(np.uint8))
    if width == 0:
        return None
    across, down = frame_size[1] / values.shape[1], frame_size[0] / values.shape[0]
    return left * across, top * down, (left + width) * across, (top + height) * down


def probability(logits: Cells) -> Cells:
    """Return the logistic function of logits."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)
