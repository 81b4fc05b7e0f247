"""Anchors: where gaze has rested, carried along with the image; and the scenes that they lie on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam_edge.segmenter import Embedding
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.motion import Motion


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
    best_log_prior: float = -math.inf
    """Prior of the likeliest candidate ever found at this place, also of one that is followed no longer."""

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


def time_distance_ns(anchor: Anchor, at_ns: int) -> int:
    """Return how far a time is from an anchor's dwell, nanoseconds; 0 within it."""
    return max(anchor.onset_ns - at_ns, at_ns - anchor.time_ns, 0)
