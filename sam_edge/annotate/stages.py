"""The three stages of SAM's data engine on a video with gaze: what is asked, what is made, and what is kept.

Kirillov et al., "Segment Anything" (2023), section 4. Assisted: each dwell of the gaze proposes a mask, which a person
accepts, corrects or rejects. Semi-automatic: confident masks are made first, and only dwells on the rest are asked.
Automatic: everything mode, filtered, on every frame that the data set shows. Each stage resumes where it stopped.

    while (proposal := annotator.ask()) is not None:
        annotator.answer(Accept("dog"))
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sam_edge.annotate.answers import (
    Accept,
    Answer,
    Delete,
    Draft,
    EndStage,
    Point,
    Proposal,
    Reject,
    Relabel,
    Undo,
    label_of,
)
from sam_edge.annotate.chosen import CONFIDENT_DECISION, Known, candidates_of, fits, found_of, least_px
from sam_edge.annotate.dwells import frame_of, name_of
from sam_edge.annotate.film import Film
from sam_edge.annotate.journal import Journal
from sam_edge.annotate.kept import Kept
from sam_edge.errors import InputError
from sam_edge.everything import FAST, GeneratedMask, MaskGeneratorConfig, count_points, generate_masks
from sam_edge.gaze.events import Fixation
from sam_edge.media.frames import VideoFrame
from sam_edge.media.images import write_png
from sam_edge.segmenter import Embedding, Segmenter

CONFIDENT = replace(FAST, predicted_iou=0.92, stability=0.95, size=None)
"""What the semi-automatic stage takes without asking."""
AUTOMATIC = MaskGeneratorConfig(stability=0.94)
"""What the automatic stage takes."""
AUTOMATIC_SIDE = 1024
"""The encoder's input is this long in the automatic stage, as SAM's is: nobody waits for an answer there, and smaller
inputs lose things. On a frame of a rider on a horse the best mask has an IoU of .88 with both, .08 at 672x448."""
EVERY = 24
"""Masks without gaze are made on every so many-th frame."""
STEP = 64
"""Inputs come in steps of this, so that frames of almost one shape share one."""
READ_AHEAD = 4
"""Frames that `prepare` reads at a time."""
ENCODED = 3
"""Embeddings that are kept: the frame that is asked about, and the next."""


class Stage(str, Enum):
    """A stage of the data engine."""

    ASSISTED = "assisted"
    SEMI = "semi"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is."""

    stage: Stage
    """The stage."""
    done: int
    """Dwells or frames that are done."""
    total: int
    """All of them."""
    unit: str
    """`dwells` or `frames`."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done between two questions."""

    stage: Stage
    """The stage."""
    frame: int
    """Number of the frame that is worked on."""
    done: int
    """Frames that are done."""
    total: int
    """All of them."""
    share: float = 0.0
    """How much of this frame is done, 0..1."""


class Stopped(Exception):
    """The person wants to go on another time."""


class Annotator:
    """Asks about the dwells of one video, and keeps what is accepted. Not for several threads at once."""

    def __init__(
        self,
        model: Segmenter,
        journal: Journal,
        film: Film,
        dwells: Sequence[Fixation],
        *,
        stages: Sequence[Stage] = tuple(Stage),
        every: int = EVERY,
        size: tuple[int, int] | None = None,
        provenance: Mapping[str, Any] | None = None,
        heed: Callable[[Work], None] | None = None,
    ) -> None:
        """Annotate a film into a journal.

        Args:
            model: from `sam_edge.load`.
            journal: what was accepted before, and what is from now on.
            film: the video.
            dwells: where gaze rested, from `dwells_of`.
            stages: which, in order.
            every: masks without gaze are made on every so many-th frame, and on those that dwells are on.
            size: the encoder's input (height, width); None picks one by the frame.
            provenance: kept with every mask.
            heed: called while work is done that takes a while; may raise `Stopped`.

        Raises:
            InputError: `every` is below 1.
        """
        if every < 1:
            raise InputError(f"every: {every} is not accepted; give 1 or more")
        self.stages = tuple(stages)
        self.journal = journal
        self.film = film
        self._model = model
        self._every = every
        self._size = size
        self._provenance = dict(provenance or {})
        self.heed: Callable[[Work], None] = heed or (lambda work: None)
        self._dwells: dict[int, list[Fixation]] = defaultdict(list)
        for dwell in dwells:
            index = frame_of(dwell, film.fps, film.count, film.times_ns)
            if index >= 0 and _inside(dwell, film.size):
                self._dwells[index].append(dwell)
        self._encoded: OrderedDict[int, Embedding] = OrderedDict()
        self._known: Known | None = None
        self._open: Proposal | None = None
        self._before: list[Proposal] = []

    def ask(self) -> Proposal | None:
        """Return the question that is open; makes and keeps what needs no question on the way. None: all is done.

        Raises:
            Stopped: `heed` raised it.
            MediaError: a frame cannot be read.
            EngineError: the engine failed.
        """
        for stage in self.stages:
            if self._open is None:
                self._open = self._next(stage)
        return self._open

    def answer(self, answer: Answer) -> None:
        """Take an answer to the open question, or about a mask that was accepted before; on disk when this returns.

        Raises:
            InputError: it does not fit; the question stays as it was.
        """
        if isinstance(answer, Delete):
            self.journal.delete(answer.number)
            self._known = None
        elif isinstance(answer, Relabel):
            self.journal.relabel(answer.number, label_of(answer.category))
        elif isinstance(answer, Undo) and (self._open is None or not self._open.draft.corrected):
            self._take_back()
        elif self._open is None:
            raise InputError(f"answer: {type(answer).__name__}, but nothing is asked; all is done")
        elif isinstance(answer, Accept):
            self._accept(self._open, label_of(answer.category))
            self._open = None
        elif isinstance(answer, Reject):
            self.journal.finish(self._open.stage, name_of(self._open.dwell), asked=True)
            self._open = None
        elif isinstance(answer, EndStage):
            self.journal.end(self._open.stage)
            self._open = None
        else:
            self._open = self._changed(self._open, answer)

    @property
    def asked(self) -> Proposal | None:
        """The open question; None before `ask` and after an answer that closed it."""
        return self._open

    def prepare(self) -> bool:
        """Read a little ahead, or encode the frame of the next question, so that it comes at once.

        Returns:
            Whether there is more to do; each call is short, so that answers can come in between.
        """
        if self._open is None or self._open.stage != Stage.ASSISTED:
            return False
        here = self._open.frame.index
        following = min(
            (index for index in self._dwells if index > here and self._asked(index)), default=None
        )
        if following is None or following in self._encoded:
            return False
        if not self.film.approach(following, READ_AHEAD):
            return True
        frame = self.film.frame(following)
        if frame is not None:
            self._embedding(frame)
        return False

    def progress(self) -> list[Progress]:
        """Say how far each stage is."""
        made = []
        for stage in self.stages:
            if stage == Stage.ASSISTED:
                names = [name_of(dwell) for dwells in self._dwells.values() for dwell in dwells]
                done = [self.journal.finished(stage.value, name) for name in names]
                unit = "dwells"
            else:
                frames = self._frames(stage)
                done = [self._is_done(stage, index) for index in frames]
                unit = "frames"
            made.append(Progress(stage, sum(done), len(done), unit))
        return made

    def _frames(self, stage: Stage) -> list[int]:
        """Return the numbers of the frames that a stage works on."""
        if stage == Stage.ASSISTED:
            return sorted(self._dwells)
        if stage == Stage.SEMI:
            left = (index for index in self._dwells if any(map(self._left_by_assisted, self._dwells[index])))
        else:
            left = (one.index for one in self.journal.kept)
        return sorted({*range(0, self.film.length(), self._every), *left})

    def _left_by_assisted(self, dwell: Fixation) -> bool:
        return not self.journal.finished(Stage.ASSISTED.value, name_of(dwell))

    def _is_done(self, stage: Stage, index: int) -> bool:
        made = self.journal.finished(stage.value, f"frame {index}")
        asks = stage == Stage.SEMI and not self.journal.ended(stage.value)
        return made and not (asks and self._asked(index))

    def _asked(self, index: int) -> list[Fixation]:
        """Return the dwells of a frame that nobody answered."""
        return [one for one in self._dwells.get(index, ()) if not self.journal.answered(name_of(one))]

    def _next(self, stage: Stage) -> Proposal | None:
        """Go on with a stage until it asks something; None when it is through."""
        if stage == Stage.ASSISTED and self.journal.ended(stage.value):
            return None
        frames = self._frames(stage)
        for done, index in enumerate(frames):
            if stage == Stage.ASSISTED and not self._asked(index):
                continue
            if stage != Stage.ASSISTED and self._is_done(stage, index):
                continue
            proposal = self._on_frame(stage, index, Work(stage, index, done, len(frames)))
            if proposal is not None:
                return proposal
        return None

    def _on_frame(self, stage: Stage, index: int, work: Work) -> Proposal | None:
        self.heed(work)
        frame = self.film.frame(index, lambda passed: self.heed(work))
        if frame is None:
            # The header of the video promised more frames than there are.
            self.journal.keep_all((), finishes=(stage.value, f"frame {index}"))
            for dwell in self._asked(index):
                self.journal.finish(stage.value, name_of(dwell))
            return None
        if stage != Stage.ASSISTED and not self.journal.finished(stage.value, f"frame {index}"):
            self._make(stage, frame, work)
        if stage == Stage.AUTOMATIC or self.journal.ended(stage.value):
            return None
        for dwell in self._asked(index):
            proposal = self._propose(stage, frame, dwell)
            shown_by = self._shown_by(proposal) if proposal is not None and stage == Stage.SEMI else None
            if proposal is not None and shown_by is None:
                return proposal
            self.journal.finish(stage.value, name_of(dwell), shown_by=shown_by)
        return None

    def _make(self, stage: Stage, frame: VideoFrame, work: Work) -> None:
        """Keep what everything mode finds on a frame, but what it has, specks, and what is all of the picture."""
        size = (frame.image.shape[0], frame.image.shape[1])
        config = CONFIDENT if stage == Stage.SEMI else AUTOMATIC
        input_size = self._size
        if input_size is None and stage == Stage.AUTOMATIC:
            input_size = sharp_size(size)
        config = replace(config, size=input_size, min_region_px=least_px(size))
        points = count_points(size, config)
        asked = 0

        def advance(count: int) -> None:
            nonlocal asked
            asked += count
            self.heed(replace(work, share=min(1.0, asked / points)))

        found = generate_masks(
            self._model,
            frame.image,
            config=config,
            embedding=self._embedding(frame) if stage == Stage.SEMI else None,
            advance=advance,
        )
        known, told = self._known_on(frame), {"settings": _describe_config(config)}
        best_first = sorted(found, key=lambda one: -one.predicted_iou)
        chosen = [
            self._kept(frame, stage, one, CONFIDENT_DECISION, told)
            for one in best_first
            if fits(one, size) and known.takes(one)
        ]
        if chosen:
            self._write_picture(frame)
        self.journal.keep_all(chosen, finishes=(stage.value, f"frame {frame.index}"))
        self._known = None

    def _propose(self, stage: Stage, frame: VideoFrame, dwell: Fixation) -> Proposal | None:
        self._before.clear()
        draft = Draft(Point(dwell.x_px, dwell.y_px))
        candidates = candidates_of(self._model, self._embedding(frame), draft)
        return None if candidates is None else Proposal(stage.value, frame, dwell, draft, candidates)

    def _changed(self, asked: Proposal, answer: Answer) -> Proposal:
        height, width = asked.frame.image.shape[:2]
        draft = asked.draft.after(answer, size=(height, width), masks=len(asked.candidates.scores))
        if draft.prompts == asked.draft.prompts:
            return replace(asked, draft=draft)
        if isinstance(answer, Undo):
            return self._before.pop()
        # A point corrects the mask that is shown; a box, or leaving the gaze out, means another thing.
        shown = asked.candidates.logits[asked.draft.shown] if isinstance(answer, Point) else None
        candidates = candidates_of(self._model, self._embedding(asked.frame), draft, corrects=shown)
        if candidates is None:
            raise InputError("answer: SAM finds nothing there; take it back, or point elsewhere")
        self._before.append(asked)
        return replace(asked, draft=draft, candidates=candidates)

    def _accept(self, asked: Proposal, category: str) -> None:
        found = found_of(asked, self._embedding(asked.frame))
        instead_of = self._known_on(asked.frame).replaced_by(found)
        decision = "corrected" if asked.draft.corrected else "accepted"
        kept = self._kept(asked.frame, Stage(asked.stage), found, decision, _asked_about(asked))
        self._write_picture(asked.frame)
        self.journal.keep(
            replace(kept, category=category),
            answers=(asked.stage, name_of(asked.dwell)),
            instead_of=instead_of,
        )
        self._known = None

    def _take_back(self) -> None:
        if self.journal.undo() is None:
            raise InputError("undo: nothing was answered yet")
        self._open = self._known = None

    def _shown_by(self, proposal: Proposal) -> int | None:
        """Return the number of the frame's mask that a dwell would propose; None when it has none like it."""
        found = found_of(proposal, self._embedding(proposal.frame))
        return self._known_on(proposal.frame).shows(found)

    def _known_on(self, frame: VideoFrame) -> Known:
        if self._known is None or self._known.stem != frame.stem:
            self._known = Known(frame.stem, self.journal.of_frame(frame.stem))
        return self._known

    def _embedding(self, frame: VideoFrame) -> Embedding:
        if frame.index not in self._encoded:
            self._encoded[frame.index] = self._model.encode(
                frame.image, size=self._size, time_ns=frame.time_ns
            )
        self._encoded.move_to_end(frame.index)
        if len(self._encoded) > ENCODED:
            self._encoded.popitem(last=False)
        return self._encoded[frame.index]

    def _kept(
        self, frame: VideoFrame, stage: Stage, found: GeneratedMask, decision: str, more: Mapping[str, Any]
    ) -> Kept:
        provenance = {**self._provenance, "time_ns": frame.time_ns, **more}
        return Kept(frame.stem, frame.index, stage.value, found, decision, provenance)

    def _write_picture(self, frame: VideoFrame) -> None:
        """Write the picture, before its first mask is: no mask is ever without one."""
        picture = self.journal.folder / "images" / f"{frame.stem}.png"
        if not picture.exists():
            write_png(picture, frame.image)


def sharp_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the encoder's input (height, width) of the automatic stage for a frame of (height, width)."""
    scale = AUTOMATIC_SIDE / max(size)
    height, width = (-(-round(side * scale) // STEP) * STEP for side in size)
    return height, width


def _inside(dwell: Fixation, size: tuple[int, int]) -> bool:
    return 0 <= dwell.x_px < size[1] and 0 <= dwell.y_px < size[0]


def _asked_about(asked: Proposal) -> dict[str, Any]:
    """Describe the dwell, and what the person said."""
    draft, dwell = asked.draft, asked.dwell
    said: dict[str, Any] = {
        "gaze": {
            "kind": dwell.kind.value,
            "onset_ns": dwell.onset_ns,
            "end_ns": dwell.time_ns,
            "x_px": round(dwell.x_px, 2),
            "y_px": round(dwell.y_px, 2),
            "spread_px": round(dwell.spread_px, 2),
            "prompts": draft.gaze in draft.points,
        },
        "point_labels": [int(point.on) for point in draft.points],
        "sam_mask": int(asked.candidates.token[draft.shown]),
    }
    if draft.box is not None:
        said["box"] = [round(side, 2) for side in draft.box.sides]
    return said


def _describe_config(config: MaskGeneratorConfig) -> dict[str, Any]:
    """Return the options that chose the masks, under the keys that journals have had from the first."""
    return {
        "size": config.size,
        "points_per_side": config.points_per_side,
        "predicted_iou": config.predicted_iou,
        "stability": config.stability,
        "box_nms": config.box_nms,
        "skip_found": config.skip_covered_iou,
        "min_region_px": config.min_region_px,
    }
