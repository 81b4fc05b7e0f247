"""Operators as OpenVINO's performance counters show them, with the shapes of the graph that really runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from sam_edge.bundle import Bundle
from sam_edge.profile.operators.raw_operator import CountingRuntime, RawOperator
from sam_edge.runtimes.base import Float, RuntimeOptions
from sam_edge.runtimes.openvino import Compiled, OpenVino

NO_WORK = ("Const", "Input", "Output", "Parameter", "Result")
DTYPES = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}
"""OpenVINO's names of number formats, where ours differ."""


class Counting(OpenVino, CountingRuntime):
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

    def operators(self, role: str, runs: int) -> list[RawOperator]:
        """Return the operators of the last `runs` inferences of a role, in the order of their work."""
        recent = self._times_us[role][-runs:]
        found: list[tuple[int, RawOperator]] = []
        for node in self._graphs[role].get_ops():
            facts = {key: str(value.astype(str)) for key, value in node.get_rt_info().items()}
            kind = facts.get("layerType", "")
            times = [one[node.get_friendly_name()] for one in recent if node.get_friendly_name() in one]
            if kind in NO_WORK or not times:
                continue
            order = int(facts["execOrder"]) if facts.get("execOrder", "").isdecimal() else len(found)
            found.append((order, raw(node, kind, facts, float(np.median(times)))))
        return [one for _, one in sorted(found, key=lambda pair: pair[0]) if one.time_us > 0]


def raw(node: Any, kind: str, facts: Mapping[str, str], time_us: float) -> RawOperator:
    """Describe a node of the graph that runs."""
    inputs = [port.get_source_output() for port in node.inputs()]
    outputs = node.outputs()
    dtype = facts.get("runtimePrecision", "f32")
    return RawOperator(
        name=node.get_friendly_name(),
        kind=kind,
        dtype=DTYPES.get(dtype, dtype),
        time_us=time_us,
        inputs=tuple(tuple(port.get_shape()) for port in inputs),
        outputs=tuple(tuple(port.get_shape()) for port in outputs),
        bytes=float(
            sum(int(np.prod(port.get_shape())) * port.get_element_type().size for port in (*inputs, *outputs))
        ),
        kernel=facts.get("primitiveType", ""),
    )
