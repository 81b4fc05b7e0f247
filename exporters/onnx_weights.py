"""Storage of weights in ONNX files: number formats, and one file of weights that several graphs share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sam_edge.errors import ExportError

PADDING = ("Pad", "Slice")
"""Operators that pad windows and undo it."""
LARGE = 256
"""Tensors of more values than this are worth storing in fewer bits, and outside the graph."""


def initializers(graph: onnx.GraphProto) -> dict[str, TensorProto]:
    """Return the graph's constants by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


def replace_input(graph: onnx.GraphProto, old: str, new: str, *, keep: Iterable[str] = ()) -> None:
    """Let every node that reads `old` read `new`, but for the nodes that make a tensor of `keep`."""
    kept = set(keep)
    for node in graph.node:
        if kept.intersection(node.output):
            continue
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new
    for output in graph.output:
        if output.name == old:
            raise ValueError(f"{old} is an output of the graph and cannot be replaced")


def replace_nodes(graph: onnx.GraphProto, new: Mapping[str, Sequence[onnx.NodeProto]]) -> None:
    """Replace nodes, named by their first output, by others."""
    nodes = [other for node in graph.node for other in new.get(node.output[0], [node])]
    # Repeated fields hand out references; what stays has to be copied before they are cleared.
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def remove_padding(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy an encoder for inputs that are multiples of 224, where no window reaches over an edge.

    The padding of a window and the cutting that undoes it change nothing at such sizes, but every engine copies the
    tensor for each of them.

    Raises:
        ExportError: something is padded or cut that is not a window's.
    """
    slim = onnx.ModelProto()
    slim.CopyFrom(model)
    graph = slim.graph
    check_windows(graph)
    bypassed = {node.output[0]: node.input[0] for node in graph.node if node.op_type in PADDING}
    kept = [node for node in graph.node if node.op_type not in PADDING]
    del graph.node[:]
    graph.node.extend(kept)
    for output in bypassed:
        source = output
        while source in bypassed:
            source = bypassed[source]
        replace_input(graph, output, source)
    drop_unused(graph)
    return slim


def check_windows(graph: onnx.GraphProto) -> None:
    """Refuse a graph with a Pad or a Slice that is not the padding of windows and the cutting that undoes it.

    Windows are padded with zeros, and cut from the first place on along rows or columns, one cut an axis.

    Raises:
        ExportError: names the node.
    """
    constants = initializers(graph)
    pads = [node for node in graph.node if node.op_type == "Pad"]
    slices = [node for node in graph.node if node.op_type == "Slice"]
    for node in pads:
        modes = [attribute.s for attribute in node.attribute if attribute.name == "mode"]
        value = constants.get(node.input[2]) if len(node.input) > 2 else None
        if modes not in ([], [b"constant"]) or (value is not None and numpy_helper.to_array(value).any()):
            raise ExportError(f"encoder: {node.name} does not pad with zeros, so it pads no window")
    for node in slices:
        start, axis = (constants.get(node.input[index]) for index in (1, 3))
        begins = None if start is None else numpy_helper.to_array(start).tolist()
        along = None if axis is None else numpy_helper.to_array(axis).tolist()
        if begins != [0] or along not in ([1], [2]):
            raise ExportError(
                f"encoder: {node.name} cuts axes {along} from {begins} on, so it undoes no window's padding"
            )
    if len(slices) != 2 * len(pads):
        raise ExportError(f"encoder: {len(pads)} paddings but {len(slices)} cuts; expected two for each")


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that lead to no output."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    used = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(used)


def store_half(graph: onnx.GraphProto, *, skip: Iterable[str] = ()) -> None:
    """Store every large float constant in half precision, with a cast back to float32 in the graph.

    Arithmetic stays in float32, and engines fold the cast when they open the file: half the bytes, nothing slower. A
    constant with values beyond half precision's range stays as it is.
    """
    kept = set(skip)
    casts = []
    for tensor in graph.initializer:
        if tensor.name in kept or tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size <= LARGE or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        wide, stored = tensor.name, f"{tensor.name}_f16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [wide], name=f"widen_{wide}", to=TensorProto.FLOAT))
    prepend(graph, casts)


def store_int8(graph: onnx.GraphProto, names: Iterable[str], *, axis_of: dict[str, int]) -> None:
    """Store constants in 8 bits with a scale for every output channel, and a DequantizeLinear in the graph.

    Arithmetic stays in float32: it is the weights alone that are rounded.

    Args:
        graph: changed in place.
        names: the constants.
        axis_of: the axis of the output channels of each.
    """
    wanted = set(names)
    nodes = []
    added = []
    for tensor in graph.initializer:
        if tensor.name not in wanted:
            continue
        values, axis = numpy_helper.to_array(tensor), axis_of[tensor.name]
        scale = channel_scale(values, axis)
        wide = tensor.name
        stored, scales = f"{wide}_i8", f"{wide}_scale"
        tensor.CopyFrom(numpy_helper.from_array(round_channels(values, scale, axis), stored))
        added.append(numpy_helper.from_array(scale, scales))
        nodes.append(
            helper.make_node(
                "DequantizeLinear", [stored, scales], [wide], name=f"dequantize_{wide}", axis=axis
            )
        )
    graph.initializer.extend(added)
    prepend(graph, nodes)


def prepend(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Put nodes before all others."""
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def channel_scale(values: NDArray[np.float32], axis: int, steps: int = 21) -> NDArray[np.float32]:
    """Find the step of symmetric 8-bit rounding for every channel: the one with the least squared error.

    Clipping the few largest weights a little leaves a finer step for all the others; down to 0.6 of the largest
    magnitude is tried.
    """
    flat = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).astype(np.float64)
    largest = np.maximum(np.abs(flat).max(axis=1), 1e-12)
    best, least = largest / 127, np.full(len(flat), np.inf)
    for share in np.linspace(0.6, 1.0, steps):
        step = largest * share / 127
        error = ((np.clip(np.rint(flat / step[:, None]), -127, 127) * step[:, None] - flat) ** 2).sum(axis=1)
        better = error < least
        best, least = np.where(better, step, best), np.minimum(error, least)
    return np.asarray(best, np.float32)


def round_channels(values: NDArray[np.float32], scale: NDArray[np.float32], axis: int) -> NDArray[np.int8]:
    """Round to symmetric 8 bits with a scale for every channel of `axis`."""
    shape = [1] * values.ndim
    shape[axis] = -1
    return np.asarray(np.clip(np.rint(values / scale.reshape(shape)), -127, 127), np.int8)


def save_with_weights(models: dict[str, onnx.ModelProto], folder: Path, weights: str) -> None:
    """Save graphs of the same weights, each to its own file, with every large constant once, in a file they share.

    Args:
        models: file name and graph of each.
        folder: where to.
        weights: name of the shared file.
    """
    placed: dict[str, tuple[int, int, bytes]] = {}
    with (folder / weights).open("wb") as handle:
        for name, model in models.items():
            external = onnx.ModelProto()
            external.CopyFrom(model)
            for node in external.graph.node:
                # Engines name nodes themselves; stored names are a quarter of a graph's bytes.
                node.ClearField("name")
            for tensor in external.graph.initializer:
                data = numpy_helper.to_array(tensor).tobytes()
                if len(data) <= LARGE:
                    continue
                if tensor.name not in placed:
                    handle.write(b"\0" * (-handle.tell() % 64))
                    placed[tensor.name] = (handle.tell(), len(data), data)
                    handle.write(data)
                offset, length, first = placed[tensor.name]
                if first != data:
                    raise ValueError(f"{tensor.name} differs between the graphs that should share it")
                tensor.ClearField("raw_data")
                for field in ("float_data", "int32_data", "int64_data"):
                    tensor.ClearField(field)
                tensor.data_location = TensorProto.EXTERNAL
                del tensor.external_data[:]
                for key, value in (("location", weights), ("offset", offset), ("length", length)):
                    tensor.external_data.add(key=key, value=str(value))
            (folder / name).write_bytes(external.SerializeToString(deterministic=True))
