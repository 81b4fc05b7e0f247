"""A model that notes how much of each call its engine took."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from sam_edge.profile.plan import Engine
from sam_edge.runtimes.base import Float, Runtime
from sam_edge.segmenter import Segmenter, load


class Clocked(Runtime):
    """Another runtime, with the time of its last call."""

    def __init__(self, runtime: Runtime) -> None:
        """Stand before `runtime`."""
        self.inner = runtime
        self.name = runtime.name
        self.precision = runtime.precision
        self.device = runtime.device
        self.threads = runtime.threads
        self.last_ms = 0.0

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`."""
        begun = time.perf_counter()
        result = self.inner.encode(image)
        self.last_ms = 1e3 * (time.perf_counter() - begun)
        return result

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`."""
        begun = time.perf_counter()
        result = self.inner.decode(embedding, points, labels, mask, has_mask)
        self.last_ms = 1e3 * (time.perf_counter() - begun)
        return result

    def close(self) -> None:
        """See `Runtime.close`."""
        self.inner.close()


def open_engine(engine: Engine) -> Segmenter:
    """Open a model on an engine.

    Raises:
        SamEdgeError: it cannot be opened.
    """
    return load(engine.bundle, runtime=engine.runtime, precision=engine.precision, threads=engine.threads)


def open_clocked(engine: Engine) -> tuple[Segmenter, Clocked]:
    """Open a model whose engine's share of each call is noted.

    Raises:
        SamEdgeError: it cannot be opened.
    """
    model = open_engine(engine)
    clock = Clocked(model.runtime)
    return Segmenter(clock, model.bundle), clock
