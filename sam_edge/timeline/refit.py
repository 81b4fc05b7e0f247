"""Fixations after objects were merged: which object each was on, from the samples again."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np

from sam_edge.timeline.fixation_columns import most_probable_object
from sam_edge.timeline.gaze_columns import mean_or_nan
from sam_edge.timeline.table import Table


def refit_fixations(fixations: Table, samples: Table, *, kept: Set[int]) -> Table:
    """Return the fixations with the object that each was on, where a merged object was shown during it.

    Args:
        fixations: a line a fixation.
        samples: a line a sample; merged objects have the number that is kept.
        kept: numbers that merged objects have now.
    """
    times_ns, on_object = samples.values["time_s"], samples.values["on_object"]
    objects, distances = samples.values["object"], samples.values["distance_deg"]
    names = ("object", "on_object", "distance_deg")
    new = {name: fixations.values[name].copy() for name in names}
    spans = zip(fixations.values["start_s"], fixations.values["end_s"], strict=True)
    for row, (start_ns, end_ns) in enumerate(spans):
        own = slice(times_ns.searchsorted(start_ns), times_ns.searchsorted(end_ns, side="right"))
        if not np.isin(objects[own], list(kept)).any():
            continue
        number = most_probable_object(objects[own], on_object[own])
        on_it = objects[own] == number
        new["object"][row] = number
        new["on_object"][row] = round(mean_or_nan(on_object[own][on_it]), 4)
        new["distance_deg"][row] = round(mean_or_nan(distances[own][on_it]), 4)
    return replace(fixations, values={**fixations.values, **new})
