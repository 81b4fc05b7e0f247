"""`sam-edge verify`: check a bundle's hashes, and measure it again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_edge.bundle import Bundle, hash_file, open_bundle
from sam_edge.cli.options import add_model, parse_size
from sam_edge.errors import BundleError, InputError
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter, load

if TYPE_CHECKING:
    from sam_edge.exporters.evaluate import Agreement

MEASURED_AT = (448, 672)
"""Input size (height, width) of a bundle that does not say at which it was measured."""
FELL_SHORT = 1


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `verify`."""
    parser = subparsers.add_parser(
        "verify",
        help="check a bundle, and measure it beside fp32",
        description="Check a bundle's hashes. With a reference, measure it too: status 1 when it lost too much.",
    )
    parser.add_argument("bundle", type=Path, nargs="?", help="the folder (default: the package's own)")
    reference = parser.add_mutually_exclusive_group()
    reference.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="what it was made from; measured beside it in fp32 torch",
    )
    reference.add_argument(
        "--reference",
        type=Path,
        metavar="BUNDLE",
        help="an fp32 bundle of the same checkpoint, to measure beside",
    )
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument(
        "--labelled",
        type=Path,
        metavar="DIR",
        help="images/ and labels/ to measure on (default: the package's own)",
    )
    pictures.add_argument(
        "--images", type=Path, metavar="DIR", help="pictures without labels to measure on, prompted on a grid"
    )
    parser.add_argument("--pictures", type=int, metavar="N", help="at most so many of them")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_model(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Check hashes; with a reference, measure too."""
    folder = given.bundle or given.model or DEFAULT_BUNDLE
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    whole = {"bundle": manifest.name, "target": manifest.target, "files": len(manifest.files), "whole": True}
    if given.checkpoint is None and given.reference is None:
        if given.images or given.labelled:
            raise InputError("--checkpoint or --reference: none given; measuring needs one of them")
        print(
            json.dumps({**whole, "at_export": dict(manifest.parity)}, indent=1)
            if given.json
            else said(bundle)
        )
        return 0
    size = parse_size(given.size) or (manifest.sizes[0] if manifest.sizes else MEASURED_AT)
    found, missed, engine, reference = measure(given, bundle, size)
    figures: dict[str, Any] = {
        "engine": engine,
        "reference": reference,
        "size": list(size),
        **found.summary(),
    }
    if given.json:
        print(json.dumps({**whole, **figures, "missed": missed}, indent=1))
    else:
        from sam_edge.exporters.evaluate import table

        print(f"{bundle.folder}: {manifest.name} for {manifest.target}, {len(manifest.files)} files whole")
        print(table({size: found}, engine, reference))
        print(f"lost too much: {'; '.join(missed)}" if missed else f"good enough for {manifest.precision}")
    return FELL_SHORT if missed else 0


def measure(
    given: argparse.Namespace, bundle: Bundle, size: tuple[int, int]
) -> tuple[Agreement, list[str], str, str]:
    """Measure a bundle beside its reference.

    Returns:
        The figures, those of them that are not good enough, and what ran: the bundle's engine, the reference's.
    """
    from sam_edge.exporters.evaluate import compare, plain_pictures
    from sam_edge.exporters.gate import LABELLED, open_measured, thresholds_of
    from sam_edge.exporters.pictures import labelled_pictures

    if given.pictures is not None and given.pictures < 1:
        raise InputError(f"--pictures: {given.pictures} is not accepted; give 1 or more")
    pictures = (
        plain_pictures(given.images, at_most=given.pictures)
        if given.images
        else labelled_pictures(given.labelled or LABELLED, at_most=given.pictures)
    )
    wanted = thresholds_of(bundle.manifest)
    with (
        open_reference(given, bundle) as reference,
        open_measured(
            bundle.folder, runtime=given.runtime, threads=given.threads, precision=given.precision
        ) as model,
    ):
        found = compare(model, reference, pictures, size=size)
        names = [f"{one.runtime.name} {one.runtime.precision}" for one in (model, reference)]
    return found, wanted.missed_by(found), names[0], names[1]


def open_reference(given: argparse.Namespace, bundle: Bundle) -> Segmenter:
    """Open what the bundle is measured beside.

    Raises:
        BundleError: it is of another checkpoint, or a bundle that is not fp32.
    """
    if given.checkpoint is not None:
        if not given.checkpoint.is_file():
            raise InputError(f"--checkpoint: no such file: {given.checkpoint}")
        if hash_file(given.checkpoint) != bundle.manifest.checkpoint_sha256:
            raise BundleError(
                f"--checkpoint: {given.checkpoint} is not the checkpoint that the bundle was made from"
            )
        return load(given.checkpoint, runtime="torch", threads=given.threads)
    manifest = open_bundle(given.reference).manifest
    if manifest.precision != "fp32":
        raise BundleError(f"--reference: {given.reference} is {manifest.precision}; accepted: an fp32 bundle")
    if manifest.checkpoint_sha256 != bundle.manifest.checkpoint_sha256:
        raise BundleError(f"--reference: {given.reference} was made from another checkpoint than the bundle")
    return load(given.reference, threads=given.threads)


def said(bundle: Bundle) -> str:
    """Write what a bundle says of itself."""
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
