"""The follower network, for several objects in one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sam_edge.follow.crops import CELLS, SIDE, Cells
from sam_edge.runtimes.base import FollowerBatch, Runtime

HEADS, KEY_WIDTH = 2, 28
"""Shape of the keys of one place."""
Keys = NDArray[np.float32]
"""What places of a crop are compared by, (heads, places, width)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A crop whose mask is known."""

    keys: Keys
    """Of the crop."""
    mask: Cells
    """Its mask, 0 to 1."""


NO_MEMORY = Memory(
    np.zeros((HEADS, (SIDE // 8) ** 2, KEY_WIDTH), np.float32), np.zeros((CELLS, CELLS), np.float32)
)
"""Stands in where there is no earlier crop yet."""


@dataclass(frozen=True, slots=True)
class FollowerInput:
    """One object on one frame."""

    image: NDArray[np.uint8]
    """The crop, RGB (SIDE, SIDE, 3)."""
    carried: Cells
    """Logits of the mask as motion carried it."""
    trusted: Memory | None
    """A crop whose mask is trusted; None to compute keys only."""
    before: Memory | None
    """The crop before; None to compute keys only."""


@dataclass(frozen=True, slots=True)
class FollowerOutput:
    """What the network finds."""

    logits: Cells
    """Of the corrected mask."""
    confidence: float
    """Predicted IoU."""
    keys: Keys
    """Of the crop."""


class FollowerNetwork(Protocol):
    """Corrects carried masks; several objects go in one batch."""

    def run(self, inputs: list[FollowerInput]) -> list[FollowerOutput]:
        """Correct the masks of some objects."""


class RuntimeFollower:
    """The follower of a bundle, on its engine."""

    def __init__(self, runtime: Runtime) -> None:
        """Take an opened runtime, which stays its owner's to close."""
        self._runtime = runtime

    def run(self, inputs: list[FollowerInput]) -> list[FollowerOutput]:
        """See `FollowerNetwork.run`.

        Raises:
            EngineError: the bundle has no follower, or the engine failed.
        """
        trusted, before = (
            [getattr(item, name) or NO_MEMORY for item in inputs] for name in ("trusted", "before")
        )
        logits, confidence, keys = self._runtime.follow(
            FollowerBatch(
                image=np.stack([item.image for item in inputs]),
                carried=np.stack([item.carried for item in inputs]),
                trusted_keys=np.stack([memory.keys for memory in trusted]),
                trusted_mask=np.stack([memory.mask for memory in trusted]),
                before_keys=np.stack([memory.keys for memory in before]),
                before_mask=np.stack([memory.mask for memory in before]),
            )
        )
        return [FollowerOutput(*each) for each in zip(logits, confidence.tolist(), keys, strict=True)]
