"""Which fixations and samples were on AOIs that were defined beforehand; each may be on several at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.timeline import TimelineTables

NO_OBJECT = -1
"""A fixation or sample on no object."""
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class AreaHits:
    """Pairs of a fixation or sample, and an AOI that it was on."""

    fixation: Rows
    """(F,) rows of the table of fixations."""
    fixation_area: Rows
    """(F,) number of the AOI."""
    sample: Rows
    """(N,) rows of the table of samples."""
    sample_area: Rows
    """(N,) number of the AOI."""

    @classmethod
    def from_tables(cls, tables: TimelineTables, min_on_object: float) -> AreaHits:
        """Find the pairs. A fixation is on an AOI when the mean over its valid samples is at least `min_on_object`."""
        none = np.zeros(0, np.int64)
        if tables.on_areas is None or not len(tables.on_areas):
            return cls(none, none, none, none)
        samples, fixations, on = tables.samples.values, tables.fixations.values, tables.on_areas.values
        row = samples["time_s"].searchsorted(on["time_s"])
        hit = on["on_object"] >= min_on_object
        valid = np.append(0, np.cumsum(samples["valid"]))
        first = samples["time_s"].searchsorted(fixations["start_s"])
        last = samples["time_s"].searchsorted(fixations["end_s"], side="right")
        counts = np.maximum(1, valid[last] - valid[first])
        pairs: list[tuple[int, int]] = []
        for area in np.unique(on["object"]).tolist():
            own = on["object"] == area
            sums = np.append(
                0.0, np.cumsum(np.bincount(row[own], on["on_object"][own], len(samples["time_s"])))
            )
            mean = (sums[last] - sums[first]) / counts
            pairs += [(fixation, area) for fixation in np.flatnonzero(mean >= min_on_object).tolist()]
        found = np.array(pairs, np.int64).reshape(-1, 2)
        return cls(found[:, 0], found[:, 1], row[hit], on["object"][hit])

    def add_fixations(self, objects: Rows) -> tuple[Rows, Rows]:
        """Return rows of fixations and the object of each, with a further row for each further AOI.

        Args:
            objects: (F,) the object that each fixation was most probably on, or `NO_OBJECT`.
        """
        return _add_rows(objects, self.fixation, self.fixation_area)

    def add_samples(self, objects: Rows) -> tuple[Rows, Rows]:
        """Return rows of samples and the object of each, as `add_fixations`."""
        return _add_rows(objects, self.sample, self.sample_area)


def _add_rows(objects: Rows, rows: Rows, areas: Rows) -> tuple[Rows, Rows]:
    further = objects[rows] != areas
    rows, areas = rows[further], areas[further]
    every = np.arange(len(objects))
    # A row without an object goes where an AOI takes its place.
    kept = (objects != NO_OBJECT) | ~np.isin(every, rows)
    all_rows = np.concatenate([every[kept], rows])
    all_objects = np.concatenate([objects[kept], areas])
    order = np.lexsort((all_objects, all_rows))
    return all_rows[order], all_objects[order]
