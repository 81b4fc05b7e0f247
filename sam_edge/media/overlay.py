"""What is drawn on a frame: the selection, the gaze, and a caption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.media.caption import Corner, choose_corner, draw_caption
from sam_edge.media.drawing import GAZE_RGB, INK_RGB, SELECTION_RGB, SHIFT, drawing_unit, to_sixteenths

TRAIL_S = 0.5
"""Gaze older than this is not drawn."""

_FILL_ALPHA = 0.36
_RIM_ALPHA = 0.6
_MAX_DOTS = 48
_STRIP_ROWS = 32
_ONE = 256

_Image = NDArray[np.uint8]


def draw_selection(
    image: NDArray[np.uint8],
    *,
    mask: NDArray[np.bool_] | None = None,
    outline_only: bool = False,
    box: tuple[float, float, float, float] | None = None,
    gaze_trail: Sequence[tuple[float, float, float]] = (),
    fixation: tuple[float, float, float] | None = None,
    caption: Sequence[str] = (),
    corner: Corner | None = None,
    colour: tuple[int, int, int] = SELECTION_RGB,
) -> NDArray[np.uint8]:
    """Draw what is selected, and where the gaze is, on a copy of a frame.

    Line widths and letters grow with the frame's shorter side. Whatever lies outside the frame, or is not
    finite, is not drawn.

    Args:
        image: the frame, uint8 RGB (H, W, 3).
        mask: bool (H, W), the selection: filled with a translucent colour, and outlined.
        outline_only: leave the selection unfilled, as for an object that gaze has only just come to rest on.
        box: x0, y0, x1, y1 in frame pixels: drawn as four corners.
        gaze_trail: (x, y, age) of gaze samples in frame pixels and seconds: dots that fade over `TRAIL_S`.
        fixation: (x, y, spread) in frame pixels: a ring, as large as the spread.
        caption: lines of ASCII text in a corner; the first is the headline, its dot is filled while something
            is selected.
        corner: where the caption is, one of `sam_edge.media.CORNERS`; None: the first that covers neither the mask
            nor the gaze. For a video, `choose_corner` keeps it in place from frame to frame.
        colour: of the mask and its outline, RGB.

    Returns:
        A new uint8 RGB image (H, W, 3).

    Raises:
        InputError: `image` or `mask` has another shape or dtype, or `corner` is not known.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f"image is {image.dtype} {image.shape}; accepted: uint8 (H, W, 3)")
    if mask is not None and (mask.dtype != np.bool_ or mask.shape != image.shape[:2]):
        raise InputError(f"mask is {mask.dtype} {mask.shape}; accepted: bool {image.shape[:2]}")
    out = np.array(image, order="C")
    size = (image.shape[0], image.shape[1])
    unit = drawing_unit(size)
    selected = mask is not None and _draw_mask(out, mask, unit, colour, fill=not outline_only)
    if box is not None:
        _draw_corners(out, box, unit)
    _draw_trail(out, gaze_trail, unit)
    if fixation is not None:
        _draw_ring(out, fixation, unit)
    if caption:
        gaze = [(x, y) for x, y, age_s in gaze_trail if age_s < TRAIL_S]
        gaze += [fixation[:2]] if fixation is not None else []
        at = corner or choose_corner(size, caption, mask=mask, gaze=gaze)
        draw_caption(out, caption, selected=selected, corner=at)
    return out


def outline_reach_px(size: tuple[int, int]) -> int:
    """Return how far the outline may reach beyond a mask in a frame of `size` (height, width), pixels."""
    return 2 * _line_px(drawing_unit(size)) + 2


def _line_px(unit: float) -> int:
    return max(1, round(3 * unit))


def _draw_mask(
    out: _Image, mask: NDArray[np.bool_], unit: float, colour: tuple[int, int, int], *, fill: bool
) -> bool:
    inside = np.ascontiguousarray(mask).view(np.uint8)
    x, y, width, height = cv2.boundingRect(inside)
    if width == 0:
        return False
    if fill:
        _fill(out, inside, (x, y, width, height), colour)
    reach = outline_reach_px((out.shape[0], out.shape[1]))
    _draw_outline(
        out, mask, (max(0, x - reach), max(0, y - reach), x + width + reach, y + height + reach), unit, colour
    )
    return True


def _fill(
    out: _Image,
    inside: NDArray[np.uint8],
    box: tuple[int, int, int, int],
    colour: tuple[int, int, int],
) -> None:
    """Tint what lies inside a mask of 0 and 1 that has the box x, y, width, height."""
    x, y, width, height = box
    # In strips: temporaries of a frame's size would cost more than the sums.
    plate = np.empty((_STRIP_ROWS, width, 3), np.uint8)
    plate[...] = colour
    for top in range(y, y + height, _STRIP_ROWS):
        strip = (slice(top, min(top + _STRIP_ROWS, y + height)), slice(x, x + width))
        plain = out[strip]
        tinted = cv2.addWeighted(plain, 1 - _FILL_ALPHA, plate[: len(plain)], _FILL_ALPHA, 0)
        cv2.copyTo(tinted, inside[strip], plain)


def _draw_outline(
    out: _Image,
    mask: NDArray[np.bool_],
    area: tuple[int, int, int, int],
    unit: float,
    colour: tuple[int, int, int],
) -> None:
    """Draw the edge of a mask, as far as it lies in `area` (x0, y0, x1, y1), as a smooth line with a dark rim.

    Two box blurs make of an edge a ramp whose level tells the distance from it, and take the stairs out.
    """
    x0, y0, x1, y1 = area
    part = mask[y0:y1, x0:x1]
    line_px = _line_px(unit)
    box = 2 * line_px + 1
    level = part.view(np.uint8) * np.uint8(255)
    for _ in range(2):
        level = cv2.blur(level, (box, box), borderType=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
    # Parts thinner than the line vanish in the blur: they become line themselves.
    level[part & (level < 128)] = 128
    keep, add = _outline_tables(line_px, box, colour)
    shown = np.flatnonzero(keep < _ONE)
    places = np.flatnonzero(cv2.inRange(level, int(shown[0]), int(shown[-1])) != 0)
    levels = level.reshape(-1)[places]
    width = out.shape[1]
    places += places // part.shape[1] * (width - part.shape[1]) + (y0 * width + x0)
    pixels = out.reshape(-1, 3)
    pixels[places] = (pixels[places] * keep[levels, None] + add[levels]) >> 8


@lru_cache(maxsize=64)
def _outline_tables(
    line_px: int, box: int, colour: tuple[int, int, int]
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return, for each level 0..255, the share of the pixel that stays, and the colour (3) that is added.

    Both in 1/256: a pixel p becomes (p * share + colour) / 256.
    """
    ramp = (np.arange(256) + 0.5) / 256
    distance = np.sign(ramp - 0.5) * box * (1 - np.sqrt(2 * np.minimum(ramp, 1 - ramp)))
    line = np.clip(line_px / 2 + 0.5 - np.abs(distance), 0, 1)
    rim = _RIM_ALPHA * np.clip(line_px / 2 + 1.5 - np.abs(distance), 0, 1) * (1 - line)
    keep = np.rint(_ONE * (1 - line - rim))
    add = _ONE * (rim[:, None] * np.array(INK_RGB) + line[:, None] * np.array(colour))
    return keep.astype(np.uint16), add.astype(np.uint16)


def _draw_corners(out: _Image, box: tuple[float, float, float, float], unit: float) -> None:
    if not all(math.isfinite(side) and abs(side) < 1e6 for side in box):
        return
    x0, y0, x1, y1 = box
    arm = 0.18 * min(x1 - x0, y1 - y0)
    corners = [(x0, y0, 1, 1), (x1, y0, -1, 1), (x1, y1, -1, -1), (x0, y1, 1, -1)]
    lines = [to_sixteenths([(x + dx * arm, y), (x, y), (x, y + dy * arm)]) for x, y, dx, dy in corners]
    cv2.polylines(out, lines, False, (255, 255, 255), max(1, round(1.5 * unit)), cv2.LINE_AA, SHIFT)


def _draw_trail(out: _Image, trail: Sequence[tuple[float, float, float]], unit: float) -> None:
    """Draw the newest dots that do not lie on top of one another."""
    dots: list[tuple[float, float, float]] = []
    last = (math.inf, math.inf)
    for x, y, age_s in sorted(trail, key=lambda dot: dot[2]):
        if not (math.isfinite(x) and math.isfinite(y)) or not age_s < TRAIL_S or len(dots) == _MAX_DOTS:
            continue
        if not math.hypot(x - last[0], y - last[1]) < 2.5 * unit:
            dots.append((x, y, max(0.0, 1 - max(0.0, age_s) / TRAIL_S)))
            last = (x, y)
    for x, y, youth in dots:
        radius = (2.0 + 3.5 * youth) * unit
        _blend_disc(out, x, y, radius, GAZE_RGB, 0.15 + 0.75 * youth)


def _draw_ring(out: _Image, fixation: tuple[float, float, float], unit: float) -> None:
    x, y, spread = fixation
    if not _near(out, x, y, margin=200 * unit):
        return
    radius = min(max(spread if math.isfinite(spread) else 0.0, 18 * unit), 60 * unit)
    centre, sixteenths = to_sixteenths([(x, y)])[0], round(radius * (1 << SHIFT))
    width = max(1, round(2.2 * unit))
    at = (int(centre[0]), int(centre[1]))
    cv2.circle(out, at, sixteenths, INK_RGB, width + 2, cv2.LINE_AA, SHIFT)
    cv2.circle(out, at, sixteenths, GAZE_RGB, width, cv2.LINE_AA, SHIFT)


def _blend_disc(
    out: _Image, x: float, y: float, radius: float, colour: tuple[int, int, int], alpha: float
) -> None:
    reach = math.ceil(radius) + 2
    if not _near(out, x, y, margin=reach):
        return
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    patch = out[top : int(y) + reach + 1, left : int(x) + reach + 1]
    if patch.size == 0:
        return
    stamp = patch.copy()
    centre = to_sixteenths([(x - left, y - top)])[0]
    at = (int(centre[0]), int(centre[1]))
    cv2.circle(stamp, at, round(radius * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)
    cv2.addWeighted(stamp, alpha, patch, 1 - alpha, 0, dst=patch)


def _near(out: _Image, x: float, y: float, *, margin: float) -> bool:
    """Return True when (x, y) is finite and within `margin` pixels of the frame."""
    height, width = out.shape[:2]
    return bool(-margin <= x <= width + margin and -margin <= y <= height + margin)
