"""Operators from ONNX Runtime's profiler."""

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
from sam_edge.profile.operators.op_types import unlisted_weight_bytes
from sam_edge.profile.operators.raw_operator import DECODE, ENCODE, ProfiledRuntime, RawOperator, Shape
from sam_edge.runtimes.base import RuntimeOptions
from sam_edge.runtimes.onnxruntime import OnnxRuntime

NODE_SUFFIX = "_kernel_time"
"""End of the name of a node's event."""
BYTES_BY_TYPE = {
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
"""Bytes per value, by ONNX Runtime's name of the type."""
INT8_TYPES = ("int8", "uint8")


class ProfiledOnnxRuntime(OnnxRuntime, ProfiledRuntime):
    """ONNX Runtime with its profiler on."""

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Prepare without opening anything."""
        super().__init__(bundle, options)
        self._folder = tempfile.TemporaryDirectory(prefix="sam-edge-profile-")
        self._profiled: dict[str, onnxruntime.InferenceSession] = {}

    def _settings(self, role: str, fixed: Mapping[str, int]) -> onnxruntime.SessionOptions:
        settings = super()._settings(role, fixed)
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(self._folder.name) / role)
        return settings

    def _open(self, role: str, size: tuple[int, int], fixed: dict[str, int]) -> onnxruntime.InferenceSession:
        session = super()._open(role, size, fixed)
        self._profiled[ENCODE if role == "encoder" else DECODE] = session
        return session

    def operators(self, role: str, iterations: int) -> list[RawOperator]:
        """Stop profiling a role, and return the operators of its last `iterations` inferences."""
        events = json.loads(Path(self._profiled.pop(role).end_profiling()).read_text(encoding="utf-8"))
        return list(parse_events([event for event in events if is_node(event)], iterations))

    def close(self) -> None:
        """See `Runtime.close`. Deletes the profiler's files."""
        super().close()
        self._profiled.clear()
        self._folder.cleanup()


def is_node(event: Mapping[str, Any]) -> bool:
    """Return whether an event is the execution of one operator."""
    return event.get("cat") == "Node" and str(event.get("name", "")).endswith(NODE_SUFFIX)


def parse_events(events: list[dict[str, Any]], iterations: int) -> Iterator[RawOperator]:
    """Take the median duration of every operator over its last `iterations` inferences, in order of execution."""
    by_node: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_node[event["args"]["node_index"]].append(event)
    for node_events in by_node.values():
        recent = node_events[-iterations:]
        last = recent[-1]
        op_type = str(last["args"]["op_name"])
        inputs, outputs = (
            parse_shapes(last["args"][key]) for key in ("input_type_shape", "output_type_shape")
        )
        input_shapes, output_shapes = [shape for _, shape in inputs], [shape for _, shape in outputs]
        int8 = any(dtype in INT8_TYPES for dtype, _ in inputs[:1])
        traffic = sum(
            BYTES_BY_TYPE.get(dtype, 4) * float(np.prod(shape)) for dtype, shape in (*inputs, *outputs)
        )
        yield RawOperator(
            name=str(last["name"]).removesuffix(NODE_SUFFIX),
            op_type=op_type,
            dtype="int8" if int8 else "fp32",
            time_us=float(np.median([event["dur"] for event in recent])),
            inputs=tuple(input_shapes),
            outputs=tuple(output_shapes),
            bytes=traffic + unlisted_weight_bytes(op_type, input_shapes, output_shapes, 1 if int8 else 4),
        )


def parse_shapes(entries: list[dict[str, list[int]]]) -> list[tuple[str, Shape]]:
    """Parse types and shapes as the profiler writes them: a list of objects with one key each."""
    return [(dtype, tuple(shape)) for entry in entries for dtype, shape in entry.items()]
