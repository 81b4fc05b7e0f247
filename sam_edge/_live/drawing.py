"""A live frame as a person sees it: the selection, pinned objects, the gaze, and a caption."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from sam_edge._live.run import LiveStep
from sam_edge.gaze.samples import GazeSample
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
        for pinned in selection.pinned:
            if pinned.object_id != selection.object_id:
                image = draw_selection(image, mask=pinned.mask, box=pinned.box)
        trail = [
            (sample.x_px, sample.y_px, (step.frame.time_ns - sample.time_ns) / 1e9)
            for sample in self._recent
            if sample.valid
        ]
        return draw_selection(
            image,
            mask=selection.mask,
            outline_only=not selection.confirmed,
            box=selection.box,
            gaze_trail=[dot for dot in trail if 0 <= dot[2] <= TRAIL_S],
            fixation=selection.fixation,
            caption=caption_of(step),
        )


def caption_of(step: LiveStep) -> list[str]:
    """Return the lines of a frame's caption: state, object, and how old frame and mask are."""
    selection = step.selection
    lines = [selection.state.value]
    if selection.mask is not None:
        name = selection.label or f"object {selection.object_id}"
        lines.append(f"{name}, mask {selection.age_ms:.0f} ms old")
    lines.append(f"{step.latency_ms:.0f} ms after the camera")
    return [line.encode("ascii", "replace").decode("ascii") for line in lines]
