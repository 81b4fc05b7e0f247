"""The operators of one inference, and their totals by kind of work or by part of the model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sam_edge.profile.plan import EngineConfig

MATMUL, CONVOLUTION, NORMALISATION, ACTIVATION, ELEMENTWISE, QUANTIZATION, DATA_MOVEMENT, OTHER = (
    "matrix products",
    "convolutions",
    "normalisation, softmax",
    "activations",
    "elementwise arithmetic",
    "quantization",
    "data movement",
    "other",
)
FAMILIES = (MATMUL, CONVOLUTION, NORMALISATION, ACTIVATION, ELEMENTWISE, QUANTIZATION, DATA_MOVEMENT, OTHER)
"""Kinds of work."""
COMPUTE, MEMORY, OVERHEAD = "compute", "memory", "overhead"
"""What bounds an operator (`roofline`)."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a compiled graph."""

    name: str
    """Name in the engine."""
    op_type: str
    """The engine's operator type, with the kernel where it is known."""
    family: str
    """One of `FAMILIES`."""
    stage: str
    """Part of the model (`model_stages`)."""
    dtype: str
    """Number format that it computes in: `fp32`, `bf16`, `int8`, ..."""
    time_us: float
    """Median duration in an inference, microseconds."""
    flops: float
    """Floating-point operations: multiplications and additions."""
    bytes: float
    """Minimum memory traffic, bytes: inputs, weights and outputs, once each."""
    bound: str | None = None
    """`compute`, `memory` or `overhead`; None without a measured peak."""
    roofline_fraction: float | None = None
    """Performance as a fraction of the roofline; None without a measured peak."""


@dataclass(frozen=True, slots=True)
class OperatorTable:
    """The operators of one graph: the encoder or the decoder."""

    engine: EngineConfig
    size: tuple[int, int]
    """Encoder input (height, width)."""
    role: str
    """`encode` or `decode`."""
    iterations: int = 0
    """Inferences that were measured."""
    call_ms: float | None = None
    """Median duration of the engine's call with its profiler on, which adds some overhead, milliseconds."""
    operators: tuple[Operator, ...] = ()
    """In order of execution."""
    error: str | None = None
    """Why they were not measured; None on success."""

    @property
    def sum_ms(self) -> float:
        """Duration of all operators, milliseconds."""
        return sum(operator.time_us for operator in self.operators) / 1e3


@dataclass(frozen=True, slots=True)
class OperatorGroup:
    """Totals of the operators of one family or one stage."""

    name: str
    """The family or the stage."""
    count: int
    """Number of operators."""
    time_ms: float
    """Duration in an inference, milliseconds."""
    time_share: float
    """Share of the duration of all operators, 0..1."""
    gflop: float
    """10^9 floating-point operations."""
    traffic_mb: float
    """Minimum memory traffic, MB (10^6 bytes)."""
    gflops: float
    """10^9 floating-point operations per second."""
    gb_s: float
    """Memory traffic, 10^9 bytes per second."""
    roofline_fraction: float | None
    """Duration of its operators at the roofline, over their measured duration; None without a measured peak."""
    bound: str | None
    """What bounds most of its time; None without a measured peak."""


def group_operators(operators: Sequence[Operator], names: Iterable[str], key: str) -> list[OperatorGroup]:
    """Total the operators by family or stage.

    Args:
        operators: all operators of a graph.
        names: the families or stages, in the order of the result.
        key: `family` or `stage`.

    Returns:
        A group for each name that occurs.
    """
    total_us = sum(operator.time_us for operator in operators) or math.inf
    members = {name: [op for op in operators if getattr(op, key) == name] for name in names}
    return [total_group(name, group, total_us) for name, group in members.items() if group]


def total_group(name: str, members: Sequence[Operator], total_us: float) -> OperatorGroup:
    """Total the operators of one group; `total_us` is the duration of all operators of the graph."""
    time_us = sum(operator.time_us for operator in members)
    flops, traffic = sum(operator.flops for operator in members), sum(operator.bytes for operator in members)
    known = [operator for operator in members if operator.roofline_fraction is not None]
    roofline_us = sum((operator.roofline_fraction or 0.0) * operator.time_us for operator in known)
    by_bound = {
        bound: sum(operator.time_us for operator in known if operator.bound == bound)
        for bound in (COMPUTE, MEMORY, OVERHEAD)
    }
    seconds = time_us * 1e-6 or math.inf
    return OperatorGroup(
        name=name,
        count=len(members),
        time_ms=time_us / 1e3,
        time_share=time_us / total_us,
        gflop=flops / 1e9,
        traffic_mb=traffic / 1e6,
        gflops=flops / seconds / 1e9,
        gb_s=traffic / seconds / 1e9,
        roofline_fraction=roofline_us / time_us if known and time_us > 0 else None,
        bound=max(by_bound, key=lambda bound: by_bound[bound]) if known else None,
    )
