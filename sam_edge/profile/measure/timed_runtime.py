"""A runtime wrapper that times each call of the engine."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from sam_edge.profile.plan import EngineConfig
from sam_edge.runtimes.base import Float, FollowerBatch, Runtime
from sam_edge.segmenter import Segmenter, load


class TimedRuntime(Runtime):
    """Wraps a runtime and records the duration of its last call."""

    def __init__(self, runtime: Runtime) -> None:
        """Wrap `runtime`."""
        self.inner = runtime
        self.name = runtime.name
        self.precision = runtime.precision
        self.device = runtime.device
        self.threads = runtime.threads
        self.last_ms = 0.0

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`."""
        start = time.perf_counter()
        result = self.inner.encode(image)
        self.last_ms = 1e3 * (time.perf_counter() - start)
        return result

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`."""
        start = time.perf_counter()
        result = self.inner.decode(embedding, points, labels, mask, has_mask)
        self.last_ms = 1e3 * (time.perf_counter() - start)
        return result

    def follow(self, crops: FollowerBatch) -> tuple[Float, Float, Float]:
        """See `Runtime.follow`."""
        start = time.perf_counter()
        result = self.inner.follow(crops)
        self.last_ms = 1e3 * (time.perf_counter() - start)
        return result

    def close(self) -> None:
        """See `Runtime.close`."""
        self.inner.close()


def open_engine(engine: EngineConfig) -> Segmenter:
    """Open a model on an engine.

    Raises:
        SamEdgeError: it cannot be opened.
    """
    return load(engine.bundle, runtime=engine.runtime, precision=engine.precision, threads=engine.threads)


def open_timed(engine: EngineConfig) -> tuple[Segmenter, TimedRuntime]:
    """Open a model on an engine, and the wrapper that times the engine within each call.

    Raises:
        SamEdgeError: it cannot be opened.
    """
    model = open_engine(engine)
    runtime = TimedRuntime(model.runtime)
    return Segmenter(runtime, model.bundle), runtime
