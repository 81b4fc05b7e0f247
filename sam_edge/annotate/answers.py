"""The answers that a person can give to a proposal, as values.

Terminal and page are two ways to give them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from sam_edge.errors import InputError

OBJECT = "object"
"""The category of a mask without a label: SAM's masks have no class."""
MAX_LABEL_LENGTH = 60
"""Most characters of a label."""
MIN_BOX_PX = 1.0
"""Least width and height of a box, frame pixels."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point prompt, frame pixels."""

    x_px: float
    """From the left edge."""
    y_px: float
    """From the top edge."""
    positive: bool = True
    """True on the object, False off it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box prompt round the object, frame pixels."""

    x0: float
    """Left side."""
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

    def contains(self, point: Point) -> bool:
        """Say whether a point lies in the box."""
        return self.x0 <= point.x_px <= self.x1 and self.y0 <= point.y_px <= self.y1


@dataclass(frozen=True, slots=True)
class ExcludeGaze:
    """The gaze was not on the object: prompt with the person's points and box alone."""


@dataclass(frozen=True, slots=True)
class ChooseMask:
    """Show another of SAM's masks."""

    index: int | None = None
    """Index of the mask, from 0; None is the next one."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The shown mask is right."""

    category: str = OBJECT
    """Label of the object."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The dwell was on nothing to annotate."""


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back the choice of a mask, else the last correction, else the last answer."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an accepted mask."""

    number: int
    """Number of the annotation."""


@dataclass(frozen=True, slots=True)
class Relabel:
    """Change the label of an accepted mask."""

    number: int
    """Number of the annotation."""
    category: str
    """The new label."""


@dataclass(frozen=True, slots=True)
class EndStage:
    """End this stage: its other dwells are left to the stages that follow."""


Prompt = Point | Box | ExcludeGaze
Answer = Prompt | ChooseMask | Accept | Reject | Undo | Delete | Relabel | EndStage
"""What `Annotator.answer` accepts: a correction of the proposal, a decision on it, or a change of earlier masks."""


def normalize_label(text: str) -> str:
    """Return a label in Unicode's normal form C with single spaces; `object` for an empty one.

    Raises:
        InputError: the label is too long, or holds control characters.
    """
    label = " ".join(unicodedata.normalize("NFC", text).split())
    if len(label) > MAX_LABEL_LENGTH or any(unicodedata.category(char).startswith("C") for char in label):
        raise InputError(f"label: {label[:80]!r}; accepted: up to {MAX_LABEL_LENGTH} printable characters")
    return label or OBJECT


def clip_box(box: Box, size: tuple[int, int]) -> Box:
    """Return a box that was drawn in any direction with its sides in order, clipped to a frame of (height, width).

    Raises:
        InputError: the box has no width or height within the frame, or a side is not finite.
    """
    height, width = size
    if not np.isfinite(box.sides).all():
        raise InputError(f"box: {box.sides}; accepted: four finite numbers")
    x0, x1 = (float(np.clip(side, 0, width)) for side in sorted((box.x0, box.x1)))
    y0, y1 = (float(np.clip(side, 0, height)) for side in sorted((box.y0, box.y1)))
    if x1 - x0 < MIN_BOX_PX or y1 - y0 < MIN_BOX_PX:
        raise InputError(
            f"box: {box.sides}; accepted: a pixel wide and high within the frame, {width}x{height}"
        )
    return Box(x0, y0, x1, y1)
