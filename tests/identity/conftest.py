"""Objects that look like nothing else, as numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sam_edge.identity.appearance import COLOURS, Appearance

CHANNELS = 16


@pytest.fixture(scope="session")
def look() -> Callable[..., Appearance]:
    """Make the appearance of an object by its number, on a frame by `frame`; `change` is how much frames differ."""

    def make(thing: int, frame: int = 0, change: float = 0.05) -> Appearance:
        own, noise = np.random.default_rng(thing), np.random.default_rng(1000 * thing + frame)

        def vary(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
            vector = own.random(size) ** 8 + change * noise.random(size)
            return np.asarray(vector / np.linalg.norm(vector), np.float32)

        texture = (own.normal(0, 1, CHANNELS) + change * noise.normal(0, 1, CHANNELS)).astype(np.float32)
        return Appearance(vary(COLOURS), vary(COLOURS), texture)

    return make
