"""The assessment of one scene: which object is the target, and which ones are pinned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.segmenter import Embedding
from sam_edge.stream.candidate import Grid, ObjectCandidate
from sam_edge.stream.dwell_tracker import DwellSegment
from sam_edge.stream.selection import State


@dataclass(frozen=True, slots=True)
class SceneObject:
    """An object on the scene that it was decoded on."""

    object_id: int
    """Its number."""
    grid_logits: Grid
    """Its mask on the motion grid."""
    lowres_logits: NDArray[np.float32] | None
    """Low-resolution logits (4h, 4w) on the scene's embedding; None when motion carried it to the scene."""
    score: float
    """Predicted IoU."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the judge decided on one scene."""

    number: int
    """Rises by one with every assessment of a session."""
    time_ns: int
    """Time of the frame."""
    embedding: Embedding
    """Of the frame, or of an earlier one that looks the same."""
    state: State
    """What the person seems to want."""
    target: SceneObject | None
    """The target: the object that the person most likely looks at."""
    pinned: tuple[SceneObject, ...]
    """Pinned objects, oldest first."""
    stable: bool
    """Whether the target is stable: a new dwell on it needs no new assessment."""
    segment: DwellSegment | None
    """Where the gaze rested last."""
    stages_ms: Mapping[str, float]
    """Milliseconds of each stage."""
    confirmed: bool = True
    """False while the target looks like background and only one dwell has come to rest on it."""
    lost: tuple[int, ...] = ()
    """Numbers of the pinned objects that are not on the scene, or not recognised there; oldest first."""
    may_fill: bool = True
    """Whether the target may look like background later, too: a second dwell has come to rest on it."""


def describe_candidate(candidate: ObjectCandidate | None) -> SceneObject | None:
    """Return a candidate as it is now; None when it has no number."""
    if candidate is None or candidate.object_id is None:
        return None
    return SceneObject(candidate.object_id, candidate.grid_logits, candidate.lowres_logits, candidate.score)
