"""The annotated video of `track`: the selection, the gaze and the latency, drawn on each frame."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge._track.result import StreamedFrame
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.overlay import draw_selection

TRAIL_S = 0.4
"""Gaze of this last time is drawn, seconds."""


@dataclass(frozen=True, slots=True)
class GazeTrail:
    """The gaze of a recording, to draw the newest samples on each frame."""

    samples: Sequence[GazeSample]
    """Samples in order of time."""

    def dots(self, end_ns: int) -> list[tuple[float, float, float]]:
        """Return the valid samples of the last moments before `end_ns`: (x, y, age), frame pixels and seconds."""
        begin = bisect_left(self.samples, end_ns - TRAIL_S * 1e9, key=_time_ns)
        end = bisect_right(self.samples, end_ns, key=_time_ns)
        return [
            (sample.x_px, sample.y_px, (end_ns - sample.time_ns) / 1e9)
            for sample in self.samples[begin:end]
            if sample.valid
        ]


def annotate_frame(frame: StreamedFrame, trail: GazeTrail) -> NDArray[np.uint8]:
    """Draw the selection, the gaze and the latency on a copy of the frame: uint8 RGB (H, W, 3)."""
    selection = frame.selection
    caption = [selection.state.value]
    if selection.score is not None:
        caption.append(f"object {selection.object_id}, predicted IoU {selection.score:.2f}")
    if not frame.dropped and "total" in selection.timing_ms:
        caption.append(f"{selection.timing_ms['total']:.0f} ms, {selection.origin}")
    return draw_selection(
        frame.image,
        mask=selection.mask,
        box=selection.box,
        gaze_trail=trail.dots(frame.end_ns),
        fixation=selection.fixation,
        caption=caption,
    )


def _time_ns(sample: GazeSample) -> int:
    return sample.time_ns
