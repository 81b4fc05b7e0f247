"""What a session hands to its worker threads."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.closeup import Track


@dataclass(frozen=True, slots=True)
class SessionFrame:
    """A frame of a session."""

    image: NDArray[np.uint8]
    """RGB uint8 (H, W, 3)."""
    time_ns: int
    """When it was shown, on the clock of the gaze."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True, slots=True)
class CloseUpJob:
    """A close-up to make."""

    frame: SessionFrame
    """The frame to encode a part of."""
    before: Track
    """The object on the frame before: where to look."""
    carried: Future[Track | None] = field(default_factory=Future)
    """The object carried to the frame by motion, which is computed while the encoder works."""
