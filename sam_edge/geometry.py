"""Where things are: frames, views, the encoder's input, and the maps between them.

Coordinates are continuous, x right and y down from the top-left corner; the centre of a frame's first pixel is at
(0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge.errors import InputError

LETTERBOX_RGB = (124, 116, 104)
"""Colour of what a view does not fill: SAM's mean colour, which normalises to nearly zero, as SAM pads."""
STRIDE = 16
"""Input pixels an embedding place."""
MASK_STRIDE = 4
"""Input pixels a low-resolution logit."""
LARGEST_PX = 1 << 24
"""Farthest place and largest extent of a view, pixels: whole numbers up to it are exact in 32-bit floating point."""
_LARGEST_WARP_PX = 32_766
"""Largest side that OpenCV's `warpAffine` makes."""


@dataclass(frozen=True, slots=True)
class View:
    """The part of a frame that is encoded: a rectangle in frame pixels, snapped outwards to whole pixels.

    It may reach over the frame's edge; what lies outside is filled with SAM's mean colour.
    """

    x0: int
    """Left edge."""
    y0: int
    """Top edge."""
    width: int
    """Extent to the right."""
    height: int
    """Extent downwards."""

    def __post_init__(self) -> None:
        """Snap to whole pixels, and refuse what is not a rectangle.

        Raises:
            InputError: a value is not finite or beyond 16,777,216, or an extent is not positive.
        """
        values = (self.x0, self.y0, self.width, self.height)
        # Asked this way round, NaN is refused as well.
        within = all(abs(value) <= LARGEST_PX for value in values)
        if not within or self.width <= 0 or self.height <= 0:
            raise InputError(
                f"view: {values} is not accepted; give x0, y0, width > 0, height > 0, up to {LARGEST_PX} pixels"
            )
        left, top = math.floor(self.x0), math.floor(self.y0)
        object.__setattr__(self, "width", max(1, math.ceil(self.x0 + self.width) - left))
        object.__setattr__(self, "height", max(1, math.ceil(self.y0 + self.height) - top))
        object.__setattr__(self, "x0", left)
        object.__setattr__(self, "y0", top)

    @classmethod
    def whole(cls, frame_size: tuple[int, int]) -> View:
        """Return the view of a whole frame of (height, width)."""
        return cls(0, 0, frame_size[1], frame_size[0])

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say of each of (..., 2) frame points whether it lies inside, edges included."""
        x, y = points[..., 0] - self.x0, points[..., 1] - self.y0
        return np.asarray((x >= 0) & (y >= 0) & (x <= self.width) & (y <= self.height))


@dataclass(frozen=True, slots=True)
class Placement:
    """How a view lies in the encoder's input: as large as fits with its shape kept, in the top-left corner."""

    view: View
    """The part of the frame."""
    size: tuple[int, int]
    """The encoder's input (height, width)."""

    @property
    def inside(self) -> tuple[int, int]:
        """The part of the input that the view fills: (height, width) in input pixels."""
        scale = min(self.size[0] / self.view.height, self.size[1] / self.view.width)
        # Halves are rounded up, as SAM's own code does.
        height, width = (int(side * scale + 0.5) for side in (self.view.height, self.view.width))
        return max(1, height), max(1, width)

    @property
    def scale(self) -> NDArray[np.float64]:
        """Input pixels a frame pixel, along x and y. They differ only by the rounding of `inside`."""
        height, width = self.inside
        return np.array([width / self.view.width, height / self.view.height])

    def input_from_frame(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map (..., 2) frame points to input points."""
        return (np.asarray(points, np.float64) - (self.view.x0, self.view.y0)) * self.scale

    def frame_from_input(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map (..., 2) input points to frame points."""
        return np.asarray(points, np.float64) / self.scale + (self.view.x0, self.view.y0)

    def render(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut the view out of an RGB frame (H, W, 3) and scale it into the input: uint8 (height, width, 3)."""
        height, width = self.inside
        part = crop_padded(image, self.view)
        while part.shape[0] >= 2 * height and part.shape[1] >= 2 * width:
            # By halves first: the mean of two by two pixels, which is many times faster than any other area.
            part = np.asarray(
                cv2.resize(part, (part.shape[1] // 2, part.shape[0] // 2), interpolation=cv2.INTER_LINEAR),
                np.uint8,
            )
        if part.shape[:2] != (height, width):
            shrinks = self.scale.max() < 1
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            part = np.asarray(cv2.resize(part, (width, height), interpolation=how), np.uint8)
        if (height, width) == self.size:
            return np.ascontiguousarray(part)
        canvas = np.empty((*self.size, 3), np.uint8)
        canvas[:] = LETTERBOX_RGB
        canvas[:height, :width] = part
        return canvas

    def paste(self, low: NDArray[np.float32], frame_size: tuple[int, int]) -> NDArray[np.float32]:
        """Scale one low-resolution map (size / 4) to the view and lay it into a frame.

        Returns float32 (H, W) of `frame_size`; bilinear, as SAM scales its logits; -inf outside the view.
        """
        step = self.scale / MASK_STRIDE
        shown = clip_view(self.view, frame_size)
        if shown == self.view:
            part = self._whole_paste(low, step)
        elif max(shown.width, shown.height) > _LARGEST_WARP_PX:
            left, top = shown.x0 - self.view.x0, shown.y0 - self.view.y0
            part = self._whole_paste(low, step)[top : top + shown.height, left : left + shown.width]
        else:
            matrix = np.array([[step[0], 0, step[0] / 2 - 0.5], [0, step[1], step[1] / 2 - 0.5]])
            matrix[:, 2] += step * (shown.x0 - self.view.x0, shown.y0 - self.view.y0)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            area = (shown.width, shown.height)
            part = np.asarray(
                cv2.warpAffine(low, matrix, area, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
            )
        if shown == View.whole(frame_size):
            return part
        frame = np.full(frame_size, -np.inf, np.float32)
        frame[shown.y0 : shown.y0 + shown.height, shown.x0 : shown.x0 + shown.width] = part
        return frame

    def _whole_paste(self, low: NDArray[np.float32], step: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scale one low-resolution map to the whole view: several times as fast as any other warp.

        Rows and columns of padding are left out, except the first one, which the last pixels interpolate with.
        """
        columns, rows = (
            math.ceil(side * by) + 1
            for side, by in zip((self.view.width, self.view.height), step, strict=True)
        )
        near = low[:rows, :columns]
        # Without a size cv2 keeps the factors as they are, and its result reaches past the view.
        scaled = cv2.resize(near, None, fx=1 / step[0], fy=1 / step[1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(scaled[: self.view.height, : self.view.width], np.float32)

    def paste_on_grid(
        self, low: NDArray[np.float32], frame_size: tuple[int, int], grid: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Scale one low-resolution map (size / 4) to a grid (rows, columns) that lies over a whole frame.

        Returns float32 of the grid's shape; bilinear; -inf at places whose centre lies outside the view.
        """
        pixel = np.array([frame_size[1] / grid[1], frame_size[0] / grid[0]])
        step = pixel * self.scale / MASK_STRIDE
        offset = (0.5 * pixel - (self.view.x0, self.view.y0)) * self.scale / MASK_STRIDE - 0.5
        matrix = np.array([[step[0], 0, offset[0]], [0, step[1], offset[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        scaled = cv2.warpAffine(low, matrix, grid[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        if self.view != View.whole(frame_size):
            x = (np.arange(grid[1]) + 0.5) * pixel[0] - self.view.x0
            y = (np.arange(grid[0]) + 0.5) * pixel[1] - self.view.y0
            scaled[:, (x < 0) | (x > self.view.width)] = -np.inf
            scaled[(y < 0) | (y > self.view.height)] = -np.inf
        return np.asarray(scaled, np.float32)

    def to_lowres(self, frame_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale a frame-sized map (H, W) down into a low-resolution one (size / 4); 0 outside the frame."""
        rendered_size = (self.size[0] // MASK_STRIDE, self.size[1] // MASK_STRIDE)
        step = self.scale / MASK_STRIDE
        factor = min(1.0, 2.0 * float(step.max()))
        small = frame_map if factor == 1.0 else shrink(frame_map, factor)
        ratio = np.array([small.shape[1] / frame_map.shape[1], small.shape[0] / frame_map.shape[0]])
        back = ratio / step
        offset = ratio * (self.view.x0, self.view.y0)
        matrix = np.array(
            [[back[0], 0, back[0] / 2 + offset[0] - 0.5], [0, back[1], back[1] / 2 + offset[1] - 0.5]]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(small, matrix, rendered_size[::-1], flags=flags), np.float32)


def shrink(values: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Scale a map (H, W) down by area, so that nothing is skipped."""
    height, width = (max(1, round(side * factor)) for side in values.shape)
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def clip_view(view: View, frame_size: tuple[int, int]) -> View:
    """Return the part of a view that lies on a frame of (height, width).

    Raises:
        InputError: no part of it does.
    """
    left, top = max(0, view.x0), max(0, view.y0)
    right, bottom = min(frame_size[1], view.x0 + view.width), min(frame_size[0], view.y0 + view.height)
    if right <= left or bottom <= top:
        height, width = frame_size
        raise InputError(
            f"view: {view} lies outside the frame; accepted: a rectangle that meets {width}x{height}"
        )
    return View(left, top, right - left, bottom - top)


def crop_padded(image: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Cut a view out of an image (H, W, 3); what lies outside the image has the letterbox colour."""
    shown = clip_view(view, image.shape[:2])
    part = image[shown.y0 : shown.y0 + shown.height, shown.x0 : shown.x0 + shown.width]
    if shown == view:
        return part
    canvas = np.empty((view.height, view.width, 3), np.uint8)
    canvas[:] = LETTERBOX_RGB
    top, left = shown.y0 - view.y0, shown.x0 - view.x0
    canvas[top : top + shown.height, left : left + shown.width] = part
    return canvas


def default_size(frame_size: tuple[int, int]) -> tuple[int, int]:
    """Choose the encoder's input (height, width) for a frame of (height, width).

    Among the pad-free sizes of at most 448x672 pixels and sides of at most 896 (SAM knows no place beyond 1024), the
    one that shows the frame largest; of equals, the smallest.
    """
    oblong = ((448, 672), (224, 672), (224, 896), (224, 448))
    candidates = ((448, 448), (224, 224), *oblong, *(size[::-1] for size in oblong))
    height, width = frame_size

    def fit(size: tuple[int, int]) -> tuple[float, int]:
        return min(size[0] / height, size[1] / width), -size[0] * size[1]

    return max(candidates, key=fit)
