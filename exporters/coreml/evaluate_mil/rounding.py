"""Operations of compression: weights stored in few bits, and activations rounded to 8."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sam_edge.errors import ExportError
from sam_edge.exporters.coreml.evaluate_mil.blob import unpack_bits
from sam_edge.exporters.coreml.evaluate_mil.values import Call

LIMITS = {"INT8": (-128, 127), "UINT8": (0, 255)}


def along(parameter: Tensor, rank: int, axis: int | None) -> Tensor:
    """Give a scalar, or a vector along `axis`, the rank of the data."""
    if parameter.dim() == 0 or axis is None:
        return parameter
    shape = [1] * rank
    shape[axis] = -1
    return parameter.reshape(shape)


def scale_and_zero(call: Call, data: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and zero point, ready to broadcast with `data`."""
    axis = call.number("axis") if call.has("axis") else None
    scale = along(call.real("scale"), data.dim(), axis)
    zero = call.tensor("zero_point").float() if call.has("zero_point") else torch.tensor(0.0)
    return scale, along(zero, data.dim(), axis)


def affine_dequantize(call: Call) -> Tensor:
    """scale * (quantized_data - zero_point)."""
    data = call.tensor("quantized_data").float()
    scale, zero = scale_and_zero(call, data)
    return scale * (data - zero)


def lut_to_dense(call: Call) -> Tensor:
    """Look indices up in a table. iOS 16 packs them into bytes and has one table; iOS 18 has a table a group."""
    if call.has("shape"):
        table = call.tensor("lut")
        shape = call.numbers("shape")
        count = int(torch.tensor(shape).prod())
        bits = (table.numel() - 1).bit_length()
        packed = unpack_bits(call.tensor("indices").numpy(), bits, count)
        return table[torch.from_numpy(packed).long()].reshape(shape)
    indices, tables = call.tensor("indices").long(), call.tensor("lut")
    if tables.shape[-1] != 1:
        raise ExportError(f"evaluate: {call.kind} {call.name!r} looks up vectors; that is not known")
    entries = spread(tables[..., 0], indices)
    return entries.gather(-1, indices[..., None])[..., 0]


def spread(blocks: Tensor, data: Tensor) -> Tensor:
    """Repeat what belongs to each block of `data` over all of its elements; axes beyond data's rank stay."""
    for axis, side in enumerate(data.shape):
        if side % blocks.shape[axis]:
            raise ExportError(
                f"evaluate: {blocks.shape[axis]} blocks do not divide axis {axis} of {tuple(data.shape)}"
            )
        blocks = blocks.repeat_interleave(side // blocks.shape[axis], axis)
    return blocks


def blockwise_shift_scale(call: Call) -> Tensor:
    """scale * (data - offset), with a scale and an offset a block."""
    data = call.tensor("data").float()
    offset = spread(call.real("offset"), data) if call.has("offset") else torch.tensor(0.0)
    return spread(call.real("scale"), data) * (data - offset)


def constexpr_cast(call: Call) -> Tensor:
    """A stored fp16 constant in fp32."""
    return call.real("source_val")


def quantize(call: Call) -> Tensor:
    """clip(round(input / scale) + zero_point); halves round to even."""
    data = call.real("input")
    low, high = LIMITS[call.outputs[0].dtype]
    scale, zero = scale_and_zero(call, data)
    return (torch.round(data / scale) + zero).clamp(low, high)


def dequantize(call: Call) -> Tensor:
    """scale * (input - zero_point)."""
    data = call.tensor("input").float()
    scale, zero = scale_and_zero(call, data)
    return scale * (data - zero)


ROUNDING: dict[str, Callable[[Call], Tensor]] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_cast": constexpr_cast,
    "constexpr_lut_to_dense": lut_to_dense,
    "dequantize": dequantize,
    "quantize": quantize,
}
"""Rules by type of operation."""
