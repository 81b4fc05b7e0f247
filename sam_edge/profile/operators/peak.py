"""Peak performance of the machine: matrix products on the engines themselves, and memory bandwidth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np

from sam_edge.errors import EngineError
from sam_edge.profile.measure.environment import main_memory_mb
from sam_edge.profile.measure.failures import describe_error

SIDE = 1024
"""Rows and columns of the matrices: large enough for peak throughput, small enough for the caches. The models in
`sam_edge/assets/matmul` have this size."""
REPEATS, REPEAT_S = 5, 0.15
"""Repeats of a measurement, and the approximate duration of each, seconds. The fastest call of all repeats counts."""
COPY_MB = 128.0
"""Size of each copied array, MB: larger than all caches. Machines with little memory copy less."""


@dataclass(frozen=True, slots=True)
class PeakPerformance:
    """The best performance that was measured with a number of threads."""

    threads: int
    gflops: dict[str, dict[str, float]] = field(default_factory=dict)
    """Matrix products: 10^9 floating-point operations per second, by engine and number format (`fp32`, `bf16`,
    `int8`)."""
    gb_s: float | None = None
    """Memory copy: 10^9 bytes per second, reads plus writes."""
    notes: tuple[str, ...] = ()
    """What could not be measured, and why."""

    def of(self, runtime: str, dtype: str) -> float | None:
        """Return the engine's peak in a number format, GFLOP/s; None where it was not measured."""
        return self.gflops.get(runtime, {}).get(dtype)


def measure_peak(threads: int, runtimes: Iterable[str]) -> PeakPerformance:
    """Measure with a number of threads. An engine that cannot be measured is a note."""
    gflops: dict[str, dict[str, float]] = {}
    notes = []
    for runtime in runtimes:
        for dtype, make in PRODUCTS.get(runtime, {}).items():
            try:
                best_s = time_fastest(make(threads))
            except Exception as error:  # engines' errors share no base class but Exception
                notes.append(f"peak: {runtime} {dtype} could not be measured: {describe_error(error)}")
                continue
            gflops.setdefault(runtime, {})[dtype] = 2 * SIDE**3 / best_s / 1e9
    return PeakPerformance(threads, gflops, measure_copy_gb_s(threads), tuple(notes))


def time_fastest(call: Callable[[], object]) -> float:
    """Return the duration of the fastest of many calls, seconds."""
    call()
    best_s = float("inf")
    for _ in range(REPEATS):
        end = time.perf_counter() + REPEAT_S
        while (start := time.perf_counter()) < end:
            call()
            best_s = min(best_s, time.perf_counter() - start)
    return best_s


def measure_copy_gb_s(threads: int) -> float:
    """Measure the bandwidth of copying large arrays with several threads; numpy releases the GIL while it copies."""
    memory_mb = main_memory_mb()
    copy_mb = min(COPY_MB, memory_mb / 16 if memory_mb is not None else COPY_MB)
    words = int(copy_mb * 1e6 / 8)
    source, target = np.ones(words), np.zeros(words)
    bounds = [words * index // threads for index in range(threads + 1)]
    parts = [slice(begin, end) for begin, end in pairwise(bounds)]

    def copy(part: slice) -> None:
        np.copyto(target[part], source[part])

    with ThreadPoolExecutor(threads) as pool:
        best_s = time_fastest(lambda: list(pool.map(copy, parts)))
    return 2 * source.nbytes / best_s / 1e9


def read_matmul_model(dtype: str) -> bytes:
    """Read the ONNX file of one matrix product, `fp32` or `int8`; `.ci/make_matmul_models.py` makes it."""
    return resources.files("sam_edge.assets").joinpath(f"matmul/{dtype}.onnx").read_bytes()


def make_onnxruntime_product(threads: int, *, int8: bool) -> Callable[[], object]:
    """Return a call that computes a matrix product on ONNX Runtime."""
    import onnxruntime

    inputs: Any = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    if int8:
        inputs = np.clip(128 + 40 * inputs, 0, 255).astype(np.uint8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        read_matmul_model("int8" if int8 else "fp32"), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"a": inputs})


def make_openvino_product(threads: int, *, hint: str, int8: bool) -> Callable[[], object]:
    """Return a call that computes a matrix product on OpenVINO.

    Raises:
        EngineError: the processor does not support the number format; OpenVINO would silently use another one.
    """
    import openvino
    from openvino import opset13 as ops

    core = openvino.Core()
    supported = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    required = "INT8" if int8 else {"f32": "FP32", "bf16": "BF16"}[hint]
    if required not in supported:
        raise EngineError(f"this processor supports {', '.join(supported)}, not {required}")
    parameter = ops.parameter([SIDE, SIDE], np.float32)
    weights: Any = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    left, right = parameter, ops.constant(weights)
    if int8:
        left = ops.fake_quantize(left, *make_bounds(-4.0, 4.0), 256)
        right = ops.fake_quantize(right, *make_bounds(-4.0, 4.0), 255)
    model = openvino.Model([ops.matmul(left, right, False, False)], [parameter])
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


def make_bounds(low: float, high: float) -> tuple[Any, Any, Any, Any]:
    """Make the bounds of a fake-quantize node: of its input, and the same of its output."""
    from openvino import opset13 as ops

    return tuple(ops.constant(np.float32(bound)) for bound in (low, high, low, high))


PRODUCTS: dict[str, dict[str, Callable[[int], Callable[[], object]]]] = {
    "onnxruntime": {
        "fp32": lambda threads: make_onnxruntime_product(threads, int8=False),
        "int8": lambda threads: make_onnxruntime_product(threads, int8=True),
    },
    "openvino": {
        "fp32": lambda threads: make_openvino_product(threads, hint="f32", int8=False),
        "bf16": lambda threads: make_openvino_product(threads, hint="bf16", int8=False),
        "int8": lambda threads: make_openvino_product(threads, hint="f32", int8=True),
    },
}
"""Makes the call of a matrix product, by engine and number format."""
