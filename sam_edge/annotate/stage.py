"""The three stages of SAM's data engine, and how far they are.

Kirillov et al., "Segment Anything" (2023), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class AnnotationStage(str, Enum):
    """A stage of the data engine."""

    ASSISTED = "assisted"
    """Every dwell proposes a mask, which a person accepts, corrects or rejects."""
    SEMI = "semi"
    """Confident masks are generated first; only dwells on other objects propose one."""
    AUTOMATIC = "automatic"
    """Masks are generated on every frame that the data set shows."""


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far a stage is."""

    stage: AnnotationStage
    """The stage that is counted: assisted, semi or automatic."""
    done: int
    """Finished dwells or frames."""
    total: int
    """All of them."""
    unit: str
    """`dwells` or `frames`."""


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """What the annotator works on between two proposals."""

    stage: AnnotationStage
    """The stage that is running."""
    frame: int
    """Number of the frame in work."""
    done: int
    """Finished frames."""
    total: int
    """All frames of the stage."""
    share: float = 0.0
    """Finished share of the frame in work, 0..1."""


class StopRequested(Exception):
    """Raised by a progress callback to stop the annotator; the same data set can be continued later."""
