"""Opens the models of one engine, one for each input size, and times calls on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.closing import Closing
from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.timed_runtime import TimedRuntime, open_timed
from sam_edge.profile.measure.usage import ResourceUsage, UsageMeter
from sam_edge.profile.plan import EngineConfig, TimingCase
from sam_edge.segmenter import Embedding, Segmenter

FRAME_SIZE = (720, 1280)
"""(height, width) of the benchmark frame, pixels."""
WARMUP_MS = 60.0
"""Warm-up before each block, at least one call: fills the caches and wakes the threads."""
MIN_CALLS, MAX_CALLS = 3, 25
"""Timed calls in a block."""


@dataclass(frozen=True, slots=True)
class CallBlock:
    """Consecutive calls of one timing case."""

    total_ms: tuple[float, ...]
    """Duration of each call, milliseconds."""
    inference_ms: tuple[float, ...]
    """The engine's part of each call, milliseconds."""
    usage: ResourceUsage
    """Resources used by all of the calls."""


class EngineBench(Closing):
    """Models of one engine. Engines keep only a few sizes open, so each input size has a model of its own."""

    def __init__(self, engine: EngineConfig, energy: EnergyMeter | None = None) -> None:
        """Prepare without opening anything. `energy` reads the energy counters, where there are any."""
        self._engine = engine
        self._energy = energy
        self._frame = make_benchmark_frame()
        self._models: dict[tuple[int, int], tuple[Segmenter, TimedRuntime, Embedding]] = {}

    def open(self, size: tuple[int, int]) -> str | None:
        """Open a model for an encoder input of (height, width); returns the precision that actually runs.

        Raises:
            SamEdgeError: it cannot be opened. Engines may raise other errors.
        """
        model, runtime = open_timed(self._engine)
        try:
            embedding = model.encode(self._frame, size=size)
        except BaseException:
            model.close()
            raise
        self._models[size] = model, runtime, embedding
        return runtime.precision

    def time_block(self, case: TimingCase, target_ms: float) -> CallBlock:
        """Warm up, then time calls for about `target_ms`.

        Raises:
            SamEdgeError: the engine failed. Engines may raise other errors.
        """
        model, runtime, embedding = self._models[case.size]
        call = make_call(case, model, embedding, self._frame)
        warm = time.perf_counter() + WARMUP_MS / 1e3
        # As in an app, the last result is kept alive during the next call, which then uses other memory.
        result = call()
        while time.perf_counter() < warm:
            result = call()
        total_ms, inference_ms = list[float](), list[float]()
        meter, end = UsageMeter(self._energy), time.perf_counter() + target_ms / 1e3
        for done in range(MAX_CALLS):
            start = time.perf_counter()
            if done >= MIN_CALLS and start >= end:
                break
            result = call()
            total_ms.append(1e3 * (time.perf_counter() - start))
            inference_ms.append(runtime.last_ms)
        del result
        return CallBlock(tuple(total_ms), tuple(inference_ms), meter.lap())

    def close(self) -> None:
        """Close the models."""
        for model, _, _ in self._models.values():
            model.close()
        self._models.clear()


def make_call(
    case: TimingCase, model: Segmenter, embedding: Embedding, frame: NDArray[np.uint8]
) -> Callable[[], object]:
    """Return the call to time, as an app makes it."""
    if not case.prompts:
        return lambda: model.encode(frame, size=case.size)
    points = make_benchmark_points(case.prompts)
    return lambda: model.decode(embedding, points=points)


def make_benchmark_frame() -> NDArray[np.uint8]:
    """Make the benchmark frame: gradients and noise, RGB uint8 (720, 1280, 3). Latency does not depend on content."""
    height, width = FRAME_SIZE
    y, x = np.mgrid[0:height, 0:width]
    gradients = np.stack([255 * x / width, 255 * y / height, 127 + 127 * np.sin(x / 40) * np.cos(y / 30)], -1)
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return np.clip(gradients + noise, 0, 255).astype(np.uint8)


def make_benchmark_points(count: int) -> NDArray[np.float64]:
    """Spread prompts of one point each over the benchmark frame: float64 (count, 1, 2), frame pixels."""
    height, width = FRAME_SIZE
    positions = (np.arange(count) + 0.5) / count
    return np.stack([positions * width, (0.2 + 0.6 * positions) * height], axis=-1)[:, None]
