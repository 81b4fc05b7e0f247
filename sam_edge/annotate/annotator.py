"""The three stages of SAM's data engine on a video with gaze.

Kirillov et al., "Segment Anything" (2023), section 4. Assisted: each dwell of the gaze proposes a mask, which a person
accepts, corrects or rejects. Semi-automatic: confident masks are generated first, and only dwells on other objects
propose one. Automatic: masks are generated on every frame that the data set shows. Each stage resumes where it stopped.

    while (proposal := annotator.ask()) is not None:
        annotator.answer(Accept("dog"))
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sam_edge.annotate.annotation import CONFIDENT, Annotation
from sam_edge.annotate.answers import (
    Accept,
    Answer,
    Delete,
    EndStage,
    Point,
    Reject,
    Relabel,
    Undo,
    normalize_label,
)
from sam_edge.annotate.automatic import config_for, config_to_json, generate_candidates
from sam_edge.annotate.candidates import decode_candidates, describe_mask
from sam_edge.annotate.dwells import dwell_key, frame_at_dwell
from sam_edge.annotate.frame_masks import FrameMasks, is_object_sized
from sam_edge.annotate.journal import Journal
from sam_edge.annotate.proposal import Draft, Proposal
from sam_edge.annotate.seekable_video import SeekableVideo
from sam_edge.annotate.stage import AnnotationStage, StageProgress, WorkStatus
from sam_edge.errors import InputError
from sam_edge.everything import GeneratedMask
from sam_edge.gaze.events import Fixation
from sam_edge.media.frames import VideoFrame
from sam_edge.media.images import write_png
from sam_edge.segmenter import Embedding, Segmenter

STRIDE_FRAMES = 24
"""Masks without gaze are generated on every frame whose number is a multiple of this."""
READ_AHEAD_FRAMES = 4
"""Frames that one call of `prepare` reads."""
CACHED_EMBEDDINGS = 3
"""Embeddings in memory: of the proposal's frame, and of the next ones."""


class Annotator:
    """Proposes masks for the dwells of one video, and writes the accepted ones. Not for several threads at once."""

    def __init__(
        self,
        model: Segmenter,
        journal: Journal,
        video: SeekableVideo,
        dwells: Sequence[Fixation],
        *,
        stages: Sequence[AnnotationStage] = tuple(AnnotationStage),
        stride: int = STRIDE_FRAMES,
        size: tuple[int, int] | None = None,
        provenance: Mapping[str, Any] | None = None,
        on_progress: Callable[[WorkStatus], None] | None = None,
    ) -> None:
        """Annotate a video into a journal.

        Args:
            model: from `sam_edge.load`.
            journal: of the data set.
            video: the video.
            dwells: from `detect_dwells`, frame pixels.
            stages: the stages to run, in order.
            stride: masks without gaze are generated on every `stride`-th frame, and on frames with unanswered dwells
                (semi) or with masks (automatic).
            size: the encoder's input (height, width); None chooses one by the frame.
            provenance: written with every mask.
            on_progress: called during long work; may raise `StopRequested`.

        Raises:
            InputError: `stride` is below 1.
        """
        if stride < 1:
            raise InputError(f"stride: {stride} is not accepted; give 1 or more")
        self.stages = tuple(stages)
        self.journal = journal
        self.video = video
        self.on_progress: Callable[[WorkStatus], None] = on_progress or (lambda status: None)
        self._model = model
        self._stride = stride
        self._size = size
        self._provenance = dict(provenance or {})
        self._dwells: dict[int, list[Fixation]] = defaultdict(list)
        for dwell in dwells:
            index = frame_at_dwell(dwell, video.fps, video.count, video.times_ns)
            if index >= 0 and _is_inside(dwell, video.size):
                self._dwells[index].append(dwell)
        self._embeddings: OrderedDict[int, Embedding] = OrderedDict()
        self._frame_masks: FrameMasks | None = None
        self._proposal: Proposal | None = None
        self._history: list[Proposal] = []
        """The open proposal before each correction with a new prompt."""

    @property
    def proposal(self) -> Proposal | None:
        """The open proposal; None before `ask` and after an answer that closed it."""
        return self._proposal

    def ask(self) -> Proposal | None:
        """Return the open proposal, or go on until there is one; None when all stages are done.

        Masks that need no person are generated and written on the way.

        Raises:
            StopRequested: `on_progress` raised it.
            MediaError: a frame cannot be read.
            EngineError: the engine failed.
        """
        for stage in self.stages:
            if self._proposal is None:
                self._proposal = self._run_stage(stage)
        return self._proposal

    def answer(self, answer: Answer) -> None:
        """Answer the open proposal, or change an earlier annotation; the answer is on disk when this returns.

        Raises:
            InputError: the answer does not fit; the proposal stays as it was.
        """
        if isinstance(answer, Delete):
            self.journal.delete(answer.number)
            self._frame_masks = None
        elif isinstance(answer, Relabel):
            self.journal.relabel(answer.number, normalize_label(answer.category))
        elif isinstance(answer, Undo) and (self._proposal is None or not self._proposal.draft.corrected):
            self._undo_answer()
        elif self._proposal is None:
            raise InputError(f"answer: {type(answer).__name__}, but no proposal is open; all is done")
        elif isinstance(answer, Accept):
            self._accept(self._proposal, normalize_label(answer.category))
            self._proposal = None
        elif isinstance(answer, Reject):
            stage = self._proposal.stage.value
            self.journal.mark_done(stage, dwell_key(self._proposal.dwell), by_person=True)
            self._proposal = None
        elif isinstance(answer, EndStage):
            self.journal.end_stage(self._proposal.stage.value)
            self._proposal = None
        else:
            self._proposal = self._correct(self._proposal, answer)

    def prepare(self) -> bool:
        """Read a few frames ahead, or encode the frame of the next proposal, so that it comes at once.

        Returns:
            Whether there is more to do. Each call is short, so that answers can come in between.
        """
        if self._proposal is None or self._proposal.stage != AnnotationStage.ASSISTED:
            return False
        present = self._proposal.frame.index
        upcoming = min(
            (index for index in self._dwells if index > present and self._unanswered(index)), default=None
        )
        if upcoming is None or upcoming in self._embeddings:
            return False
        if not self.video.read_towards(upcoming, READ_AHEAD_FRAMES):
            return True
        frame = self.video.frame(upcoming)
        if frame is not None:
            self._embedding(frame)
        return False

    def progress(self) -> list[StageProgress]:
        """Return how far each stage is."""
        progress = []
        for stage in self.stages:
            if stage == AnnotationStage.ASSISTED:
                keys = [dwell_key(dwell) for dwells in self._dwells.values() for dwell in dwells]
                done = [self.journal.is_done(stage.value, key) for key in keys]
                unit = "dwells"
            else:
                done = [self._is_frame_done(stage, index) for index in self._frames_of(stage)]
                unit = "frames"
            progress.append(StageProgress(stage, sum(done), len(done), unit))
        return progress

    # Stages and frames.

    def _run_stage(self, stage: AnnotationStage) -> Proposal | None:
        """Go on with a stage until it proposes a mask; None when it is done."""
        if stage == AnnotationStage.ASSISTED and self.journal.is_ended(stage.value):
            return None
        frames = self._frames_of(stage)
        for done, index in enumerate(frames):
            if stage == AnnotationStage.ASSISTED and not self._unanswered(index):
                continue
            if stage != AnnotationStage.ASSISTED and self._is_frame_done(stage, index):
                continue
            proposal = self._run_frame(stage, index, WorkStatus(stage, index, done, len(frames)))
            if proposal is not None:
                return proposal
        return None

    def _run_frame(self, stage: AnnotationStage, index: int, status: WorkStatus) -> Proposal | None:
        """Generate the masks of a frame if the stage does so, then propose one for its next dwell; None without any."""
        self.on_progress(status)
        frame = self.video.frame(index, lambda passed: self.on_progress(status))
        if frame is None:
            # The header of the video promised more frames than there are.
            self.journal.add_generated((), stage=stage.value, frame=_frame_key(index))
            for dwell in self._unanswered(index):
                self.journal.mark_done(stage.value, dwell_key(dwell))
            return None
        if stage != AnnotationStage.ASSISTED and not self.journal.is_done(stage.value, _frame_key(index)):
            self._generate(stage, frame, status)
        if stage == AnnotationStage.AUTOMATIC or self.journal.is_ended(stage.value):
            return None
        for dwell in self._unanswered(index):
            proposal = self._propose(stage, frame, dwell)
            shown_by = None
            if proposal is not None and stage == AnnotationStage.SEMI:
                shown_by = self._find_same(proposal)
            if proposal is not None and shown_by is None:
                return proposal
            self.journal.mark_done(stage.value, dwell_key(dwell), shown_by=shown_by)
        return None

    def _frames_of(self, stage: AnnotationStage) -> list[int]:
        """Return the numbers of the frames that a stage works on."""
        if stage == AnnotationStage.ASSISTED:
            return sorted(self._dwells)
        if stage == AnnotationStage.SEMI:
            extra = {
                index for index, dwells in self._dwells.items() if any(map(self._left_by_assisted, dwells))
            }
        else:
            extra = {annotation.index for annotation in self.journal.annotations}
        return sorted({*range(0, self.video.count_frames(), self._stride), *extra})

    def _left_by_assisted(self, dwell: Fixation) -> bool:
        return not self.journal.is_done(AnnotationStage.ASSISTED.value, dwell_key(dwell))

    def _is_frame_done(self, stage: AnnotationStage, index: int) -> bool:
        generated = self.journal.is_done(stage.value, _frame_key(index))
        asks = stage == AnnotationStage.SEMI and not self.journal.is_ended(stage.value)
        return generated and not (asks and self._unanswered(index))

    def _unanswered(self, index: int) -> list[Fixation]:
        """Return the dwells of a frame that no stage is done with."""
        dwells = self._dwells.get(index, ())
        return [dwell for dwell in dwells if not self.journal.is_done_in_any_stage(dwell_key(dwell))]

    # Masks.

    def _generate(self, stage: AnnotationStage, frame: VideoFrame, status: WorkStatus) -> None:
        """Write the generated masks of a frame, except those that it has, specks, and those of the whole image."""
        size = (frame.image.shape[0], frame.image.shape[1])
        config = config_for(stage, size, self._size)
        masks = generate_candidates(
            self._model,
            frame.image,
            config,
            self._embedding(frame) if stage == AnnotationStage.SEMI else None,
            lambda share: self.on_progress(replace(status, share=share)),
        )
        present, details = self._masks_of(frame), {"settings": config_to_json(config)}
        annotations = [
            self._annotate(frame, stage, mask, CONFIDENT, details)
            for mask in masks
            if is_object_sized(mask, size) and present.add_new(mask)
        ]
        if annotations:
            self._write_image(frame)
        self.journal.add_generated(annotations, stage=stage.value, frame=_frame_key(frame.index))
        self._frame_masks = None

    def _propose(self, stage: AnnotationStage, frame: VideoFrame, dwell: Fixation) -> Proposal | None:
        self._history.clear()
        draft = Draft(Point(dwell.x_px, dwell.y_px))
        candidates = decode_candidates(self._model, self._embedding(frame), draft)
        return None if candidates is None else Proposal(stage, frame, dwell, draft, candidates)

    def _correct(self, proposal: Proposal, answer: Answer) -> Proposal:
        """Return the proposal after a correction; decodes again when its prompts changed."""
        height, width = proposal.frame.image.shape[:2]
        draft = proposal.draft.apply(answer, size=(height, width), mask_count=len(proposal.candidates.scores))
        if draft.prompts == proposal.draft.prompts:
            return replace(proposal, draft=draft)
        if isinstance(answer, Undo):
            return self._history.pop()
        # A point corrects the shown mask; a box, or excluding the gaze, means another object.
        shown = proposal.candidates.logits[proposal.draft.mask_index] if isinstance(answer, Point) else None
        embedding = self._embedding(proposal.frame)
        candidates = decode_candidates(self._model, embedding, draft, corrects=shown)
        if candidates is None:
            raise InputError("answer: SAM finds nothing there; undo it, or point elsewhere")
        self._history.append(proposal)
        return replace(proposal, draft=draft, candidates=candidates)

    def _accept(self, proposal: Proposal, category: str) -> None:
        mask = describe_mask(proposal, self._embedding(proposal.frame))
        replaces = self._masks_of(proposal.frame).find_replaced(mask)
        decision = "corrected" if proposal.draft.corrected else "accepted"
        annotation = self._annotate(
            proposal.frame, proposal.stage, mask, decision, _describe_prompts(proposal)
        )
        self._write_image(proposal.frame)
        self.journal.add(
            replace(annotation, category=category),
            answers=(proposal.stage.value, dwell_key(proposal.dwell)),
            replaces=replaces,
        )
        self._frame_masks = None

    def _undo_answer(self) -> None:
        if self.journal.undo() is None:
            raise InputError("undo: there is no answer to take back")
        self._proposal = self._frame_masks = None

    def _find_same(self, proposal: Proposal) -> int | None:
        """Return the number of the frame's annotation that shows the proposed object; None without any."""
        mask = describe_mask(proposal, self._embedding(proposal.frame))
        return self._masks_of(proposal.frame).find_same(mask)

    def _masks_of(self, frame: VideoFrame) -> FrameMasks:
        if self._frame_masks is None or self._frame_masks.stem != frame.stem:
            self._frame_masks = FrameMasks(frame.stem, self.journal.annotations_on(frame.stem))
        return self._frame_masks

    def _embedding(self, frame: VideoFrame) -> Embedding:
        if frame.index not in self._embeddings:
            self._embeddings[frame.index] = self._model.encode(
                frame.image, size=self._size, time_ns=frame.time_ns
            )
        self._embeddings.move_to_end(frame.index)
        if len(self._embeddings) > CACHED_EMBEDDINGS:
            self._embeddings.popitem(last=False)
        return self._embeddings[frame.index]

    def _annotate(
        self,
        frame: VideoFrame,
        stage: AnnotationStage,
        mask: GeneratedMask,
        decision: str,
        details: Mapping[str, Any],
    ) -> Annotation:
        provenance = {**self._provenance, "time_ns": frame.time_ns, **details}
        return Annotation(frame.stem, frame.index, stage.value, mask, decision, provenance)

    def _write_image(self, frame: VideoFrame) -> None:
        """Write the image of a frame before its first mask, so that no mask is without one."""
        path = self.journal.folder / "images" / f"{frame.stem}.png"
        if not path.exists():
            write_png(path, frame.image)


def _frame_key(index: int) -> str:
    """Return the journal's name of a frame."""
    return f"frame {index}"


def _is_inside(dwell: Fixation, size: tuple[int, int]) -> bool:
    return 0 <= dwell.x_px < size[1] and 0 <= dwell.y_px < size[0]


def _describe_prompts(proposal: Proposal) -> dict[str, Any]:
    """Return the dwell and the person's prompts for the mask's provenance."""
    draft, dwell = proposal.draft, proposal.dwell
    details: dict[str, Any] = {
        "gaze": {
            "kind": dwell.kind.value,
            "onset_ns": dwell.onset_ns,
            "end_ns": dwell.time_ns,
            "x_px": round(dwell.x_px, 2),
            "y_px": round(dwell.y_px, 2),
            "spread_px": round(dwell.spread_px, 2),
            "prompts": draft.gaze in draft.points,
        },
        "point_labels": [int(point.positive) for point in draft.points],
        "sam_mask": int(proposal.candidates.token[draft.mask_index]),
    }
    if draft.box is not None:
        details["box"] = [round(side, 2) for side in draft.box.sides]
    return details
