"""Which object each fixation was on, from the samples within it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.timeline.columns import EMPTY
from sam_edge.timeline.fixation_source import FixationInterval
from sam_edge.timeline.gaze_columns import GazeColumns, mean_or_nan


@dataclass(frozen=True, slots=True)
class FixationOnObject:
    """A fixation, and the object it was on."""

    interval: FixationInterval
    """When it was."""
    x_px: float
    """Mean position of the valid samples, frame pixels; without any, the position that the tracker states."""
    y_px: float
    """As `x_px`, vertical."""
    spread_px: float
    """Root mean square distance of the valid samples from their mean, frame pixels."""
    object_id: int
    """The object with the largest sum of probabilities over the samples; `EMPTY` where none was shown."""
    on_object: float
    """Mean probability that the gaze was on it, over the valid samples for which it was shown."""
    distance_deg: float
    """Mean distance to its mask over the same samples, degrees."""


def place_fixation(interval: FixationInterval, gaze: GazeColumns) -> FixationOnObject:
    """Find the object that a fixation was on."""
    where = gaze.between(interval.onset_ns, interval.end_ns, end_included=True)
    x_px, y_px = mean_or_nan(gaze.x_px[where]), mean_or_nan(gaze.y_px[where])
    spread_px = mean_or_nan((gaze.x_px[where] - x_px) ** 2 + (gaze.y_px[where] - y_px) ** 2) ** 0.5
    objects, on_object = gaze.object_id[where], gaze.on_object[where]
    object_id = most_probable_object(objects, on_object)
    own = objects == object_id
    return FixationOnObject(
        interval,
        interval.x_px if math.isnan(x_px) else x_px,
        interval.y_px if math.isnan(y_px) else y_px,
        spread_px,
        object_id,
        mean_or_nan(on_object[own]),
        mean_or_nan(gaze.distance_deg[where][own]),
    )


def longest_fixations(
    intervals: Sequence[FixationInterval], begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each frame (N,) the number of the fixation that covers most of its time; `EMPTY` without any."""
    numbers = np.full(len(begin_ns), EMPTY, np.int64)
    longest = np.zeros(len(begin_ns), np.int64)
    for interval in intervals:
        first = int(np.searchsorted(end_ns, interval.onset_ns, side="right"))
        last = int(np.searchsorted(begin_ns, interval.end_ns, side="left"))
        touched = slice(first, max(first, last))
        overlap = np.minimum(end_ns[touched], interval.end_ns) - np.maximum(
            begin_ns[touched], interval.onset_ns
        )
        longer = overlap > longest[touched]
        numbers[touched][longer] = interval.fixation_id
        longest[touched][longer] = overlap[longer]
    return numbers


def most_probable_object(objects: NDArray[np.int64], on_object: NDArray[np.floating]) -> int:
    """Return the object with the largest sum of probabilities; of equal ones the earliest; `EMPTY` without any."""
    known = ~np.isnan(on_object) & (objects != EMPTY)
    if not known.any():
        return EMPTY
    numbers, first, index = np.unique(objects[known], return_index=True, return_inverse=True)
    sums = np.bincount(index, on_object[known])
    return int(min(zip(-sums, first, numbers, strict=True))[2])
