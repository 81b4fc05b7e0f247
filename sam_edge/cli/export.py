"""`sam-edge export`: from a checkpoint to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam_edge.errors import InputError
from sam_edge.media.progress import Progress

CALIBRATED_AT = (448, 672)
"""Encoder input (height, width) that calibration pictures are letterboxed to."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `export`."""
    parser = subparsers.add_parser("export", help="compile a checkpoint for an engine")
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="FILE", help="mobile_sam.pt or .safetensors"
    )
    parser.add_argument("--target", choices=("onnx",), default="onnx", help="what to compile for")
    parser.add_argument("--precision", default="int8", help="fp32, fp16 or int8")
    parser.add_argument("--calibration", type=Path, metavar="DIR", help="pictures that int8 is fitted on")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="the folder to make")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Export and say what was made."""
    from sam_edge.exporters.onnx_bundle import export_onnx
    from sam_edge.exporters.pictures import read_calibration
    from sam_edge.nn import load_mobile_sam

    if given.precision == "int8" and given.calibration is None:
        raise InputError("--calibration: int8 is fitted on pictures; give a folder of 8 or more, best 32")
    calibration = read_calibration(given.calibration, CALIBRATED_AT) if given.calibration else None
    model = load_mobile_sam(given.checkpoint)
    with Progress(1, label="export", unit="bundle") as bar:
        manifest = export_onnx(
            model, given.checkpoint, given.out, precision=given.precision, calibration=calibration
        )
        bar.advance()
    for entry in manifest.files:
        print(f"  {entry.path:<24}{entry.bytes / 1e6:>8.2f} MB")
    print(f"{given.out}: {manifest.name}")
    return 0
