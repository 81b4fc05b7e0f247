"""Measures the operators of a model on an engine that counts them."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from sam_edge.bundle import Bundle, open_bundle
from sam_edge.geometry import STRIDE
from sam_edge.profile.measure.engine_bench import measured_frame, measured_points
from sam_edge.profile.measure.failures import reason
from sam_edge.profile.measure.timed_runtime import Clocked
from sam_edge.profile.operators.model_stages import stages_of
from sam_edge.profile.operators.op_types import family_of, flops_of, sides_of, stays
from sam_edge.profile.operators.operator_table import Operator, OperatorTable, against_roof
from sam_edge.profile.operators.peak import Peak
from sam_edge.profile.operators.raw_operator import DECODE, ENCODE, CountingRuntime, RawOperator
from sam_edge.profile.plan import Engine
from sam_edge.runtimes.base import RuntimeOptions
from sam_edge.segmenter import Segmenter

RUNS, WARM = 10, 3
"""Inferences that are looked at, and those before that are not."""


def open_onnxruntime(bundle: Bundle, options: RuntimeOptions) -> CountingRuntime:
    """Open ONNX Runtime with its profiler on."""
    from sam_edge.profile.operators.onnxruntime import Counting

    return Counting(bundle, options)


def open_openvino(bundle: Bundle, options: RuntimeOptions) -> CountingRuntime:
    """Open OpenVINO with its counters on."""
    from sam_edge.profile.operators.openvino import Counting

    return Counting(bundle, options)


def open_coreml(bundle: Bundle, options: RuntimeOptions) -> CountingRuntime:
    """Open Core ML with its compute plans."""
    from sam_edge.profile.operators.coreml import Counting

    return Counting(bundle, options)


OPENERS: dict[str, Callable[[Bundle, RuntimeOptions], CountingRuntime]] = {
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
    "coreml": open_coreml,
}
"""Engines that tell of their operators."""


def measure_operators(
    engine: Engine, size: tuple[int, int], peak: Peak | None, keep: Callable[[OperatorTable], None]
) -> Generator[str]:
    """Look at one encoding and one decoding of one prompt.

    Args:
        engine: the model and its engine.
        size: the encoder's input (height, width).
        peak: the machine's best with as many threads, to compare with; None compares with nothing.
        keep: given a table for each role, or one that says why there is none.
    """
    yield f"{engine.label}, {size[1]}x{size[0]}"
    try:
        for table in tables_of(engine, size, peak):
            keep(table)
    except Exception as error:  # an engine may raise anything; the rest of the profile is to go on
        keep(OperatorTable(engine, size, ENCODE, failed=reason(error)))


def tables_of(engine: Engine, size: tuple[int, int], peak: Peak | None) -> list[OperatorTable]:
    """Run the model and describe its operators."""
    bundle = open_bundle(engine.bundle)
    counting = OPENERS[engine.runtime](
        bundle, RuntimeOptions(threads=engine.threads, precision=engine.precision)
    )
    clock = Clocked(counting)
    frame, points = measured_frame(), measured_points(1)
    tables = []
    with Segmenter(clock, bundle) as model:
        embedding = model.encode(frame, size=size)
        for role, call in (
            (ENCODE, lambda: model.encode(frame, size=size)),
            (DECODE, lambda: model.decode(embedding, points=points)),
        ):
            counting.role, times_ms = role, []
            for _ in range(WARM + RUNS):
                call()
                times_ms.append(clock.last_ms)
            raws = counting.operators(role, RUNS)
            tables.append(
                OperatorTable(
                    engine,
                    size,
                    role,
                    runs=RUNS,
                    call_ms=float(np.median(times_ms[WARM:])),
                    operators=described(raws, bundle.manifest.model, engine.runtime, role, size, peak),
                )
            )
    return tables


def described(
    raws: list[RawOperator], model: str, runtime: str, role: str, size: tuple[int, int], peak: Peak | None
) -> tuple[Operator, ...]:
    """Say of every operator what it does, to which part of the model it belongs and what bounds it."""
    places = (size[0] // STRIDE) * (size[1] // STRIDE)
    stages = stages_of(model, role, size, [sides_of(raw.kind, raw.outputs) for raw in raws], places)
    made = [
        Operator(
            name=raw.name,
            kind=f"{raw.kind} {raw.kernel}".strip(),
            family=family_of(raw.kind),
            stage=stage,
            dtype=raw.dtype,
            time_us=raw.time_us,
            flops=flops_of(raw.kind, raw.inputs, raw.outputs),
            bytes=0.0 if stays(raw.kind) else raw.bytes,
        )
        for raw, stage in zip(raws, stages, strict=True)
    ]
    return tuple(against_roof(one, runtime, peak) for one in made) if peak is not None else tuple(made)
