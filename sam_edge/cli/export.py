"""`sam-edge export`: from a checkpoint to a bundle."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sam_edge.bundle import Manifest
from sam_edge.cli.options import parse_sizes, precision_type
from sam_edge.errors import InputError, MissingExtraError
from sam_edge.media.progress import ProgressBar
from sam_edge.precision import CALIBRATED, EXPORT_PRECISIONS

if TYPE_CHECKING:
    from sam_edge.exporters.gate import Gate
    from sam_edge.exporters.pictures import CalibrationSet
    from sam_edge.nn import Sam

CALIBRATED_AT = (448, 672)
"""Encoder input (height, width) that calibration pictures are letterboxed to."""
EXPORTERS = {
    "onnx": "sam_edge.exporters.onnx_bundle:export_onnx",
    "openvino": "sam_edge.exporters.openvino_bundle:export_openvino",
    "coreml": "sam_edge.exporters.coreml.bundle:export_coreml",
}
"""Where the exporter of each target is, as `module:function`."""
TOOLS = {
    "torch": "export",
    "onnx": "export",
    "onnxscript": "export",
    "openvino": "openvino",
    "coremltools": "export",
}
"""Libraries that exporters need, and the extra that brings each."""


class Exporter(Protocol):
    """What every exporter takes."""

    def __call__(
        self,
        model: Sam,
        checkpoint: Path,
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
        description="Compile a checkpoint for an engine, measure it beside fp32 torch, write it if it is good enough.",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="an official .pt or .pth, or .safetensors",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="mobile_sam, sam_vit_b, ...; recognised from the checkpoint if left out",
    )
    parser.add_argument(
        "--target", choices=tuple(EXPORTERS), default="onnx", help="what to compile for (default: onnx)"
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
        help="the encoder's inputs to measure at, the first in full (default: 672x448 and three more); for coreml "
        "those that packages are made for (default: 672x448,448x448)",
    )
    parser.add_argument("--calibration", type=Path, metavar="DIR", help="pictures that int8 is fitted on")
    parser.add_argument(
        "--labelled",
        type=Path,
        metavar="DIR",
        help="images/ and labels/ to measure on (default: the package's own)",
    )
    parser.add_argument("--force", action="store_true", help="write the bundle whatever it lost")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="the folder to make")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Export, and say what was made and what it lost."""
    precision = given.precision or ("fp16" if given.target == "coreml" else "int8")
    if precision in CALIBRATED and given.calibration is None:
        raise InputError(
            f"--calibration: {precision} is fitted on pictures; give a folder of 8 or more, best 32"
        )
    sizes = parse_sizes("--sizes", given.sizes)
    export = exporter(given.target)
    from sam_edge.exporters.gate import LABELLED, SIZES, Gate
    from sam_edge.exporters.pictures import read_calibration
    from sam_edge.nn import load_model
    from sam_edge.runtimes import RuntimeOptions
    from sam_edge.runtimes.torch import Torch
    from sam_edge.segmenter import Segmenter

    calibration = read_calibration(given.calibration, CALIBRATED_AT) if given.calibration else None
    model = load_model(given.model, given.checkpoint)
    tables: list[str] = []
    gate = Gate(
        Segmenter(Torch(model, RuntimeOptions())),
        labelled=given.labelled or LABELLED,
        sizes=sizes or (SIZES[:2] if given.target == "coreml" else SIZES),
        force=given.force,
        tell=tables.append,
    )
    try:
        with ProgressBar(1, label="export", unit="bundle") as bar:
            manifest = export(
                model,
                given.checkpoint,
                given.out,
                precision=precision,
                calibration=calibration,
                gate=gate,
            )
            bar.advance()
    finally:
        print("".join(f"{table}\n" for table in tables), end="")
    for entry in manifest.files:
        print(f"  {entry.path:<24}{entry.bytes / 1e6:>8.2f} MB")
    print(f"{given.out}: {manifest.name} for {manifest.target}")
    if manifest.parity["forced"]:
        print(f"forced past the gate: {'; '.join(manifest.parity['missed'])}")
    return 0


def exporter(target: str) -> Exporter:
    """Import the exporter of a target.

    Raises:
        MissingExtraError: a library that it needs is not installed.
    """
    module, _, function = EXPORTERS[target].partition(":")
    try:
        found: Exporter = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in TOOLS:
            raise
        raise MissingExtraError(library, extra=TOOLS[library], purpose=f"export for {target}") from error
    return found
