"""One engine with its models open, one for each size, and the calls on them that are timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.timed_runtime import Clocked, open_clocked
from sam_edge.profile.measure.usage import Usage, UsageMeter
from sam_edge.profile.plan import Case, Engine
from sam_edge.segmenter import Embedding, Segmenter

FRAME = (720, 1280)
"""(height, width) of the frame that is encoded, pixels."""
WARM_MS = 60.0
"""Calls do not count for so long, and one never does: others had the caches and the cores before."""
FEWEST_CALLS, MOST_CALLS = 3, 25
"""Calls of one thing in a block."""


@dataclass(frozen=True, slots=True)
class Block:
    """Calls of one thing, made one after another."""

    total_ms: tuple[float, ...]
    """Each whole call, milliseconds."""
    engine_ms: tuple[float, ...]
    """The engine's part of each."""
    usage: Usage
    """What they used together."""


class Workbench:
    """Models of one engine. Engines keep few sizes open, so each size has a model of its own."""

    def __init__(self, engine: Engine, energy: EnergyMeter | None = None) -> None:
        """Prepare; nothing is opened yet. `energy` reads the machine's counters, where there are any."""
        self._engine = engine
        self._energy = energy
        self._frame = measured_frame()
        self._opened: dict[tuple[int, int], tuple[Segmenter, Clocked, Embedding]] = {}

    def open(self, size: tuple[int, int]) -> str | None:
        """Open a model for inputs of (height, width); returns the precision that really runs.

        Raises:
            SamEdgeError: it cannot be opened; engines may raise others.
        """
        model, clock = open_clocked(self._engine)
        try:
            embedding = model.encode(self._frame, size=size)
        except BaseException:
            model.close()
            raise
        self._opened[size] = model, clock, embedding
        return clock.precision

    def block(self, case: Case, target_ms: float) -> Block:
        """Call without a clock until caches and threads are this model's, then for about `target_ms`.

        Raises:
            SamEdgeError: the engine failed; engines may raise others.
        """
        model, clock, embedding = self._opened[case.size]
        call = call_of(case, model, embedding, self._frame)
        warm = time.perf_counter() + WARM_MS / 1e3
        # As in an app the last result is held while the next one is made, which then has other memory.
        made = call()
        while time.perf_counter() < warm:
            made = call()
        total_ms, engine_ms = list[float](), list[float]()
        meter, until = UsageMeter(self._energy), time.perf_counter() + target_ms / 1e3
        for done in range(MOST_CALLS):
            begun = time.perf_counter()
            if done >= FEWEST_CALLS and begun >= until:
                break
            made = call()
            total_ms.append(1e3 * (time.perf_counter() - begun))
            engine_ms.append(clock.last_ms)
        del made
        return Block(tuple(total_ms), tuple(engine_ms), meter.lap())

    def close(self) -> None:
        """Close the models."""
        for model, _, _ in self._opened.values():
            model.close()
        self._opened.clear()


def call_of(
    case: Case, model: Segmenter, embedding: Embedding, frame: NDArray[np.uint8]
) -> Callable[[], object]:
    """Make the call that is timed: what an app would write."""
    if not case.prompts:
        return lambda: model.encode(frame, size=case.size)
    points = measured_points(case.prompts)
    return lambda: model.decode(embedding, points=points)


def measured_frame() -> NDArray[np.uint8]:
    """Make the frame that is encoded: shades and noise, RGB uint8 (720, 1280, 3). Speed does not depend on content."""
    height, width = FRAME
    y, x = np.mgrid[0:height, 0:width]
    shades = np.stack([255 * x / width, 255 * y / height, 127 + 127 * np.sin(x / 40) * np.cos(y / 30)], -1)
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return np.clip(shades + noise, 0, 255).astype(np.uint8)


def measured_points(count: int) -> NDArray[np.float64]:
    """Spread prompts of one point each over the frame: (count, 1, 2) pixels."""
    height, width = FRAME
    places = (np.arange(count) + 0.5) / count
    return np.stack([places * width, (0.2 + 0.6 * places) * height], axis=-1)[:, None]
