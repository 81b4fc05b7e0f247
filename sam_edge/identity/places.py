"""Where each known object would be on the newest frame, if it stayed where it was in the scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


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
    sigma_px: float = 0.0
    """Standard deviation of the error that carrying it has collected."""

    def overlaps(self, box: Box) -> bool:
        """Return whether the object, where it would be, may touch a box x0, y0, x1, y1."""
        x0, y0, x1, y1 = box
        reach_x, reach_y = self.width_px / 2 + 2 * self.sigma_px, self.height_px / 2 + 2 * self.sigma_px
        return (
            x0 <= self.x_px + reach_x
            and x1 >= self.x_px - reach_x
            and y0 <= self.y_px + reach_y
            and y1 >= self.y_px - reach_y
        )


class ObjectPlaces:
    """Carries the places of objects from scene to scene, with what is there, or with the camera outside the frame."""

    DRIFT_PER_PX = 0.1
    """Standard deviation that carrying adds, per pixel of motion."""
    DRIFT_PX_PER_S = 8.0
    """Standard deviation that time adds, pixels a second: what is not looked at may move."""

    def __init__(self) -> None:
        """Begin without objects."""
        self._places: dict[int, Place] = {}

    def set(self, object_id: int, box: Box) -> None:
        """Note where an object is, x0, y0, x1, y1 in frame pixels."""
        x0, y0, x1, y1 = box
        self._places[object_id] = Place((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)

    def get(self, object_id: int) -> Place | None:
        """Return where an object would be; None where nothing is known."""
        return self._places.get(object_id)

    def drop(self, object_id: int) -> None:
        """Forget an object's place."""
        self._places.pop(object_id, None)

    def clear(self) -> None:
        """Forget every place: the motion of the picture is not known."""
        self._places.clear()

    def move(self, back: NDArray[np.float32], scale: tuple[float, float], passed_s: float) -> None:
        """Carry every place to the next scene.

        Args:
            back: (rows, columns, 2): for each place of the grid, how far away it was on the scene before, in x and y,
                grid pixels.
            scale: grid pixels a frame pixel, along x and y.
            passed_s: seconds since the scene before.
        """
        rows, columns = back.shape[:2]
        camera = np.median(back[::8, ::8].reshape(-1, 2), axis=0)
        for place in self._places.values():
            column, row = place.x_px * scale[0], place.y_px * scale[1]
            inside = 0 <= column < columns and 0 <= row < rows
            step = back[int(row), int(column)] if inside else camera
            dx, dy = -float(step[0]) / scale[0], -float(step[1]) / scale[1]
            place.x_px += dx
            place.y_px += dy
            added = self.DRIFT_PER_PX * (abs(dx) + abs(dy)) + self.DRIFT_PX_PER_S * passed_s
            place.sigma_px = float(np.hypot(place.sigma_px, added))
