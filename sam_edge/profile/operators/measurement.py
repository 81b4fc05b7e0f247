"""Measures the operators of a model on an engine with a profiler."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from sam_edge.bundle import Bundle, open_bundle
from sam_edge.geometry import STRIDE
from sam_edge.profile.measure.engine_bench import make_benchmark_frame, make_benchmark_points
from sam_edge.profile.measure.failures import describe_error
from sam_edge.profile.measure.timed_runtime import TimedRuntime
from sam_edge.profile.operators.model_stages import assign_stages
from sam_edge.profile.operators.op_types import classify_op, count_flops, is_view, output_size_of
from sam_edge.profile.operators.operator_table import Operator, OperatorTable
from sam_edge.profile.operators.peak import PeakPerformance
from sam_edge.profile.operators.raw_operator import DECODE, ENCODE, ProfiledRuntime, RawOperator
from sam_edge.profile.operators.roofline import apply_roofline
from sam_edge.profile.plan import EngineConfig
from sam_edge.runtimes.base import RuntimeOptions
from sam_edge.segmenter import Segmenter

ITERATIONS, WARMUP = 10, 3
"""Measured inferences, and inferences before them."""


def open_onnxruntime(bundle: Bundle, options: RuntimeOptions) -> ProfiledRuntime:
    """Open ONNX Runtime with its profiler."""
    from sam_edge.profile.operators.onnxruntime import ProfiledOnnxRuntime

    return ProfiledOnnxRuntime(bundle, options)


def open_openvino(bundle: Bundle, options: RuntimeOptions) -> ProfiledRuntime:
    """Open OpenVINO with its performance counters."""
    from sam_edge.profile.operators.openvino import ProfiledOpenVino

    return ProfiledOpenVino(bundle, options)


def open_coreml(bundle: Bundle, options: RuntimeOptions) -> ProfiledRuntime:
    """Open Core ML with its compute plans."""
    from sam_edge.profile.operators.coreml import ProfiledCoreML

    return ProfiledCoreML(bundle, options)


OPENERS: dict[str, Callable[[Bundle, RuntimeOptions], ProfiledRuntime]] = {
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
    "coreml": open_coreml,
}
"""Engines that report their operators."""


def measure_operators(
    engine: EngineConfig,
    size: tuple[int, int],
    peak: PeakPerformance | None,
    on_result: Callable[[OperatorTable], None],
) -> Generator[str]:
    """Measure one encoding and one decoding of one prompt.

    Args:
        engine: the model and its engine.
        size: encoder input (height, width).
        peak: the machine's peak performance with the same number of threads; None leaves the roofline out.
        on_result: receives a table for each role, or one table with the error.
    """
    yield f"{engine.label}, {size[1]}x{size[0]}"
    try:
        for table in measure_tables(engine, size, peak):
            on_result(table)
    except Exception as error:  # an engine may raise anything; the rest of the profile still runs
        on_result(OperatorTable(engine, size, ENCODE, error=describe_error(error)))


def measure_tables(
    engine: EngineConfig, size: tuple[int, int], peak: PeakPerformance | None
) -> list[OperatorTable]:
    """Run the model and describe the operators of its encoder and its decoder."""
    bundle = open_bundle(engine.bundle)
    options = RuntimeOptions(threads=engine.threads, precision=engine.precision)
    profiled = OPENERS[engine.runtime](bundle, options)
    timed = TimedRuntime(profiled)
    frame, points = make_benchmark_frame(), make_benchmark_points(1)
    tables = []
    with Segmenter(timed, bundle) as model:
        embedding = model.encode(frame, size=size)
        for role, call in (
            (ENCODE, lambda: model.encode(frame, size=size)),
            (DECODE, lambda: model.decode(embedding, points=points)),
        ):
            profiled.role, times_ms = role, []
            for _ in range(WARMUP + ITERATIONS):
                call()
                times_ms.append(timed.last_ms)
            raw = profiled.operators(role, ITERATIONS)
            tables.append(
                OperatorTable(
                    engine,
                    size,
                    role,
                    iterations=ITERATIONS,
                    call_ms=float(np.median(times_ms[WARMUP:])),
                    operators=describe_operators(
                        raw, bundle.manifest.model, engine.runtime, role=role, size=size, peak=peak
                    ),
                )
            )
    return tables


def describe_operators(
    raw_operators: list[RawOperator],
    model: str,
    runtime: str,
    *,
    role: str,
    size: tuple[int, int],
    peak: PeakPerformance | None,
) -> tuple[Operator, ...]:
    """Add to each operator its kind of work, its floating-point operations, its part of the model and its bound."""
    embedding_positions = (size[0] // STRIDE) * (size[1] // STRIDE)
    outputs = [output_size_of(raw.op_type, raw.outputs) for raw in raw_operators]
    stages = assign_stages(model, role, size, outputs, embedding_positions)
    operators = [
        Operator(
            name=raw.name,
            op_type=f"{raw.op_type} {raw.kernel}".strip(),
            family=classify_op(raw.op_type),
            stage=stage,
            dtype=raw.dtype,
            time_us=raw.time_us,
            flops=count_flops(raw.op_type, raw.inputs, raw.outputs),
            bytes=0.0 if is_view(raw.op_type) else raw.bytes,
        )
        for raw, stage in zip(raw_operators, stages, strict=True)
    ]
    if peak is None:
        return tuple(operators)
    return tuple(apply_roofline(operator, runtime, peak) for operator in operators)
