"""Operators as ONNX Runtime's own profiler counts them."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from sam_edge.bundle import Bundle
from sam_edge.profile.operators.op_types import Shape, weight_bytes
from sam_edge.profile.operators.raw_operator import DECODE, ENCODE, CountingRuntime, RawOperator
from sam_edge.runtimes.base import RuntimeOptions
from sam_edge.runtimes.onnxruntime import OnnxRuntime

NODE = "_kernel_time"
"""How the name of a node's event ends."""
WIDTHS = {
    "float": 4,
    "float16": 2,
    "bfloat16": 2,
    "double": 8,
    "int64": 8,
    "int32": 4,
    "uint8": 1,
    "int8": 1,
    "bool": 1,
}
"""Bytes of a number, by ONNX Runtime's name of its type."""
EIGHT = ("int8", "uint8")


class Counting(OnnxRuntime, CountingRuntime):
    """ONNX Runtime with its profiler on."""

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Begin with nothing open."""
        super().__init__(bundle, options)
        self._folder = tempfile.TemporaryDirectory(prefix="sam-edge-profile-")
        self._counting: dict[str, onnxruntime.InferenceSession] = {}

    def _settings(self, role: str, fixed: Mapping[str, int]) -> onnxruntime.SessionOptions:
        settings = super()._settings(role, fixed)
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(self._folder.name) / role)
        return settings

    def _open(self, role: str, size: tuple[int, int], fixed: dict[str, int]) -> onnxruntime.InferenceSession:
        session = super()._open(role, size, fixed)
        self._counting[ENCODE if role == "encoder" else DECODE] = session
        return session

    def operators(self, role: str, runs: int) -> list[RawOperator]:
        """Stop counting a role, and return the operators of its last `runs` inferences."""
        events = json.loads(Path(self._counting.pop(role).end_profiling()).read_text(encoding="utf-8"))
        return list(summed_up([event for event in events if is_node(event)], runs))

    def close(self) -> None:
        """See `Runtime.close`. Removes what the profiler wrote."""
        super().close()
        self._counting.clear()
        self._folder.cleanup()


def is_node(event: Mapping[str, Any]) -> bool:
    """Say whether an event is the work of one operator."""
    return event.get("cat") == "Node" and str(event.get("name", "")).endswith(NODE)


def summed_up(events: list[dict[str, Any]], runs: int) -> Iterator[RawOperator]:
    """Take the median time of every operator over its last `runs` inferences, in the order in which they ran."""
    by_node: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_node[event["args"]["node_index"]].append(event)
    for found in by_node.values():
        recent = found[-runs:]
        last = recent[-1]
        kind = str(last["args"]["op_name"])
        inputs, outputs = (typed(last["args"][key]) for key in ("input_type_shape", "output_type_shape"))
        shapes, made = [shape for _, shape in inputs], [shape for _, shape in outputs]
        eight = any(dtype in EIGHT for dtype, _ in inputs[:1])
        moved = sum(WIDTHS.get(dtype, 4) * float(np.prod(shape)) for dtype, shape in (*inputs, *outputs))
        yield RawOperator(
            name=str(last["name"]).removesuffix(NODE),
            kind=kind,
            dtype="int8" if eight else "fp32",
            time_us=float(np.median([event["dur"] for event in recent])),
            inputs=tuple(shapes),
            outputs=tuple(made),
            bytes=moved + weight_bytes(kind, shapes, made, 1 if eight else 4),
        )


def typed(entries: list[dict[str, list[int]]]) -> list[tuple[str, Shape]]:
    """Read types and shapes as the profiler writes them: a list of objects of one key each."""
    return [(dtype, tuple(shape)) for entry in entries for dtype, shape in entry.items()]
