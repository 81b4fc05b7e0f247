"""Stretches of stable gaze cut into blocks, and what tells fixation from pursuit in each block.

For whole recordings: the windows reach to both sides of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

BLOCK_S = 0.08
"""Length of a block: shorter than any pursuit, long enough that its neighbour's evidence differs."""
ONSET_S = 0.02
"""The beginning of a stretch that is left out: the eye still settles after a saccade."""
END_S = 0.006
"""The end of a stretch that is left out: the next saccade's acceleration."""
SPEED_WINDOW_S = 0.2
HALF_WINDOW_S = 0.25
"""Window on either side of a block's middle, to tell whether gaze goes on in the same direction."""
EDGE_WINDOW_S = 0.15
"""Window at a stretch's ends, for the comparison with its neighbours."""
AGE_MAX_S = 0.8
LINK_S = 0.25
"""Stretches farther apart in time say nothing about each other."""
JITTER_LAG_S = 0.016
"""Lag of the second differences that measure jitter: most trackers have samples that close."""
JITTER_GROWTH = 0.8
"""Exponent by which jitter grows with a longer lag, on recordings of Lund2013: slower streams have only those."""
JITTER_MIN_DEG = 0.005
TRUST_S = 0.08
"""A shorter stretch has a velocity that is measured too badly to be compared with the next one's in full."""
FLOOR_DEG_S = 0.5
MIDDLE_SPEED_DEG2_S2 = 2.25
"""Square of the speed below which an agreement of directions begins to fade."""
MIDDLE_JUMP = 0.3

FEATURES = ("constant", "speed", "duration", "course", "neighbours", "saccades")
"""Columns of `Blocks.features`; see `cut_blocks`."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one recording in order of time."""

    features: Array
    """(N, 6) see `FEATURES`."""
    stretch: Indices
    """(N,) number of the stretch a block belongs to."""
    time_s: Array
    """(N,) middle of the block."""
    of_sample: Indices
    """(M,) the block of each sample; -1 where gaze is not stable."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Valid samples of one stretch of rest."""

    rows: Indices
    t: Array
    xy: Array

    @property
    def duration_s(self) -> float:
        return float(self.t[-1] - self.t[0])


def cut_blocks(time_s: Array, gaze_deg: Array, event: Indices) -> Blocks:
    """Cut the stable stretches of a recording into blocks of about 80 ms and describe each.

    The features, in the order of `FEATURES`: 1; log speed of a line through 200 ms, against half the log of the
    recording's jitter (a noisy tracker shows drifts that are not there); log length of the stretch, up to 0.8 s; do
    both halves of the half second around the block move the same way; is the drift that of the stretches before and
    after; do the saccades before and after go where the drift goes (catching up).

    Args:
        time_s: (M,) seconds, not falling.
        gaze_deg: (M, 2) degrees; NaN where gaze is invalid.
        event: (M,) number of the stable stretch of each sample; -1 where gaze is not stable.
    """
    stretches = list(_stretches(time_s, gaze_deg, event))
    of_sample = np.full(len(time_s), -1, dtype=np.int64)
    if not stretches:
        return Blocks(np.zeros((0, len(FEATURES))), np.zeros(0, np.int64), np.zeros(0), of_sample)
    jitter = _jitter_deg(stretches)
    parts = [_describe(stretch) for stretch in stretches]
    features, numbers, times = [], [], []
    count = 0
    for number, (stretch, part) in enumerate(zip(stretches, parts, strict=True)):
        neighbours = [
            (parts[k], stretches[k]) if 0 <= k < len(parts) else None for k in (number - 1, number + 1)
        ]
        features.append(_features(stretch, part, neighbours, jitter))
        size = len(part.middle_s)
        begin, end = part.span_s
        place = (stretch.t - begin) / max(end - begin, 1e-9) * size
        of_sample[stretch.rows] = count + np.clip(place.astype(np.int64), 0, size - 1)
        numbers.append(np.full(size, number, dtype=np.int64))
        times.append(part.middle_s)
        count += size
    return Blocks(np.concatenate(features), np.concatenate(numbers), np.concatenate(times), of_sample)


def _stretches(time_s: Array, gaze_deg: Array, event: Indices) -> Iterator[_Stretch]:
    rows = np.flatnonzero((event >= 0) & np.isfinite(gaze_deg).all(axis=1))
    if len(rows):
        for own in np.split(rows, np.flatnonzero(np.diff(event[rows])) + 1):
            yield _Stretch(own, time_s[own], gaze_deg[own])


def _jitter_deg(stretches: list[_Stretch]) -> float:
    """Standard deviation of a coordinate against the middle of its neighbours 16 ms away, degrees."""
    steps = np.concatenate([np.diff(s.t) for s in stretches])
    usual_s = float(np.median(steps[steps > 0])) if (steps > 0).any() else JITTER_LAG_S
    lag = max(1, round(JITTER_LAG_S / usual_s))
    bends = [s.xy[2 * lag :] - 2 * s.xy[lag:-lag] + s.xy[: -2 * lag] for s in stretches if len(s.t) > 2 * lag]
    if not bends:
        return JITTER_MIN_DEG
    median = float(np.median(np.hypot(*np.concatenate(bends).T)))
    grown: float = max(1.0, lag * usual_s / JITTER_LAG_S) ** JITTER_GROWTH
    return max(JITTER_MIN_DEG, median / float(np.sqrt(12.0 * np.log(2.0))) / grown)


class _Lines:
    """Least-squares lines through windows of a stretch, from running sums."""

    def __init__(self, t: Array, xy: Array) -> None:
        self._t, self._origin = t, float(t[0])
        t, xy = t - t[0], xy - xy[0]
        columns = np.column_stack([np.ones_like(t), t, t * t, xy, t[:, None] * xy])
        self._sums = np.concatenate([np.zeros((1, 7)), np.cumsum(columns, axis=0)])

    def velocity(self, begin_s: Array, end_s: Array) -> Array:
        """(N, 2) slopes between each pair of times, degrees a second; 0 where fewer than three samples lie."""
        low = np.searchsorted(self._t, begin_s - 1e-9)
        high = np.searchsorted(self._t, end_s + 1e-9)
        n, st, stt, sx, sy, stx, sty = (self._sums[high] - self._sums[low]).T
        spread = n * stt - st * st
        known = (n >= 3) & (spread > 1e-12)
        slope = np.column_stack([n * stx - st * sx, n * sty - st * sy])
        return np.where(known[:, None], slope / np.where(known, spread, 1.0)[:, None], 0.0)


@dataclass(frozen=True, slots=True)
class _Motion:
    """How gaze moves in the blocks of a stretch and at its ends."""

    span_s: tuple[float, float]
    middle_s: Array
    velocity: Array
    course: Array
    first: Array
    last: Array


def _describe(stretch: _Stretch) -> _Motion:
    duration = stretch.duration_s
    begin = float(stretch.t[0]) + min(ONSET_S, 0.25 * duration)
    end = float(stretch.t[-1]) - min(END_S, 0.1 * duration)
    count = max(1, round((end - begin) / BLOCK_S))
    middle = begin + (np.arange(count) + 0.5) * (end - begin) / count
    lines = _Lines(stretch.t, stretch.xy)
    low = np.clip(middle - SPEED_WINDOW_S / 2, begin, max(begin, end - SPEED_WINDOW_S))
    before = lines.velocity(np.maximum(middle - HALF_WINDOW_S, begin), middle)
    after = lines.velocity(middle, np.minimum(middle + HALF_WINDOW_S, end))
    edge, trust = min(EDGE_WINDOW_S, end - begin), min(1.0, duration / TRUST_S)
    return _Motion(
        span_s=(begin, end),
        middle_s=middle,
        velocity=lines.velocity(low, np.minimum(low + SPEED_WINDOW_S, end)),
        course=_agreement(before, after, MIDDLE_SPEED_DEG2_S2),
        first=lines.velocity(np.array([begin]), np.array([begin + edge])) * trust,
        last=lines.velocity(np.array([end - edge]), np.array([end])) * trust,
    )


def _features(
    stretch: _Stretch, motion: _Motion, neighbours: list[tuple[_Motion, _Stretch] | None], jitter_deg: float
) -> Array:
    v = motion.velocity
    drifts, saccades = np.zeros(len(v)), np.zeros(len(v))
    for side, neighbour in enumerate(neighbours):
        if neighbour is None:
            continue
        theirs, other = neighbour
        earlier, later = (other, stretch) if side == 0 else (stretch, other)
        if later.t[0] - earlier.t[-1] < LINK_S:
            drifts += _agreement(v, theirs.last if side == 0 else theirs.first, MIDDLE_SPEED_DEG2_S2)
        saccades += _agreement(v, (later.xy[0] - earlier.xy[-1])[None], MIDDLE_JUMP)
    begin, end = motion.span_s
    speed = np.log(np.hypot(*v.T) + FLOOR_DEG_S) - 0.5 * np.log(jitter_deg)
    duration = np.full(len(v), np.log(min(AGE_MAX_S, end - begin) + 0.03))
    return np.column_stack([np.ones(len(v)), speed, duration, motion.course, drifts, saccades])


def _agreement(one: Array, other: Array, middle: float) -> Array:
    """Cosine between vectors (N, 2), fading to 0 where their product of lengths is well below `middle`."""
    product = np.hypot(*one.T) * np.hypot(*other.T)
    return np.asarray((one * other).sum(axis=1) / (product + middle))
