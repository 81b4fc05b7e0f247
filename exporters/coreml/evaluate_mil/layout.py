"""Operations that move elements without changing them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sam_edge.errors import ExportError
from sam_edge.exporters.coreml.evaluate_mil.values import Call


def reshape(call: Call) -> Tensor:
    """Same elements in another shape; -1 is what is left, 0 keeps a size."""
    x = call.tensor("x")
    wanted = call.numbers("shape")
    return x.reshape([x.shape[place] if side == 0 else side for place, side in enumerate(wanted)])


def transpose(call: Call) -> Tensor:
    """Axes in another order."""
    return call.tensor("x").permute(call.numbers("perm"))


def split(call: Call) -> tuple[Tensor, ...]:
    """Cut along `axis`, into given sizes or equal parts."""
    x, axis = call.tensor("x"), call.number("axis")
    if call.has("split_sizes"):
        return torch.split_with_sizes(x, call.numbers("split_sizes"), axis)
    return x.tensor_split(call.number("num_splits"), axis)


def concat(call: Call) -> Tensor:
    """Join along `axis`."""
    if call.number("interleave", 0):
        raise ExportError(f"evaluate: concat {call.name!r} interleaves; that is not known")
    return torch.cat(call.several("values"), call.number("axis"))


def stack(call: Call) -> Tensor:
    """Join along a new axis."""
    return torch.stack(call.several("values"), call.number("axis"))


def expand_dims(call: Call) -> Tensor:
    """Add axes of size 1 at places counted in the result."""
    x = call.tensor("x")
    rank = x.dim() + len(call.numbers("axes"))
    for axis in sorted(place % rank for place in call.numbers("axes")):
        x = x.unsqueeze(axis)
    return x


def squeeze(call: Call) -> Tensor:
    """Drop axes of size 1."""
    x = call.tensor("x")
    if not call.has("axes"):
        return x.squeeze()
    return x.squeeze(tuple(place % x.dim() for place in call.numbers("axes")))


def slice_by_index(call: Call) -> Tensor:
    """Cut a range out of every axis. A mask says where a begin or end is open, or where one place is taken."""
    x = call.tensor("x")
    begin, end = call.numbers("begin"), call.numbers("end")
    stride = call.numbers("stride") if call.has("stride") else [1] * x.dim()
    if min(stride) < 1:
        raise ExportError(f"evaluate: slice_by_index {call.name!r} walks backwards; that is not known")
    no_begin, no_end, single = (
        call.numbers(key) if call.has(key) else [0] * x.dim()
        for key in ("begin_mask", "end_mask", "squeeze_mask")
    )
    wanted: list[int | slice] = []
    for axis in range(x.dim()):
        first = None if no_begin[axis] else begin[axis]
        last = None if no_end[axis] else end[axis]
        wanted.append(begin[axis] if single[axis] else slice(first, last, stride[axis]))
    return x[tuple(wanted)]


def slice_by_size(call: Call) -> Tensor:
    """Cut `size` elements from `begin` out of every axis; -1 is all that is left."""
    x = call.tensor("x")
    for axis, (first, size) in enumerate(zip(call.numbers("begin"), call.numbers("size"), strict=True)):
        x = x.narrow(axis, first, x.shape[axis] - first if size < 0 else size)
    return x


def pad(call: Call) -> Tensor:
    """Put a constant round the last axes."""
    mode = call.word("mode", "constant")
    if mode != "constant":
        raise ExportError(f"evaluate: pad {call.name!r} mode {mode!r}; accepted: constant")
    amounts = call.numbers("pad")
    pairs = [amounts[place : place + 2] for place in range(0, len(amounts), 2)]
    value = float(call.real("constant_val").item()) if call.has("constant_val") else 0.0
    return F.pad(call.tensor("x"), [side for pair in reversed(pairs) for side in pair], value=value)


def tile(call: Call) -> Tensor:
    """Repeat along every axis."""
    return call.tensor("x").repeat(call.numbers("reps"))


def gather(call: Call) -> Tensor:
    """Take the places `indices` of `axis`; negative ones count from the end."""
    if call.number("batch_dims", 0):
        raise ExportError(f"evaluate: gather {call.name!r} has batch_dims; that is not known")
    x, wanted = call.tensor("x"), call.tensor("indices").long()
    axis = call.number("axis", 0) % x.dim()
    wanted = torch.where(wanted < 0, wanted + x.shape[axis], wanted)
    taken = x.index_select(axis, wanted.flatten())
    return taken.reshape(*x.shape[:axis], *wanted.shape, *x.shape[axis + 1 :])


def pixel_shuffle(call: Call) -> Tensor:
    """Channels to blocks of places: (B, C * r * r, H, W) to (B, C, H * r, W * r)."""
    return F.pixel_shuffle(call.tensor("x"), call.number("upscale_factor"))


LAYOUT: dict[str, Callable[[Call], Tensor | tuple[Tensor, ...]]] = {
    "concat": concat,
    "expand_dims": expand_dims,
    "gather": gather,
    "pad": pad,
    "pixel_shuffle": pixel_shuffle,
    "reshape": reshape,
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "split": split,
    "squeeze": squeeze,
    "stack": stack,
    "tile": tile,
    "transpose": transpose,
}
"""Rules by type of operation."""
