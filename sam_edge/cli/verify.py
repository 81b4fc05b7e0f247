"""`sam-edge verify`: check a bundle's hashes, and measure it against fp32 torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sam_edge.bundle import hash_file, open_bundle
from sam_edge.cli.options import add_model, size_of
from sam_edge.errors import BundleError
from sam_edge.segmenter import DEFAULT_BUNDLE, load


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `verify`."""
    parser = subparsers.add_parser("verify", help="check a bundle, and measure it against fp32 torch")
    parser.add_argument("bundle", type=Path, nargs="?", help="the folder (default: the package's own)")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="what it was made from: the reference"
    )
    parser.add_argument("--labelled", type=Path, metavar="DIR", help="images/ and labels/ to measure on")
    parser.add_argument("--pictures", type=int, metavar="N", help="at most so many of them")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_model(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Check hashes; with a checkpoint and a labelled set, measure too."""
    folder = given.bundle or given.model or DEFAULT_BUNDLE
    bundle = open_bundle(folder)
    print(f"{folder}: {bundle.manifest.name}, {len(bundle.manifest.files)} files whole")
    if given.checkpoint is None or given.labelled is None:
        print("to measure it, give --checkpoint FILE and --labelled DIR")
        return 0
    from sam_edge.exporters.evaluate import compare
    from sam_edge.exporters.pictures import labelled_pictures

    if hash_file(given.checkpoint) != bundle.manifest.checkpoint_sha256:
        raise BundleError(
            f"--checkpoint: {given.checkpoint} is not the checkpoint that the bundle was made from"
        )
    size = size_of(given.size) or (448, 672)
    with (
        load(folder, runtime=given.runtime, threads=given.threads, precision=given.precision) as model,
        load(given.checkpoint, runtime="torch", threads=given.threads) as reference,
    ):
        found = compare(
            model, reference, labelled_pictures(given.labelled, at_most=given.pictures), size=size
        )
        engine = f"{model.runtime.name}, {model.runtime.precision}"
    if given.json:
        print(json.dumps({"engine": engine, "size": [size[0], size[1]], **found.summary()}, indent=1))
        return 0
    tokens = " ".join(f"{value:.3f}" for value in found.token_iou)
    print(f"{engine}, {size[1]}x{size[0]}, {found.pictures} pictures, {found.objects} things, one point each")
    print(f"  embedding   cosine {found.cosine:.4f}, relative error {found.relative_error:.4f}")
    print(f"  logits      mean error {found.logit_error:.3f}")
    print(f"  chosen mask IoU with fp32 torch {found.chosen_iou:.4f}")
    print(f"  each mask   IoU with fp32 torch {tokens}")
    print(f"  truth       IoU {found.truth_iou:.4f}, fp32 torch {found.reference_truth_iou:.4f}")
    return 0
