"""The result of a step: what is selected on a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sam_edge.identity.events import ObjectEvent


class State(str, Enum):
    """What the person seems to want."""

    NONE = "none"
    """Nothing is selected."""
    HOVER = "hover"
    """Gaze has just come to rest on an object, which is outlined."""
    FOCUSED = "focused"
    """Gaze rests on the selected object."""
    HELD = "held"
    """The object stays selected while gaze is elsewhere for a moment, or the eyes are shut."""
    LOST = "lost"
    """The object has left, or nothing on the frame looks like it."""


@dataclass(frozen=True, slots=True)
class PinnedObject:
    """An object that was selected on purpose and stays so while gaze moves on."""

    object_id: int
    """Number of the object in its session, from 1; an object that gaze returns to has its number again."""
    mask: NDArray[np.bool_]
    """Bool (H, W) in frame pixels."""
    box: tuple[float, float, float, float]
    """Its box x0, y0, x1, y1 in frame pixels."""
    score: float
    """IoU with the truth as the model predicts it."""
    label: str | None = None
    """The object's label, from `GazeSession.rename`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The state of a session after one frame."""

    frame_time_ns: int
    """The frame that it belongs to."""
    state: State
    """What the person seems to want."""
    mask: NDArray[np.bool_] | None
    """The selected object, bool (H, W) in frame pixels; None while nothing is selected."""
    box: tuple[float, float, float, float] | None
    """Its box x0, y0, x1, y1 in frame pixels."""
    score: float | None
    """IoU with the truth as the model predicts it."""
    object_id: int | None
    """Number of the selected object, from 1; an object that gaze returns to has its number again."""
    origin: str
    """How the mask was made: `encoded` (decoded on this very frame), `reused` (decoded on the embedding of an
    earlier frame that looks the same), `propagated` (carried here by motion from an earlier frame), `followed`
    (made on this very frame by the follower network), or `none`."""
    age_ms: float = 0.0
    """How much older than this frame the frame is that the mask was decoded on."""
    fixation: tuple[float, float, float] | None = None
    """Where the gaze rests: x, y and spread in frame pixels; None while it does not."""
    pinned: tuple[PinnedObject, ...] = ()
    """Objects pinned with `GazeSession.pin`, until `GazeSession.unpin`; oldest first."""
    lost: tuple[int, ...] = ()
    """Numbers of pinned objects that are not on the frame, or not recognised there. They are in `pinned` again when
    they are found."""
    label: str | None = None
    """The selected object's label, from `GazeSession.rename`."""
    events: tuple[ObjectEvent, ...] = ()
    """What happened to objects since the step before."""
    confirmed: bool = True
    """False while a first dwell rests on what looks like background: to be outlined and not filled. The state is
    `hover` for as long."""
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds of each stage that ran for this frame, and their `total`. In the live mode,
    the stages `encode`, `attend` and `identify` are those of the newest scene and no part of the total."""
