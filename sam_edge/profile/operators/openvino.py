"""Operators from OpenVINO's performance counters, with the shapes of the compiled graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from sam_edge.bundle import Bundle
from sam_edge.profile.operators.raw_operator import ProfiledRuntime, RawOperator
from sam_edge.runtimes.base import Float, RuntimeOptions
from sam_edge.runtimes.openvino import Compiled, OpenVino

NOT_EXECUTED = ("Const", "Input", "Output", "Parameter", "Result")
"""Layer types that compute nothing."""
DTYPES = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}
"""OpenVINO's names of number formats, where ours differ."""


class ProfiledOpenVino(OpenVino, ProfiledRuntime):
    """OpenVINO with its performance counters on."""

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Start the engine."""
        super().__init__(bundle, options)
        self._settings["PERF_COUNT"] = "YES"
        self._times_us: dict[str, list[dict[str, float]]] = defaultdict(list)
        self._graphs: dict[str, openvino.Model] = {}

    def _run(self, model: Compiled, feed: Mapping[str, NDArray[Any]]) -> list[Float]:
        results = super()._run(model, feed)
        request = model._idle[-1]
        self._times_us[self.role].append(
            {info.node_name: info.real_time.total_seconds() * 1e6 for info in request.profiling_info}
        )
        self._graphs[self.role] = model._model.get_runtime_model()
        return results

    def operators(self, role: str, iterations: int) -> list[RawOperator]:
        """Return the operators of the last `iterations` inferences of a role, in order of execution."""
        recent = self._times_us[role][-iterations:]
        ordered: list[tuple[int, RawOperator]] = []
        for node in self._graphs[role].get_ops():
            info = {key: str(value.astype(str)) for key, value in node.get_rt_info().items()}
            op_type, name = info.get("layerType", ""), node.get_friendly_name()
            times_us = [times[name] for times in recent if name in times]
            if op_type in NOT_EXECUTED or not times_us:
                continue
            order = int(info["execOrder"]) if info.get("execOrder", "").isdecimal() else len(ordered)
            ordered.append((order, describe_node(node, op_type, info, float(np.median(times_us)))))
        ordered.sort(key=lambda pair: pair[0])
        return [operator for _, operator in ordered if operator.time_us > 0]


def describe_node(node: Any, op_type: str, info: Mapping[str, str], time_us: float) -> RawOperator:
    """Describe a node of the compiled graph."""
    inputs = [port.get_source_output() for port in node.inputs()]
    outputs = node.outputs()
    dtype = info.get("runtimePrecision", "f32")
    return RawOperator(
        name=node.get_friendly_name(),
        op_type=op_type,
        dtype=DTYPES.get(dtype, dtype),
        time_us=time_us,
        inputs=tuple(tuple(port.get_shape()) for port in inputs),
        outputs=tuple(tuple(port.get_shape()) for port in outputs),
        bytes=float(
            sum(int(np.prod(port.get_shape())) * port.get_element_type().size for port in (*inputs, *outputs))
        ),
        kernel=info.get("primitiveType", ""),
    )
