"""What a live run yields for each frame."""

from __future__ import annotations

from dataclasses import dataclass

from sam_edge.gaze.samples import GazeSample
from sam_edge.scene.camera import LiveFrame
from sam_edge.stream.selection import Selection


@dataclass(frozen=True, slots=True)
class LiveStep:
    """One frame, and what is selected on it."""

    frame: LiveFrame
    """The frame, with the time at which it was taken (monotonic nanoseconds)."""
    selection: Selection
    """What is selected on it."""
    samples: tuple[GazeSample, ...]
    """The gaze since the frame before, up to this frame's time; frame pixels."""
    latency_ms: float
    """From the moment at which the frame was taken to its selection; without the camera's own delay where that is not
    known (`frame.uncertainty_ns` is None)."""
    gaze_wait_ms: float
    """How long the frame waited for gaze of its time."""
