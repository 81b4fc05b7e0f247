"""Where each known object would be on the newest frame, if it stayed where it was in the scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in frame pixels."""
Column = NDArray[np.float64]
"""One number of each of N places (N,)."""

DRIFT_IN_VIEW, DRIFT_OUT_OF_VIEW = 0.02, 0.15
"""Standard deviation that one second adds to a place, share of the frame's longer side: what is in view is carried by
the motion that is seen there, what is not by that of the camera."""
SIZE_SHARE = 0.35
"""Standard deviation of the middle of an object's box, share of its longer side: a mask may be a part of the object."""
MARGIN = 0.1
"""A point this far out of a box still counts as in it, share of the box's side."""
TWIN_RATIO = 1.6
"""Boxes whose areas differ by more than this ratio are not those of look-alikes side by side."""
WORLD_FRAMES = 3.0
"""Area that objects are spread over, in frames."""
ODDS_LOW, ODDS_HIGH = -8.0, 1.5
"""Limits of the log-odds of a place: an object may have moved."""


@dataclass(slots=True)
class Place:
    """Where an object was last seen, carried along with the picture since."""

    x_px: float
    """Middle of its box, frame pixels of the newest frame; outside the frame for what has left it."""
    y_px: float
    """As `x_px`, vertical."""
    width_px: float
    """Width of its box."""
    height_px: float
    """Height of its box."""
    variance_px2: float = 0.0
    """Variance of the error that carrying it has collected."""

    @property
    def box(self) -> Box:
        """Where it would be."""
        half_width, half_height = self.width_px / 2, self.height_px / 2
        return (
            self.x_px - half_width,
            self.y_px - half_height,
            self.x_px + half_width,
            self.y_px + half_height,
        )

    def holds(self, x_px: float, y_px: float) -> bool:
        """Return whether a point, frame pixels, is where it would be."""
        inside_x = abs(x_px - self.x_px) <= (0.5 + MARGIN) * self.width_px
        return inside_x and abs(y_px - self.y_px) <= (0.5 + MARGIN) * self.height_px


class ObjectPlaces:
    """Carries the places of objects from scene to scene: a row of an array each, so that many cost as much as few."""

    def __init__(self) -> None:
        """Begin without objects."""
        self._row_of: dict[int, int] = {}
        self._ids: list[int] = []
        # Per row: x and y of the middle, width, height, variance of the error.
        self._rows = np.zeros((0, 5))
        self._frame_size = (1, 1)

    def set(self, object_id: int, box: Box) -> None:
        """Note where an object is."""
        x0, y0, x1, y1 = box
        row = self._row_of.get(object_id)
        if row is None:
            row = self._row_of[object_id] = len(self._ids)
            self._ids.append(object_id)
            if row == len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros((max(16, row), 5))])
        self._rows[row] = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0)

    def get(self, object_id: int) -> Place | None:
        """Return where an object would be; None where nothing is known."""
        row = self._row_of.get(object_id)
        return None if row is None else Place(*map(float, self._rows[row]))

    def drop(self, object_id: int) -> None:
        """Forget an object's place."""
        row = self._row_of.pop(object_id, None)
        if row is None:
            return
        # The last row takes the place of the one that is gone.
        last = self._ids.pop()
        if last != object_id:
            self._rows[row] = self._rows[len(self._ids)]
            self._ids[row], self._row_of[last] = last, row

    def take_over(self, object_id: int, other_id: int) -> None:
        """Put an object where another one is."""
        row = self._row_of.get(other_id)
        if row is not None:
            carried = self._rows[row].copy()
            self.drop(other_id)
            self.set(object_id, (0.0, 0.0, 0.0, 0.0))
            self._rows[self._row_of[object_id]] = carried

    def clear(self) -> None:
        """Forget every place: the motion of the picture is not known."""
        self._row_of.clear()
        self._ids.clear()

    def move(self, back: NDArray[np.float32], frame_size: tuple[int, int], passed_s: float) -> None:
        """Carry every place to the next scene.

        Args:
            back: (rows, columns, 2): for each place of the grid, how far away it was on the scene before, in x and y,
                grid pixels.
            frame_size: (height, width) of the frame, pixels.
            passed_s: seconds since the scene before.
        """
        self._frame_size = frame_size
        if not self._ids:
            return
        rows, columns = back.shape[:2]
        scale = np.array([frame_size[1] / columns, frame_size[0] / rows])
        middles = self._used[:, :2]
        inside = ((middles >= 0) & (middles < frame_size[::-1])).all(axis=1)
        steps = np.empty_like(middles)
        steps[~inside] = np.median(back[::8, ::8].reshape(-1, 2), axis=0)
        cells = (middles[inside] / scale).astype(int)
        steps[inside] = back[cells[:, 1], cells[:, 0]]
        middles -= steps * scale
        drift = np.where(inside, DRIFT_IN_VIEW, DRIFT_OUT_OF_VIEW) * max(frame_size)
        self._used[:, 4] += drift * drift * passed_s

    def log_odds(self, object_ids: Sequence[int], box: Box) -> NDArray[np.float64]:
        """Return the log-odds (N,) that an object in a box is each of some known ones, by place; 0 if not placed."""
        odds = np.zeros(len(object_ids))
        placed = [index for index, object_id in enumerate(object_ids) if object_id in self._row_of]
        if not placed:
            return odds
        rows = [self._row_of[object_ids[index]] for index in placed]
        x, y, width, height, variance = self._rows[rows].T
        x0, y0, x1, y1 = box
        size = SIZE_SHARE * np.maximum(max(x1 - x0, y1 - y0), np.maximum(width, height))
        spread = variance + size * size
        distance2 = (x - (x0 + x1) / 2) ** 2 + (y - (y0 + y1) / 2) ** 2
        world_px2 = WORLD_FRAMES * self._frame_size[0] * self._frame_size[1]
        near = -distance2 / (2 * spread) - np.log(2 * math.pi * spread / world_px2)
        apart = are_apart(x, y, width, height, variance, box)
        odds[placed] = np.where(apart, ODDS_LOW, np.clip(near, ODDS_LOW, ODDS_HIGH))
        return odds

    def apart_from(self, box: Box) -> frozenset[int]:
        """Return the objects that are surely elsewhere than in a box of about their size."""
        x, y, width, height, variance = self._used.T
        apart = are_apart(x, y, width, height, variance, box)
        return frozenset(self._ids[row] for row in np.flatnonzero(apart))

    def correct(self, object_id: int, box: Box) -> None:
        """Take the error of an object's place, which is found again in a box, off the places that it was carried with.

        Those that were carried half as far, by their variance, are half as wrong.
        """
        place = self.get(object_id)
        if place is None or place.variance_px2 <= 0:
            return
        off = ((box[0] + box[2]) / 2 - place.x_px, (box[1] + box[3]) / 2 - place.y_px)
        share = np.minimum(1.0, self._used[:, 4] / place.variance_px2)
        share[self._row_of[object_id]] = 0.0
        self._used[:, :2] += share[:, None] * off

    @property
    def _used(self) -> NDArray[np.float64]:
        """The rows of the known objects, as a view."""
        return self._rows[: len(self._ids)]


def are_apart(
    x_px: Column, y_px: Column, width_px: Column, height_px: Column, variance_px2: Column, box: Box
) -> NDArray[np.bool_]:
    """Return of each place, given as in `Place`, whether a box is surely elsewhere.

    That is beyond three standard deviations of their error. A box of another size may be a mask that failed, which says
    little about the place: it counts as there.
    """
    ratio = (box[2] - box[0]) * (box[3] - box[1]) / np.maximum(1e-6, width_px * height_px)
    gap_x = np.abs((box[0] + box[2]) / 2 - x_px) - (box[2] - box[0] + width_px) / 2
    gap_y = np.abs((box[1] + box[3]) / 2 - y_px) - (box[3] - box[1] + height_px) / 2
    reach = 3 * np.sqrt(variance_px2) + MARGIN * np.maximum(width_px, height_px)
    alike = (ratio > 1 / TWIN_RATIO) & (ratio < TWIN_RATIO)
    return np.asarray(alike & (np.maximum(gap_x, gap_y) > reach))


def share_in_common(first: Box, second: Box) -> float:
    """Return the area that two boxes have in common, as a share of the smaller one."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return max(0.0, width) * max(0.0, height) / max(smaller, 1e-6)
