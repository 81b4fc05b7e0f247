"""Whether a live session follows with the network: where the model has one, and this machine is fast enough for it."""

from __future__ import annotations

import statistics
import time

import numpy as np
from numpy.typing import NDArray

from sam_edge.bundle import FOLLOWER
from sam_edge.errors import EngineError, InputError
from sam_edge.follow.follower import begin, follow
from sam_edge.follow.network import RuntimeFollower
from sam_edge.segmenter import Segmenter
from sam_edge.stream.motion import grid_of

MEASURED_FRAMES = 5
"""Frames on which the network's cost is measured."""


def open_network(model: Segmenter) -> RuntimeFollower:
    """Return the follower network of a model.

    Raises:
        InputError: its bundle has none.
    """
    if model.bundle is not None and not model.bundle.manifest.has(FOLLOWER):
        raise InputError(
            f"tuning.follow: the bundle {model.bundle.manifest.name} has no follower; add one with "
            "python -m sam_edge.exporters.follower, or leave follow off"
        )
    return RuntimeFollower(model.runtime)


def measure_follower(model: Segmenter, image: NDArray[np.uint8]) -> float | None:
    """Return how long following one object takes, the median over some frames, milliseconds.

    Args:
        model: has a follower, or not.
        image: a frame like those to come, RGB uint8 (H, W, 3).

    Returns:
        The time, motion of the image left out; None where the bundle or the engine has no follower.
    """
    if model.bundle is not None and not model.bundle.manifest.has(FOLLOWER):
        return None
    size = (image.shape[0], image.shape[1])
    network = open_network(model)
    mask = np.zeros(size, np.float32)
    mask[size[0] // 4 : 3 * size[0] // 4, size[1] // 4 : 3 * size[1] // 4] = 1
    back = np.zeros((*grid_of(size), 2), np.float32)
    times_ms = []
    try:
        first = begin(network, image, mask)
        for _ in range(MEASURED_FRAMES if first is not None else 0):
            begin_s = time.perf_counter()
            follow(network, image, back, [first] if first is not None else [])
            times_ms.append(1e3 * (time.perf_counter() - begin_s))
    except EngineError:
        return None
    return statistics.median(times_ms) if times_ms else None
