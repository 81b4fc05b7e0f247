"""`sam-edge track`: a video and a gaze recording in, the selection on every frame out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from sam_edge._track import track
from sam_edge.cli.options import (
    add_format,
    add_fps,
    add_min_confidence,
    add_model,
    add_value_range,
    open_model,
    parse_size,
    parse_value_range,
)
from sam_edge.errors import InputError
from sam_edge.timeline import FixationOrigin


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `track`."""
    parser = subparsers.add_parser(
        "track", help="select the object that a person looks at in a video, from a gaze recording"
    )
    parser.add_argument(
        "video",
        type=Path,
        metavar="RECORDING|VIDEO",
        help="recording of a tracker with its scene video; or a video or folder of frames, with --gaze",
    )
    parser.add_argument(
        "--gaze",
        type=Path,
        metavar="GAZE.csv",
        help="gaze CSV or another recording, when the first argument holds no gaze",
    )
    add_format(parser)
    add_min_confidence(parser)
    add_fps(parser)
    add_value_range(parser)
    parser.add_argument("--out", type=Path, metavar="VIDEO.mp4", help="annotated video to write")
    parser.add_argument(
        "--masks", type=Path, metavar="DIR", help="folder to write: a PNG a frame, 255 on the object"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="REPORT.json",
        help="file to write: times of every frame, and their summary",
    )
    parser.add_argument(
        "--px-per-deg", type=float, help="frame pixels in a degree (default: the recording's, else 15)"
    )
    parser.add_argument(
        "--realtime", action="store_true", help="play the frames on a clock, and do not wait for late ones"
    )
    parser.add_argument(
        "--follow",
        action=argparse.BooleanOptionalAction,
        help="with --realtime: the follower network corrects the mask on every frame (default: if fast enough)",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="folder to write: a recording of the session, for `sam-edge replay`",
    )
    _add_tables(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_model(parser)
    parser.set_defaults(run=run)


def _add_tables(parser: argparse.ArgumentParser) -> None:
    formats = ".csv, .parquet or .jsonl"
    for name, line in (("timeline", "frame"), ("samples", "gaze sample"), ("fixations", "fixation")):
        parser.add_argument(
            f"--{name}", type=Path, metavar="TABLE", help=f"table to write, a line a {line}: {formats}"
        )
    parser.add_argument(
        "--fixations-from",
        choices=get_args(FixationOrigin),
        help="whose fixations (default: those that the recording of the tracker holds, if any)",
    )
    parser.add_argument(
        "--margin-deg",
        type=float,
        default=0.0,
        help="gaze this near to the mask counts as on the object, degrees (default: 0)",
    )


def run(args: argparse.Namespace) -> int:
    """Track, and print the summary."""
    if args.record and args.realtime:
        raise InputError("--record: not with --realtime, whose timing cannot be replayed")
    stream = track(
        args.video,
        args.gaze,
        model=lambda: open_model(args),
        mode="live" if args.realtime else "sequential",
        format=args.format,
        recording_name=args.recording_name,
        min_confidence=args.min_confidence,
        fps=args.fps,
        value_range=parse_value_range(args),
        px_per_deg=args.px_per_deg,
        size=parse_size(args.size),
        out=args.out,
        masks=args.masks,
        report=args.report,
        record=args.record,
        timeline=args.timeline,
        samples=args.samples,
        fixations=args.fixations,
        fixations_from=args.fixations_from,
        margin_deg=args.margin_deg,
        follow=args.follow,
        progress=not args.quiet,
        stream=True,
    )
    with stream:
        # Frames are not kept: an hour of them, with their masks, takes memory.
        for _ in stream:
            pass
    if not args.quiet:
        print(stream.report.summary_table())
    return 0
