"""Properties of an operator from its type and shapes: kind of work, floating-point operations, bytes of weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from sam_edge.profile.operators.operator_table import (
    ACTIVATION,
    CONVOLUTION,
    DATA_MOVEMENT,
    ELEMENTWISE,
    MATMUL,
    NORMALISATION,
    OTHER,
    QUANTIZATION,
)
from sam_edge.profile.operators.raw_operator import Shape

TYPES_BY_FAMILY = {
    MATMUL: "matmul fusedmatmul gemm matmulintegertofloat matmulinteger qlinearmatmul dynamicquantizematmul "
    "matmulnbits fullyconnected einsum linear attention multiheadattention scaleddotproductattention scaledattn mha",
    CONVOLUTION: "conv qlinearconv fusedconv convinteger convolution groupconvolution convtranspose deconvolution "
    "groupdeconvolution conv_transpose",
    NORMALISATION: "layernormalization skiplayernormalization simplifiedlayernormalization softmax mvn rms rmsnorm "
    "reduce reducemean reduce_mean layer_norm batch_norm normalizel2",
    ACTIVATION: "gelu biasgelu fastgelu quickgelu relu sigmoid tanh erf hardswish swish silu clip",
    ELEMENTWISE: "add sub mul div pow sqrt neg subgraph eltwise sin cos exp min max where equal real_div square",
    QUANTIZATION: "quantizelinear dequantizelinear dynamicquantizelinear fakequantize quantize dequantize",
    DATA_MOVEMENT: "reshape transpose concat split slice gather reorder reorderinput reorderoutput squeeze unsqueeze "
    "expand shape cast convert pad tile resize interpolate expand_dims permute stridedslice constantofshape range",
}
"""Operator types of ONNX Runtime, OpenVINO and Core ML, in lower case, by kind of work."""
FAMILIES_BY_TYPE = {name: family for family, names in TYPES_BY_FAMILY.items() for name in names.split()}
VIEW_TYPES = frozenset(("reshape", "squeeze", "unsqueeze", "shape", "expand_dims"))
"""Types that move no data: the output is the input with another shape."""


def classify_op(op_type: str) -> str:
    """Return the kind of work of an engine's operator type: one of `FAMILIES`."""
    return FAMILIES_BY_TYPE.get(op_type.lower().rpartition(".")[2], OTHER)


def is_view(op_type: str) -> bool:
    """Return whether operators of a type move no data."""
    return op_type.lower() in VIEW_TYPES


def count_flops(op_type: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> float:
    """Count multiplications and additions.

    A product of M x K and K x N counts 2 M K N, a convolution likewise. Other arithmetic counts one per output value;
    data movement counts nothing.
    """
    output_size = prod(outputs[0]) if outputs else 0
    family, op_type = classify_op(op_type), op_type.lower()
    if family == MATMUL and inputs and inputs[0]:
        return 2.0 * output_size * inner_size(inputs[0], outputs[0] if outputs else ())
    if family == CONVOLUTION:
        weights = next((shape for shape in inputs[1:] if len(shape) >= 4), None)
        if weights is None or not inputs:
            return 0.0
        # A transposed convolution applies its kernel to every input value, the others to every output value.
        if "transpose" in op_type or "deconv" in op_type:
            return 2.0 * prod(inputs[0]) * prod(weights[-3:])
        return 2.0 * output_size * prod(weights[-3:])
    return 0.0 if family in (DATA_MOVEMENT, OTHER) else float(output_size)


def inner_size(first: Shape, output: Shape) -> int:
    """Return K of a product of M x K and K x N. The first factor may be transposed, K x M: the output tells M."""
    transposed = len(first) >= 2 and len(output) >= 2 and first[-1] == output[-2] != first[-2]
    return first[-2] if transposed else first[-1]


def unlisted_weight_bytes(
    op_type: str, inputs: Sequence[Shape], outputs: Sequence[Shape], bytes_per_weight: int
) -> float:
    """Return the bytes of packed weights that an engine does not list among the inputs of a matrix product.

    Args:
        op_type: the operator's type.
        inputs: shapes of the listed inputs.
        outputs: shapes of the outputs.
        bytes_per_weight: size of one weight.
    """
    if classify_op(op_type) != MATMUL or not inputs or not outputs or not inputs[0] or not outputs[0]:
        return 0.0
    k, n = inner_size(inputs[0], outputs[0]), outputs[0][-1]
    listed = any(len(shape) >= 2 and set(shape[-2:]) == {k, n} for shape in inputs[1:])
    return 0.0 if listed else float(k * n * bytes_per_weight)


def output_size_of(op_type: str, outputs: Sequence[Shape]) -> tuple[int, int] | None:
    """Return (positions, channels) of the output of a convolution or matrix product.

    None for other operators: their shapes do not identify the part of the model.
    """
    if not outputs or len(outputs[0]) < 2:
        return None
    shape, family = outputs[0], classify_op(op_type)
    if family == CONVOLUTION and len(shape) == 4:
        return shape[2] * shape[3], shape[1]
    if family == MATMUL:
        return prod(shape[:-1]), shape[-1]
    return None
