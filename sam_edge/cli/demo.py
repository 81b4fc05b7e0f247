"""`sam-edge demo`: the main job on the clip that ships in the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam_edge._track import track
from sam_edge.segmenter import load

ASSETS = Path(__file__).parents[1] / "assets" / "demo"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `demo`."""
    parser = subparsers.add_parser("demo", help="track the clip that ships with sam-edge")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/demo"),
        metavar="DIR",
        help="folder to write (default: out/demo)",
    )
    parser.add_argument(
        "--runtime",
        default="auto",
        metavar="NAME",
        help="engine: auto, onnxruntime, openvino, ... (default: auto)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Track the clip, and print the summary and where the results are."""
    print("clip: Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0")
    print("gaze: made by examples/make_demo_gaze.py, not recorded from a person")
    out, masks, report = args.out / "annotated.mp4", args.out / "masks", args.out / "report.json"
    result = track(
        ASSETS / "clip.mp4",
        ASSETS / "gaze.csv",
        model=lambda: load(runtime=args.runtime),
        out=out,
        masks=masks,
        report=report,
        progress=True,
    )
    print(result.report.summary_table())
    print(f"\nannotated video: {out}\nmasks:           {masks}\nreport:          {report}")
    return 0
