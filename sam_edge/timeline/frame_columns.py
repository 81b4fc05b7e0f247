"""What was shown on each frame, in compact columns: some 130 bytes a frame."""

from __future__ import annotations

import math
from array import array

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.selection import Selection
from sam_edge.timeline.columns import EMPTY
from sam_edge.timeline.gaze_columns import GazeColumns, mean_or_nan

_NUMBERS = ("age_ms", "predicted_iou", "x0", "y0", "x1", "y1", "gaze_x_px", "gaze_y_px", "on_object")
_NO_BOX = (math.nan,) * 4


def shown_object(selection: Selection) -> int | None:
    """Return the number of the object whose mask is shown; None where none is."""
    return None if selection.mask is None else selection.object_id


class FrameColumns:
    """Columns that grow by a row a frame."""

    def __init__(self) -> None:
        """Begin without a frame."""
        self._times = array("q")
        self._objects = array("q")
        self._areas = array("q")
        self._numbers = {name: array("d") for name in _NUMBERS}
        self._valid = array("b")
        self._states: list[str] = []
        self._origins: list[str] = []
        self._end_ns = 0

    def append(
        self, begin_ns: int, end_ns: int, selection: Selection, gaze: GazeColumns, where: slice
    ) -> None:
        """Add a frame that is shown from `begin_ns` to `end_ns`, with the samples of that time."""
        object_id = shown_object(selection)
        self._times.append(begin_ns)
        self._end_ns = end_ns
        self._objects.append(EMPTY if object_id is None else object_id)
        self._areas.append(EMPTY if selection.mask is None else int(np.count_nonzero(selection.mask)))
        self._states.append(selection.state.value)
        self._origins.append(selection.origin)
        self._valid.append(bool(gaze.valid[where].any()))
        numbers = (
            math.nan if object_id is None else _age_ms(selection, begin_ns),
            math.nan if selection.score is None else selection.score,
            *(selection.box or _NO_BOX),
            mean_or_nan(gaze.x_px[where]),
            mean_or_nan(gaze.y_px[where]),
            mean_or_nan(gaze.on_object[where]),
        )
        for name, number in zip(_NUMBERS, numbers, strict=True):
            self._numbers[name].append(number)

    def begin_ns(self) -> NDArray[np.int64]:
        """Return when each frame is first shown, (N,), nanoseconds."""
        return np.array(self._times, np.int64)

    def end_ns(self) -> NDArray[np.int64]:
        """Return when the next frame takes each one's place, (N,), nanoseconds."""
        return np.append(self.begin_ns()[1:], self._end_ns)[: len(self._times)]

    def objects(self) -> NDArray[np.int64]:
        """Return the number of the object that is shown on each frame, (N,)."""
        return np.array(self._objects, np.int64)

    def values(self) -> dict[str, NDArray[np.generic]]:
        """Return the columns that need nothing that is known later."""
        numbers = {name: np.array(column, np.float64) for name, column in self._numbers.items()}
        return {
            "frame": np.arange(len(self._times)),
            "time_s": self.begin_ns(),
            "area_px": np.array(self._areas, np.int64),
            "gaze_valid": np.array(self._valid, np.bool_),
            "state": np.array(self._states, object),
            "origin": np.array(self._origins, object),
            **numbers,
        }


def _age_ms(selection: Selection, shown_ns: int) -> float:
    """Return how much older than the frame it is shown on the frame is that the mask was decoded on."""
    return selection.age_ms + (shown_ns - selection.frame_time_ns) / 1e6
