"""From a checkpoint to a bundle of ONNX files."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import TensorProto

from sam_edge.bundle import (
    MANIFEST,
    POINT_DECODER,
    GraphEntry,
    Manifest,
    TensorEntry,
    describe_file,
    hash_file,
)
from sam_edge.errors import ExportError, InputError
from sam_edge.exporters.gate import Gate
from sam_edge.exporters.onnx_gelu import use_polynomial
from sam_edge.exporters.onnx_rounding import SHIFTED, insert, insert_shifted
from sam_edge.exporters.onnx_weights import (
    initializers,
    save_with_weights,
    store_half,
    store_int8,
    without_padding,
)
from sam_edge.exporters.pictures import CalibrationSet
from sam_edge.exporters.quantize import plan_quantization
from sam_edge.exporters.trace import trace_decoder, trace_encoder, trace_point_decoder
from sam_edge.nn import ORIGINS, Sam
from sam_edge.precision import replace_former_name
from sam_edge.version import __version__

FOR_OPENVINO = "encoder_openvino"
"""What `traced` and its file are called: the encoder in the form that suits OpenVINO."""
PAD_FREE = 224
"""Input sides that are multiples of this cut windows without padding."""
ENCODER_ROUNDED, DECODER_ROUNDED = 80_000, 32_768
"""Weights of fewer values stay in half precision: rounding them saves little and costs most."""
SENSITIVE = (
    r"layers\.1\.cross_attn.*\.[qkv]_proj|layers\.0\.cross_attn_image_to_token\.[qkv]_proj"
    r"|layers\.0\.cross_attn_token_to_image\.k_proj|final_attn.*\.[kv]_proj"
)
"""Decoder weights that stay in half precision whatever their size: rounded alone, each disturbs the masks most."""
NEVER = r"(?!)"
"""A pattern that matches nothing."""
TRACED_AT_MOST = 2**31 - 2**24
"""Bytes of fp32 weights that a graph can be traced with: a protobuf message is held under 2 GiB, structure included."""
PRECISIONS = ("fp32", "fp16", "int8")
UNKNOWN_ORIGIN = "unknown"
"""Licence of a model that is not one of `ORIGINS`."""
TOOLS = ("torch", "onnx", "onnxscript", "numpy")
ENCODER_INPUT = "RGB picture, 0..255, letterboxed into the top-left corner"
ENCODER_OUTPUT = "embedding, stride 16"
DECODER_MEANING = {
    "embedding": "from the encoder",
    "points": "x, y in input pixels; a pixel's own index is its place",
    "labels": "1 object, 0 not, 2 and 3 a box's corners, -1 padding (ends a prompt without a box)",
    "mask": "logits of a mask prompt",
    "has_mask": "1 where the mask is to be used, 0 where it is to be ignored",
    "logits": "low-resolution logits of all four masks, 4 input pixels apart; > 0 is inside",
    "scores": "predicted IoU of all four masks",
}


def export_onnx(
    model: Sam,
    checkpoint: Path,
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
        checkpoint: the file it was loaded from, for the manifest.
        out: the bundle's folder; must not exist, or be a bundle, which is replaced.
        precision: `fp32`; `fp16`: weights stored in half precision, arithmetic in fp32; `int8`: the encoder's matrix
            products in 8 bits, other weights stored in 8 or 16.
        calibration: what to fit int8 on.
        gate: what the bundle has to pass before it is moved to `out`.

    Raises:
        InputError: the precision is unknown, or int8 was asked for without calibration pictures.
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
        raise InputError("calibration: int8 is fitted on pictures; give a folder of them with --calibration")
    with new_folder(out) as folder:
        graphs = traced(model, precision, calibration)
        if precision != "fp32":
            for proto in graphs.values():
                shifted = [tensor.name for tensor in proto.graph.initializer if tensor.name.endswith(SHIFTED)]
                store_half(proto.graph, skip=shifted)
        encoder, decoder, points = graphs["encoder"], graphs["decoder"], graphs[POINT_DECODER]
        encoders = {"encoder.onnx": without_padding(encoder), "encoder_padded.onnx": encoder}
        if FOR_OPENVINO in graphs:
            encoders[f"{FOR_OPENVINO}.onnx"] = without_padding(graphs[FOR_OPENVINO])
        save_with_weights(encoders, folder, "encoder.weights")
        save_with_weights({"decoder.onnx": decoder, "decoder_points.onnx": points}, folder, "decoder.weights")
        manifest = describe(model.name, graphs, folder, checkpoint, precision, calibration)
        (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        return manifest if gate is None else gate.check(folder)


def traced(model: Sam, precision: str, calibration: CalibrationSet | None) -> dict[str, onnx.ModelProto]:
    """Trace the encoder and both decoders, by role, and round what is to be 8 bits.

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
        insert(graphs["encoder"], plan.layers)
        insert_shifted(graphs[FOR_OPENVINO], plan.layers)
        use_polynomial(graphs[FOR_OPENVINO])
        for role in ("encoder", FOR_OPENVINO):
            shrink_to_int8(graphs[role].graph, at_least=ENCODER_ROUNDED)
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
    if weights > TRACED_AT_MOST:
        raise ExportError(
            f"model: {model.name}'s encoder has {weights / 1e9:.2f} GB of fp32 weights; accepted for onnx: up to "
            f"{TRACED_AT_MOST / 1e9:.2f} GB (a graph is traced as one protobuf message). Export a smaller model, or "
            "run this one with the runtime torch"
        )


def shrink_decoder(graph: onnx.GraphProto) -> None:
    """Store a decoder's weights in 8 bits, but for those that decide what attends to what between tokens and image."""
    shrink_to_int8(graph, at_least=DECODER_ROUNDED, but=SENSITIVE)


def shrink_to_int8(graph: onnx.GraphProto, *, at_least: int, but: str = NEVER) -> None:
    """Store weights of products and convolutions of `at_least` so many values in 8 bits, if they are not yet.

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


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out`, and move it there when all went well.

    Raises:
        ExportError: `out` is in the way or cannot be written.
    """
    if out.exists() and not (out / MANIFEST).is_file():
        raise ExportError(f"out: {out} exists and is no bundle; give a new folder, or remove it first")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise ExportError(f"out: {out} cannot be written: {error}") from error
    try:
        yield made
        made.chmod(0o755)
        put_in_place(made, out)
    except OSError as error:
        raise ExportError(f"out: {out} cannot be written: {error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def put_in_place(made: Path, out: Path) -> None:
    """Move a finished folder to its name. One that was there goes last, and comes back if the move fails."""
    former = made.with_name(f"{made.name}-former")
    if out.exists():
        os.replace(out, former)
    try:
        os.replace(made, out)
    except OSError:
        if former.exists():
            os.replace(former, out)
        raise
    shutil.rmtree(former, ignore_errors=True)


def describe(
    model: str,
    traced_graphs: Mapping[str, onnx.ModelProto],
    folder: Path,
    checkpoint: Path,
    precision: str,
    calibration: CalibrationSet | None,
) -> Manifest:
    """Write the manifest of what lies in `folder`: the graphs of `model`, by role, as they were traced."""
    encoder_meaning = {"image": ENCODER_INPUT, "embedding": ENCODER_OUTPUT}
    entries = [
        ("encoder", "encoder.onnx", "", PAD_FREE, encoder_meaning),
        ("encoder", "encoder_padded.onnx", "", 16, encoder_meaning),
        ("decoder", "decoder.onnx", "", 16, DECODER_MEANING),
        (POINT_DECODER, "decoder_points.onnx", "", 16, DECODER_MEANING),
    ]
    if FOR_OPENVINO in traced_graphs:
        entries.insert(1, ("encoder", f"{FOR_OPENVINO}.onnx", "openvino", PAD_FREE, encoder_meaning))
    graphs = tuple(
        GraphEntry(
            role=role,
            file=file,
            multiple_of=multiple,
            inputs=tensor_entries(traced_graphs[role].graph.input, meaning),
            outputs=tensor_entries(traced_graphs[role].graph.output, meaning),
            engine=engine,
        )
        for role, file, engine, multiple, meaning in entries
    )
    return Manifest(
        name=f"{model}-{precision}",
        model=model,
        target="onnx",
        precision=precision,
        checkpoint_sha256=hash_file(checkpoint),
        files=tuple(describe_file(path) for path in sorted(folder.iterdir())),
        graphs=graphs,
        sizes=(),
        licence=ORIGINS.get(model, UNKNOWN_ORIGIN),
        calibration=calibration.summary() if calibration and precision == "int8" else {},
        tools=versions(),
    )


def tensor_entries(values: Iterable[onnx.ValueInfoProto], meaning: dict[str, str]) -> tuple[TensorEntry, ...]:
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


def versions() -> dict[str, str]:
    """Name the versions of what made an export."""
    found = {name: importlib.metadata.version(name) for name in TOOLS}
    return {"sam_edge": __version__, "python": platform.python_version(), **found}
