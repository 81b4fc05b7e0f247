"""The demo's masks, frame by frame, compared with outlines drawn by hand (`demo_outlines.json`).

    python benchmarks/bench_demo.py [--realtime] [--runtime NAME] [--pictures OUT_DIR] [--sheet OUT.jpg]
                                    [--json OUT.json]

Prints the IoU with what the gaze means on every fourth frame, and which frames are filled before the first landing on
an object. A frame is right from an IoU of 0.8 on; before the first landing it is right without a mask. With --pictures,
writes each of these frames with its mask (pink) and its outline (magenta) to look at; with --sheet, four frames of the
annotated video in one picture, as `docs/images/demo.jpg`. The exit status is 1 when a frame is wrong.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from demo_outlines import DEMO, OutlinedFrame, draw, read_outlines
from endings import run_script
from results import Figure, gather

import sam_edge
from sam_edge.masks.overlap import iou
from sam_edge.media.frames import open_frames
from sam_edge.media.overlay import draw_selection

LEAST_IOU = 0.8
"""A frame is right from this IoU on."""
SHEET_FRAMES = (28, 56, 70, 118)
"""Frames of the picture with four of them: the rabbit crouching, stretching, the boulder, the rabbit again."""


@dataclass(frozen=True)
class ComparedFrame:
    """The mask of one frame, compared with its outline."""

    index: int
    """Number of the frame, from 0."""
    meant: str
    """Object that the gaze means; empty before the first landing."""
    iou: float | None
    """IoU with it, 0..1; None where nothing is meant."""
    filled: float
    """Share of the frame that the mask fills, 0..1."""
    state: str
    """State of the session."""
    origin: str
    """How the mask was made."""
    age_ms: float
    """How much older than the frame the frame is that the mask was made on."""

    @property
    def right(self) -> bool:
        """Whether the frame shows what is meant."""
        return self.filled == 0 if self.iou is None else self.iou >= LEAST_IOU


def compare(outlined: OutlinedFrame, tracked: sam_edge.TrackedFrame) -> ComparedFrame:
    """Compare one frame with its outline; with two objects, the one that fits better counts."""
    selection = tracked.selection
    filled = float(tracked.mask.mean()) if tracked.mask is not None and is_filled(tracked) else 0.0
    scores = {
        name: 0.0 if tracked.mask is None else iou(tracked.mask, mask)
        for name, mask in outlined.masks().items()
    }
    best = max(scores, key=lambda name: scores[name], default="")
    return ComparedFrame(
        outlined.index,
        best,
        scores.get(best),
        filled,
        selection.state.value,
        selection.origin,
        selection.age_ms,
    )


def filled_before_landing(result: sam_edge.TrackResult, outlines: list[OutlinedFrame]) -> list[int]:
    """Return the filled frames among those up to the last outlined frame on which nothing is meant."""
    last = max(outlined.index for outlined in outlines if not outlined.objects)
    return [frame.index for frame in result[: last + 1] if is_filled(frame)]


def is_filled(frame: sam_edge.TrackedFrame) -> bool:
    """Return whether a frame has a filled mask: what no second dwell has confirmed is outlined only."""
    return frame.selection.confirmed and frame.mask is not None and bool(frame.mask.any())


def print_table(compared: list[ComparedFrame]) -> None:
    """Print a line a frame."""
    print(f"{'frame':>5}  {'meant':<12}{'IoU':>6}{'filled':>8}{'age ms':>8}  {'state':<9}{'origin':<11}")
    for frame in compared:
        score = "  -  " if frame.iou is None else f"{frame.iou:.3f}"
        verdict = "" if frame.right else "WRONG"
        print(
            f"{frame.index:>5}  {frame.meant or 'nothing':<12}{score:>6}{frame.filled:>8.1%}{frame.age_ms:>8.0f}"
            f"  {frame.state:<9}{frame.origin:<11}{verdict}"
        )


def write_pictures(out: Path, result: sam_edge.TrackResult, outlines: list[OutlinedFrame]) -> None:
    """Write each outlined frame with its mask and its outline."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = {outlined.index: outlined for outlined in outlines}
    with open_frames(DEMO / "clip.mp4") as reader:
        for index, frame in enumerate(reader):
            if index in chosen:
                shown = draw_selection(frame.image, mask=result[index].mask)
                picture = cv2.cvtColor(draw(shown, chosen[index]), cv2.COLOR_RGB2BGR)
                cv2.imwrite(str(out / f"{index:05d}.jpg"), picture)


def write_sheet(out: Path, video: Path) -> None:
    """Write four frames of an annotated video, halved, in one picture."""
    with open_frames(video) as reader:
        shown = [frame.image for frame in reader if frame.index in SHEET_FRAMES]
    halves = [cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for image in shown]
    sheet = np.vstack([np.hstack(halves[:2]), np.hstack(halves[2:])])
    cv2.imwrite(str(out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])


def track_demo(args: argparse.Namespace) -> sam_edge.TrackResult:
    """Track the demo's clip as the arguments ask."""
    with tempfile.TemporaryDirectory() as folder:
        annotated = Path(folder) / "annotated.mp4" if args.sheet else None
        result = sam_edge.track(
            DEMO / "clip.mp4",
            DEMO / "gaze.csv",
            model=lambda: sam_edge.load(runtime=args.runtime),
            mode="live" if args.realtime else "sequential",
            out=annotated,
        )
        if annotated is not None:
            write_sheet(args.sheet, annotated)
    return result


def median_iou(compared: list[ComparedFrame]) -> float:
    """Return the median IoU of the frames on which an object is meant."""
    return float(np.median([frame.iou for frame in compared if frame.iou is not None]))


def main() -> int:
    """Track the demo's clip, print the table, and return 1 when a frame is wrong."""
    parser = argparse.ArgumentParser(description="Compare the demo's masks with outlines drawn by hand.")
    parser.add_argument("--realtime", action="store_true", help="play the clip on a clock")
    parser.add_argument("--runtime", default="auto", metavar="NAME", help="engine (default: auto)")
    parser.add_argument("--pictures", type=Path, metavar="OUT_DIR", help="folder to write pictures to")
    parser.add_argument(
        "--sheet", type=Path, metavar="OUT.jpg", help="picture of four annotated frames to write"
    )
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="file to write the table to")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="write the figures for docs/reference/benchmarks.md"
    )
    args = parser.parse_args()
    result = track_demo(args)
    outlines = read_outlines()
    compared = [compare(outlined, result[outlined.index]) for outlined in outlines]
    early = filled_before_landing(result, outlines)
    print_table(compared)
    wrong = [frame.index for frame in compared if not frame.right]
    print(f"\n{len(wrong)} of {len(compared)} frames wrong: {', '.join(map(str, wrong)) or 'none'}")
    print(f"{len(early)} frames filled before the first landing: {', '.join(map(str, early)) or 'none'}")
    if args.results:
        right = sum(frame.right for frame in compared)
        what = (
            f"frames of {len(compared)} whose mask has an IoU of {LEAST_IOU:g} with the outline drawn by hand"
        )
        figures = [
            Figure("demo_right", what, "", right),
            Figure("demo_median_iou", "median IoU with the outlines", "", median_iou(compared), digits=3),
        ]
        name = "The demo's clip, live" if args.realtime else "The demo's clip, every frame waited for"
        gather(name, figures, threads=None).write(args.results)
    if args.pictures:
        write_pictures(args.pictures, result, outlines)
    if args.json:
        rows = [asdict(frame) | {"right": frame.right} for frame in compared]
        args.json.write_text(json.dumps({"frames": rows, "filled_before_landing": early}, indent=1) + "\n")
    return 1 if wrong or early else 0


if __name__ == "__main__":
    run_script(main)
