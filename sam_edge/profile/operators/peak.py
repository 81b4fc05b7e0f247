"""What the machine can do at best: matrix products on the engines themselves, and copying memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from sam_edge.errors import EngineError
from sam_edge.profile.measure.environment import memory_mb
from sam_edge.profile.measure.failures import reason
from sam_edge.profile.operators.onnx_bytes import product_model

SIDE = 1024
"""Of the matrices: large enough that an engine reaches its best, small enough for its caches."""
TURNS, TURN_S = 5, 0.15
"""The best of so many turns counts, each of about so many seconds."""
COPY_MB = 128.0
"""Each array that is copied: beyond all caches. On a small machine less."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The best that was seen with a number of threads."""

    threads: int
    """Threads."""
    gflops: dict[str, dict[str, float]] = field(default_factory=dict)
    """Matrix products: 10^9 multiplications and additions a second, by engine and number format (`fp32`, `bf16`,
    `int8`)."""
    gb_s: float | None = None
    """Copying in memory: 10^9 bytes a second, those read and those written."""
    notes: tuple[str, ...] = ()
    """What could not be measured, and why."""

    def of(self, engine: str, dtype: str) -> float | None:
        """Return the engine's peak in a number format; None where it was not measured."""
        return self.gflops.get(engine, {}).get(dtype)


def measure_peak(threads: int, engines: Iterable[str]) -> Peak:
    """Measure with so many threads. An engine that cannot be measured is a note."""
    gflops: dict[str, dict[str, float]] = {}
    notes = []
    for engine in engines:
        for dtype, make in PRODUCTS.get(engine, {}).items():
            try:
                best_s = best_of(make(threads))
            except Exception as error:  # engines' errors share no base class but Exception
                notes.append(f"peak: {engine} {dtype} could not be measured: {reason(error)}")
                continue
            gflops.setdefault(engine, {})[dtype] = 2 * SIDE**3 / best_s / 1e9
    return Peak(threads, gflops, copy_gb_s(threads), tuple(notes))


def best_of(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of many calls."""
    call()
    best_s = float("inf")
    for _ in range(TURNS):
        until = time.perf_counter() + TURN_S
        while (begun := time.perf_counter()) < until:
            call()
            best_s = min(best_s, time.perf_counter() - begun)
    return best_s


def copy_gb_s(threads: int) -> float:
    """Copy between large arrays in so many threads; numpy lets go of the interpreter while it copies."""
    known_mb = memory_mb()
    share_mb = min(COPY_MB, known_mb / 16 if known_mb is not None else COPY_MB)
    words = int(share_mb * 1e6 / 8)
    source, target = np.ones(words), np.zeros(words)
    bounds = [words * index // threads for index in range(threads + 1)]
    parts = [slice(begin, end) for begin, end in pairwise(bounds)]

    def copy(part: slice) -> None:
        np.copyto(target[part], source[part])

    with ThreadPoolExecutor(threads) as pool:
        best_s = best_of(lambda: list(pool.map(copy, parts)))
    return 2 * source.nbytes / best_s / 1e9


def onnxruntime_product(threads: int, *, eight: bool) -> Callable[[], object]:
    """Make a product on ONNX Runtime."""
    import onnxruntime

    random = np.random.default_rng(0)
    weights: Any = random.normal(size=(SIDE, SIDE)).astype(np.float32)
    given: Any = random.normal(size=(SIDE, SIDE)).astype(np.float32)
    if eight:
        weights = np.clip(40 * weights, -127, 127).astype(np.int8)
        given = np.clip(128 + 40 * given, 0, 255).astype(np.uint8)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        product_model(weights, SIDE), settings, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"a": given})


def openvino_product(threads: int, *, hint: str, eight: bool) -> Callable[[], object]:
    """Make a product on OpenVINO.

    Raises:
        EngineError: the processor does not compute in that format, so that another one would be measured.
    """
    import openvino
    from openvino import opset13 as ops

    core = openvino.Core()
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    wanted = "INT8" if eight else {"f32": "FP32", "bf16": "BF16"}[hint]
    if wanted not in able:
        raise EngineError(f"this processor computes in {', '.join(able)}, not in {wanted}")
    given = ops.parameter([SIDE, SIDE], np.float32)
    weights: Any = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    left, right = given, ops.constant(weights)
    if eight:
        left = ops.fake_quantize(left, *bounds_of(-4.0, 4.0), 256)
        right = ops.fake_quantize(right, *bounds_of(-4.0, 4.0), 255)
    model = openvino.Model([ops.matmul(left, right, False, False)], [given])
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": threads,
        },
    )
    request = compiled.create_infer_request()
    request.set_input_tensor(
        openvino.Tensor(np.random.default_rng(1).normal(size=(SIDE, SIDE)).astype(np.float32))
    )
    return lambda: request.infer()


def bounds_of(low: float, high: float) -> tuple[Any, Any, Any, Any]:
    """Write the bounds of a quantizer: those of its input, and the same of its output."""
    from openvino import opset13 as ops

    return tuple(ops.constant(np.float32(one)) for one in (low, high, low, high))


PRODUCTS: dict[str, dict[str, Callable[[int], Callable[[], object]]]] = {
    "onnxruntime": {
        "fp32": lambda threads: onnxruntime_product(threads, eight=False),
        "int8": lambda threads: onnxruntime_product(threads, eight=True),
    },
    "openvino": {
        "fp32": lambda threads: openvino_product(threads, hint="f32", eight=False),
        "bf16": lambda threads: openvino_product(threads, hint="bf16", eight=False),
        "int8": lambda threads: openvino_product(threads, hint="f32", eight=True),
    },
}
"""How to make a product on an engine in a number format."""
