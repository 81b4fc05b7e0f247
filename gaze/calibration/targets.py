"""Where calibration targets stand, and what was seen while the eye looked at one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_edge.errors import InputError
from sam_edge.gaze.samples import GazeSample

MIN_SAMPLES = 10
"""Valid samples that a target needs to show where the gaze was."""
COUNTS = (5, 9, 13)
"""How many targets a routine may have."""
_CORNERS = ((-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0))
_SIDES = ((0.0, -1.0), (-1.0, 0.0), (1.0, 0.0), (0.0, 1.0))


@dataclass(frozen=True, slots=True)
class TargetSamples:
    """The gaze samples of one target."""

    target_px: tuple[float, float]
    """Position of the target, pixels."""
    samples: tuple[GazeSample, ...]
    """The tracker's samples during that time, including invalid ones."""


def target_positions(
    count: int, size: tuple[int, int] = (1, 1), *, margin: float = 0.1
) -> tuple[tuple[float, float], ...]:
    """Return targets (x, y): the middle first, then the rest from left to right and top to bottom.

    5 targets are the middle and the corners, 9 a grid of 3x3, 13 that grid and four between. `size` is (height,
    width) in pixels; with the default, positions are 0..1. `margin` is the distance from the edge as a share of the
    side. Raises `InputError`.
    """
    if count not in COUNTS:
        raise InputError(f"count is {count}; accepted: {', '.join(map(str, COUNTS))}")
    if not 0.0 <= margin < 0.5:
        raise InputError(f"margin is {margin}; accepted: 0 to 0.5")
    if min(size) <= 0:
        raise InputError(f"size is {size}; accepted: (height, width) above 0")
    unit = list(_CORNERS)
    if count >= 9:
        unit += _SIDES
    if count == 13:
        unit += [(x / 2, y / 2) for x, y in _CORNERS]
    reach = 0.5 - margin
    height, width = size
    ordered = [(0.0, 0.0), *sorted(unit, key=lambda place: (place[1], place[0]))]
    return tuple((float((0.5 + reach * x) * width), float((0.5 + reach * y) * height)) for x, y in ordered)


def valid_positions(samples: tuple[GazeSample, ...]) -> np.ndarray:
    """Return the positions of valid samples, float64 (n, 2), pixels."""
    return np.array([(s.x_px, s.y_px) for s in samples if s.valid], float).reshape(-1, 2)


def robust_centre(positions: np.ndarray, *, passes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre (2,) of most positions, and which of them (n,) count towards it.

    The median, then the mean of what lies within three robust standard deviations (1.48 x the median distance) of
    it: up to half of the positions may be elsewhere.
    """
    centre = np.median(positions, axis=0)
    kept = np.ones(len(positions), bool)
    for _ in range(passes):
        distance = np.hypot(*(positions - centre).T)
        # The median distance of a round normal cloud is 1.177 standard deviations.
        limit = 3.0 * float(np.median(distance)) / 1.177 + 1e-9
        kept = distance <= limit
        centre = positions[kept].mean(axis=0)
    return centre, kept


def samples_centre(samples: tuple[GazeSample, ...], what: str) -> np.ndarray:
    """Return the robust centre (2,) of the valid samples, pixels; `what` names the target in errors.

    Raises:
        InputError: fewer than `MIN_SAMPLES` samples are valid.
    """
    positions = valid_positions(samples)
    if len(positions) < MIN_SAMPLES:
        raise InputError(
            f"{what} has {len(positions)} valid samples; {MIN_SAMPLES} are needed: look at it again"
        )
    return robust_centre(positions)[0]
