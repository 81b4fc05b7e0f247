"""`sam-edge verify`: check the hashes of a bundle, and measure its accuracy."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_edge.bundle import Bundle, hash_file, open_bundle
from sam_edge.cli.options import add_model, parse_size
from sam_edge.errors import BundleError, InputError
from sam_edge.media.progress import ProgressBar
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter, load

if TYPE_CHECKING:
    from sam_edge.exporters.evaluate import Agreement, EvaluationImage

MEASURED_AT = (448, 672)
"""Input size (height, width) when a bundle does not state the size that it was measured at."""
TOO_INACCURATE = 1
"""Exit status when the bundle lost too much accuracy."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `verify`."""
    parser = subparsers.add_parser(
        "verify",
        help="check a bundle, and compare it with fp32",
        description="Check the hashes of a bundle. With a reference, measure it too; exit status 1 when it lost too "
        "much accuracy.",
    )
    parser.add_argument(
        "bundle", type=Path, nargs="?", help="folder of the bundle (default: the model in the package)"
    )
    reference = parser.add_mutually_exclusive_group()
    reference.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="reference: the checkpoint that the bundle was made from, run in fp32 torch",
    )
    reference.add_argument(
        "--reference",
        type=Path,
        metavar="BUNDLE",
        help="reference: an fp32 bundle of the same checkpoint",
    )
    images = parser.add_mutually_exclusive_group()
    images.add_argument(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="folder with images/ and labels/ to measure on (default: the dataset in the package)",
    )
    images.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of images without labels to measure on, prompted on a grid",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use at most N images")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the hashes; with a reference, measure too."""
    folder = args.bundle or args.model or DEFAULT_BUNDLE
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    facts = {"bundle": manifest.name, "target": manifest.target, "files": len(manifest.files), "whole": True}
    if args.checkpoint is None and args.reference is None:
        if args.images or args.dataset:
            raise InputError("--checkpoint or --reference: none given; measuring needs one of them")
        print(
            json.dumps({**facts, "at_export": dict(manifest.parity)}, indent=1)
            if args.json
            else describe_bundle(bundle)
        )
        return 0
    size = parse_size(args.size) or (manifest.sizes[0] if manifest.sizes else MEASURED_AT)
    agreement, missed, engine, reference = measure(args, bundle, size)
    figures: dict[str, Any] = {
        "engine": engine,
        "reference": reference,
        "size": list(size),
        **agreement.summary(),
    }
    if args.json:
        print(json.dumps({**facts, **figures, "missed": missed}, indent=1))
    else:
        from sam_edge.exporters.evaluate import format_table

        print(f"{bundle.folder}: {manifest.name} for {manifest.target}, {len(manifest.files)} files whole")
        print(format_table({size: agreement}, engine, reference))
        print(f"lost too much: {'; '.join(missed)}" if missed else f"good enough for {manifest.precision}")
    return TOO_INACCURATE if missed else 0


def measure(
    args: argparse.Namespace, bundle: Bundle, size: tuple[int, int]
) -> tuple[Agreement, list[str], str, str]:
    """Compare a bundle with its reference.

    Returns:
        The agreement, the figures that are below their thresholds, the engine of the bundle, and that of the reference.
    """
    from sam_edge.exporters.evaluate import compare, read_unlabelled_images
    from sam_edge.exporters.gate import LABELLED, open_measured, thresholds_for
    from sam_edge.exporters.image_sets import read_labelled_images

    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit: {args.limit} is not accepted; give 1 or more")
    images = (
        read_unlabelled_images(args.images, at_most=args.limit)
        if args.images
        else read_labelled_images(args.dataset or LABELLED, at_most=args.limit)
    )
    thresholds = thresholds_for(bundle.manifest)
    with (
        open_reference(args, bundle) as reference,
        open_measured(
            bundle.folder, runtime=args.runtime, threads=args.threads, precision=args.precision
        ) as model,
        ProgressBar(None, label="verify", unit="images") as bar,
    ):
        agreement = compare(model, reference, count_images(images, bar), size=size)
        names = [f"{engine.runtime.name} {engine.runtime.precision}" for engine in (model, reference)]
    return agreement, thresholds.missed_by(agreement), names[0], names[1]


def count_images(images: Iterable[EvaluationImage], bar: ProgressBar) -> Iterator[EvaluationImage]:
    """Yield images, and show how many were used."""
    for image in images:
        yield image
        bar.advance()


def open_reference(args: argparse.Namespace, bundle: Bundle) -> Segmenter:
    """Open the reference that the bundle is compared with.

    Raises:
        BundleError: the reference is of another checkpoint, or is not fp32.
    """
    if args.checkpoint is not None:
        if not args.checkpoint.is_file():
            raise InputError(f"--checkpoint: no such file: {args.checkpoint}")
        if hash_file(args.checkpoint) != bundle.manifest.checkpoint_sha256:
            raise BundleError(
                f"--checkpoint: {args.checkpoint} is not the checkpoint that the bundle was made from"
            )
        return load(args.checkpoint, runtime="torch", threads=args.threads)
    manifest = open_bundle(args.reference).manifest
    if manifest.precision != "fp32":
        raise BundleError(f"--reference: {args.reference} is {manifest.precision}; accepted: an fp32 bundle")
    if manifest.checkpoint_sha256 != bundle.manifest.checkpoint_sha256:
        raise BundleError(f"--reference: {args.reference} was made from another checkpoint than the bundle")
    return load(args.reference, threads=args.threads)


def describe_bundle(bundle: Bundle) -> str:
    """Return the manifest's facts about a bundle, as text."""
    manifest, parity = bundle.manifest, bundle.manifest.parity
    lines = [f"{bundle.folder}: {manifest.name} for {manifest.target}, {len(manifest.files)} files whole"]
    if parity:
        lines.append(
            f"when it was exported, on {parity.get('engine')}: chosen mask IoU {parity.get('chosen_iou')} with "
            f"{parity.get('reference')}, cosine {parity.get('cosine')}, loss of truth {parity.get('truth_loss')}"
            + (" (forced past the gate)" if parity.get("forced") else "")
        )
    lines.append("to measure it, give --checkpoint FILE or --reference BUNDLE")
    return "\n".join(lines)
