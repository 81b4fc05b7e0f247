"""The roofline model: what bounds an operator on this machine.

Williams, Waterman and Patterson, Roofline: an insightful visual performance model for multicore architectures, CACM
2009.
"""

from __future__ import annotations

from dataclasses import replace

from sam_edge.profile.operators.operator_table import COMPUTE, MEMORY, OVERHEAD, Operator
from sam_edge.profile.operators.peak import PeakPerformance

MIN_FRACTION = 0.2
"""An operator below this fraction of the roofline is bound by overhead or by an inefficient kernel."""


def apply_roofline(operator: Operator, runtime: str, peak: PeakPerformance) -> Operator:
    """Return the operator with its bound and its fraction of the roofline.

    The minimum duration follows from the arithmetic at the measured peak of the number format, and from the memory
    traffic at the measured bandwidth. Data in a cache is read faster than that: then the fraction exceeds 1.
    """
    compute_s, memory_s = minimum_durations(operator, runtime, peak)
    if operator.time_us <= 0 or (compute_s is None and memory_s is None):
        return operator
    minimum_s = max(compute_s or 0.0, memory_s or 0.0)
    fraction = minimum_s / (operator.time_us * 1e-6)
    limit = COMPUTE if (compute_s or 0.0) >= (memory_s or 0.0) else MEMORY
    return replace(
        operator, roofline_fraction=fraction, bound=limit if fraction >= MIN_FRACTION else OVERHEAD
    )


def minimum_durations(
    operator: Operator, runtime: str, peak: PeakPerformance
) -> tuple[float | None, float | None]:
    """Return the minimum duration of an operator, seconds: of its arithmetic, and of its memory traffic."""
    gflops = peak.of(runtime, operator.dtype) or peak.of(runtime, "fp32")
    compute_s = operator.flops / (gflops * 1e9) if gflops is not None else None
    memory_s = operator.bytes / (peak.gb_s * 1e9) if peak.gb_s is not None else None
    return compute_s, memory_s
