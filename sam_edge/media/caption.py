"""The caption of a frame: a panel with text, in a corner where it covers neither the selection nor the gaze."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.media.drawing import INK_RGB, SELECTION_RGB, SHIFT, drawing_unit, to_sixteenths

Corner: TypeAlias = Literal["top left", "top right", "bottom left", "bottom right"]
"""A corner of the frame."""
CORNERS: tuple[Corner, ...] = get_args(Corner)
"""The corners, in the order in which they are tried."""

_PANEL_ALPHA = 0.72
_GAZE_REACH = 66
_MASK_REACH = 8
_LEAST_SHRINK = 0.4
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BOLD = cv2.FONT_HERSHEY_DUPLEX

_Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Panel:
    """Sizes of a caption's panel, in frame pixels."""

    width: int
    height: int
    margin: int
    scale: float
    pad: float
    dot: float
    indent: float
    step: float
    weight: int

    def place(self, size: tuple[int, int], corner: Corner) -> tuple[int, int, int, int]:
        """Return the panel's box x0, y0, x1, y1 in a frame of `size` (height, width)."""
        left = size[1] - self.margin - self.width if corner.endswith("right") else self.margin
        top = size[0] - self.margin - self.height if corner.startswith("bottom") else self.margin
        x0, y0 = max(0, left), max(0, top)
        return x0, y0, min(size[1], x0 + self.width), min(size[0], y0 + self.height)


def choose_corner(
    size: tuple[int, int],
    caption: Sequence[str],
    *,
    mask: NDArray[np.bool_] | None = None,
    gaze: Sequence[tuple[float, float]] = (),
    preferred: Corner = "top left",
) -> Corner:
    """Return the corner in which a caption covers the least of a selection and of the gaze.

    Args:
        size: (height, width) of the frame, pixels.
        caption: the lines.
        mask: bool (H, W), the selection; None without one.
        gaze: (x, y) of gaze positions, frame pixels.
        preferred: taken where it is as free as the best: give the corner of the frame before, and the caption stays.
    """
    panel = _lay_out(size, caption)
    if panel is None:
        return preferred
    order = (preferred, *(corner for corner in CORNERS if corner != preferred))
    return min(order, key=lambda corner: _covered_px(panel.place(size, corner), size, mask, gaze))


def draw_caption(
    out: NDArray[np.uint8], caption: Sequence[str], *, selected: bool, corner: Corner = "top left"
) -> None:
    """Draw a caption on a frame.

    Args:
        out: uint8 RGB (H, W, 3), drawn on. A frame too small for the caption stays as it is.
        caption: lines of ASCII text; the first is the headline.
        selected: whether the headline's dot is filled.
        corner: where.

    Raises:
        InputError: `corner` is not one of `CORNERS`.
    """
    if corner not in CORNERS:
        raise InputError(f"corner: {corner!r}; accepted: {', '.join(CORNERS)}")
    size = (out.shape[0], out.shape[1])
    panel = _lay_out(size, caption)
    if panel is None:
        return
    x0, y0, x1, y1 = panel.place(size, corner)
    patch = out[y0:y1, x0:x1]
    if patch.size == 0:
        return
    rounded = _round_panel(patch, 10 * drawing_unit(size))
    cv2.addWeighted(rounded, _PANEL_ALPHA, patch, 1 - _PANEL_ALPHA, 0, dst=patch)
    for at, line in enumerate(caption):
        _write_line(patch, panel, at, line)
    _draw_dot(patch, panel, selected)


def _lay_out(size: tuple[int, int], caption: Sequence[str]) -> _Panel | None:
    """Return the sizes of the panel; None where the frame is too small to read it."""
    unit = drawing_unit(size)
    scale, pad = 0.72 * unit, 14 * unit
    dot, weight = 7 * unit, max(1, round(0.8 * unit))
    indent = 2 * dot + 10 * unit
    widest = max(
        cv2.getTextSize(line, _BOLD if at == 0 else _FONT, scale, weight)[0][0] + (indent if at == 0 else 0)
        for at, line in enumerate(caption)
    )
    shrink = min(1.0, (size[1] - 4 * pad) / max(widest, 1))
    if shrink < _LEAST_SHRINK:
        return None
    step = 30 * unit * shrink
    return _Panel(
        width=math.ceil(widest * shrink + 2 * pad),
        height=math.ceil(len(caption) * step + 1.2 * pad),
        margin=round(pad),
        scale=scale * shrink,
        pad=pad,
        dot=dot * shrink,
        indent=indent * shrink,
        step=step,
        weight=weight,
    )


def _covered_px(
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    mask: NDArray[np.bool_] | None,
    gaze: Sequence[tuple[float, float]],
) -> int:
    """Return how much of the selection lies under a panel or next to it, pixels; gaze counts as a whole panel."""
    x0, y0, x1, y1 = box
    unit = drawing_unit(size)
    near, far = math.ceil(_MASK_REACH * unit), _GAZE_REACH * unit
    covered = 0
    if mask is not None:
        covered = int(np.count_nonzero(mask[max(0, y0 - near) : y1 + near, max(0, x0 - near) : x1 + near]))
    if any(x0 - far < x < x1 + far and y0 - far < y < y1 + far for x, y in gaze):
        covered += (x1 - x0) * (y1 - y0)
    return covered


def _write_line(patch: _Image, panel: _Panel, at: int, line: str) -> None:
    start = panel.pad + (panel.indent if at == 0 else 0)
    place = (round(start), round(0.6 * panel.pad + (at + 0.72) * panel.step))
    colour = (255, 255, 255) if at == 0 else (206, 210, 220)
    font = _BOLD if at == 0 else _FONT
    cv2.putText(patch, line, place, font, panel.scale, colour, panel.weight, cv2.LINE_AA)


def _draw_dot(patch: _Image, panel: _Panel, selected: bool) -> None:
    centre = to_sixteenths([(panel.pad + panel.dot, 0.6 * panel.pad + 0.48 * panel.step)])[0]
    colour, fill = (SELECTION_RGB, -1) if selected else ((150, 154, 164), panel.weight)
    spot = (int(centre[0]), int(centre[1]))
    cv2.circle(patch, spot, round(panel.dot * (1 << SHIFT)), colour, fill, cv2.LINE_AA, SHIFT)


def _round_panel(patch: _Image, radius: float) -> _Image:
    """Return `patch` under an opaque panel with round corners."""
    height, width = patch.shape[:2]
    reach = int(min(radius, height / 2 - 1, width / 2 - 1))
    panel: _Image = np.array(patch, order="C")
    if reach < 1:
        panel[...] = INK_RGB
        return panel
    panel[reach : height - reach] = INK_RGB
    panel[:, reach : width - reach] = INK_RGB
    for x in (reach, width - 1 - reach):
        for y in (reach, height - 1 - reach):
            cv2.circle(panel, (x, y), reach, INK_RGB, -1, cv2.LINE_AA)
    return panel
