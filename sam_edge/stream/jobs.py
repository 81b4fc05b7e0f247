"""What a step of a session hands to the threads beside it, and the threads."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.closeup import Track
from sam_edge.stream.encoding import NewestFirst
from sam_edge.stream.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that is to be encoded."""

    image: NDArray[np.uint8]
    """RGB uint8 (H, W, 3)."""
    time_ns: int
    """When it was shown."""


@dataclass(frozen=True, slots=True)
class CloseUp:
    """A close-up that is to be made."""

    frame: Frame
    """The frame."""
    before: Track
    """The thing on the frame before."""
    carried: Future[Track | None] = field(default_factory=Future)
    """The thing carried to the frame, which is found while the encoder works."""


@dataclass(frozen=True, slots=True)
class Threads:
    """The threads beside the camera's."""

    whole: NewestFirst[Frame, Verdict]
    """Encodes whole frames and says what is meant."""
    closer: NewestFirst[CloseUp, Track]
    """Encodes close-ups of what is selected."""

    def forget(self) -> None:
        """Let go of what both of them found or are to find."""
        self.whole.forget()
        self.closer.forget()

    def close(self) -> None:
        """Stop both after what they are at. Closing twice is allowed."""
        try:
            self.closer.close()
        finally:
            self.whole.close()


@dataclass(frozen=True, slots=True)
class Step:
    """A step that waits for no whole frame."""

    frame: Frame
    """Its frame."""
    threads: Threads
    """Who works beside it."""
    stages_ms: dict[str, float]
    """Times of its stages, noted as they end."""
