"""`sam-edge export`: compile a checkpoint to a bundle."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sam_edge.bundle import Manifest
from sam_edge.cli.options import parse_sizes, precision_type
from sam_edge.errors import InputError, MissingExtraError
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.media.progress import ProgressBar
from sam_edge.precision import CALIBRATED, EXPORT_PRECISIONS

if TYPE_CHECKING:
    from sam_edge.exporters.gate import Gate
    from sam_edge.exporters.image_sets import CalibrationSet
    from sam_edge.nn import Sam

CALIBRATED_AT = (448, 672)
"""Encoder input (height, width) that calibration images are letterboxed to."""
EXPORTERS = {
    "onnx": "sam_edge.exporters.onnx_bundle:export_onnx",
    "openvino": "sam_edge.exporters.openvino_bundle:export_openvino",
    "coreml": "sam_edge.exporters.coreml.bundle:export_coreml",
}
"""Exporter of each target, as `module:function`."""
EXTRA_OF_LIBRARY = {
    "torch": "export",
    "onnx": "export",
    "onnxscript": "export",
    "openvino": "openvino",
    "coremltools": "export",
}
"""Libraries that exporters need, and the extra that installs each."""


class Exporter(Protocol):
    """The signature of every exporter."""

    def __call__(
        self,
        model: Sam,
        out: Path,
        *,
        precision: str,
        calibration: CalibrationSet | None,
        gate: Gate | None,
    ) -> Manifest:
        """Write a bundle."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `export`."""
    parser = subparsers.add_parser(
        "export",
        help="compile a checkpoint for an engine",
        description="Compile a checkpoint for an engine, compare it with fp32 torch, and write it when it is "
        "accurate enough.",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="checkpoint: an official .pt or .pth, or .safetensors",
    )
    parser.add_argument(
        "--arch",
        metavar="NAME",
        help="architecture: mobile_sam, sam_vit_b, ... (default: detected from the checkpoint)",
    )
    parser.add_argument(
        "--target", choices=tuple(EXPORTERS), default="onnx", help="format to compile to (default: onnx)"
    )
    parser.add_argument(
        "--precision",
        type=precision_type(EXPORT_PRECISIONS),
        help="fp32, fp16 or int8; for openvino also bf16 and int8-nncf; for coreml also int8_weights, palette6 and "
        "palette4 (default: int8; for coreml fp16)",
    )
    parser.add_argument(
        "--sizes",
        metavar="WxH,...",
        help="input sizes of the encoder to measure at, the first in full (default: 672x448 and 3 more); for coreml "
        "the sizes to compile for (default: 672x448,448x448)",
    )
    parser.add_argument("--calibration", type=Path, metavar="DIR", help="images to calibrate int8 on")
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="folder with images/ and labels/ to measure accuracy on (default: the dataset in the package)",
    )
    parser.add_argument(
        "--force", action="store_true", help="write the bundle even if it lost too much accuracy"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export, and print the files and the loss of accuracy."""
    precision = args.precision or ("fp16" if args.target == "coreml" else "int8")
    if not args.checkpoint.is_file():
        raise InputError(
            f"--checkpoint: {args.checkpoint}: no such file; `make models` in a clone brings mobile_sam.pt"
        )
    if precision in CALIBRATED and args.calibration is None:
        raise InputError(
            f"--calibration: {precision} is calibrated on images; give a folder with 8 or more, best 32"
        )
    outputs = prepare_outputs(
        Output("--out", args.out, "whole folder"), inputs={"--checkpoint": args.checkpoint}
    )
    with outputs, ProgressBar(1, label="export", unit="bundle") as bar:
        manifest = export_bundle(args, precision)
        bar.advance()
    for entry in manifest.files:
        print(f"  {entry.path:<24}{entry.bytes / 1e6:>8.2f} MB")
    print(f"{args.out}: {manifest.name} for {manifest.target}")
    if manifest.parity["forced"]:
        print(f"forced past the gate: {'; '.join(manifest.parity['missed'])}")
    return 0


def export_bundle(args: argparse.Namespace, precision: str) -> Manifest:
    """Write the bundle, and print the tables of the gate."""
    sizes = parse_sizes("--sizes", args.sizes)
    export = import_exporter(args.target)
    from sam_edge.exporters.bundle_writer import check_out
    from sam_edge.exporters.gate import LABELLED, SIZES, Gate
    from sam_edge.exporters.image_sets import read_calibration
    from sam_edge.nn import load_model
    from sam_edge.runtimes import RuntimeOptions
    from sam_edge.runtimes.torch import Torch
    from sam_edge.segmenter import Segmenter

    check_out(args.out)
    calibration = read_calibration(args.calibration, CALIBRATED_AT) if args.calibration else None
    model = load_model(args.arch, args.checkpoint)
    tables: list[str] = []
    gate = Gate(
        Segmenter(Torch(model, RuntimeOptions())),
        labelled=args.dataset or LABELLED,
        sizes=sizes or (SIZES[:2] if args.target == "coreml" else SIZES),
        force=args.force,
        report=tables.append,
    )
    try:
        return export(model, args.out, precision=precision, calibration=calibration, gate=gate)
    finally:
        print("".join(f"{table}\n" for table in tables), end="")


def import_exporter(target: str) -> Exporter:
    """Import the exporter of a target.

    Raises:
        MissingExtraError: a library that it needs is not installed.
    """
    module, _, function = EXPORTERS[target].partition(":")
    try:
        exporter: Exporter = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRA_OF_LIBRARY:
            raise
        raise MissingExtraError(
            library, extra=EXTRA_OF_LIBRARY[library], purpose=f"export for {target}"
        ) from error
    return exporter
