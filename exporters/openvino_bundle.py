"""From a checkpoint to a bundle of OpenVINO's own files (IR).

One encoder serves every input size: a runtime fixes the size when it opens the file, and then OpenVINO itself drops the
padding that the size does not need.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from sam_edge.bundle import MANIFEST, GraphEntry, Manifest, describe_file, hash_file
from sam_edge.errors import ExportError, InputError, MissingExtraError
from sam_edge.exporters.gate import Gate
from sam_edge.exporters.onnx_bundle import (
    DECODER_MEANING,
    ENCODER_INPUT,
    ENCODER_OUTPUT,
    FOR_OPENVINO,
    UNKNOWN_ORIGIN,
    check_traceable,
    new_folder,
    tensor_entries,
    traced,
    versions,
)
from sam_edge.exporters.pictures import CalibrationSet
from sam_edge.exporters.quantize_nncf import nncf_version, quantize_with_nncf
from sam_edge.nn import ORIGINS, Sam
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
    checkpoint: Path,
    out: Path,
    *,
    precision: str = "int8",
    calibration: CalibrationSet | None = None,
    gate: Gate | None = None,
) -> Manifest:
    """Write a bundle for OpenVINO, whole or not at all.

    Args:
        model: the model in torch; not changed.
        checkpoint: the file it was loaded from, for the manifest.
        out: the bundle's folder; must not exist, or be a bundle, which is replaced.
        precision: `fp32`; `fp16`: weights stored in half precision, arithmetic in fp32; `bf16`: stored like that, and
            the runtime asks OpenVINO for bf16 arithmetic; `int8`: the encoder's matrix products in 8 bits, other
            weights stored in 8 or 16, just as in ONNX bundles; `int8-nncf`: the encoder as NNCF quantizes it.
        calibration: what to fit int8 on.
        gate: what the bundle has to pass before it is moved to `out`.

    Raises:
        InputError: the precision is unknown, or int8 was asked for without calibration pictures.
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
        raise InputError("calibration: int8 is fitted on pictures; give a folder of them with --calibration")
    tools = {"openvino": openvino.get_version()}
    if precision == "int8-nncf":
        tools["nncf"] = nncf_version()
    with new_folder(out) as folder:
        protos = traced(model, precision, calibration)
        if FOR_OPENVINO in protos:
            protos["encoder"] = protos.pop(FOR_OPENVINO)
        graphs = {role: to_openvino(proto) for role, proto in protos.items()}
        if precision == "int8-nncf" and calibration is not None:
            graphs["encoder"] = quantize_with_nncf(graphs["encoder"], calibration)
        for role, graph in graphs.items():
            save(graph, folder / f"{role}.xml", half=precision != "fp32")
        manifest = describe(model.name, protos, folder, checkpoint, precision, calibration, tools)
        (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        return manifest if gate is None else gate.check(folder)


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
    """Write a graph as IR: `path` and a file of weights beside it. What is 8 bits stays 8 bits.

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


def describe(
    model: str,
    graphs: Mapping[str, onnx.ModelProto],
    folder: Path,
    checkpoint: Path,
    precision: str,
    calibration: CalibrationSet | None,
    tools: Mapping[str, str],
) -> Manifest:
    """Write the manifest of what lies in `folder`: the graphs of `model`, by role, as they were traced."""
    meaning = {**DECODER_MEANING, "image": ENCODER_INPUT}
    entries = tuple(
        GraphEntry(
            role=role,
            file=f"{role}.xml",
            multiple_of=STEP,
            inputs=tensor_entries(proto.graph.input, meaning),
            outputs=tensor_entries(proto.graph.output, {**meaning, "embedding": ENCODER_OUTPUT}),
        )
        for role, proto in graphs.items()
    )
    return Manifest(
        name=f"{model}-{precision}",
        model=model,
        target="openvino",
        precision=precision,
        checkpoint_sha256=hash_file(checkpoint),
        files=tuple(describe_file(path) for path in sorted(folder.iterdir())),
        graphs=entries,
        sizes=(),
        licence=ORIGINS.get(model, UNKNOWN_ORIGIN),
        calibration=calibration.summary() if calibration and precision in CALIBRATED else {},
        tools={**versions(), **tools},
    )
