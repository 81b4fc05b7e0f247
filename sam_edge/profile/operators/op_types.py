"""What an operator does, from its type and shapes: kind of work, arithmetic, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from sam_edge.profile.operators.operator_table import (
    ACTIVATION,
    ARITHMETIC,
    CONVOLUTION,
    LAYOUT,
    NORM,
    OTHER,
    PRODUCT,
    ROUNDING,
)

Shape = tuple[int, ...]

FAMILY_OF = {
    PRODUCT: "matmul fusedmatmul gemm matmulintegertofloat matmulinteger qlinearmatmul dynamicquantizematmul "
    "matmulnbits fullyconnected einsum linear attention multiheadattention scaleddotproductattention scaledattn mha",
    CONVOLUTION: "conv qlinearconv fusedconv convinteger convolution groupconvolution convtranspose deconvolution "
    "groupdeconvolution conv_transpose",
    NORM: "layernormalization skiplayernormalization simplifiedlayernormalization softmax mvn rms rmsnorm reduce "
    "reducemean reduce_mean layer_norm batch_norm normalizel2",
    ACTIVATION: "gelu biasgelu fastgelu quickgelu relu sigmoid tanh erf hardswish swish silu clip",
    ARITHMETIC: "add sub mul div pow sqrt neg subgraph eltwise sin cos exp min max where equal real_div square",
    ROUNDING: "quantizelinear dequantizelinear dynamicquantizelinear fakequantize quantize dequantize",
    LAYOUT: "reshape transpose concat split slice gather reorder reorderinput reorderoutput squeeze unsqueeze expand "
    "shape cast convert pad tile resize interpolate expand_dims permute stridedslice constantofshape range",
}
"""Types of ONNX Runtime, OpenVINO and Core ML, in small letters, by the kind of work."""
FAMILIES_BY_TYPE = {kind: family for family, kinds in FAMILY_OF.items() for kind in kinds.split()}
STAYS = frozenset(("reshape", "squeeze", "unsqueeze", "shape", "expand_dims"))
"""Types that move nothing: what they make is what they were given, under another shape."""


def family_of(kind: str) -> str:
    """Return the kind of work that an engine's operator type stands for."""
    return FAMILIES_BY_TYPE.get(kind.lower().rpartition(".")[2], OTHER)


def stays(kind: str) -> bool:
    """Say whether an operator of that type moves nothing at all."""
    return kind.lower() in STAYS


def flops_of(kind: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> float:
    """Count multiplications and additions.

    A product of M x K and K x N counts 2 M K N, a convolution likewise; anything else that computes counts one for
    every number that it makes, and what only moves data counts nothing.
    """
    made = prod(outputs[0]) if outputs else 0
    family, kind = family_of(kind), kind.lower()
    if family == PRODUCT and inputs and inputs[0]:
        return 2.0 * made * depth_of(inputs[0], outputs[0] if outputs else ())
    if family == CONVOLUTION:
        weights = next((shape for shape in inputs[1:] if len(shape) >= 4), None)
        if weights is None or not inputs:
            return 0.0
        # A transposed convolution spreads every input over its kernel; the others gather.
        if "transpose" in kind or "deconv" in kind:
            return 2.0 * prod(inputs[0]) * prod(weights[-3:])
        return 2.0 * made * prod(weights[-3:])
    return 0.0 if family in (LAYOUT, OTHER) else float(made)


def depth_of(first: Shape, made: Shape) -> int:
    """Return K of a product of M x K and K x N, whose first factor may lie the other way, K x M: M is what is made."""
    turned = len(first) >= 2 and len(made) >= 2 and first[-1] == made[-2] != first[-2]
    return first[-2] if turned else first[-1]


def weight_bytes(kind: str, inputs: Sequence[Shape], outputs: Sequence[Shape], width: int) -> float:
    """Return the bytes of weights that an engine keeps packed apart and does not list among a product's inputs.

    Args:
        kind: the operator's type.
        inputs: shapes of the inputs that are listed.
        outputs: shapes of its outputs.
        width: bytes of one weight.
    """
    if family_of(kind) != PRODUCT or not inputs or not outputs or not inputs[0] or not outputs[0]:
        return 0.0
    k, n = depth_of(inputs[0], outputs[0]), outputs[0][-1]
    listed = any(len(shape) >= 2 and set(shape[-2:]) == {k, n} for shape in inputs[1:])
    return 0.0 if listed else float(k * n * width)


def sides_of(kind: str, outputs: Sequence[Shape]) -> tuple[int, int] | None:
    """Return (places, width) of what an operator with weights makes: image places or tokens, and numbers at each.

    None for everything else: shapes of other operators say little of where in the model they stand.
    """
    if not outputs or len(outputs[0]) < 2:
        return None
    shape, family = outputs[0], family_of(kind)
    if family == CONVOLUTION and len(shape) == 4:
        return shape[2] * shape[3], shape[1]
    if family == PRODUCT:
        return prod(shape[:-1]), shape[-1]
    return None
