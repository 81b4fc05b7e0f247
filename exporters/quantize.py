"""Static 8-bit quantization of the encoder's matrix products, fitted on photographs.

Every linear layer multiplies unsigned 8-bit activations (one scale a tensor, asymmetric) by signed 8-bit weights (one
scale an output channel). Ranges are those of least squared error, not the extremes: TinyViT's activations have a few
values ten times beyond the rest. Convolutions stay in floating point: the ones of a single channel see ranges that
differ a hundredfold from channel to channel, and no single scale serves them.

A layer whose rounding alone disturbs the embedding by more than its share is left in floating point too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from sam_edge.errors import ExportError
from sam_edge.exporters.onnx_weights import channel_scale, initializers, prepend, rounded
from sam_edge.nn import Sam

LEVELS = 255
KEPT_A_PICTURE = 20_000
"""Activations sampled from each picture and layer."""
TOLERATED = 1e-4
"""Squared relative error of the embedding that one layer's rounding may cause."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """How one tensor of activations is rounded to 8 bits."""

    scale: float
    """Value of one step."""
    zero_point: int
    """Step that stands for 0, 0..255."""


@dataclass(slots=True)
class Observed:
    """What calibration saw of one layer's input."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    samples: list[NDArray[np.float32]]
    """A random part of all values."""


def linears(model: Sam) -> dict[str, nn.Linear]:
    """Return the encoder's linear layers by the name of their weight in the traced graph."""
    return {
        f"sam.image_encoder.{name}.weight": module
        for name, module in model.image_encoder.named_modules()
        if isinstance(module, nn.Linear)
    }


def observe(model: Sam, images: Sequence[NDArray[np.uint8]], *, seed: int = 0) -> dict[str, Observed]:
    """Run the encoder on pictures (H, W, 3) and note what its linear layers are given."""
    generator = np.random.default_rng(seed)
    seen = {name: Observed(0.0, 0.0, []) for name in linears(model)}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def hook(module: nn.Module, given: tuple[Tensor]) -> None:
            values = given[0].detach().flatten().numpy()
            record = seen[name]
            record.low, record.high = (
                min(record.low, float(values.min())),
                max(record.high, float(values.max())),
            )
            record.samples.append(values[generator.integers(0, len(values), KEPT_A_PICTURE)])

        return hook

    handles = [module.register_forward_pre_hook(watch(name)) for name, module in linears(model).items()]
    try:
        with torch.inference_mode():
            for image in images:
                model.encode(torch.from_numpy(image)[None])
    finally:
        for handle in handles:
            handle.remove()
    return seen


def least_error(observed: Observed, steps: int = 33) -> Rounding:
    """Choose the range whose rounding and clipping together lose least; at least a fifth of the range seen."""
    values = np.concatenate(observed.samples).astype(np.float64)
    best, least = rounding_of(observed.low, observed.high), np.inf
    for share in np.linspace(0.2, 1.0, steps):
        # What GELU leaves below zero is small and always reached: only a range with two long ends is cut at both.
        low_share = share if -observed.low > 0.3 * observed.high else 1.0
        candidate = rounding_of(observed.low * low_share, observed.high * share)
        error = float(np.square(fake_round(values, candidate) - values).mean())
        if error < least:
            best, least = candidate, error
    return best


def rounding_of(low: float, high: float) -> Rounding:
    """Spread 256 steps over a range that holds 0."""
    scale = max(max(high, 0.0) - min(low, 0.0), 1e-9) / LEVELS
    return Rounding(scale=float(np.float32(scale)), zero_point=round(-min(low, 0.0) / scale))


def fake_round(values: NDArray[np.float64], rounding: Rounding) -> NDArray[np.float64]:
    """Round to 8 bits and back."""
    steps = np.clip(np.rint(values / rounding.scale) + rounding.zero_point, 0, LEVELS)
    return np.asarray((steps - rounding.zero_point) * rounding.scale)


@contextmanager
def simulated(model: Sam, plan: Mapping[str, Rounding]) -> Iterator[None]:
    """Round activations and weights of the layers of `plan` while inside, as the exported graph will."""
    layers = linears(model)
    handles, originals = [], {}
    for name, rounding in plan.items():
        layer = layers[name]
        originals[name] = layer.weight.data
        weight = layer.weight.detach().numpy()
        scale = channel_scale(weight, 0)
        layer.weight.data = torch.from_numpy(rounded(weight, scale, 0) * scale[:, None])

        def hook(module: nn.Module, given: tuple[Tensor], rounding: Rounding = rounding) -> tuple[Tensor]:
            steps = (given[0] / rounding.scale).round() + rounding.zero_point
            return ((steps.clamp(0, LEVELS) - rounding.zero_point) * rounding.scale,)

        handles.append(layer.register_forward_pre_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for name, original in originals.items():
            layers[name].weight.data = original


def disturbance(
    model: Sam, plan: Mapping[str, Rounding], images: Sequence[Tensor], exact: Sequence[Tensor]
) -> float:
    """Return the mean squared relative error of the embedding under `plan`."""
    errors = []
    with simulated(model, plan), torch.inference_mode():
        for image, expected in zip(images, exact, strict=True):
            difference = model.encode(image) - expected
            errors.append(float(difference.square().sum() / expected.square().sum()))
    return float(np.mean(errors))


def plan_quantization(
    model: Sam, images: Sequence[NDArray[np.uint8]], *, checked_on: int = 3
) -> tuple[dict[str, Rounding], dict[str, float]]:
    """Fit the rounding of every linear layer, and leave out those that disturb too much.

    Args:
        model: the model; not changed.
        images: calibration pictures uint8 (H, W, 3), sides multiples of 224.
        checked_on: how many of them the disturbance of each layer is measured on.

    Returns:
        The plan, by name of the weight; and the disturbance of every layer alone.
    """
    fitted = {name: least_error(seen) for name, seen in observe(model, images).items()}
    probes = [torch.from_numpy(image)[None] for image in images[:checked_on]]
    with torch.inference_mode():
        exact = [model.encode(probe) for probe in probes]
    alone = {name: disturbance(model, {name: rounding}, probes, exact) for name, rounding in fitted.items()}
    return {name: fitted[name] for name, lost in alone.items() if lost <= TOLERATED}, alone


def insert(model: onnx.ModelProto, plan: Mapping[str, Rounding]) -> None:
    """Write a plan into a traced encoder: QuantizeLinear and DequantizeLinear round both factors of each product.

    Raises:
        ExportError: a layer of the plan is not in the graph.
    """
    graph = model.graph
    constants = initializers(graph)
    products = {node.input[1]: node for node in graph.node if node.op_type == "MatMul"}
    before: list[onnx.NodeProto] = []
    for name, rounding in plan.items():
        if name not in products or name not in constants:
            raise ExportError(f"quantize: the traced graph has no product with {name}")
        before += round_weight(graph, constants[name])
        round_activation(graph, products[name], rounding)
    prepend(graph, before)


def round_weight(graph: onnx.GraphProto, tensor: TensorProto) -> list[onnx.NodeProto]:
    """Replace a weight (inputs, outputs) by 8 bits and a scale for every output."""
    values = numpy_helper.to_array(tensor)
    scale = channel_scale(values, 1)
    wide, stored, scales = tensor.name, f"{tensor.name}_i8", f"{tensor.name}_scale"
    tensor.CopyFrom(numpy_helper.from_array(rounded(values, scale, 1), stored))
    zeros = f"{wide}_zero"
    graph.initializer.extend(
        [
            numpy_helper.from_array(scale, scales),
            numpy_helper.from_array(np.zeros(len(scale), np.int8), zeros),
        ]
    )
    return [
        helper.make_node(
            "DequantizeLinear", [stored, scales, zeros], [wide], name=f"dequantize_{wide}", axis=1
        )
    ]


def round_activation(graph: onnx.GraphProto, product: onnx.NodeProto, rounding: Rounding) -> None:
    """Put the rounding of its first factor before a product."""
    source = product.input[0]
    stem = f"{product.output[0]}_given"
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.float32(rounding.scale), f"{stem}_scale"),
            numpy_helper.from_array(np.uint8(rounding.zero_point), f"{stem}_zero"),
        ]
    )
    how = [f"{stem}_scale", f"{stem}_zero"]
    pair = [
        helper.make_node("QuantizeLinear", [source, *how], [f"{stem}_u8"], name=f"quantize_{stem}"),
        helper.make_node("DequantizeLinear", [f"{stem}_u8", *how], [stem], name=f"dequantize_{stem}"),
    ]
    product.input[0] = stem
    place = next(index for index, node in enumerate(graph.node) if node.output[0] == product.output[0])
    for node in reversed(pair):
        graph.node.insert(place, node)
