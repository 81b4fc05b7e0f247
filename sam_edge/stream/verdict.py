"""What is meant on one scene, and the masks of it that are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.masks import remove_islands
from sam_edge.segmenter import Embedding
from sam_edge.stream.candidate import Candidate, Grid, upsampled
from sam_edge.stream.looking import Look
from sam_edge.stream.selection import State


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing on the scene that it was decoded on."""

    object_id: int
    """Its number."""
    soft: Grid
    """Its mask on the motion grid."""
    low: NDArray[np.float32] | None
    """Low-resolution logits on the scene's embedding; None when it was only carried to the scene."""
    score: float
    """Predicted IoU."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is meant on one scene."""

    number: int
    """Rises by one with every verdict."""
    time_ns: int
    """The frame."""
    embedding: Embedding
    """Of the frame, or of an earlier one that looks the same."""
    state: State
    """What the person seems to want."""
    meant: Thing | None
    """The thing meant."""
    pinned: tuple[Thing, ...]
    """Pinned objects, oldest first."""
    settled: bool
    """Whether it is settled: a new rest on it needs no new judgement."""
    look: Look | None
    """Where the gaze rested last."""
    stages_ms: Mapping[str, float]
    """Time of each stage."""


def shown_mask(
    soft: Grid,
    low: NDArray[np.float32] | None,
    embedding: Embedding | None,
    size: tuple[int, int],
) -> NDArray[np.bool_] | None:
    """Return a mask on its frame, bool (H, W) of `size`: from low-resolution logits on the frame's embedding where they
    are known, else from the motion grid; None when nothing of it is there.
    """
    if low is not None and embedding is not None:
        mask = np.asarray(embedding.placement.paste(low, size) > 0)
    else:
        mask = upsampled(soft, size)
    return remove_islands(mask) if mask.any() else None


def thing_of(candidate: Candidate | None) -> Thing | None:
    """Note a candidate as it is now; None when it has no number."""
    if candidate is None or candidate.object_id is None:
        return None
    return Thing(candidate.object_id, candidate.soft, candidate.low, candidate.score)
