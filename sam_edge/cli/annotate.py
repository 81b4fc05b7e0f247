"""`sam-edge annotate`: a data set from a video, with gaze as the annotator."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from sam_edge.annotate import (
    Accept,
    Annotator,
    Answer,
    Box,
    Delete,
    EndStage,
    Film,
    Journal,
    Point,
    Proposal,
    Reject,
    Relabel,
    Source,
    Stage,
    Take,
    Undo,
    WithoutGaze,
    dwells_of,
    open_source,
    write_dataset,
)
from sam_edge.annotate.stages import EVERY, Work
from sam_edge.cli.options import add_model, open_model
from sam_edge.errors import InputError
from sam_edge.media.images import write_png
from sam_edge.media.overlay import draw_selection
from sam_edge.media.progress import ProgressBar
from sam_edge.parsing import parse_numbers, parse_size
from sam_edge.segmenter import Segmenter
from sam_edge.version import __version__

PX_PER_DEG = 15.0
"""Frame pixels in a degree where nothing is stated."""
PORT = 8766
KEYS = (
    "a [LABEL] accept, r reject, n next mask, 1-4 that mask, + X,Y on it, - X,Y beside it, b X0,Y0,X1,Y1 box, "
    "g gaze was off it, u undo, d NUMBER delete a mask, l NUMBER LABEL, s end this stage, "
    "q stop (goes on there next time)"
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `annotate`."""
    parser = subparsers.add_parser(
        "annotate",
        help="make a data set from a video and gaze",
        description="With --page questions are answered in a browser. Without, answers are read from the keyboard, a "
        f"line each: {KEYS}. The proposal is in proposal.png.",
    )
    parser.add_argument(
        "recording",
        type=Path,
        metavar="RECORDING",
        help="a tracker's recording with its scene video; or a video or folder of frames, with --gaze",
    )
    parser.add_argument("--gaze", type=Path, help="CSV, or any known recording, where RECORDING holds none")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DATASET", help="a folder; resumed if it was begun"
    )
    parser.add_argument("--page", action="store_true", help="ask in a page in the browser, on this machine")
    parser.add_argument("--port", type=int, default=PORT, help=f"of the page (default: {PORT}; 0: any)")
    parser.add_argument(
        "--stages",
        default="assisted,semi,automatic",
        metavar="A,B,C",
        help="which, in order (default: all three)",
    )
    parser.add_argument(
        "--every", type=int, default=EVERY, metavar="N", help="masks without gaze on every N-th frame"
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
    if given.page and given.yes:
        raise InputError("--yes: not with --page; give one of them")
    stages = stages_of(given.stages)
    source = open_source(given.recording, given.gaze)
    px_per_deg = given.px_per_deg or source.gaze.px_per_deg or PX_PER_DEG
    if not px_per_deg > 0:
        raise InputError(f"--px-per-deg: {px_per_deg} is not accepted; give a positive number")
    with (
        Film(source.video, fps=given.fps, times_ns=source.times_ns) as film,
        Journal(given.out, told(source, film, px_per_deg)) as journal,
        open_model(given) as model,
    ):
        annotator = Annotator(
            model,
            journal,
            film,
            dwells_of(source.gaze.samples, px_per_deg=px_per_deg),
            stages=stages,
            every=given.every,
            size=parse_size(given.size),
            provenance=provenance_of(model, given),
        )
        try:
            finished = in_page(given, annotator, source) if given.page else in_terminal(given, annotator)
        finally:
            write_dataset(journal)
            (given.out / "proposal.png").unlink(missing_ok=True)
        if not given.quiet:
            frames = len({one.stem for one in journal.kept})
            end = "" if finished else "; stopped, the same command goes on"
            print(f"{len(journal.kept)} masks on {frames} frames: {given.out}{end}")
    return 0


def told(source: Source, film: Film, px_per_deg: float) -> dict[str, object]:
    """Describe what is annotated: what has to be the same when it goes on another time."""
    height, width = film.size
    return {
        "video": source.video.name,
        "gaze": source.gaze.name,
        "samples": len(source.gaze.samples),
        "fps": round(film.fps, 4),
        "width": width,
        "height": height,
        "px_per_deg": round(px_per_deg, 4),
    }


def provenance_of(model: Segmenter, given: argparse.Namespace) -> dict[str, object]:
    """Describe what makes the masks."""
    bundle = model.bundle.manifest if model.bundle else None
    return {
        "sam_edge": __version__,
        "model": bundle.name if bundle else str(given.model),
        "weights": bundle.checkpoint_sha256 if bundle else "",
        "engine": model.runtime.name,
        "precision": model.runtime.precision,
    }


def in_page(given: argparse.Namespace, annotator: Annotator, source: Source) -> bool:
    """Ask in the browser; say whether all is done."""
    from sam_edge.annotate.web import PageServer

    # OpenCV's own threads compete with the encoder for the cores (docs/selection.md).
    cv2.setNumThreads(1)
    server = PageServer(annotator, source.gaze.samples, port=given.port)
    server.listen()
    print(f"page     {server.url}", flush=True)
    print("ends with the page's button, or Ctrl+C; the same command goes on", flush=True)
    return server.run()


def in_terminal(given: argparse.Namespace, annotator: Annotator) -> bool:
    """Ask on the terminal; say whether all is done."""
    asker = None if given.yes else Asker(given.out)
    with Bars(annotator, quiet=given.quiet):
        while (proposal := annotator.ask()) is not None:
            answer: Answer | None = Accept() if asker is None else asker(proposal)
            if answer is None:
                return False
            try:
                annotator.answer(answer)
            except InputError as error:
                if asker is None:
                    raise
                print(f"sam-edge: {error}", file=sys.stderr)
    return True


class Bars:
    """A bar for the frames of each stage, one after the other. A context manager."""

    def __init__(self, annotator: Annotator, *, quiet: bool) -> None:
        """Draw what the annotator works on."""
        annotator.heed = self.heed
        self._quiet = quiet
        self._stage: Stage | None = None
        self._bar: ProgressBar | None = None

    def heed(self, work: Work) -> None:
        """Draw how far it is."""
        if self._bar is None or self._stage != work.stage:
            self.__exit__(None, None, None)
            self._stage, self._bar = (
                work.stage,
                ProgressBar(work.total, label=work.stage.value, silent=self._quiet),
            )
        self._bar.advance(work.done - self._bar.done)

    def __enter__(self) -> Bars:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the line."""
        if self._bar is not None:
            self._bar.close()


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


class Asker:
    """Shows a proposal as a picture, and reads the answer from the keyboard."""

    def __init__(self, folder: Path) -> None:
        """Write the picture to `folder`."""
        self._picture = folder / "proposal.png"

    def __call__(self, proposal: Proposal) -> Answer | None:
        """Ask once; an answer that is not understood is asked again. None: the person stops."""
        draft, dwell = proposal.draft, proposal.dwell
        trail = [(one.x_px, one.y_px, 0.0) for one in draft.points if one != draft.gaze]
        drawn = draw_selection(
            proposal.frame.image,
            mask=np.ascontiguousarray(proposal.mask),
            box=draft.box.sides if draft.box else None,
            fixation=(dwell.x_px, dwell.y_px, 0.0),
            gaze_trail=trail,
        )
        write_png(self._picture, drawn)
        while True:
            print(
                f"{self._picture}: looked at ({dwell.x_px:.0f}, {dwell.y_px:.0f}), mask {draft.shown + 1} of "
                f"{len(proposal.candidates.scores)}, predicted IoU {proposal.score:.2f}. {KEYS}",
                file=sys.stderr,
            )
            line = sys.stdin.readline()
            if not line or line.strip() == "q":
                return None
            answer = understood(line.strip())
            if answer is not None:
                return answer


def understood(line: str) -> Answer | None:
    """Read an answer; None when it is none."""
    plain: dict[str, Answer] = {
        "a": Accept(),
        "r": Reject(),
        "n": Take(),
        "g": WithoutGaze(),
        "u": Undo(),
        "s": EndStage(),
    }
    if line in plain:
        return plain[line]
    if line in ("1", "2", "3", "4"):
        return Take(int(line) - 1)
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
