"""The gaze of a person who looks from object to object: the observer of observer.py, with a plan of visits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from gallery_head import PlannedVisit
from gallery_truth import EyeMovement, Visit, read_labels
from observer import GLANCES, HOLD_MEDIAN_S, HOLD_RANGE_S, HOLD_SIGMA, Mask, Observer, Scene

LANDING_PX = 400
"""A visit begins with the first fixation on an object of which the frame shows this many pixels."""

_read_cached = lru_cache(maxsize=64)(read_labels)


class ObjectMasks:
    """Masks of one object, read from label images as they are needed."""

    def __init__(self, paths: Sequence[Path], number: int) -> None:
        """Take the label images in the order of time, and the number of the object."""
        self._paths, self._number = paths, number

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, H, W)."""
        height, width = _read_cached(self._paths[0]).shape
        return len(self._paths), height, width

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._paths)

    def __getitem__(self, frame: int, /) -> Mask:
        """Return the mask of a frame: (H, W)."""
        return np.asarray(_read_cached(self._paths[frame]) == self._number)


class GalleryObserver(Observer):
    """The eyes on a wall of pictures."""

    def __init__(
        self,
        scenes: Sequence[Scene],
        plan: Sequence[PlannedVisit],
        rng: np.random.Generator,
        *,
        rate_hz: float,
        px_per_deg: float,
    ) -> None:
        """Take the scene of each object, in the order of their places, and begin near the middle of the frame."""
        super().__init__(scenes[plan[0].place], rng, rate_hz=rate_hz, px_per_deg=px_per_deg)
        self._scenes, self._plan = scenes, plan
        self._landings_s: dict[int, float] = {}
        self.events: list[EyeMovement] = []

    def watch(self) -> None:
        """Look until the recording ends."""
        while self.now_s < self._scene.duration_s:
            self._visit(max(index for index, visit in enumerate(self._plan) if visit.start_s <= self.now_s))

    def visits(self) -> list[Visit]:
        """Return the visits on which gaze has landed."""
        ends_s = [visit.start_s for visit in self._plan[1:]] + [self._scene.duration_s]
        return [
            Visit(self._plan[index].place + 1, round(start_s, 4), round(ends_s[index], 4))
            for index, start_s in self._landings_s.items()
        ]

    def _visit(self, index: int) -> None:
        """Make one fixation of a visit; glances away come after landing."""
        place, done = self._plan[index].place, len(self.movements)
        self._scene = self._scenes[place]
        until_s = self._plan[index + 1].start_s if index + 1 < len(self._plan) else math.inf
        away = index in self._landings_s and self._rng.random() < GLANCES
        hold_s = float(np.clip(self._rng.lognormal(math.log(HOLD_MEDIAN_S), HOLD_SIGMA), *HOLD_RANGE_S))
        self._look(away=away, hold_s=hold_s, until_s=until_s)
        for movement in self.movements[done:]:
            on_object = movement.kind == "on_object"
            if on_object and self._visible_px(movement.start_s) >= LANDING_PX:
                self._landings_s.setdefault(index, movement.start_s)
            kind = "elsewhere" if movement.kind == "fixation" else movement.kind
            end_s = min(movement.end_s, self._scene.duration_s)
            self.events.append(EyeMovement(kind, place + 1 if on_object else 0, movement.start_s, end_s))

    def _visible_px(self, time_s: float) -> int:
        return int(np.count_nonzero(self._scene.masks[self._scene.frame(time_s)]))
