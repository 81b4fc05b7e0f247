"""Anchors: where gaze has rested, carried along with the image; and the scenes that they lie on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sam_edge.segmenter import Embedding
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.motion import Motion
from sam_edge.stream.uncertainty import Covariance

TraceBack = Callable[[NDArray[np.float64], int], tuple[NDArray[np.int64], NDArray[np.float64]]]
"""From points (n, 2) of a scene, frame pixels, and a time: the times (k) of the frames before, back to the one that was
shown then, and where the points were on them (k, n, 2)."""


@dataclass(slots=True)
class Anchor:
    """The place of one dwell. Motion carries it along with what is there."""

    dwell_id: int
    """Number of the dwell."""
    x_px: float
    """Its place on the newest scene, frame pixels."""
    y_px: float
    """As `x_px`, vertical."""
    onset_ns: int
    """When the dwell began."""
    time_ns: int
    """Time of its newest sample."""
    segments: int = 1
    """Segments that were averaged in the place."""
    history_log_likelihood: float = 0.0
    """Log-likelihood of the best history before this dwell, with a change of target at it."""
    after_stable: bool = False
    """Whether the target was stable before this dwell."""
    best_log_prior: float = -math.inf
    """Prior of the likeliest candidate ever found at this place, also of one that is followed no longer."""

    covariance_px2: Covariance | None = None
    """What the dwell's samples say about their error, (xx, xy, yy) in square pixels; None when they do not say it."""
    gaze: list[tuple[float, float, int]] = field(default_factory=list)
    """Where gaze was during the dwell: means of a few samples, x and y in pixels of the frame that was shown then, and
    when that was shown, nanoseconds."""

    @property
    def dwell_ms(self) -> float:
        """Length of the dwell, milliseconds."""
        return (self.time_ns - self.onset_ns) / NS_PER_MS


@dataclass(frozen=True, slots=True)
class EncodedScene:
    """A frame that was encoded."""

    embedding: Embedding
    """Of the frame, or of an earlier one that looks the same."""
    time_ns: int
    """When the frame was shown."""
    motion: Motion | None
    """From the scene before; None at the first one and where it is not known."""
    trace_back: TraceBack | None = None
    """Finds where points of this scene were on earlier frames; None when that is not known."""


def time_distance_ns(anchor: Anchor, at_ns: int) -> int:
    """Return how far a time is from an anchor's dwell, nanoseconds; 0 within it."""
    return max(anchor.onset_ns - at_ns, at_ns - anchor.time_ns, 0)
