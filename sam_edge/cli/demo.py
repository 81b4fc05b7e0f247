"""`sam-edge demo`: the main job on the clip that ships in the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam_edge.cli import track

ASSETS = Path(__file__).parents[1] / "assets" / "demo"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `demo`."""
    parser = subparsers.add_parser("demo", help="select by gaze in the clip that ships with sam-edge")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="default: out/demo")
    parser.add_argument(
        "--runtime", default="auto", metavar="NAME", help="engine: auto, onnxruntime, openvino, ..."
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Track the clip and say where the results are."""
    out: Path = given.out
    print("clip: Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0")
    print("gaze: made by examples/make_demo_gaze.py, not recorded from a person")
    arguments = argparse.Namespace(
        video=ASSETS / "clip.mp4",
        gaze=ASSETS / "gaze.csv",
        fps=None,
        out=out / "annotated.mp4",
        masks=out / "masks",
        report=out / "report.json",
        px_per_deg=None,
        realtime=False,
        record=None,
        quiet=False,
        model=None,
        runtime=given.runtime,
        precision=None,
        threads=None,
        size=None,
    )
    status = track.run(arguments)
    print(
        f"\nannotated video: {arguments.out}\nmasks:           {arguments.masks}\nreport:          {arguments.report}"
    )
    return status
