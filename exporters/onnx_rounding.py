"""A plan of 8-bit quantization, written into a traced encoder.

QuantizeLinear and DequantizeLinear stand round what enters a layer, DequantizeLinear behind its stored weights; engines
take the pattern for a product of whole numbers. Two forms of one plan share their stored weights:

* `insert_rounding`, for ONNX Runtime: matrix products alone. A convolution costs it more in 8 bits than it saves,
  because the normalisations and additions around it stay in floating point; its weights are stored in 8 bits all the
  same.
* `insert_shifted_rounding`, for OpenVINO: convolutions too. Activations are shifted so that their smallest value is
  step 0, and biases make up for it: a zero point would cost OpenVINO a pass of its own over every result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sam_edge.errors import ExportError
from sam_edge.exporters.onnx_weights import channel_scale, initializers, prepend, round_channels
from sam_edge.exporters.rounding import Rounding
from sam_edge.exporters.trace import PARTS

SHIFTED = "_shifted"
"""End of the names of biases that make up for a shift. They are worth their full precision."""
PACKED = ".qkv.weight"
"""End of the name of a layer that is traced as three (`trace.SplitAttention`)."""


@dataclass(frozen=True, slots=True)
class Target:
    """One node of a graph whose factors are to be rounded."""

    weight: str
    """Name of its weight."""
    node: onnx.NodeProto
    """A MatMul or a Conv."""
    rounding: Rounding
    """How what goes in is rounded."""

    @property
    def outputs_axis(self) -> int:
        """Axis of the weight on which output channels lie."""
        return 1 if self.node.op_type == "MatMul" else 0


def find_targets(graph: onnx.GraphProto, plan: Mapping[str, Rounding]) -> Iterator[Target]:
    """Find the nodes of a plan.

    Raises:
        ExportError: a layer of the plan is not in the graph.
    """
    constants = initializers(graph)
    nodes = {node.input[1]: node for node in graph.node if node.op_type in ("MatMul", "Conv")}
    for name, rounding in plan.items():
        packed = name.endswith(PACKED) and name not in nodes
        stem = name.removesuffix(PACKED)
        for traced in [f"{stem}.{part}.weight" for part in PARTS] if packed else [name]:
            if traced not in nodes or traced not in constants:
                raise ExportError(f"quantize: the traced graph has no product with {name}")
            yield Target(traced, nodes[traced], rounding)


def insert_rounding(model: onnx.ModelProto, plan: Mapping[str, Rounding]) -> None:
    """Write a plan into a traced encoder: matrix products take 8 bits, convolutions have their weights stored so.

    Raises:
        ExportError: a layer of the plan is not in the graph.
    """
    graph = model.graph
    targets = list(find_targets(graph, plan))
    before = []
    for target in targets:
        before += store_rounded_weight(graph, target, undo_factors=target.node.op_type == "Conv")
    activations = Activations(graph)
    for target in targets:
        if target.node.op_type == "MatMul":
            activations.round(target, shifted=False)
    prepend(graph, before)
    activations.write()


def insert_shifted_rounding(model: onnx.ModelProto, plan: Mapping[str, Rounding]) -> None:
    """Write a plan into a traced encoder: matrix products and convolutions take 8 bits, without a zero point.

    Raises:
        ExportError: a layer of the plan is not in the graph, or has no bias to make up for the shift.
    """
    graph = model.graph
    targets = list(find_targets(graph, plan))
    before = []
    for target in targets:
        sums = weight_sums(graph, target)
        before += store_rounded_weight(graph, target, undo_factors=False)
        if target.rounding.zero_point:
            add_to_bias(graph, target, -target.rounding.zero_point * target.rounding.scale * sums)
    activations = Activations(graph)
    for target in targets:
        activations.round(target, shifted=True)
    prepend(graph, before)
    activations.write()


def round_weight(
    graph: onnx.GraphProto, target: Target
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Round a weight, multiplied by the factors of its inputs: steps, their scale for every output, and the factors."""
    values = numpy_helper.to_array(initializers(graph)[target.weight])
    factors = np.array(target.rounding.factors or [1.0], np.float32)
    if target.node.op_type == "Conv":
        values = values * factors.reshape(1, -1, *[1] * (values.ndim - 2))
    scale = channel_scale(values, target.outputs_axis)
    return round_channels(values, scale, target.outputs_axis), scale, factors


def weight_sums(graph: onnx.GraphProto, target: Target) -> NDArray[np.float64]:
    """Sum a rounded weight over its inputs, for every output."""
    steps, scale, _ = round_weight(graph, target)
    others = tuple(axis for axis in range(steps.ndim) if axis != target.outputs_axis)
    return np.asarray(steps.sum(axis=others, dtype=np.int64) * scale.astype(np.float64))


def store_rounded_weight(
    graph: onnx.GraphProto, target: Target, *, undo_factors: bool
) -> list[onnx.NodeProto]:
    """Replace a weight by 8 bits and a scale for every output; return the nodes that widen it.

    Args:
        graph: changed in place.
        target: whose weight.
        undo_factors: whether what goes in is not divided by the factors, so that the weight has to be.
    """
    steps, scale, factors = round_weight(graph, target)
    tensor = initializers(graph)[target.weight]
    wide, stored, scales, zeros = (f"{target.weight}{end}" for end in ("", "_i8", "_scale", "_zero"))
    tensor.CopyFrom(numpy_helper.from_array(steps, stored))
    graph.initializer.extend(
        [
            numpy_helper.from_array(scale, scales),
            numpy_helper.from_array(np.zeros(len(scale), np.int8), zeros),
        ]
    )
    undo = undo_factors and len(factors) > 1
    output = f"{wide}_multiplied" if undo else wide
    nodes = [
        helper.make_node(
            "DequantizeLinear",
            [stored, scales, zeros],
            [output],
            name=f"dequantize_{wide}",
            axis=target.outputs_axis,
        )
    ]
    if undo:
        shape = [1, -1, *[1] * (steps.ndim - 2)]
        graph.initializer.append(numpy_helper.from_array(factors.reshape(shape), f"{wide}_factors"))
        nodes.append(helper.make_node("Div", [output, f"{wide}_factors"], [wide], name=f"divide_{wide}"))
    return nodes


def add_to_bias(graph: onnx.GraphProto, target: Target, amount: NDArray[np.float64]) -> None:
    """Add to the bias of a layer; a convolution without one gets one.

    Raises:
        ExportError: a product has no bias.
    """
    constants = initializers(graph)
    node = target.node
    if node.op_type == "Conv" and len(node.input) == 2:
        name = f"{target.weight}{SHIFTED}"
        graph.initializer.append(numpy_helper.from_array(amount.astype(np.float32), name))
        node.input.append(name)
        return
    if node.op_type == "Conv":
        reader, place = node, 2
    else:
        readers = [
            (other, index)
            for other in graph.node
            if other.op_type == "Add" and node.output[0] in other.input
            for index, name in enumerate(other.input)
            if name in constants
        ]
        if len(readers) != 1:
            raise ExportError(f"quantize: the product with {target.weight} has no bias")
        reader, place = readers[0]
    former = reader.input[place]
    shifted = (numpy_helper.to_array(constants[former]) + amount).astype(np.float32)
    # A name of its own: graphs that share their weights have other biases.
    graph.initializer.append(numpy_helper.from_array(shifted, f"{former}{SHIFTED}"))
    reader.input[place] = f"{former}{SHIFTED}"


class Activations:
    """The rounding of what goes into layers: once for every tensor, however many layers read it."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        """Begin with none."""
        self._graph = graph
        self._rounded: dict[str, str] = {}
        self._before: dict[str, list[onnx.NodeProto]] = {}

    def round(self, target: Target, *, shifted: bool) -> None:
        """Let a node read its input rounded; `shifted`: divided by its factors, and without a zero point."""
        source = target.node.input[0]
        if source not in self._rounded:
            nodes = self._pair(source, target, shifted=shifted)
            self._rounded[source] = nodes[-1].output[0]
            self._before[target.node.output[0]] = nodes
        target.node.input[0] = self._rounded[source]

    def write(self) -> None:
        """Put the nodes into the graph, each before the first node that reads it."""
        nodes = []
        for node in self._graph.node:
            nodes += self._before.get(node.output[0], [])
            nodes.append(node)
        # Repeated fields hand out references; what is kept has to be copied before they are cleared.
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del self._graph.node[:]
        self._graph.node.extend(copies)

    def _pair(self, source: str, target: Target, *, shifted: bool) -> list[onnx.NodeProto]:
        stem, rounding = f"{target.node.output[0]}_given", target.rounding
        nodes = []
        if shifted and rounding.factors:
            shape = (-1, 1, 1) if target.node.op_type == "Conv" else (-1,)
            inverse = (1 / np.array(rounding.factors, np.float64)).astype(np.float32).reshape(shape)
            nodes.append(self._with_constant("Mul", source, inverse, f"{stem}_balanced"))
        if shifted and rounding.zero_point:
            shift = np.float32(rounding.zero_point * rounding.scale)
            last = nodes[-1].output[0] if nodes else source
            nodes.append(self._with_constant("Add", last, shift, f"{stem}_shifted"))
        zero = 0 if shifted else rounding.zero_point
        kind = np.int8 if rounding.signed else np.uint8
        how = [f"{stem}_scale", f"{stem}_zero"]
        self._graph.initializer.extend(
            [
                numpy_helper.from_array(np.float32(rounding.scale), how[0]),
                numpy_helper.from_array(kind(zero), how[1]),
            ]
        )
        last = nodes[-1].output[0] if nodes else source
        nodes.append(
            helper.make_node("QuantizeLinear", [last, *how], [f"{stem}_steps"], name=f"quantize_{stem}")
        )
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{stem}_steps", *how], [stem], name=f"dequantize_{stem}")
        )
        return nodes

    def _with_constant(
        self, operator: str, source: str, value: NDArray[np.float32] | np.float32, output: str
    ) -> onnx.NodeProto:
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"{output}_by"))
        return helper.make_node(operator, [source, f"{output}_by"], [output], name=output)
