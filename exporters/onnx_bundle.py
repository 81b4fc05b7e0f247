"""From a checkpoint to a bundle of ONNX files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from sam_edge.bundle import POINT_DECODER, GraphEntry, Manifest
from sam_edge.errors import InputError
from sam_edge.exporters.bundle_writer import new_folder, tool_versions, write_manifest
from sam_edge.exporters.gate import Gate
from sam_edge.exporters.image_sets import CalibrationSet
from sam_edge.exporters.onnx_graphs import (
    DECODER_MEANING,
    ENCODER_MEANING,
    FOR_OPENVINO,
    TOOLS,
    check_traceable,
    describe_tensors,
    trace_graphs,
)
from sam_edge.exporters.onnx_rounding import SHIFTED
from sam_edge.exporters.onnx_weights import remove_padding, save_with_weights, store_half
from sam_edge.nn import Sam
from sam_edge.precision import replace_former_name

PAD_FREE = 224
"""Input sides that are multiples of this cut windows without padding."""
PRECISIONS = ("fp32", "fp16", "int8")


def export_onnx(
    model: Sam,
    out: Path,
    *,
    precision: str = "fp32",
    calibration: CalibrationSet | None = None,
    gate: Gate | None = None,
) -> Manifest:
    """Write a bundle of ONNX files, whole or not at all.

    The encoder comes as two graphs that share one file of weights: one for inputs whose sides are multiples of 224, in
    which nothing is padded, and one for any multiple of 16.

    Args:
        model: the model in torch; not changed.
        out: the bundle's folder; must not exist, or be a bundle, which is replaced.
        precision: `fp32`; `fp16`: weights stored in half precision, arithmetic in fp32; `int8`: the encoder's matrix
            products in 8 bits, other weights stored in 8 or 16.
        calibration: what to fit int8 on.
        gate: what the bundle has to pass before it is moved to `out`.

    Raises:
        InputError: the precision is unknown, or int8 was asked for without calibration images.
        ExportError: the encoder is too large for one ONNX message, or `out` is in the way or cannot be written.
        GateError: it lost too much accuracy.
    """
    check_traceable(model)
    precision = replace_former_name(precision)
    if precision not in PRECISIONS:
        raise InputError(
            f"precision: {precision!r} is not accepted for onnx; accepted: {', '.join(PRECISIONS)}"
        )
    if precision == "int8" and calibration is None:
        raise InputError("calibration: int8 is fitted on images; give a folder of them with --calibration")
    with new_folder(out) as folder:
        graphs = trace_graphs(model, precision, calibration)
        if precision != "fp32":
            for proto in graphs.values():
                shifted = [tensor.name for tensor in proto.graph.initializer if tensor.name.endswith(SHIFTED)]
                store_half(proto.graph, skip=shifted)
        encoder, decoder, points = graphs["encoder"], graphs["decoder"], graphs[POINT_DECODER]
        encoders = {"encoder.onnx": remove_padding(encoder), "encoder_padded.onnx": encoder}
        if FOR_OPENVINO in graphs:
            encoders[f"{FOR_OPENVINO}.onnx"] = remove_padding(graphs[FOR_OPENVINO])
        save_with_weights(encoders, folder, "encoder.weights")
        save_with_weights({"decoder.onnx": decoder, "decoder_points.onnx": points}, folder, "decoder.weights")
        return write_manifest(
            folder,
            model,
            name=f"{model.name}-{precision}",
            target="onnx",
            precision=precision,
            graphs=describe_graphs(graphs),
            tools=tool_versions(TOOLS),
            calibration=calibration,
            gate=gate,
        )


def describe_graphs(traced: Mapping[str, onnx.ModelProto]) -> tuple[GraphEntry, ...]:
    """Describe the files of a bundle for its manifest.

    Args:
        traced: the graphs by role; an encoder for OpenVINO is optional.
    """
    files = [
        ("encoder", "encoder.onnx", "", PAD_FREE, ENCODER_MEANING),
        ("encoder", "encoder_padded.onnx", "", 16, ENCODER_MEANING),
        ("decoder", "decoder.onnx", "", 16, DECODER_MEANING),
        (POINT_DECODER, "decoder_points.onnx", "", 16, DECODER_MEANING),
    ]
    if FOR_OPENVINO in traced:
        files.insert(1, ("encoder", f"{FOR_OPENVINO}.onnx", "openvino", PAD_FREE, ENCODER_MEANING))
    return tuple(
        GraphEntry(
            role=role,
            file=file,
            multiple_of=multiple,
            inputs=describe_tensors(traced[role].graph.input, meaning),
            outputs=describe_tensors(traced[role].graph.output, meaning),
            engine=engine,
        )
        for role, file, engine, multiple, meaning in files
    )
