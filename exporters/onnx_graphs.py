"""The graphs of every target that begins with ONNX: traced, rounded, and described for a manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import onnx
from onnx import TensorProto

from sam_edge.bundle import POINT_DECODER, TensorEntry
from sam_edge.errors import ExportError
from sam_edge.exporters.image_sets import CalibrationSet
from sam_edge.exporters.onnx_gelu import use_polynomial
from sam_edge.exporters.onnx_rounding import insert_rounding, insert_shifted_rounding
from sam_edge.exporters.onnx_runtime_form import suit_onnx_runtime
from sam_edge.exporters.onnx_weights import initializers, store_int8
from sam_edge.exporters.quantize import plan_quantization
from sam_edge.exporters.trace import trace_decoder, trace_encoder, trace_point_decoder
from sam_edge.nn import Sam

FOR_OPENVINO = "encoder_openvino"
"""The encoder in the form that suits OpenVINO: its key among the traced graphs, and its file's name."""
ENCODER_INT8_FROM, DECODER_INT8_FROM = 80_000, 32_768
"""Weights of fewer values stay in half precision: rounding them saves little and costs most."""
SENSITIVE = (
    r"layers\.1\.cross_attn.*\.[qkv]_proj|layers\.0\.cross_attn_image_to_token\.[qkv]_proj"
    r"|layers\.0\.cross_attn_token_to_image\.k_proj|final_attn.*\.[kv]_proj"
)
"""Decoder weights that stay in half precision whatever their size: rounded alone, each disturbs the masks most."""
NEVER = r"(?!)"
"""A pattern that matches nothing."""
MAX_TRACED_BYTES = 2**31 - 2**24
"""Bytes of fp32 weights that a graph can be traced with: a protobuf message is held under 2 GiB, structure included."""
TOOLS = ("torch", "onnx", "onnxscript", "numpy")
"""Distributions that make the graphs."""
ENCODER_MEANING = {
    "image": "RGB image, 0..255, letterboxed into the top-left corner",
    "embedding": "embedding, stride 16",
}
"""What the encoder's input and output hold."""
DECODER_MEANING = {
    "embedding": "from the encoder",
    "points": "x, y in input pixels; a pixel's own index is its place",
    "labels": "1 object, 0 not, 2 and 3 a box's corners, -1 padding (ends a prompt without a box)",
    "mask": "logits of a mask prompt",
    "has_mask": "1 where the mask is to be used, 0 where it is to be ignored",
    "logits": "low-resolution logits of all four masks, 4 input pixels apart; > 0 is inside",
    "scores": "predicted IoU of all four masks",
}
"""What a decoder's inputs and outputs hold."""


def trace_graphs(
    model: Sam, precision: str, calibration: CalibrationSet | None
) -> dict[str, onnx.ModelProto]:
    """Trace the encoder and both decoders, by role, and round to 8 bits what `precision` asks for.

    `int8` rounds the encoder's products and the decoders' weights, and adds an encoder for OpenVINO; `int8-nncf` leaves
    the encoder to NNCF.
    """
    plan = None
    if precision == "int8" and calibration is not None:
        plan = plan_quantization(model, calibration.images)
    graphs = {
        "encoder": trace_encoder(model if plan is None else plan.model),
        "decoder": trace_decoder(model),
        POINT_DECODER: trace_point_decoder(model),
    }
    if plan is not None:
        graphs[FOR_OPENVINO] = onnx.ModelProto()
        graphs[FOR_OPENVINO].CopyFrom(graphs["encoder"])
        insert_rounding(graphs["encoder"], plan.layers)
        insert_shifted_rounding(graphs[FOR_OPENVINO], plan.layers)
        use_polynomial(graphs[FOR_OPENVINO])
        for role in ("encoder", FOR_OPENVINO):
            shrink_to_int8(graphs[role].graph, at_least=ENCODER_INT8_FROM)
        suit_onnx_runtime(graphs["encoder"])
    if precision.startswith("int8"):
        for role in ("decoder", POINT_DECODER):
            shrink_decoder(graphs[role].graph)
    return graphs


def check_traceable(model: Sam) -> None:
    """Refuse an encoder whose graph would not fit into a protobuf message, before any work is done.

    Raises:
        ExportError: names the size.
    """
    weights = sum(parameter.numel() * 4 for parameter in model.image_encoder.parameters())
    if weights > MAX_TRACED_BYTES:
        raise ExportError(
            f"model: {model.name}'s encoder has {weights / 1e9:.2f} GB of fp32 weights; accepted for onnx: up to "
            f"{MAX_TRACED_BYTES / 1e9:.2f} GB (a graph is traced as one protobuf message). Export a smaller model, or "
            "run this one with the runtime torch"
        )


def shrink_decoder(graph: onnx.GraphProto) -> None:
    """Store a decoder's weights in 8 bits, but for those that decide what attends to what between tokens and image."""
    shrink_to_int8(graph, at_least=DECODER_INT8_FROM, but=SENSITIVE)


def shrink_to_int8(graph: onnx.GraphProto, *, at_least: int, but: str = NEVER) -> None:
    """Store weights of products and convolutions of `at_least` values in 8 bits, if they are not yet.

    Weights whose name matches the pattern `but` are left as they are.
    """
    constants = initializers(graph)
    axes = {}
    for node in graph.node:
        if node.op_type not in ("MatMul", "Conv") or node.input[1] not in constants:
            continue
        tensor = constants[node.input[1]]
        values = 1
        for side in tensor.dims:
            values *= side
        large = tensor.data_type == TensorProto.FLOAT and values >= at_least
        if large and not re.search(but, tensor.name):
            axes[tensor.name] = len(tensor.dims) - 1 if node.op_type == "MatMul" else 0
    store_int8(graph, axes, axis_of=axes)


def describe_tensors(
    values: Iterable[onnx.ValueInfoProto], meaning: Mapping[str, str]
) -> tuple[TensorEntry, ...]:
    """Describe a graph's inputs or outputs."""
    return tuple(
        TensorEntry(
            name=value.name,
            shape=tuple(side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim),
            dtype=onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
            meaning=meaning[value.name],
        )
        for value in values
    )
