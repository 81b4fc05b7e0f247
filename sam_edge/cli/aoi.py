"""`sam-edge aoi`: from a recording to the metrics of the objects that were looked at."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam_edge._aoi import EXPORTS, AoiResult, aoi, apply_aois
from sam_edge.cli.options import (
    add_format,
    add_fps,
    add_looks,
    add_min_confidence,
    add_model,
    open_model,
    parse_size,
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `aoi`."""
    parser = subparsers.add_parser("aoi", help="metrics of the objects that a person looked at")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_run(
        actions.add_parser("run", help="follow the objects of a recording, and write tables and pictures")
    )
    _add_apply(actions.add_parser("apply", help="rename and merge objects, without computing masks again"))


def run(args: argparse.Namespace) -> int:
    """Do `sam-edge aoi run` or `sam-edge aoi apply`, and print a line an object."""
    result = apply_aois(args.folder, args.aois, out=args.out) if args.action == "apply" else _run(args)
    if not args.quiet:
        print(_describe(result))
    return 0


def _run(args: argparse.Namespace) -> AoiResult:
    return aoi(
        args.recording,
        args.gaze,
        out=args.out,
        model=lambda: open_model(args),
        sections=args.section,
        format=args.format,
        recording_name=args.recording_name,
        min_confidence=args.min_confidence,
        fps=args.fps,
        px_per_deg=args.px_per_deg,
        fixations_from=args.fixations_from,
        margin_deg=args.margin_deg,
        min_on_object=args.min_on_object,
        max_off_ms=args.max_off_ms,
        exports=args.export,
        aois=args.aois,
        every=args.every,
        size=parse_size(args.size),
        progress=not args.quiet,
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recording",
        type=Path,
        metavar="RECORDING|VIDEO",
        help="recording of a tracker with its scene video; or a video or folder of frames, with --gaze",
    )
    parser.add_argument("--gaze", type=Path, metavar="GAZE", help="gaze, when the first argument holds none")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="new folder to write")
    parser.add_argument(
        "--section",
        action="append",
        default=[],
        metavar="[NAME=]FROM..TO",
        help="part of the recording with metrics of its own, between seconds or events; may be repeated (default: the "
        "whole recording)",
    )
    parser.add_argument(
        "--aois",
        type=Path,
        metavar="FILE|DIR",
        help="AOIs that are found where they appear, also when nobody looks at them: a JSON file with places on frames "
        "or pictures, or a folder of pictures named as the AOIs",
    )
    parser.add_argument(
        "--every",
        type=int,
        metavar="N",
        help="find what is looked at on every N-th frame; 1 gives the best masks, and takes several times as long "
        "(default: about five times a second, on a smaller input)",
    )
    add_format(parser)
    add_min_confidence(parser)
    add_fps(parser)
    parser.add_argument(
        "--px-per-deg", type=float, help="frame pixels in a degree (default: the recording's, else 15)"
    )
    add_looks(parser)
    parser.add_argument(
        "--export",
        action="append",
        default=[],
        choices=EXPORTS,
        help="further files: gaze and fixations as BIDS; all masks as COCO video (YouTube-VIS); may be repeated",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_model(parser)
    parser.set_defaults(run=run)


def _add_apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder that `sam-edge aoi run` wrote")
    parser.add_argument(
        "--aois", type=Path, metavar="FILE", required=True, help="names and merges, as report.html saves them"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="new folder to write")
    parser.add_argument("--quiet", action="store_true", help="no summary")
    parser.set_defaults(run=run)


def _describe(result: AoiResult) -> str:
    """Return the metrics as text for a terminal, a line an object and section."""
    lines = [f"{'section':<20}{'object':>8}{'visits':>8}{'fixations':>11}{'dwell ms':>11}{'first ms':>11}"]
    for row in result.metrics:
        first = row["time to first fixation [ms]"]
        lines.append(
            f"{row['section']!s:<20.20}{row['aoi label'] or row['label id']!s:>8}{row['visits']:>8}"
            f"{row['total fixations']:>11}{row['dwell time [ms]']:>11.0f}{'' if first is None else f'{first:.0f}':>11}"
        )
    return "\n".join(lines)
