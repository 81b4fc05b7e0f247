"""Where on an object each fixation was, in coordinates of the object's box."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.area_hits import NO_OBJECT
from sam_edge.timeline import Table, TimelineTables

Points: TypeAlias = NDArray[np.float64]
"""(N, 2) horizontal and vertical position: 0 is the left or top side of the box, 1 the right or bottom one."""


def place_fixations(tables: TimelineTables) -> Points:
    """Return where on the box of its object each fixation was, the mean of its samples; NaN where it is unknown.

    A sample is compared with the box of the mask on the frame that is shown at its time.
    """
    samples, fixations = tables.samples.values, tables.fixations.values
    points = _place_samples(samples, tables.timeline)
    placed = np.full((len(tables.fixations), 2), np.nan)
    spans = zip(fixations["start_s"], fixations["end_s"], fixations["object"].tolist(), strict=True)
    for row, (start_ns, end_ns, number) in enumerate(spans):
        first = samples["time_s"].searchsorted(start_ns)
        own = slice(first, samples["time_s"].searchsorted(end_ns, side="right"))
        on_it = points[own][samples["object"][own] == number]
        known = on_it[~np.isnan(on_it).any(axis=1)]
        if number != NO_OBJECT and len(known):
            placed[row] = known.mean(axis=0)
    return placed


def _place_samples(samples: Any, timeline: Table) -> Points:
    """Return where on the box of the object that is shown each sample is, (N, 2)."""
    frames = timeline.values
    if not len(timeline):
        return np.full((len(samples["time_s"]), 2), np.nan)
    index = frames["time_s"].searchsorted(samples["time_s"], side="right") - 1
    x0, y0, x1, y1 = (frames[name][index] for name in ("x0", "y0", "x1", "y1"))
    with np.errstate(divide="ignore", invalid="ignore"):
        points = np.stack([(samples["x_px"] - x0) / (x1 - x0), (samples["y_px"] - y0) / (y1 - y0)], axis=1)
    unknown = (index < 0) | (frames["object"][index] != samples["object"]) | ~samples["valid"]
    points[unknown | ~np.isfinite(points).all(axis=1)] = np.nan
    return points
