"""Operations with sums in them: products, convolutions, normalisations, softmax. Sums are taken in fp32."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sam_edge.errors import ExportError
from sam_edge.exporters.coreml.evaluate_mil.values import Call


def linear(call: Call) -> Tensor:
    """`x` times `weight` (outputs, inputs) transposed, plus `bias`."""
    bias = call.real("bias") if call.has("bias") else None
    return F.linear(call.real("x"), call.real("weight"), bias)


def matmul(call: Call) -> Tensor:
    """Matrix product with either factor transposed first."""
    x, y = call.real("x"), call.real("y")
    x = x.transpose(-1, -2) if call.number("transpose_x", 0) else x
    y = y.transpose(-1, -2) if call.number("transpose_y", 0) else y
    return x @ y


def conv(call: Call) -> Tensor:
    """Convolution over one or two axes, padded as `pad_type` says."""
    x, weight = call.real("x"), call.real("weight")
    axes = weight.dim() - 2
    ones = [1] * axes
    strides = call.numbers("strides") if call.has("strides") else ones
    dilations = call.numbers("dilations") if call.has("dilations") else ones
    x = F.pad(x, padding(call, x, weight, strides, dilations))
    bias = call.real("bias") if call.has("bias") else None
    function = {1: F.conv1d, 2: F.conv2d}.get(axes)
    if function is None:
        raise ExportError(f"evaluate: conv {call.name!r} over {axes} axes; accepted: 1 or 2")
    return function(x, weight, bias, strides, 0, dilations, call.number("groups", 1))


def padding(call: Call, x: Tensor, weight: Tensor, strides: list[int], dilations: list[int]) -> list[int]:
    """Zeros before and after each axis, last axis first, as torch pads."""
    axes = weight.dim() - 2
    kind = call.word("pad_type", "valid")
    if kind == "valid":
        return [0, 0] * axes
    if kind == "custom":
        pad = call.numbers("pad")
        pairs = [pad[2 * axis : 2 * axis + 2] for axis in range(axes)]
    elif kind in ("same", "same_lower"):
        pairs = []
        for axis in range(axes):
            size, stride = x.shape[2 + axis], strides[axis]
            reach = dilations[axis] * (weight.shape[2 + axis] - 1) + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            less, more = total // 2, total - total // 2
            pairs.append([more, less] if kind == "same_lower" else [less, more])
    else:
        raise ExportError(f"evaluate: {call.kind} {call.name!r} pad_type {kind!r} is not known")
    return [side for pair in reversed(pairs) for side in pair]


def layer_norm(call: Call) -> Tensor:
    """Normalise over `axes` to mean 0 and variance 1, then scale and shift."""
    x = call.real("x")
    axes = call.numbers("axes")
    epsilon = float(call.real("epsilon").item()) if call.has("epsilon") else 1e-5
    centred = call.step(x - mean(call, x, axes))
    variance = mean(call, call.step(centred.square()), axes)
    result = call.step(centred * call.step(torch.rsqrt(call.step(variance + epsilon))))
    if call.has("gamma"):
        result = call.step(result * call.real("gamma"))
    return result + call.real("beta") if call.has("beta") else result


def mean(call: Call, x: Tensor, axes: list[int]) -> Tensor:
    """Mean over `axes`, kept; the sum is one elementary step, the division another."""
    total = call.step(x.sum(axes, keepdim=True))
    return call.step(total / (x.numel() // total.numel()))


def batch_norm(call: Call) -> Tensor:
    """Normalise each channel with stored statistics, then scale and shift."""
    x = call.real("x")
    shape = [1, -1] + [1] * (x.dim() - 2)
    epsilon = float(call.real("epsilon").item()) if call.has("epsilon") else 1e-5
    mean, variance = call.real("mean").view(shape), call.real("variance").view(shape)
    result = call.step(call.step(x - mean) * call.step(torch.rsqrt(variance + epsilon)))
    if call.has("gamma"):
        result = call.step(result * call.real("gamma").view(shape))
    return result + call.real("beta").view(shape) if call.has("beta") else result


def softmax(call: Call) -> Tensor:
    """Softmax along `axis`; the largest value is subtracted first."""
    x = call.real("x")
    axis = call.number("axis", -1)
    powers = call.step(call.step(x - x.amax(axis, keepdim=True)).exp())
    return powers / call.step(powers.sum(axis, keepdim=True))


def reduce_with(function: Callable[[Tensor, list[int], bool], Tensor]) -> Callable[[Call], Tensor]:
    """Build the rule of a reduction."""

    def rule(call: Call) -> Tensor:
        x = call.real("x")
        axes = call.numbers("axes") if call.has("axes") else list(range(x.dim()))
        return function(x, axes, bool(call.number("keep_dims", 0)))

    return rule


LAYERS: dict[str, Callable[[Call], Tensor]] = {
    "batch_norm": batch_norm,
    "conv": conv,
    "layer_norm": layer_norm,
    "linear": linear,
    "matmul": matmul,
    "reduce_mean": reduce_with(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "reduce_sum": reduce_with(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "softmax": softmax,
}
"""Rules by type of operation."""
