"""Operators from Core ML's compute plan, on macOS.

The plan estimates each operator's share of the cost and names the device it would run on. It measures nothing and has
no shapes. Durations are these shares of the measured call.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.bundle import Bundle
from sam_edge.profile.operators.raw_operator import DECODE, ENCODE, ProfiledRuntime, RawOperator
from sam_edge.runtimes.base import RuntimeOptions
from sam_edge.runtimes.coreml import CoreML, Execute, Feed

DEVICES = {"MLCPUComputeDevice": "cpu", "MLGPUComputeDevice": "gpu", "MLNeuralEngineComputeDevice": "npu"}
"""Core ML's names of devices, and ours."""


class ProfiledCoreML(CoreML, ProfiledRuntime):
    """Core ML with the compute plans of its packages."""

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

        def timed_execute(feed: Feed) -> Any:
            start = time.perf_counter()
            results = execute(feed)
            self._call_us[role].append(1e6 * (time.perf_counter() - start))
            return results

        return timed_execute

    def operators(self, role: str, iterations: int) -> list[RawOperator]:
        """Return the operators of a role; durations are shares of the median of the last `iterations` calls."""
        return parse_plan(self._plans[role], float(np.median(self._call_us[role][-iterations:])))


def parse_plan(plan: Any, call_us: float) -> list[RawOperator]:
    """Parse a compute plan: every operator of the main function, its share of `call_us`, and its device."""
    program = plan.model_structure.program
    operators = []
    for number, operation in enumerate(program.functions["main"].block.operations):
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        if cost is None or cost.weight <= 0:
            continue
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        device = type(usage.preferred_compute_device).__name__ if usage is not None else ""
        outputs = [output.name for output in operation.outputs]
        operators.append(
            RawOperator(
                name=outputs[0] if outputs else f"operation {number}",
                op_type=str(operation.operator_name),
                dtype="fp16",
                time_us=cost.weight * call_us,
                inputs=(),
                outputs=(),
                bytes=0.0,
                kernel=DEVICES.get(device, device),
            )
        )
    return operators
