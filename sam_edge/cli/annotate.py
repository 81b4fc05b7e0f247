"""`sam-edge annotate`: a data set from a video, with gaze as the annotator."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

import sam_edge
from sam_edge.annotate import Annotator, Decision, Journal, Proposal, Stage, dwells_of, write_dataset
from sam_edge.annotate.stages import Stopped, frame_of
from sam_edge.cli.options import add_model, numbers_of, open_model, size_of
from sam_edge.errors import InputError
from sam_edge.gaze.events import Fixation
from sam_edge.gaze.recordings import read
from sam_edge.media.frames import open_frames
from sam_edge.media.overlay import draw_selection
from sam_edge.media.progress import Progress
from sam_edge.media.write import write_png

PX_PER_DEG = 15.0
"""Frame pixels in a degree where nothing is stated."""
KEYS = "a accept, r reject, n next mask, + X,Y on it, - X,Y beside it, q stop (goes on there next time)"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `annotate`."""
    parser = subparsers.add_parser(
        "annotate",
        help="make a data set from a video and gaze",
        description=f"Answers are read from the keyboard, a line each: {KEYS}. The proposal is in proposal.png.",
    )
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="a video, or a folder of frames")
    parser.add_argument("--gaze", type=Path, required=True, help="CSV, or any known recording")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DATASET", help="a folder; resumed if it was begun"
    )
    parser.add_argument(
        "--stages",
        default="assisted,semi,automatic",
        metavar="A,B,C",
        help="which, in order (default: all three)",
    )
    parser.add_argument(
        "--every", type=int, default=24, metavar="N", help="masks without gaze on every N-th frame"
    )
    parser.add_argument("--fps", type=float, help="frames a second (default: the video's; 24 for a folder)")
    parser.add_argument(
        "--px-per-deg", type=float, help="frame pixels in a degree (default: the recording's, else 15)"
    )
    parser.add_argument("--yes", action="store_true", help="accept every proposal without asking")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_model(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the stages, and write the data set; also when the person stops."""
    stages = stages_of(given.stages)
    if given.every < 1:
        raise InputError(f"--every: {given.every} is not accepted; give 1 or more")
    recording = read(given.gaze)
    px_per_deg = given.px_per_deg or recording.px_per_deg or PX_PER_DEG
    if not px_per_deg > 0:
        raise InputError(f"--px-per-deg: {px_per_deg} is not accepted; give a positive number")
    dwells = dwells_of(recording.samples, px_per_deg=px_per_deg)
    source = {"video": given.recording.name, "gaze": recording.name, "samples": len(recording.samples)}
    with Journal(given.out, source) as journal, open_model(given) as model:
        bundle = model.bundle.manifest if model.bundle else None
        provenance = {
            "sam_edge": sam_edge.__version__,
            "model": bundle.name if bundle else str(given.model),
            "weights": bundle.checkpoint_sha256 if bundle else "",
            "engine": model.runtime.name,
            "precision": model.runtime.precision,
        }
        decide = accept if given.yes else Asker(given.out)
        annotator = Annotator(model, journal, decide, size=size_of(given.size), provenance=provenance)
        stopped = False
        try:
            for stage in stages:
                play(given, stage, annotator, dwells)
        except Stopped:
            stopped = True
        finally:
            write_dataset(journal)
            (given.out / "proposal.png").unlink(missing_ok=True)
        if not given.quiet:
            frames = len({one.stem for one in journal.kept})
            end = "; stopped, the same command goes on" if stopped else ""
            print(f"{len(journal.kept)} masks on {frames} frames: {given.out}{end}")
    return 0


def play(given: argparse.Namespace, stage: Stage, annotator: Annotator, dwells: list[Fixation]) -> None:
    """Run one stage on every frame."""
    with open_frames(given.recording, fps=given.fps) as reader:
        of_frame = defaultdict(list)
        for dwell in dwells:
            of_frame[frame_of(dwell, reader.fps, reader.count)].append(dwell)
        with Progress(reader.count, label=stage.value, silent=given.quiet) as bar:
            for frame in reader:
                key_frame = frame.index % given.every == 0
                annotator.step(stage, frame, of_frame[frame.index], key_frame=key_frame)
                bar.advance()


def stages_of(text: str) -> list[Stage]:
    """Read stages with commas between them.

    Raises:
        InputError: one is not known.
    """
    try:
        return [Stage(word.strip()) for word in text.split(",")]
    except ValueError as error:
        names = ", ".join(stage.value for stage in Stage)
        raise InputError(f"--stages: {text!r}; accepted: any of {names}, with commas between them") from error


def accept(proposal: Proposal) -> Decision:
    """Say yes."""
    return Decision("accept")


class Asker:
    """Shows a proposal as a picture, and reads the answer from the keyboard."""

    def __init__(self, folder: Path) -> None:
        """Write the picture to `folder`."""
        self._picture = folder / "proposal.png"

    def __call__(self, proposal: Proposal) -> Decision:
        """Ask once; an answer that is not understood is asked again."""
        x, y, _ = proposal.points[0]
        trail = [(px, py, 0.0) for px, py, _ in proposal.points[1:]]
        drawn = draw_selection(
            proposal.image, mask=np.ascontiguousarray(proposal.mask), fixation=(x, y, 0.0), gaze_trail=trail
        )
        write_png(self._picture, drawn)
        score = float(proposal.candidates.scores[proposal.shown])
        while True:
            print(
                f"{self._picture}: looked at ({x:.0f}, {y:.0f}), predicted IoU {score:.2f}. {KEYS}",
                file=sys.stderr,
            )
            line = sys.stdin.readline()
            if not line:
                return Decision("stop")
            decision = understood(line.strip())
            if decision is not None:
                return decision


def understood(line: str) -> Decision | None:
    """Read an answer; None when it is none."""
    actions = {"a": "accept", "r": "reject", "n": "next", "q": "stop"}
    if line in actions:
        return Decision(actions[line])
    if line[:1] in ("+", "-"):
        try:
            x, y = numbers_of("point", line[1:].strip(), 2)
        except InputError:
            return None
        return Decision("point", (x, y, int(line[0] == "+")))
    return None
