"""`sam-edge demo`: the main job on the clip that ships in the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam_edge._track import track
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.segmenter import load

ASSETS = Path(__file__).parents[1] / "assets" / "demo"
FRAME_BY_FRAME = "Frame by frame: every frame waits for its own mask."
LIVE = "Live: the clip on a clock, as a viewer sees it; late frames show an older mask."
WRITTEN = {
    "annotated video": ("annotated.mp4", "live.mp4"),
    "masks": ("masks",),
    "report": ("report.json", "live.json"),
}
"""What is written to the folder, by what it is."""
COLUMN = 17
NEXT = """next:
  sam-edge track RECORDING --out annotated.mp4   your eye tracker's recording with its scene video
  sam-edge live webcam:0 --eye mouse:            your webcam, with the mouse as the eye tracker
  sam-edge --help                                everything else"""


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
    """Track the clip twice, frame by frame and live; print both summaries and where the results are."""
    print("clip: Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0")
    print("gaze: made by examples/make_demo_gaze.py, not recorded from a person")
    out: Path = args.out
    clip, gaze = ASSETS / "clip.mp4", ASSETS / "gaze.csv"
    with prepare_outputs(Output("--out", out, "folder")), load(runtime=args.runtime) as model:
        waited = track(
            clip,
            gaze,
            model=model,
            out=out / "annotated.mp4",
            masks=out / "masks",
            report=out / "report.json",
            progress=True,
        )
        print(f"\n{FRAME_BY_FRAME}\n{waited.report.summary_table()}")
        live = track(clip, gaze, model=model, mode="live", out=out / "live.mp4", report=out / "live.json")
    print(f"\n{LIVE}\n{live.report.summary_table()}\n")
    for name, written in WRITTEN.items():
        print(f"{name:<{COLUMN}}{', '.join(str(out / path) for path in written)}")
    print(f"\n{NEXT}")
    return 0
