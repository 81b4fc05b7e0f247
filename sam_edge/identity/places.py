"""Where each known object would be on the newest frame, if it stayed where it was in the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in frame pixels."""

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

    def is_apart(self, box: Box) -> bool:
        """Return whether a box as large as its own is surely elsewhere: beyond three standard deviations of its error.

        A box of another size may be a mask that failed, which says little about the place.
        """
        ratio = (box[2] - box[0]) * (box[3] - box[1]) / max(1e-6, self.width_px * self.height_px)
        if not 1 / TWIN_RATIO < ratio < TWIN_RATIO:
            return False
        gap_x = max(box[0] - self.box[2], self.box[0] - box[2])
        gap_y = max(box[1] - self.box[3], self.box[1] - box[3])
        return max(gap_x, gap_y) > 3 * math.sqrt(self.variance_px2) + MARGIN * max(
            self.width_px, self.height_px
        )

    def holds(self, x_px: float, y_px: float) -> bool:
        """Return whether a point, frame pixels, is where it would be."""
        inside_x = abs(x_px - self.x_px) <= (0.5 + MARGIN) * self.width_px
        return inside_x and abs(y_px - self.y_px) <= (0.5 + MARGIN) * self.height_px


class ObjectPlaces:
    """Carries the places of objects from scene to scene."""

    def __init__(self) -> None:
        """Begin without objects."""
        self._places: dict[int, Place] = {}
        self._frame_size = (1, 1)

    def set(self, object_id: int, box: Box) -> None:
        """Note where an object is."""
        x0, y0, x1, y1 = box
        self._places[object_id] = Place((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)

    def get(self, object_id: int) -> Place | None:
        """Return where an object would be; None where nothing is known."""
        return self._places.get(object_id)

    def drop(self, object_id: int) -> None:
        """Forget an object's place."""
        self._places.pop(object_id, None)

    def take_over(self, object_id: int, other_id: int) -> None:
        """Put an object where another one is."""
        place = self._places.pop(other_id, None)
        if place is not None:
            self._places[object_id] = place

    def clear(self) -> None:
        """Forget every place: the motion of the picture is not known."""
        self._places.clear()

    def move(self, back: NDArray[np.float32], frame_size: tuple[int, int], passed_s: float) -> None:
        """Carry every place to the next scene.

        Args:
            back: (rows, columns, 2): for each place of the grid, how far away it was on the scene before, in x and y,
                grid pixels.
            frame_size: (height, width) of the frame, pixels.
            passed_s: seconds since the scene before.
        """
        self._frame_size = frame_size
        if not self._places:
            return
        rows, columns = back.shape[:2]
        across, down = frame_size[1] / columns, frame_size[0] / rows
        camera = np.median(back[::8, ::8].reshape(-1, 2), axis=0)
        for place in self._places.values():
            inside = 0 <= place.x_px < frame_size[1] and 0 <= place.y_px < frame_size[0]
            step = back[int(place.y_px / down), int(place.x_px / across)] if inside else camera
            place.x_px -= float(step[0]) * across
            place.y_px -= float(step[1]) * down
            drift = (DRIFT_IN_VIEW if inside else DRIFT_OUT_OF_VIEW) * max(frame_size)
            place.variance_px2 += drift * drift * passed_s

    def log_odds(self, object_id: int, box: Box) -> float:
        """Return the log-odds that an object in a box is a known one, by its place; 0 where nothing is known."""
        place = self._places.get(object_id)
        if place is None:
            return 0.0
        x0, y0, x1, y1 = box
        size = SIZE_SHARE * max(x1 - x0, y1 - y0, place.width_px, place.height_px)
        variance = place.variance_px2 + size * size
        distance2 = (place.x_px - (x0 + x1) / 2) ** 2 + (place.y_px - (y0 + y1) / 2) ** 2
        world_px2 = WORLD_FRAMES * self._frame_size[0] * self._frame_size[1]
        if place.is_apart(box):
            return ODDS_LOW
        odds = -distance2 / (2 * variance) - math.log(2 * math.pi * variance / world_px2)
        return min(max(odds, ODDS_LOW), ODDS_HIGH)

    def apart_from(self, box: Box) -> frozenset[int]:
        """Return the objects that are surely elsewhere than in a box of about their size."""
        return frozenset(number for number, place in self._places.items() if place.is_apart(box))

    def correct(self, object_id: int, box: Box) -> None:
        """Take the error of an object's place, which is found again in a box, off the places that it was carried with.

        Those that were carried half as far, by their variance, are half as wrong.
        """
        place = self._places.get(object_id)
        if place is None or place.variance_px2 <= 0:
            return
        off_x, off_y = (box[0] + box[2]) / 2 - place.x_px, (box[1] + box[3]) / 2 - place.y_px
        for other in self._places.values():
            if other is not place:
                share = min(1.0, other.variance_px2 / place.variance_px2)
                other.x_px += share * off_x
                other.y_px += share * off_y


def share_in_common(first: Box, second: Box) -> float:
    """Return the area that two boxes have in common, as a share of the smaller one."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return max(0.0, width) * max(0.0, height) / max(smaller, 1e-6)
