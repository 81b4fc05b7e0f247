"""One inference, operator by operator, and what bounds each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sam_edge.profile.operators.peak import Peak
from sam_edge.profile.plan import Engine

PRODUCT, CONVOLUTION, NORM, ACTIVATION, ARITHMETIC, ROUNDING, LAYOUT, OTHER = (
    "matrix products",
    "convolutions",
    "normalisation, softmax",
    "activations",
    "arithmetic",
    "rounding to 8 bits and back",
    "moving data",
    "other",
)
FAMILIES = (PRODUCT, CONVOLUTION, NORM, ACTIVATION, ARITHMETIC, ROUNDING, LAYOUT, OTHER)
"""Kinds of work, by what could make them faster."""
COMPUTE, MEMORY, OVERHEAD = "compute", "memory", "overhead"
REACHED = 0.2
"""An operator that reaches less of its roof than this is bound by neither: by overhead, or by a poor kernel."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a compiled graph."""

    name: str
    """As the engine names it."""
    kind: str
    """The engine's own type, with its kernel where it says so."""
    family: str
    """One of `FAMILIES`."""
    stage: str
    """Part of the model (`stages`)."""
    dtype: str
    """Number format that it computes in: `fp32`, `bf16`, `int8`, ..."""
    time_us: float
    """Median of its time in an inference, microseconds."""
    flops: float
    """Multiplications and additions."""
    bytes: float
    """Read and written at least: inputs, weights and outputs, once each."""
    bound: str | None = None
    """`compute`, `memory` or `overhead`; None without a peak to compare with."""
    share: float | None = None
    """What it reaches of the machine's roof for it, 0..1."""


@dataclass(frozen=True, slots=True)
class OperatorTable:
    """The operators of one graph."""

    engine: Engine
    """The model and its engine."""
    size: tuple[int, int]
    """The encoder's input (height, width)."""
    role: str
    """`encode` or `decode`."""
    runs: int = 0
    """Inferences that were looked at."""
    call_ms: float | None = None
    """Median of the engine's call while it kept count, which costs some time itself."""
    operators: tuple[Operator, ...] = ()
    """In the order in which they run."""
    failed: str | None = None
    """Why there is nothing."""

    @property
    def sum_ms(self) -> float:
        """Time of all operators together, milliseconds."""
        return sum(one.time_us for one in self.operators) / 1e3


@dataclass(frozen=True, slots=True)
class OperatorGroup:
    """Operators of one kind or of one stage, together."""

    name: str
    """The kind or the stage."""
    count: int
    """How many."""
    time_ms: float
    """Milliseconds in an inference."""
    share_of_time: float
    """Of the time of all operators, 0..1."""
    gflop: float
    """10^9 multiplications and additions."""
    megabytes: float
    """Read and written at least, MB (10^6 bytes)."""
    gflops: float
    """10^9 multiplications and additions a second."""
    gb_s: float
    """10^9 bytes a second."""
    share_of_roof: float | None
    """What it reaches of the machine's roof, 0..1: the time that its operators would take at their roofs, over the time
    that they take."""
    bound: str | None
    """What bounds most of its time."""


def against_roof(operator: Operator, engine: str, peak: Peak) -> Operator:
    """Say what bounds an operator.

    The roofline (Williams, Waterman and Patterson, Roofline: an insightful visual performance model for multicore
    architectures, CACM 2009): no operator is faster than its arithmetic at the measured peak of its number format, nor
    than its bytes at the measured speed of memory. What lies in caches may be read faster than that: a share above 1
    says that it did.
    """
    compute_s, memory_s = roofs(operator, engine, peak)
    if operator.time_us <= 0 or (compute_s is None and memory_s is None):
        return operator
    least_s = max(compute_s or 0.0, memory_s or 0.0)
    share = least_s / (operator.time_us * 1e-6)
    limit = COMPUTE if (compute_s or 0.0) >= (memory_s or 0.0) else MEMORY
    return replace(operator, share=share, bound=limit if share >= REACHED else OVERHEAD)


def roofs(operator: Operator, engine: str, peak: Peak) -> tuple[float | None, float | None]:
    """Return the seconds that an operator takes at least: for its arithmetic, and for its bytes."""
    gflops = peak.of(engine, operator.dtype) or peak.of(engine, "fp32")
    compute_s = operator.flops / (gflops * 1e9) if gflops is not None else None
    memory_s = operator.bytes / (peak.gb_s * 1e9) if peak.gb_s is not None else None
    return compute_s, memory_s


def grouped(operators: Sequence[Operator], names: Iterable[str], key: str) -> list[OperatorGroup]:
    """Add operators up by their `family` or their `stage`, in the order of `names`; empty groups are left out."""
    total_us = sum(one.time_us for one in operators) or math.inf
    groups = []
    for name in dict.fromkeys(names):
        members = [one for one in operators if getattr(one, key) == name]
        if not members:
            continue
        time_us = sum(one.time_us for one in members)
        flops, moved = sum(one.flops for one in members), sum(one.bytes for one in members)
        known = [one for one in members if one.share is not None]
        least_us = sum((one.share or 0.0) * one.time_us for one in known)
        by_bound = {
            bound: sum(one.time_us for one in known if one.bound == bound)
            for bound in (COMPUTE, MEMORY, OVERHEAD)
        }
        seconds = time_us * 1e-6 or math.inf
        groups.append(
            OperatorGroup(
                name=name,
                count=len(members),
                time_ms=time_us / 1e3,
                share_of_time=time_us / total_us,
                gflop=flops / 1e9,
                megabytes=moved / 1e6,
                gflops=flops / seconds / 1e9,
                gb_s=moved / seconds / 1e9,
                share_of_roof=least_us / time_us if known and time_us > 0 else None,
                bound=max(by_bound, key=lambda bound: by_bound[bound]) if known else None,
            )
        )
    return groups
