"""Operators as Core ML's compute plan shows them, on macOS.

The plan estimates each operator's part of the cost and says where it would run; it measures nothing, and tells no
shapes. Times are these parts of the measured call.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.bundle import Bundle
from sam_edge.profile.operators.raw_operator import DECODE, ENCODE, CountingRuntime, RawOperator
from sam_edge.runtimes.base import RuntimeOptions
from sam_edge.runtimes.coreml import CoreML, Execute, Feed

DEVICES = {"MLCPUComputeDevice": "cpu", "MLGPUComputeDevice": "gpu", "MLNeuralEngineComputeDevice": "npu"}
"""Core ML's names of where an operator runs, and ours."""


class Counting(CoreML, CountingRuntime):
    """Core ML, with the plans of its packages."""

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Check machine and options."""
        super().__init__(bundle, options)
        self._plans: dict[str, Any] = {}
        self._call_us: dict[str, list[float]] = {ENCODE: [], DECODE: []}

    def _open(self, package: Path) -> Execute:
        role, execute = self.role, super()._open(package)
        model = self._tools.models.MLModel(str(package), compute_units=self._tools.ComputeUnit[self.device])
        plans = importlib.import_module("coremltools.models.compute_plan")
        self._plans[role] = plans.MLComputePlan.load_from_path(
            model.get_compiled_model_path(), self._tools.ComputeUnit[self.device]
        )

        def timed(feed: Feed) -> Any:
            begun = time.perf_counter()
            results = execute(feed)
            self._call_us[role].append(1e6 * (time.perf_counter() - begun))
            return results

        return timed

    def operators(self, role: str, runs: int) -> list[RawOperator]:
        """Return the operators of a role; times are parts of the median of the last `runs` calls."""
        return planned(self._plans[role], float(np.median(self._call_us[role][-runs:])))


def planned(plan: Any, call_us: float) -> list[RawOperator]:
    """Read a compute plan: every operator of the main function, its part of `call_us`, and where it would run."""
    program = plan.model_structure.program
    found = []
    for number, operation in enumerate(program.functions["main"].block.operations):
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        if cost is None or cost.weight <= 0:
            continue
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        device = type(usage.preferred_compute_device).__name__ if usage is not None else ""
        outputs = [output.name for output in operation.outputs]
        found.append(
            RawOperator(
                name=outputs[0] if outputs else f"operation {number}",
                kind=str(operation.operator_name),
                dtype="fp16",
                time_us=cost.weight * call_us,
                inputs=(),
                outputs=(),
                bytes=0.0,
                kernel=DEVICES.get(device, device),
            )
        )
    return found
