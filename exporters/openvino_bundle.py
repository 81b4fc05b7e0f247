"""From a checkpoint to a bundle of OpenVINO's own files (IR).

One encoder serves every input size: a runtime fixes the size when it opens the file, and then OpenVINO itself drops the
padding that the size does not need.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from sam_edge.bundle import GraphEntry, Manifest
from sam_edge.errors import ExportError, InputError, MissingExtraError
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
from sam_edge.exporters.quantize_nncf import nncf_version, quantize_with_nncf
from sam_edge.nn import Sam
from sam_edge.precision import CALIBRATED, replace_former_name

try:
    import openvino
except ImportError as error:
    raise MissingExtraError("openvino", extra="openvino", purpose="exporting for OpenVINO") from error

PRECISIONS = ("fp32", "fp16", "bf16", "int8", "int8-nncf")
STEP = 16
"""Sides of the encoder's input must be multiples of this."""


def export_openvino(
    model: Sam,
    out: Path,
    *,
    precision: str = "int8",
    calibration: CalibrationSet | None = None,
    gate: Gate | None = None,
) -> Manifest:
    """Write a bundle for OpenVINO, whole or not at all.

    Args:
        model: the model in torch; not changed.
        out: the bundle's folder; must not exist, or be a bundle, which is replaced.
        precision: `fp32`; `fp16`: weights stored in half precision, arithmetic in fp32; `bf16`: stored like that, and
            the runtime asks OpenVINO for bf16 arithmetic; `int8`: the encoder's matrix products in 8 bits, other
            weights stored in 8 or 16, just as in ONNX bundles; `int8-nncf`: the encoder as NNCF quantizes it.
        calibration: what to fit int8 on.
        gate: what the bundle has to pass before it is moved to `out`.

    Raises:
        InputError: the precision is unknown, or int8 was asked for without calibration images.
        ExportError: the encoder is too large to trace, or `out` is in the way or cannot be written.
        GateError: it lost too much accuracy.
        MissingExtraError: NNCF was asked for and is not installed.
    """
    check_traceable(model)
    precision = replace_former_name(precision)
    if precision not in PRECISIONS:
        raise InputError(
            f"precision: {precision!r} is not accepted for openvino; accepted: {', '.join(PRECISIONS)}"
        )
    if precision in CALIBRATED and calibration is None:
        raise InputError("calibration: int8 is fitted on images; give a folder of them with --calibration")
    tools = {"openvino": openvino.get_version()}
    if precision == "int8-nncf":
        tools["nncf"] = nncf_version()
    with new_folder(out) as folder:
        protos = trace_graphs(model, precision, calibration)
        if FOR_OPENVINO in protos:
            protos["encoder"] = protos.pop(FOR_OPENVINO)
        graphs = {role: to_openvino(proto) for role, proto in protos.items()}
        if precision == "int8-nncf" and calibration is not None:
            graphs["encoder"] = quantize_with_nncf(graphs["encoder"], calibration)
        for role, graph in graphs.items():
            save(graph, folder / f"{role}.xml", half=precision != "fp32")
        return write_manifest(
            folder,
            model,
            name=f"{model.name}-{precision}",
            target="openvino",
            precision=precision,
            graphs=describe_graphs(protos),
            tools={**tool_versions(TOOLS), **tools},
            calibration=calibration,
            gate=gate,
        )


def to_openvino(graph: onnx.ModelProto) -> Any:
    """Read a traced graph into OpenVINO, its sizes still open.

    Raises:
        ExportError: OpenVINO does not understand it.
    """
    try:
        return openvino.Core().read_model(graph.SerializeToString())
    except RuntimeError as error:
        raise ExportError(f"openvino: cannot read the traced graph: {error}") from error


def save(graph: Any, path: Path, *, half: bool) -> None:
    """Write a graph as IR: `path`, and a file of weights next to it. 8-bit weights stay in 8 bits.

    Args:
        graph: OpenVINO's model.
        path: the `.xml`.
        half: store floating-point weights in half precision; OpenVINO widens them when it opens the file.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        openvino.save_model(graph, path, compress_to_fp16=half)
    except RuntimeError as error:
        raise ExportError(f"out: {path.name} cannot be written: {error}") from error


def describe_graphs(traced: Mapping[str, onnx.ModelProto]) -> tuple[GraphEntry, ...]:
    """Describe the files of a bundle for its manifest, by the graphs, by role, that they were made from."""
    meaning = {**DECODER_MEANING, "image": ENCODER_MEANING["image"]}
    output_meaning = {**DECODER_MEANING, "embedding": ENCODER_MEANING["embedding"]}
    return tuple(
        GraphEntry(
            role=role,
            file=f"{role}.xml",
            multiple_of=STEP,
            inputs=describe_tensors(proto.graph.input, meaning),
            outputs=describe_tensors(proto.graph.output, output_meaning),
        )
        for role, proto in traced.items()
    )
