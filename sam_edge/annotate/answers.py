"""What is asked and what can be answered: a question as a value, and its next state after each answer.

A `Draft` is all that a person has said about one dwell so far. It is a pure value: `draft.after(answer)` is another
one. Terminal and page are two ways to say answers.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.events import Fixation
from sam_edge.masks import Masks
from sam_edge.media.frames import VideoFrame

OBJECT = "object"
"""The category of what has no label: SAM's masks have no class."""
LONGEST_LABEL = 60
"""Characters of a label, at most."""
NARROWEST_PX = 1.0
"""A box has sides of at least this."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point on the thing, or beside it."""

    x_px: float
    """From the left, frame pixels."""
    y_px: float
    """From the top."""
    on: bool = True
    """Whether it is on the thing."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box round the thing."""

    x0: float
    """Left side, frame pixels."""
    y0: float
    """Upper side."""
    x1: float
    """Right side."""
    y1: float
    """Lower side."""

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1."""
        return self.x0, self.y0, self.x1, self.y1

    def holds(self, point: Point) -> bool:
        """Say whether a point lies in it."""
        return self.x0 <= point.x_px <= self.x1 and self.y0 <= point.y_px <= self.y1


@dataclass(frozen=True, slots=True)
class WithoutGaze:
    """The gaze was off the thing: only what the person points at counts."""


@dataclass(frozen=True, slots=True)
class Take:
    """Another of SAM's masks."""

    index: int | None = None
    """Which one, from 0; None the next."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The mask shown is right."""

    category: str = OBJECT
    """What it shows."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Nothing to be kept was looked at."""


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back the choice of a mask, else the last correction; without any, the last answer."""


@dataclass(frozen=True, slots=True)
class Delete:
    """An accepted mask was wrong."""

    number: int
    """Its number."""


@dataclass(frozen=True, slots=True)
class Relabel:
    """An accepted mask shows something else."""

    number: int
    """Its number."""
    category: str
    """What it shows."""


@dataclass(frozen=True, slots=True)
class EndStage:
    """No more questions in this stage: its other dwells are left to the stages that follow."""


Prompt = Point | Box | WithoutGaze
Answer = Prompt | Take | Accept | Reject | Undo | Delete | Relabel | EndStage


@dataclass(frozen=True, slots=True)
class Draft:
    """What has been said about one dwell."""

    gaze: Point
    """Where it rested."""
    prompts: tuple[Prompt, ...] = ()
    """What the person added, in order."""
    shown: int = 0
    """Which of SAM's masks is shown, from 0, best first."""

    def after(self, answer: Answer, *, size: tuple[int, int], masks: int) -> Draft:
        """Return what is asked after an answer that is not the last.

        Args:
            answer: a prompt, `Take`, or `Undo` of a prompt.
            size: (height, width) of the frame.
            masks: how many of SAM's masks there are.

        Raises:
            InputError: it lies outside the frame, there is no such mask, nothing is left to prompt with, or it is no
                answer of that kind.
        """
        if isinstance(answer, Take):
            index = (self.shown + 1) % masks if answer.index is None else answer.index
            if not 0 <= index < masks:
                raise InputError(f"mask: {index + 1} is not there; accepted: 1 to {masks}")
            return replace(self, shown=index)
        if isinstance(answer, Undo) and self.corrected:
            return self._with(self.prompts if self.shown else self.prompts[:-1])
        if isinstance(answer, Point):
            _check_inside("point", (answer.x_px, answer.y_px), size)
            return self._with((*self.prompts, answer))
        if isinstance(answer, Box):
            return self._with((*self.prompts, tidy(answer, size)))
        if isinstance(answer, WithoutGaze):
            return self._with((*self.prompts, answer))
        raise InputError(
            f"answer: {type(answer).__name__} does not change a question; give a prompt or a mask"
        )

    @property
    def box(self) -> Box | None:
        """The last box that was drawn."""
        return next((one for one in reversed(self.prompts) if isinstance(one, Box)), None)

    @property
    def points(self) -> tuple[Point, ...]:
        """Every point that counts: the gaze first, unless it was off the thing or lies outside the box."""
        own = tuple(one for one in self.prompts if isinstance(one, Point))
        off = any(isinstance(one, WithoutGaze) for one in self.prompts)
        if off or (self.box is not None and not self.box.holds(self.gaze)):
            return own
        return (self.gaze, *own)

    @property
    def corrected(self) -> bool:
        """Whether the person changed what was proposed."""
        return bool(self.prompts) or self.shown != 0

    def _with(self, prompts: tuple[Prompt, ...]) -> Draft:
        made = replace(self, prompts=prompts, shown=0)
        if made.box is None and not any(point.on for point in made.points):
            raise InputError(
                "answer: nothing on the thing would be left; give a point on it, or a box, first"
            )
        return made


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is asked: does this mask show what was looked at?"""

    stage: str
    """The stage that asks."""
    frame: VideoFrame
    """The frame."""
    dwell: Fixation
    """The dwell."""
    draft: Draft
    """What has been said so far."""
    candidates: Masks
    """SAM's masks for it, best first, without islands and holes."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The proposed mask, bool (H, W)."""
        return np.asarray(self.candidates.masks[self.draft.shown])

    @property
    def score(self) -> float:
        """Its predicted IoU."""
        return float(self.candidates.scores[self.draft.shown])


def label_of(text: str) -> str:
    """Return a label as it is kept: without spaces round it; `object` where there is none.

    Raises:
        InputError: it is too long, or holds control characters.
    """
    label = " ".join(unicodedata.normalize("NFC", text).split())
    if len(label) > LONGEST_LABEL or any(unicodedata.category(one).startswith("C") for one in label):
        raise InputError(f"label: {label[:80]!r}; accepted: up to {LONGEST_LABEL} printable characters")
    return label or OBJECT


def tidy(box: Box, size: tuple[int, int]) -> Box:
    """Return a box drawn in any direction, with its sides in order and within the frame.

    Raises:
        InputError: nothing of it lies in the frame, or it has no width or height.
    """
    height, width = size
    if not np.isfinite(box.sides).all():
        raise InputError(f"box: {box.sides}; accepted: four finite numbers")
    x0, x1 = (float(np.clip(side, 0, width)) for side in sorted((box.x0, box.x1)))
    y0, y1 = (float(np.clip(side, 0, height)) for side in sorted((box.y0, box.y1)))
    if x1 - x0 < NARROWEST_PX or y1 - y0 < NARROWEST_PX:
        raise InputError(
            f"box: {box.sides}; accepted: a pixel wide and high within the frame, {width}x{height}"
        )
    return Box(x0, y0, x1, y1)


def _check_inside(name: str, place: tuple[float, float], size: tuple[int, int]) -> None:
    height, width = size
    if not (0 <= place[0] < width and 0 <= place[1] < height):
        raise InputError(f"{name}: {place} lies outside the frame; accepted: within {width}x{height}")
