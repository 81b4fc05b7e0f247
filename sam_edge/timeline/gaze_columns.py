"""Gaze samples as arrays, each with the object that was shown at its time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.timeline.columns import EMPTY
from sam_edge.timeline.mask_proximity import Covariance, MaskProximity

GAZE_SIGMA_DEG = 0.6
"""Standard deviation of a tracker's error along each axis, degrees, where a sample states none: half a degree of
accuracy, and some precision. The selection assumes the same."""


class GazeColumns:
    """The samples of a recording, and for each the object that was shown, and how the gaze was to it."""

    def __init__(self, samples: Sequence[GazeSample], *, px_per_deg: float) -> None:
        """Take samples in order of time, in frame pixels."""
        count = len(samples)
        self._samples = samples
        self._default_px2 = (GAZE_SIGMA_DEG * px_per_deg) ** 2
        self.px_per_deg = px_per_deg
        self.time_ns = np.fromiter((sample.time_ns for sample in samples), np.int64, count)
        self.valid = np.fromiter((sample.valid for sample in samples), np.bool_, count)
        self.x_px = np.fromiter((sample.x_px for sample in samples), np.float64, count)
        self.y_px = np.fromiter((sample.y_px for sample in samples), np.float64, count)
        self.x_px[~self.valid] = self.y_px[~self.valid] = np.nan
        self.object_id = np.full(count, EMPTY, np.int64)
        """Number of the object that is shown at the sample's time; `EMPTY` where none is."""
        self.on_object = np.full(count, np.nan, np.float32)
        """Probability that the gaze is on that object; NaN without an object, or of an invalid sample."""
        self.distance_deg = np.full(count, np.nan, np.float32)
        """Distance to that object's mask, degrees, 0 inside; NaN as `on_object`."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.time_ns)

    def between(self, begin_ns: int, end_ns: int, *, end_included: bool = False) -> slice:
        """Return which samples lie from `begin_ns` on, and before `end_ns`, or up to it."""
        times_ns = self.time_ns
        end = times_ns.searchsorted(end_ns, side="right" if end_included else "left")
        return slice(int(times_ns.searchsorted(begin_ns)), int(end))

    def compare(self, where: slice, object_id: int, proximity: MaskProximity) -> None:
        """Compare some samples with the object that was shown at their time."""
        self.object_id[where] = object_id
        seen = np.arange(where.start, where.stop)[self.valid[where]]
        if not len(seen):
            return
        points = np.stack([self.x_px[seen], self.y_px[seen]], axis=1)
        self.distance_deg[seen] = proximity.distances_px(points) / self.px_per_deg
        self.on_object[seen] = [
            proximity.probability(x_px, y_px, self._covariance(index))
            for index, (x_px, y_px) in zip(seen.tolist(), points.tolist(), strict=True)
        ]

    def _covariance(self, index: int) -> Covariance:
        """Return the uncertainty of a sample, square pixels: its own where it states one that is possible."""
        stated = self._samples[index].covariance_px2
        if stated is not None and all(map(math.isfinite, stated)):
            xx, xy, yy = stated
            if xx > 0 and yy > 0 and xx * yy >= xy * xy:
                return stated
        return self._default_px2, 0.0, self._default_px2


def mean_or_nan(values: NDArray[np.floating]) -> float:
    """Return the mean of the values that are no NaN; NaN where there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else math.nan
