"""Pursuit: gaze that follows an object moves as the object does, wherever the tracker's offset puts it.

Selecting by matching motion is known from screens (Vidal et al., "Pursuits: spontaneous interaction with displays based
on smooth pursuit eye movement and moving targets", UbiComp 2013). Here the objects are SAM's masks, and optical flow
says how they moved. It tells apart what lies close together and moves differently, and needs no calibration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.anchor import Anchor, TraceBack
from sam_edge.stream.candidate import PART_SHARE, Grid, ObjectCandidate
from sam_edge.stream.tuning import SelectionTuning

BIN_NS = 40_000_000
"""Samples of this stretch are one place of the gaze's path."""
LEAST_PART = 0.2
"""A part whose motion speaks for the whole makes up this much of it."""
MAX_POINTS = 24
"""About as many points of a mask are followed."""


def gaze_path(samples: Sequence[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    """Return the path of samples (x, y, time): the mean of each stretch of `BIN_NS`."""
    bins: dict[int, list[tuple[float, float, int]]] = {}
    for sample in samples:
        bins.setdefault((sample[2] - samples[0][2]) // BIN_NS, []).append(sample)
    means = (np.mean(np.array(items, np.float64), axis=0) for items in bins.values())
    return [(float(x_px), float(y_px), int(time_ns)) for x_px, y_px, time_ns in means]


def weigh_pursuit(
    candidates: Sequence[ObjectCandidate],
    anchor: Anchor,
    trace_back: TraceBack,
    frame_size: tuple[int, int],
    px_per_deg: float,
    tuning: SelectionTuning,
) -> None:
    """Compare how gaze moved in a dwell with how each candidate moved."""
    if len(anchor.gaze) < 2:
        return
    found = {
        id(item): motion_log_likelihood(
            item.grid_logits, anchor.gaze, trace_back, frame_size, px_per_deg, tuning
        )
        for item in candidates
        if item.area
    }
    best = max(found.values(), default=0.0)
    moving = [item for item in candidates if id(item) in found]
    alone = dict(found)
    for whole in moving:
        # Gaze that follows a part of an object follows the object.
        parts = [alone[id(item)] for item in moving if item is not whole and is_large_part(item, whole)]
        found[id(whole)] = max([alone[id(whole)], *parts])
    for item in candidates:
        item.pursuit[anchor.dwell_id] = max(found.get(id(item), best) - best, -tuning.max_pursuit)


def is_large_part(smaller: ObjectCandidate, larger: ObjectCandidate) -> bool:
    """Return whether a candidate makes up much of a larger one that is no background."""
    if larger.background:
        return False
    inner, outer = (item.grid_logits[::2, ::2] > 0 for item in (smaller, larger))
    area, whole = np.count_nonzero(inner), np.count_nonzero(outer)
    return bool(LEAST_PART * whole <= area < whole and np.count_nonzero(inner & outer) >= PART_SHARE * area)


def motion_log_likelihood(
    grid_logits: Grid,
    gaze: Sequence[tuple[float, float, int]],
    trace_back: TraceBack,
    frame_size: tuple[int, int],
    px_per_deg: float,
    tuning: SelectionTuning,
) -> float:
    """Return the log-likelihood of a path of gaze, its mean place left out, if gaze followed an object."""
    times, places = trace_back(points_on(grid_logits, frame_size), gaze[0][2])
    path = np.median(places, axis=1)[::-1]
    seen = np.array(gaze, np.float64)
    expected = np.stack([np.interp(seen[:, 2], times[::-1], path[:, axis]) for axis in (0, 1)], axis=1)
    off = seen[:, :2] - expected
    variance = float(np.mean(np.sum((off - off.mean(axis=0)) ** 2, axis=1)))
    motion_px = max(float(np.linalg.norm(np.ptp(path, axis=0))) for path in (expected, seen[:, :2]))
    scale = (tuning.pursuit_deg * px_per_deg) ** 2 + (tuning.pursuit_gain_error * motion_px) ** 2
    return -0.5 * min(len(seen), tuning.pursuit_max_places) * variance / scale


def points_on(grid_logits: Grid, frame_size: tuple[int, int]) -> NDArray[np.float64]:
    """Return points (n, 2) all over a mask that is not empty, frame pixels."""
    inside = np.argwhere(grid_logits > 0)
    step = max(1, int(math.sqrt(len(inside) / MAX_POINTS)))
    chosen = inside[np.all(inside % step == step // 2, axis=1)]
    if len(chosen) < MAX_POINTS // 4:
        # A thin mask slips through the lattice.
        chosen = inside[:: max(1, len(inside) // MAX_POINTS)]
    scale = np.array([frame_size[1] / grid_logits.shape[1], frame_size[0] / grid_logits.shape[0]])
    return np.asarray((chosen[:, ::-1] + 0.5) * scale)
