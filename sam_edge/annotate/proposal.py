"""A proposed mask, and its next state after each correction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam_edge.annotate.answers import (
    Answer,
    Box,
    ChooseMask,
    ExcludeGaze,
    Point,
    Prompt,
    Undo,
    clip_box,
)
from sam_edge.annotate.stage import AnnotationStage
from sam_edge.errors import InputError
from sam_edge.gaze.events import Fixation
from sam_edge.masks import Masks
from sam_edge.media.frames import VideoFrame


@dataclass(frozen=True, slots=True)
class Draft:
    """The prompts of one dwell, and which of SAM's masks is shown. A pure value: `apply` returns another one."""

    gaze: Point
    """Where the dwell was."""
    prompts: tuple[Prompt, ...] = ()
    """The person's prompts, in order."""
    mask_index: int = 0
    """Index of the shown mask among SAM's, from 0, best first."""

    def apply(self, answer: Answer, *, size: tuple[int, int], mask_count: int) -> Draft:
        """Return the draft after an answer that corrects it.

        Args:
            answer: a prompt, `ChooseMask`, or `Undo` of either.
            size: (height, width) of the frame.
            mask_count: number of SAM's masks.

        Raises:
            InputError: the prompt lies outside the frame, there is no such mask, no prompt on the object would be
                left, or the answer is of another kind.
        """
        if isinstance(answer, ChooseMask):
            index = (self.mask_index + 1) % mask_count if answer.index is None else answer.index
            if not 0 <= index < mask_count:
                raise InputError(f"mask: {index + 1} is not there; accepted: 1 to {mask_count}")
            return replace(self, mask_index=index)
        if isinstance(answer, Undo) and self.corrected:
            return self._with_prompts(self.prompts if self.mask_index else self.prompts[:-1])
        if isinstance(answer, Point):
            _check_inside("point", (answer.x_px, answer.y_px), size)
            return self._with_prompts((*self.prompts, answer))
        if isinstance(answer, Box):
            return self._with_prompts((*self.prompts, clip_box(answer, size)))
        if isinstance(answer, ExcludeGaze):
            return self._with_prompts((*self.prompts, answer))
        raise InputError(
            f"answer: {type(answer).__name__} does not correct a proposal; give a prompt or choose a mask"
        )

    @property
    def box(self) -> Box | None:
        """The last box; None without any."""
        return next((prompt for prompt in reversed(self.prompts) if isinstance(prompt, Box)), None)

    @property
    def points(self) -> tuple[Point, ...]:
        """All point prompts: the gaze first, unless it is excluded or lies outside the box."""
        added = tuple(prompt for prompt in self.prompts if isinstance(prompt, Point))
        excluded = any(isinstance(prompt, ExcludeGaze) for prompt in self.prompts)
        if excluded or (self.box is not None and not self.box.contains(self.gaze)):
            return added
        return (self.gaze, *added)

    @property
    def corrected(self) -> bool:
        """Whether the person added a prompt or chose another mask."""
        return bool(self.prompts) or self.mask_index != 0

    def _with_prompts(self, prompts: tuple[Prompt, ...]) -> Draft:
        draft = replace(self, prompts=prompts, mask_index=0)
        if draft.box is None and not any(point.positive for point in draft.points):
            raise InputError(
                "answer: no prompt on the object would be left; first give a point on it, or a box"
            )
        return draft


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question to the person: does this mask show the object of the dwell?"""

    stage: AnnotationStage
    """The stage that asks."""
    frame: VideoFrame
    """The frame in the middle of the dwell."""
    dwell: Fixation
    """The dwell, frame pixels."""
    draft: Draft
    """Prompts and shown mask at present."""
    candidates: Masks
    """SAM's masks for the prompts, best first, without islands and holes."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The shown mask, bool (H, W)."""
        return np.asarray(self.candidates.masks[self.draft.mask_index])

    @property
    def score(self) -> float:
        """Predicted IoU of the shown mask."""
        return float(self.candidates.scores[self.draft.mask_index])


def _check_inside(name: str, place: tuple[float, float], size: tuple[int, int]) -> None:
    height, width = size
    if not (0 <= place[0] < width and 0 <= place[1] < height):
        raise InputError(f"{name}: {place} lies outside the frame; accepted: within {width}x{height}")
