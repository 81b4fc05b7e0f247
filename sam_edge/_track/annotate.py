"""The annotated video of `track`: the selection, the gaze, and the age of the mask, drawn on each frame."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge._track.report import Mode
from sam_edge._track.result import StreamedFrame, TrackedFrame
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.caption import Corner, choose_corner
from sam_edge.media.overlay import draw_selection
from sam_edge.stream.selection import State

TRAIL_S = 0.4
"""Gaze of this last time is drawn, seconds."""
SPARSE_GAZE_S = 0.05
"""On a frame without samples of its own, gaze up to this much older counts, seconds: some trackers are slow."""


@dataclass(frozen=True, slots=True)
class GazeTrail:
    """The gaze of a recording, to draw the newest samples on each frame."""

    samples: Sequence[GazeSample]
    """Samples in order of time."""

    def dots(self, end_ns: int) -> list[tuple[float, float, float]]:
        """Return the valid samples of the last moments before `end_ns`: (x, y, age), frame pixels and seconds."""
        recent = self._between(round(end_ns - TRAIL_S * 1e9), end_ns)
        return [
            (sample.x_px, sample.y_px, (end_ns - sample.time_ns) / 1e9) for sample in recent if sample.valid
        ]

    def position(self, time_ns: int, end_ns: int, reach_px: float) -> tuple[float, float] | None:
        """Return where the gaze is at a frame's end, (x, y) in frame pixels; None without valid samples on the frame.

        Args:
            time_ns: time at which the frame is first shown, nanoseconds.
            end_ns: time at which the next frame takes its place, nanoseconds.
            reach_px: the frame's samples within this distance of its newest one are averaged.
        """
        own = (
            self._between(time_ns, end_ns) or self._between(round(end_ns - SPARSE_GAZE_S * 1e9), end_ns)[-1:]
        )
        seen = [(sample.x_px, sample.y_px) for sample in own if sample.valid]
        if not seen:
            return None
        near = [place for place in seen if math.dist(place, seen[-1]) <= reach_px]
        x, y = np.mean(near, axis=0)
        return float(x), float(y)

    def _between(self, after_ns: int, until_ns: int) -> Sequence[GazeSample]:
        begin = bisect_right(self.samples, after_ns, key=_time_ns)
        return self.samples[begin : bisect_right(self.samples, until_ns, key=_time_ns)]


class FrameAnnotator:
    """Draws the frames of a video in order; the caption stays in its corner while that covers nothing."""

    def __init__(self, trail: GazeTrail, *, mode: Mode) -> None:
        """Draw the gaze of `trail`; the caption says what `mode` means for the times."""
        self._trail = trail
        self._mode = mode
        self._corner: Corner = "top left"

    def draw(self, frame: StreamedFrame) -> NDArray[np.uint8]:
        """Draw the selection, the gaze and the caption on a copy of the frame: uint8 RGB (H, W, 3)."""
        selection = frame.selection
        caption = caption_of(frame, self._mode)
        dots = self._trail.dots(frame.end_ns)
        self._corner = choose_corner(
            (frame.image.shape[0], frame.image.shape[1]),
            caption,
            mask=selection.mask,
            gaze=[(x, y) for x, y, _ in dots],
            preferred=self._corner,
        )
        return draw_selection(
            frame.image,
            mask=selection.mask,
            outline_only=selection.state is State.HOVER,
            box=selection.box,
            gaze_trail=dots,
            fixation=self._ring(frame),
            caption=caption,
            corner=self._corner,
        )

    def _ring(self, frame: TrackedFrame) -> tuple[float, float, float] | None:
        """Return the ring (x, y, spread) on the frame's own samples: a late selection knows only an earlier gaze."""
        spread = frame.selection.fixation[2] if frame.selection.fixation is not None else 0.0
        position = self._trail.position(frame.time_ns, frame.end_ns, spread)
        return None if position is None else (*position, spread)


def caption_of(frame: TrackedFrame, mode: Mode) -> list[str]:
    """Return the lines of a frame's caption: the state, the object, and the age or the waiting time of its mask."""
    selection = frame.selection
    lines = [selection.state.value]
    if selection.score is not None:
        lines.append(f"object {selection.object_id}, predicted IoU {selection.score:.2f}")
    if mode == "live" and selection.mask is not None:
        lines.append(f"live: mask {frame.mask_age_ms:.0f} ms old, {selection.origin}")
    elif mode == "sequential" and "total" in selection.timing_ms:
        lines.append(f"waited {selection.timing_ms['total']:.0f} ms, {selection.origin}")
    return lines


def _time_ns(sample: GazeSample) -> int:
    return sample.time_ns
