"""Operations that work on every element alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sam_edge.errors import ExportError
from sam_edge.exporters.coreml.evaluate_mil.values import Call


def operand(call: Call, key: str) -> Tensor:
    """Return an operand: floating point in fp32, whole numbers as they are."""
    value = call.tensor(key)
    return value.float() if value.is_floating_point() else value


def binary(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Call], Tensor]:
    """Build the rule of an operation on `x` and `y`."""
    return lambda call: function(operand(call, "x"), operand(call, "y"))


def unary(function: Callable[[Tensor], Tensor]) -> Callable[[Call], Tensor]:
    """Build the rule of an operation on `x`."""
    return lambda call: function(operand(call, "x"))


def gelu(call: Call) -> Tensor:
    """Exact GELU, or its tanh approximation; both are one table look-up or one kernel on Apple's engines."""
    mode = call.word("mode", "EXACT")
    if mode not in ("EXACT", "TANH_APPROXIMATION"):
        raise ExportError(f"evaluate: gelu {call.name!r} mode {mode!r}; accepted: EXACT, TANH_APPROXIMATION")
    return F.gelu(call.real("x"), approximate="none" if mode == "EXACT" else "tanh")


def cast(call: Call) -> Tensor:
    """Change of format. Floating point to whole numbers drops the fraction."""
    value = call.tensor("x")
    wanted = call.outputs[0]
    if value.is_floating_point() and wanted.dtype.startswith(("INT", "UINT")):
        return value.float().trunc().to(wanted.held)
    return value.to(wanted.held)


def clip(call: Call) -> Tensor:
    """Limit to `alpha`..`beta`."""
    return operand(call, "x").clamp(call.real("alpha").item(), call.real("beta").item())


def select(call: Call) -> Tensor:
    """Take `a` where `cond` holds, else `b`."""
    return torch.where(call.tensor("cond").bool(), operand(call, "a"), operand(call, "b"))


def rsqrt(call: Call) -> Tensor:
    """One over the square root of `x` + `epsilon`."""
    shift = call.real("epsilon") if call.has("epsilon") else torch.tensor(1e-12)
    return torch.rsqrt(call.real("x") + shift)


def floor_div(x: Tensor, y: Tensor) -> Tensor:
    """Quotient rounded down."""
    return torch.div(x, y, rounding_mode="floor")


ELEMENTWISE: dict[str, Callable[[Call], Tensor]] = {
    "add": binary(torch.add),
    "cast": cast,
    "clip": clip,
    "cos": unary(torch.cos),
    "equal": binary(torch.eq),
    "exp": unary(torch.exp),
    "floor_div": binary(floor_div),
    "gelu": gelu,
    "greater": binary(torch.gt),
    "greater_equal": binary(torch.ge),
    "identity": unary(lambda x: x),
    "less": binary(torch.lt),
    "less_equal": binary(torch.le),
    "maximum": binary(torch.maximum),
    "minimum": binary(torch.minimum),
    "mul": binary(torch.mul),
    "not_equal": binary(torch.ne),
    "real_div": binary(torch.div),
    "relu": unary(torch.relu),
    "rsqrt": rsqrt,
    "select": select,
    "sigmoid": unary(torch.sigmoid),
    "sin": unary(torch.sin),
    "sqrt": unary(torch.sqrt),
    "square": unary(torch.square),
    "sub": binary(torch.sub),
    "tanh": unary(torch.tanh),
}
"""Rules by type of operation."""
