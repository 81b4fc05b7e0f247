"""Made recordings: frames with given masks, and gaze at given places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.selection import Selection, State

SIZE = (120, 200)
BOXES = {1: (20, 20, 60, 60), 2: (120, 30, 180, 90)}
"""Box x0, y0, x1, y1 of each object, whole pixels."""
MIDDLES = {1: (40.0, 40.0), 2: (150.0, 60.0)}
FRAME_NS = 40_000_000
PX_PER_DEG = 10.0


def select(time_ns: int, object_id: int | None, state: State = State.FOCUSED) -> Selection:
    """Return a selection that shows an object's box as its mask, or nothing."""
    if object_id is None:
        return Selection(time_ns, State.NONE, None, None, None, None, "none")
    x0, y0, x1, y1 = BOXES[object_id]
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    box = (float(x0), float(y0), float(x1), float(y1))
    return Selection(time_ns, state, mask, box, 0.87654, object_id, "propagated", age_ms=80.0)


def rest(times_ms: Iterable[float], x_px: float, y_px: float) -> list[GazeSample]:
    """Return valid samples at one place."""
    return [GazeSample(round(time_ms * 1e6), x_px, y_px) for time_ms in times_ms]


def look(visits: Sequence[tuple[int, float, float]], *, step_ms: float = 5.0) -> list[GazeSample]:
    """Return gaze that rests on the middle of an object during each visit (object, begin and end in ms)."""
    samples = []
    for object_id, begin_ms, end_ms in visits:
        times_ms = np.arange(begin_ms, end_ms, step_ms).tolist()
        samples += rest(times_ms, *MIDDLES[object_id])
    return samples
