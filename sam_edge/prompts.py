"""Prompts: points, boxes, and what they mean for the decoder."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError, SamEdgeWarning
from sam_edge.geometry import Placement, View

PADDING, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = -1, 2, 3
ROUNDING_PX = 2.0
"""Boxes that reach over the edge by no more than this are rounded, and clipped without a word, pixels."""
MIN_INSIDE = 0.5
"""A box of which less than this share lies inside is refused."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """Points and boxes of P prompts, checked."""

    points: NDArray[np.float64]
    """(P, N, 2) frame pixels; N may be 0."""
    labels: NDArray[np.int32]
    """(P, N): 1 on the object, 0 not on it, -1 padding."""
    boxes: NDArray[np.float64] | None
    """(P, 4) x0, y0, x1, y1 in frame pixels, or None."""
    several: bool
    """Whether the caller passed a batch of prompts, so that the result has an axis for them."""

    @property
    def count(self) -> int:
        """P."""
        return int(self.points.shape[0])

    @property
    def empty(self) -> bool:
        """Whether there is neither point nor box."""
        return self.points.shape[1] == 0 and self.boxes is None

    @property
    def ambiguous(self) -> NDArray[np.bool_]:
        """Say of each prompt (P,) whether part or whole is open: one point, and no box."""
        return np.asarray((self.labels != PADDING).sum(axis=1) == 1) & (self.boxes is None)

    def in_input(self, placement: Placement) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Write as the decoder takes them: points (P, M, 2) float32 and labels (P, M) int32.

        A box becomes its two corners. Without one, a padding point ends the points, as SAM was trained; a mask alone
        comes without any. SAM counts a pixel's own index as its place, half a pixel less than ours.
        """
        places, kinds = placement.input_from_frame(self.points) - 0.5, self.labels
        if self.empty:
            return places.astype(np.float32), kinds
        if self.boxes is None:
            end, kind = np.zeros((self.count, 1, 2)), np.full((self.count, 1), PADDING)
        else:
            end = placement.input_from_frame(self.boxes.reshape(self.count, 2, 2)) - 0.5
            kind = np.tile([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT], (self.count, 1))
        all_places = np.concatenate([places, end], axis=1).astype(np.float32)
        return all_places, np.concatenate([kinds, kind], axis=1).astype(np.int32)


def as_prompts(
    points: ArrayLike | None,
    labels: ArrayLike | None,
    boxes: ArrayLike | None,
    *,
    frame_size: tuple[int, int],
    view: View,
) -> Prompts:
    """Check points, labels and boxes, and bring them to P prompts.

    Raises:
        InputError: a shape, a label, a point or a box is not accepted; names which and why.
    """
    places = numbers("points", points, last=2)
    corners = numbers("boxes", boxes, last=4)
    several = (places is not None and places.ndim == 3) or (corners is not None and corners.ndim == 2)
    if places is not None and places.ndim not in (2, 3):
        raise InputError(f"points: shape {places.shape}; accepted: (N, 2), or (P, N, 2) for P prompts")
    if corners is not None and corners.ndim not in (1, 2):
        raise InputError(f"boxes: shape {corners.shape}; accepted: (4,), or (P, 4) for P prompts")
    if corners is not None:
        corners = clip_boxes(np.atleast_2d(corners), frame_size, view)
    count = 1
    if places is not None:
        places = places if places.ndim == 3 else places[None]
        count = places.shape[0]
    if corners is not None:
        if places is not None and several and places.shape[0] != corners.shape[0]:
            raise InputError(
                f"boxes: {corners.shape[0]} boxes for {places.shape[0]} prompts; give one box a prompt"
            )
        count = corners.shape[0]
    if count < 1:
        raise InputError("prompt: 0 prompts; accepted: 1 or more")
    if places is None:
        if labels is not None:
            raise InputError("labels: given without points; give one point a label")
        places = np.zeros((count, 0, 2))
    kinds = as_labels(labels, places)
    padding = kinds == PADDING
    if places.shape[1] and corners is None and padding.all(axis=1).any():
        raise InputError(
            f"labels: {kinds.tolist()}; a prompt holds padding (-1) alone; give it a point or a box"
        )
    check_points(places[~padding], frame_size, view)
    # The decoder does not look at the place of padding.
    places = np.where(padding[..., None], 0.0, places)
    return Prompts(points=places, labels=kinds, boxes=corners, several=several)


def numbers(name: str, values: ArrayLike | None, *, last: int) -> NDArray[np.float64] | None:
    """Read finite numbers whose last axis has `last` entries."""
    if values is None:
        return None
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: not an array of numbers ({error})") from error
    if array.ndim < 1 or array.shape[-1] != last or array.size == 0:
        raise InputError(f"{name}: shape {array.shape}; accepted: (..., {last}), not empty")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: {array.tolist()} holds NaN or infinity; accepted: finite frame pixels")
    return array


def check_points(points: NDArray[np.float64], frame_size: tuple[int, int], view: View) -> None:
    """Refuse points outside the frame or outside the view that was encoded."""
    height, width = frame_size
    for area, name in ((View.whole(frame_size), f"the frame {width}x{height}"), (view, f"the view {view}")):
        outside = points[~area.contains(points)]
        if len(outside):
            x, y = outside[0]
            raise InputError(f"points: ({x:g}, {y:g}) lies outside {name}; accepted: points inside it")


def clip_boxes(boxes: NDArray[np.float64], frame_size: tuple[int, int], view: View) -> NDArray[np.float64]:
    """Return boxes (P, 4) without what reaches over the edge of the frame or of the view that was encoded.

    Raises:
        InputError: a box has no extent, or less than half of it lies inside.
    """
    check_extent(boxes)
    height, width = frame_size
    low = np.maximum([0.0, 0.0], [view.x0, view.y0])
    high = np.minimum([width, height], [view.x0 + view.width, view.y0 + view.height])
    clipped = np.clip(boxes.reshape(-1, 2, 2), low, high)
    over_px = np.abs(clipped - boxes.reshape(-1, 2, 2)).max(axis=(1, 2))
    inside = np.prod(np.diff(clipped, axis=1)[:, 0], axis=1)
    whole = np.prod(np.diff(boxes.reshape(-1, 2, 2), axis=1)[:, 0], axis=1)
    for box, part, all_of_it, over in zip(boxes, inside, whole, over_px, strict=True):
        if part < MIN_INSIDE * all_of_it:
            area = f"the frame {width}x{height}" if view == View.whole(frame_size) else f"the view {view}"
            raise InputError(
                f"boxes: {box.tolist()} lies outside {area} by more than half; accepted: boxes inside it, in pixels"
            )
        if over > ROUNDING_PX:
            warnings.warn(
                f"boxes: {box.tolist()} reaches {over:g} px over the edge; it is clipped",
                SamEdgeWarning,
                stacklevel=4,
            )
    return np.asarray(clipped.reshape(-1, 4), np.float64)


def check_extent(boxes: NDArray[np.float64]) -> None:
    """Refuse boxes (P, 4) without extent. Raises `InputError`."""
    for box in boxes:
        if box[2] <= box[0] or box[3] <= box[1]:
            raise InputError(
                f"boxes: {box.tolist()} has no extent; accepted: x0, y0, x1, y1 with x1 > x0, y1 > y0"
            )


def as_labels(labels: ArrayLike | None, points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Check labels against (P, N, 2) points; all 1 when left out."""
    expected = points.shape[:2]
    if labels is None:
        return np.ones(expected, np.int32)
    try:
        array = np.asarray(labels)
    except ValueError as error:
        raise InputError(f"labels: not an array of numbers ({error})") from error
    array = array[None] if array.ndim == 1 and expected[0] == 1 else array
    if array.shape != expected:
        raise InputError(
            f"labels: shape {np.shape(labels)} for points of shape {points.shape}; accepted: one label a point"
        )
    if array.dtype.kind not in "iufb" or not np.isin(array, (0, 1, PADDING)).all():
        raise InputError(
            f"labels: {array.tolist()}; accepted: 1 (on the object), 0 (not on it), -1 (padding)"
        )
    return array.astype(np.int32)


def is_no_prompt(points: ArrayLike | None, boxes: ArrayLike | None) -> bool:
    """Return whether a batch of no prompts was given: boxes (0, 4) or points (0, N, 2), and nothing else."""
    given = [np.shape(values) for values in (points, boxes) if isinstance(values, np.ndarray)]
    if (points is not None) + (boxes is not None) != len(given) or not given:
        return False
    return all(shape[0] == 0 and len(shape) >= 2 and shape[-1] in (2, 4) for shape in given)
