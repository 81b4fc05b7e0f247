"""The encoder in the form that suits ONNX Runtime, written into the traced and rounded graph.

Each step keeps to standard operators, so that any engine reads the result:

* colours are split into planes while they are bytes: subtracting three values along the last axis takes ONNX Runtime
  longer than the first convolution;
* GELU in tanh's form, which it computes a third faster and which is off by 0.0005 at most;
* no bias on keys: it adds the same to all scores of a query, and softmax takes that out again;
* weights that are stored in 8 bits, but not multiplied in 8 bits, are widened by a cast and a product, which are folded
  when the file is opened. Behind a DequantizeLinear it would keep the 8 bits, round what goes in a second time without
  being asked, and take twice as long.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sam_edge.exporters.onnx_weights import drop_unused, initializers, replace_input, replace_nodes
from sam_edge.exporters.trace import KEY_BIAS

PLANES = (0, 3, 1, 2)
"""The permutation from (B, H, W, C) to (B, C, H, W)."""


def suit_onnx_runtime(model: onnx.ModelProto) -> None:
    """Rewrite a traced encoder, rounded or not, in place."""
    split_colours_first(model.graph)
    use_tanh(model.graph)
    drop_key_biases(model.graph)
    widen_weights(model.graph)
    drop_unused(model.graph)


def split_colours_first(graph: onnx.GraphProto) -> None:
    """Move the transposition to planes from behind the normalisation of an image to the image itself.

    A graph whose image is not normalised right before such a transposition is left alone.
    """
    readers = {name: node for node in graph.node for name in node.input}
    image = graph.input[0].name
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] == image]
    if len(casts) != 1:
        return
    chain, constants = [casts[0]], initializers(graph)
    while chain[-1].op_type in ("Cast", "Sub", "Div", "Mul", "Add") and chain[-1].output[0] in readers:
        chain.append(readers[chain[-1].output[0]])
    last = chain.pop()
    known = all(node.input[1] in constants for node in chain[1:])
    if last.op_type != "Transpose" or permutation(last) != PLANES or not known:
        return
    split = helper.make_node("Transpose", [image], ["image_planes"], perm=PLANES)
    casts[0].input[0] = split.output[0]
    for node in chain[1:]:
        value = numpy_helper.to_array(constants[node.input[1]])
        planes = f"{node.input[1]}_planes"
        graph.initializer.append(numpy_helper.from_array(value.reshape(-1, 1, 1), planes))
        node.input[1] = planes
    replace_input(graph, last.output[0], chain[-1].output[0])
    replace_nodes(graph, {casts[0].output[0]: [split, casts[0]], last.output[0]: []})


def permutation(node: onnx.NodeProto) -> tuple[int, ...]:
    """Return the order of axes of a Transpose; empty where none is given."""
    return next((tuple(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), ())


def use_tanh(graph: onnx.GraphProto) -> None:
    """Let every Gelu of a graph compute tanh's form."""
    for node in graph.node:
        if node.op_type == "Gelu":
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("approximate", "tanh"))


def drop_key_biases(graph: onnx.GraphProto) -> None:
    """Remove the biases of keys."""
    dropped: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        keys = [name for name in node.input if not name.endswith(KEY_BIAS)]
        if node.op_type == "Add" and len(keys) == 1:
            replace_input(graph, node.output[0], keys[0])
            dropped[node.output[0]] = []
    replace_nodes(graph, dropped)


def widen_weights(graph: onnx.GraphProto) -> None:
    """Widen 8-bit weights by Cast and Mul wherever the layer's input is not rounded."""
    constants = initializers(graph)
    rounded = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    in_8_bits = {
        name for node in graph.node if node.input and node.input[0] in rounded for name in node.input[1:]
    }
    new = {}
    for node in graph.node:
        stored = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if stored is None or node.output[0] in in_8_bits:
            continue
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        new[node.output[0]] = widen(graph, node, axis, len(stored.dims))
    replace_nodes(graph, new)


def widen(graph: onnx.GraphProto, node: onnx.NodeProto, axis: int, axes: int) -> list[onnx.NodeProto]:
    """Return what replaces one DequantizeLinear of a weight, whose zero point is 0."""
    wide, scale = node.output[0], node.input[1]
    steps, shape = f"{wide}_steps", f"{wide}_scale_shape"
    nodes = [helper.make_node("Cast", [node.input[0]], [steps], to=TensorProto.FLOAT)]
    if axis < axes - 1:
        sides = np.ones(axes - axis, np.int64)
        sides[0] = -1
        graph.initializer.append(numpy_helper.from_array(sides, shape))
        nodes.append(helper.make_node("Reshape", [scale, shape], [f"{wide}_scale_along"]))
        scale = f"{wide}_scale_along"
    return [*nodes, helper.make_node("Mul", [steps, scale], [wide])]
