"""Writes an ONNX graph in the order of its sums, one line an operator."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

from sam_edge.errors import ExportError


class GraphWriter:
    """Writes nodes down in the order of the sums; names come by themselves."""

    def __init__(self, wide: Collection[str]) -> None:
        """Begin. `wide` are the names of the float32 tensors that hold weights."""
        self.wide = wide
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def op(self, kind: str, *inputs: str, out: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node of operator `kind` and return the name of its output, `out` where one is given."""
        name = out or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], domain=domain, **attributes))
        return name

    def const(self, values: ArrayLike, dtype: type = np.float32) -> str:
        """Add a constant, once."""
        array: NDArray[Any] = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = f"c{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def ints(self, *values: int) -> str:
        """Add a list of whole numbers."""
        return self.const(values, np.int64)

    def weight(self, name: str) -> str:
        """Return the tensor of a weight.

        Raises:
            ExportError: the decoder has none of that name.
        """
        if name not in self.wide:
            raise ExportError(f"decoder: it has no {name}, so it is none that this version exported")
        return name

    def linear(self, x: str, layer: str) -> str:
        """Multiply with a layer's weight and add its bias."""
        product = self.op("MatMul", x, self.weight(f"{layer}.weight"))
        return self.op("Add", product, self.weight(f"{layer}.bias"))

    def shape(self, x: str, *sides: int) -> str:
        """Reshape; 0 keeps a side, -1 finds one."""
        return self.op("Reshape", x, self.ints(*sides))
