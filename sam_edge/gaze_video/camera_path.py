"""How a head-mounted camera turns, from its video, and gaze with that turning taken off.

A person who looks at something that stands still while the head turns fixates it, and yet the gaze moves across the
picture. Taken off the gaze, the motion of the picture as a whole leaves what moves against the surroundings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.samples import GazeSample
from sam_edge.media import VideoFrame
from sam_edge.stream.motion import FrameMotion

SAMPLED = 4
"""The motion of the picture is the median over each fourth place of the grid, along both sides."""


@dataclass(frozen=True, slots=True)
class CameraPath:
    """How far the picture has moved since the first frame."""

    time_ns: NDArray[np.int64]
    """(N,) times of the frames, rising."""
    moved_px: NDArray[np.float64]
    """(N, 2) how far what stands still has moved across the picture by then, x to the right and y down."""
    cuts: int = 0
    """Frames before which the video was cut: the motion over a cut is not known, and counts as none."""

    def notes(self) -> tuple[str, ...]:
        """What a person should know of it."""
        seconds = float(self.time_ns[-1] - self.time_ns[0]) / 1e9
        length_px = float(np.hypot(*np.diff(self.moved_px, axis=0).T).sum())
        moved = f"the picture moved by {length_px:.0f} px in {seconds:.1f} s, which was taken off the gaze"
        return (moved, *((f"{self.cuts} cuts in the video",) if self.cuts else ()))

    def steady(self, samples: Sequence[GazeSample]) -> list[GazeSample]:
        """Return samples in pixels of a picture that stands still; before and after the video it does not move."""
        times = np.array([sample.time_ns for sample in samples], np.int64)
        moved = [np.interp(times, self.time_ns, self.moved_px[:, axis]) for axis in (0, 1)]
        return [
            replace(sample, x_px=sample.x_px - float(x), y_px=sample.y_px - float(y))
            for sample, x, y in zip(samples, *moved, strict=True)
        ]


def follow_camera(frames: Iterable[VideoFrame]) -> CameraPath:
    """Measure how the picture moves as a whole from frame to frame: the median of its optical flow.

    Raises:
        InputError: there are no frames.
    """
    motion = FrameMotion()
    times: list[int] = []
    moved: list[NDArray[np.float64]] = []
    cuts = 0
    for frame in frames:
        motion.advance(frame.image, frame.time_ns)
        step = np.zeros(2)
        if times:
            between = motion.between(times[-1], frame.time_ns)
            cuts += between is None
            if between is not None:
                flow = between.back[::SAMPLED, ::SAMPLED].reshape(-1, 2)
                step = -np.median(flow, axis=0).astype(np.float64) / between.scale
        moved.append(step if not moved else moved[-1] + step)
        times.append(frame.time_ns)
    if not times:
        raise InputError("frames: none; give a video with at least one frame")
    return CameraPath(np.array(times, np.int64), np.array(moved), cuts)
