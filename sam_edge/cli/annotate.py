"""`sam-edge annotate`: make a dataset from a video and gaze."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from sam_edge.annotate import (
    Accept,
    AnnotationStage,
    Annotator,
    Answer,
    Box,
    ChooseMask,
    Delete,
    EndStage,
    ExcludeGaze,
    GazeVideo,
    Journal,
    Point,
    Proposal,
    Reject,
    Relabel,
    SeekableVideo,
    Undo,
    WorkStatus,
    detect_dwells,
    open_gaze_video,
    write_dataset,
)
from sam_edge.annotate.annotator import STRIDE_FRAMES
from sam_edge.cli.options import add_format, add_fps, add_min_confidence, add_model, name_options, open_model
from sam_edge.closing import Closing
from sam_edge.errors import InputError
from sam_edge.gaze.fit import fit_gaze
from sam_edge.gaze.samples import SCENE_PX_PER_DEG
from sam_edge.media.images import write_png
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.media.overlay import draw_selection
from sam_edge.media.progress import ProgressBar
from sam_edge.parsing import parse_numbers, parse_size
from sam_edge.segmenter import Segmenter
from sam_edge.version import __version__

DEFAULT_PORT = 8766
KEYS = (
    "a [LABEL] accept, r reject, n next mask, 1-4 choose a mask, + X,Y point on the object, - X,Y point outside it, "
    "b X0,Y0,X1,Y1 box, g gaze missed the object, u undo, d NUMBER delete a mask, l NUMBER LABEL relabel a mask, "
    "s end this stage, q stop (the same command resumes)"
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `annotate`."""
    parser = subparsers.add_parser(
        "annotate",
        help="make a dataset from a video and gaze",
        description="With --web, answer in a web page. Without it, type an answer a line in the terminal: "
        f"{KEYS}. The proposed mask is drawn in proposal.png.",
    )
    parser.add_argument(
        "recording",
        type=Path,
        metavar="RECORDING",
        help="recording of a tracker with its scene video; or a video or folder of frames, with --gaze",
    )
    parser.add_argument(
        "--gaze", type=Path, help="gaze CSV or another recording, when RECORDING holds no gaze"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DATASET",
        help="folder of the dataset; an unfinished one is resumed",
    )
    parser.add_argument("--web", action="store_true", help="annotate in a web page on this machine")
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help=f"port of the web page (default: {DEFAULT_PORT}; 0: any free port)",
    )
    parser.add_argument(
        "--stages",
        default="assisted,semi,automatic",
        metavar="A,B,C",
        help="stages to run, in order (default: all three)",
    )
    parser.add_argument(
        "--stride",
        type=int,
        default=STRIDE_FRAMES,
        metavar="N",
        help=f"generate masks without gaze on every N-th frame (default: {STRIDE_FRAMES})",
    )
    add_format(parser)
    add_min_confidence(parser)
    add_fps(parser)
    parser.add_argument(
        "--px-per-deg", type=float, help="frame pixels in a degree (default: the recording's, else 15)"
    )
    parser.add_argument("--yes", action="store_true", help="accept every proposal without asking")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the stages, and write the dataset, also when the annotator stops early."""
    inputs = {"RECORDING": args.recording, "--gaze": args.gaze}
    with prepare_outputs(Output("--out", args.out, "folder"), inputs=inputs):
        return annotate(args)


def annotate(args: argparse.Namespace) -> int:
    """Run the stages; the output is checked."""
    if args.web and args.yes:
        raise InputError("--yes: not accepted with --web; give one of them")
    stages = stages_of(args.stages)
    options = {"min_confidence": "--min-confidence", "recording_name": "--recording"} | (
        {"gaze": "--gaze"} if args.gaze else {}
    )
    with name_options(options):
        source = open_gaze_video(
            args.recording,
            args.gaze,
            format=args.format,
            recording_name=args.recording_name,
            min_confidence=args.min_confidence,
            fps=args.fps,
        )
    px_per_deg = args.px_per_deg or source.gaze.px_per_deg or SCENE_PX_PER_DEG
    if not px_per_deg > 0:
        raise InputError(f"--px-per-deg: {px_per_deg} is not accepted; give a positive number")
    with ExitStack() as stack:
        video = stack.enter_context(SeekableVideo(source.video, fps=source.fps, times_ns=source.times_ns))
        with name_options(options):
            source = replace(source, gaze=fit_gaze(source.gaze, size=video.size, times=video.times).checked())
        journal = stack.enter_context(Journal(args.out, describe_source(source, video, px_per_deg)))
        model = stack.enter_context(open_model(args))
        annotator = Annotator(
            model,
            journal,
            video,
            detect_dwells(source.gaze.samples, px_per_deg=px_per_deg),
            stages=stages,
            stride=args.stride,
            size=parse_size(args.size),
            provenance=provenance_of(model, args),
        )
        try:
            finished = (
                annotate_in_page(args, annotator, source)
                if args.web
                else annotate_in_terminal(args, annotator)
            )
        finally:
            write_dataset(journal)
            (args.out / "proposal.png").unlink(missing_ok=True)
        if not args.quiet:
            frames = len({annotation.stem for annotation in journal.annotations})
            end = "" if finished else "; stopped, the same command resumes"
            masks = len(journal.annotations)
            print(f"{masks} mask{'s' * (masks != 1)} on {frames} frame{'s' * (frames != 1)}: {args.out}{end}")
    return 0


def describe_source(source: GazeVideo, video: SeekableVideo, px_per_deg: float) -> dict[str, object]:
    """Describe the source: values that must be equal when the dataset is resumed."""
    height, width = video.size
    return {
        "video": source.video.name,
        "gaze": source.gaze.name,
        "samples": len(source.gaze.samples),
        "fps": round(video.fps, 4),
        "width": width,
        "height": height,
        "px_per_deg": round(px_per_deg, 4),
    }


def provenance_of(model: Segmenter, args: argparse.Namespace) -> dict[str, object]:
    """Describe the model that makes the masks."""
    bundle = model.bundle.manifest if model.bundle else None
    return {
        "sam_edge": __version__,
        "model": bundle.name if bundle else str(args.model),
        "weights": bundle.checkpoint_sha256 if bundle else "",
        "engine": model.runtime.name,
        "precision": model.runtime.precision,
    }


def annotate_in_page(args: argparse.Namespace, annotator: Annotator, source: GazeVideo) -> bool:
    """Annotate in the browser, and return whether everything is finished."""
    from sam_edge.annotate.web import PageServer

    # OpenCV's own threads compete with the encoder for the cores (docs/explanation/selection.md).
    cv2.setNumThreads(1)
    server = PageServer(annotator, source.gaze.samples, port=args.port)
    server.listen()
    print(f"page     {server.url}", flush=True)
    print("stop with the page's button or Ctrl+C; the same command resumes", flush=True)
    return server.run()


def annotate_in_terminal(args: argparse.Namespace, annotator: Annotator) -> bool:
    """Annotate in the terminal, and return whether everything is finished."""
    prompter = None if args.yes else TerminalPrompter(args.out)
    with StageBars(annotator, quiet=args.quiet):
        while (proposal := annotator.ask()) is not None:
            answer: Answer | None = Accept() if prompter is None else prompter.ask(proposal)
            if answer is None:
                return False
            try:
                annotator.answer(answer)
            except InputError as error:
                if prompter is None:
                    raise
                print(f"sam-edge: {error}", file=sys.stderr)
    return True


class StageBars(Closing):
    """Shows a progress bar for each stage in turn. A context manager."""

    def __init__(self, annotator: Annotator, *, quiet: bool) -> None:
        """Follow the annotator's progress."""
        annotator.on_progress = self.show
        self._quiet = quiet
        self._stage: AnnotationStage | None = None
        self._bar: ProgressBar | None = None

    def show(self, status: WorkStatus) -> None:
        """Show the progress of the current stage."""
        if self._bar is None or self._stage != status.stage:
            self.close()
            self._stage, self._bar = (
                status.stage,
                ProgressBar(status.total, label=status.stage.value, silent=self._quiet),
            )
        self._bar.advance(status.done - self._bar.done)

    def close(self) -> None:
        """End the bar of the current stage."""
        if self._bar is not None:
            self._bar.close()


def stages_of(text: str) -> list[AnnotationStage]:
    """Parse stages with commas between them.

    Raises:
        InputError: a stage is unknown.
    """
    try:
        return [AnnotationStage(word.strip()) for word in text.split(",")]
    except ValueError as error:
        names = ", ".join(stage.value for stage in AnnotationStage)
        raise InputError(f"--stages: {text!r}; accepted: any of {names}, with commas between them") from error


class TerminalPrompter:
    """Draws each proposal to an image file, and reads the answer from stdin."""

    def __init__(self, folder: Path) -> None:
        """Draw proposals to `proposal.png` in `folder`."""
        self._image_path = folder / "proposal.png"
        self._asked = False

    def ask(self, proposal: Proposal) -> Answer | None:
        """Ask until an answer is valid, and return it; None: the annotator stops."""
        draft, dwell = proposal.draft, proposal.dwell
        trail = [(point.x_px, point.y_px, 0.0) for point in draft.points if point != draft.gaze]
        drawn = draw_selection(
            proposal.frame.image,
            mask=np.ascontiguousarray(proposal.mask),
            box=draft.box.sides if draft.box else None,
            fixation=(dwell.x_px, dwell.y_px, 0.0),
            gaze_trail=trail,
        )
        write_png(self._image_path, drawn)
        while True:
            print(
                f"{self._image_path}: gaze at ({dwell.x_px:.0f}, {dwell.y_px:.0f}), mask {draft.mask_index + 1} of "
                f"{len(proposal.candidates.scores)}, predicted IoU {proposal.score:.2f}. {self._describe_keys()}",
                file=sys.stderr,
            )
            line = sys.stdin.readline()
            if not line or line.strip() == "q":
                return None
            answer = parse_answer(line.strip())
            if answer is not None:
                return answer
            self._asked = False

    def _describe_keys(self) -> str:
        """Return all keys for the first question and after an answer that is none, and else where to find them."""
        text = "The keys: any other answer shows them." if self._asked else KEYS
        self._asked = True
        return text


def parse_answer(line: str) -> Answer | None:
    """Parse an answer; None when it is not valid."""
    answer_of_key: dict[str, Answer] = {
        "a": Accept(),
        "r": Reject(),
        "n": ChooseMask(),
        "g": ExcludeGaze(),
        "u": Undo(),
        "s": EndStage(),
    }
    if line in answer_of_key:
        return answer_of_key[line]
    if line in ("1", "2", "3", "4"):
        return ChooseMask(int(line) - 1)
    letter, rest = line[:1], line[1:].strip()
    try:
        if letter in ("+", "-"):
            x, y = parse_numbers("point", rest, 2)
            return Point(x, y, letter == "+")
        if line[:2] == "b ":
            x0, y0, x1, y1 = parse_numbers("box", rest, 4)
            return Box(x0, y0, x1, y1)
    except InputError:
        return None
    if line[:2] == "a ":
        return Accept(rest)
    number, _, label = rest.partition(" ")
    if not number.isdecimal():
        return None
    if line[:2] == "l " and label:
        return Relabel(int(number), label)
    return Delete(int(number)) if line[:2] == "d " and not label else None
