"""A live frame as a person sees it: objects in their colours with their names, the gaze, and a caption."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge._live.step import LiveStep
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.drawing import INK_RGB, drawing_unit
from sam_edge.media.object_colours import object_rgb
from sam_edge.media.overlay import TRAIL_S, draw_selection

SAMPLES_KEPT = 512


class LivePicture:
    """Draws steps; remembers the last half second of gaze."""

    def __init__(self) -> None:
        """Begin without gaze."""
        self._recent: deque[GazeSample] = deque(maxlen=SAMPLES_KEPT)

    def draw(self, step: LiveStep) -> NDArray[np.uint8]:
        """Return the frame of a step with everything on it, RGB (H, W, 3)."""
        selection, image = step.selection, step.frame.image
        self._recent.extend(step.samples)
        others = [item for item in selection.pinned if item.object_id != selection.object_id]
        for pinned in others:
            image = draw_selection(
                image, mask=pinned.mask, box=pinned.box, colour=object_rgb(pinned.object_id)
            )
        trail = [
            (sample.x_px, sample.y_px, (step.frame.time_ns - sample.time_ns) / 1e9)
            for sample in self._recent
            if sample.valid
        ]
        drawn = draw_selection(
            image,
            mask=selection.mask,
            outline_only=not selection.confirmed,
            box=selection.box,
            gaze_trail=[dot for dot in trail if 0 <= dot[2] <= TRAIL_S],
            fixation=selection.fixation,
            caption=caption_of(step),
            colour=object_rgb(selection.object_id or 1),
        )
        for pinned in others:
            draw_name(
                drawn, pinned.box, name_of(pinned.object_id, pinned.label), object_rgb(pinned.object_id)
            )
        if selection.box is not None and selection.object_id is not None:
            name = name_of(selection.object_id, selection.label)
            draw_name(drawn, selection.box, name, object_rgb(selection.object_id))
        return drawn


def name_of(object_id: int, label: str | None) -> str:
    """Return an object's name: its label, or its number."""
    return label or f"object {object_id}"


def draw_name(
    out: NDArray[np.uint8], box: tuple[float, float, float, float], name: str, colour: tuple[int, int, int]
) -> None:
    """Write an object's name on a plate of its colour, below its box or, at the frame's lower edge, inside it.

    Args:
        out: uint8 RGB (H, W, 3), drawn on.
        box: x0, y0, x1, y1 in frame pixels.
        name: letters that the font lacks become question marks.
        colour: RGB.
    """
    height, width = out.shape[:2]
    unit = drawing_unit((height, width))
    scale, pad = 0.6 * unit, max(2, round(6 * unit))
    text = name.encode("ascii", "replace").decode("ascii")
    (text_width, text_height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    plate_width, plate_height = text_width + 2 * pad, text_height + 2 * pad
    left = int(np.clip(box[0], 0, max(0, width - plate_width)))
    top = int(np.clip(box[3] + pad, 0, max(0, height - plate_height)))
    cv2.rectangle(out, (left, top), (left + plate_width, top + plate_height), colour, -1)
    base = (left + pad, top + pad + text_height)
    cv2.putText(out, text, base, cv2.FONT_HERSHEY_SIMPLEX, scale, INK_RGB, 1, cv2.LINE_AA)


def caption_of(step: LiveStep) -> list[str]:
    """Return the lines of a frame's caption: state, object, and how old frame and mask are."""
    selection = step.selection
    lines = [selection.state.value]
    if selection.mask is not None:
        name = name_of(selection.object_id or 0, selection.label)
        lines.append(f"{name}, mask {selection.age_ms:.0f} ms old")
    lines.append(f"{step.latency_ms:.0f} ms after the camera")
    return [line.encode("ascii", "replace").decode("ascii") for line in lines]
