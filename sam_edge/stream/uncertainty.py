"""What a tracker says about its own error, as a selection uses it: how wide a dwell's place is, and where to prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.tuning import SelectionTuning

Covariance = tuple[float, float, float]
"""(xx, xy, yy), square pixels."""
EVEN_STEPS = (0.7548776662466927, 0.5698402909980532)
"""Multiples of these, taken modulo 1, fill the unit square evenly (Roberts' R2 sequence)."""


def mean_covariance(covariances: Sequence[Covariance | None]) -> Covariance | None:
    """Return the mean of what samples say about their error; None when one of them says nothing.

    It is not divided by the number of samples: most of a tracker's error is an offset that they share.
    """
    stated = [item for item in covariances if item is not None]
    if not stated or len(stated) < len(covariances):
        return None
    xx, xy, yy = np.mean(stated, axis=0)
    return float(xx), float(xy), float(yy)


def noise_of(covariance: Covariance | None, least_px: float) -> tuple[float, float]:
    """Return the standard deviations of a tracker's error along x and y, frame pixels, `least_px` at least."""
    if covariance is None:
        return least_px, least_px
    return max(least_px, math.sqrt(covariance[0])), max(least_px, math.sqrt(covariance[2]))


def is_uncertain(covariance: Covariance | None, noise_px: float, tuning: SelectionTuning) -> bool:
    """Return whether an error is so large that the place of a dwell may be on another object than the gaze."""
    return max(noise_of(covariance, noise_px)) > tuning.uncertain_ratio * noise_px


def plausible_places(
    x_px: float, y_px: float, covariance: Covariance, count: int, first: int
) -> NDArray[np.float64]:
    """Return places where gaze may have been: (count, 2) frame pixels, equally likely.

    They are the items from `first` on of a sequence that fills the error's normal distribution evenly, so that a dwell
    that goes on is asked at ever new places.

    Args:
        x_px: where the tracker saw the gaze.
        y_px: as `x_px`, vertical.
        covariance: of the tracker's error.
        count: number of places.
        first: number of places that were taken from the sequence before.
    """
    xx, xy, yy = covariance
    root = np.linalg.cholesky(np.array([[xx, xy], [xy, yy]]) + 1e-6 * np.eye(2))
    share, turn = (np.mod((np.arange(first, first + count) + 0.5) * step, 1.0) for step in EVEN_STEPS)
    radius, angle = np.sqrt(-2.0 * np.log1p(-share)), 2.0 * math.pi * turn
    unit = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return np.asarray(unit @ root.T + (x_px, y_px))
