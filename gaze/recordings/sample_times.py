"""The rate of samples, and times that a clock of whole milliseconds writes twice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MILLISECOND_NS = 1_000_000
KNOWN_RATES_HZ = (
    25,
    30,
    50,
    60,
    90,
    100,
    120,
    125,
    150,
    200,
    240,
    250,
    300,
    500,
    600,
    1000,
    1200,
    1250,
    1500,
    2000,
)
"""Rates of trackers: where a clock counts whole milliseconds, a rate close to one of these is taken as this one."""
MIN_REPEATS_SHARE = 0.05
"""Fewer repeated times than this share are doubled lines, and say nothing about the rate."""
_TICK_SHARE = 0.9
_RATE_TOLERANCE = 0.05
_KNOWN_TOLERANCE = 0.005
_MAX_DEVIATION_TICKS = 1.5


def measure_rate_hz(times_ns: NDArray[np.int64], *, stated_hz: float | None = None) -> float | None:
    """Return the rate of samples at rising times.

    A rate that the file states counts where the times agree with it within 5 %. Otherwise it is one over the median
    interval; where a clock counts whole milliseconds, one over the mean of the usual intervals, because at 120 Hz
    these are 8, 8 and 9 ms.

    Args:
        times_ns: (N,) nanoseconds.
        stated_hz: the rate that the file states; None where it states none.

    Returns:
        The rate, samples per second, or None below two samples.
    """
    if len(times_ns) < 2:
        return None
    steps = np.diff(times_ns)
    usual = float(np.median(steps))
    is_coarse = not (steps % MILLISECOND_NS).any()
    if is_coarse:
        near = steps[(steps >= 0.5 * usual) & (steps <= 1.5 * usual)]
        # Of two intervals that differ much, none is near their median.
        usual = float(np.mean(near)) if len(near) else usual
    measured = _known_rate_hz(1e9 / usual) if is_coarse else 1e9 / usual
    if stated_hz is not None and abs(measured / stated_hz - 1.0) <= _RATE_TOLERANCE:
        return stated_hz
    return measured


def spread_repeats(
    times_ns: NDArray[np.int64], *, stated_hz: float | None = None
) -> tuple[NDArray[np.int64], float] | None:
    """Give samples that share the tick of a coarse clock times of their own.

    Above 1000 Hz a clock of whole milliseconds writes the same time for several samples. They are spaced evenly by
    the rate.

    Args:
        times_ns: (N,) nanoseconds, in order, repeats included.
        stated_hz: the rate that the file states; None: it follows from the number of samples.

    Returns:
        Times (N,) and the rate, samples per second; None where the times are not those of a coarse clock.
    """
    steps = np.diff(times_ns)
    rising = steps[steps > 0]
    if not len(rising) or len(rising) > (1.0 - MIN_REPEATS_SHARE) * len(steps):
        return None
    tick = int(rising.min())
    if tick != MILLISECOND_NS or (rising % tick).any() or np.mean(rising == tick) < _TICK_SHARE:
        return None
    begins = np.concatenate(([0], np.flatnonzero(steps > 2 * tick) + 1, [len(times_ns)]))
    spans = [times_ns[begin:end] for begin, end in pairwise(begins.tolist())]
    counted_hz = len(times_ns) * 1e9 / sum(int(span[-1] - span[0]) + tick for span in spans)
    rate_hz = _known_rate_hz(counted_hz)
    if stated_hz is not None and abs(counted_hz / stated_hz - 1.0) <= _RATE_TOLERANCE:
        rate_hz = stated_hz
    return np.concatenate([_space(span, tick, 1e9 / rate_hz) for span in spans]), rate_hz


def _known_rate_hz(measured_hz: float) -> float:
    near = (known for known in KNOWN_RATES_HZ if abs(measured_hz / known - 1.0) < _KNOWN_TOLERANCE)
    return float(next(near, measured_hz))


def _space(times_ns: NDArray[np.int64], tick_ns: int, interval_ns: float) -> NDArray[np.int64]:
    """Return the times of a span without gaps: evenly spaced, or evenly within each tick where samples are missing."""
    even = times_ns[0] + np.round(np.arange(len(times_ns)) * interval_ns).astype(np.int64)
    if np.abs(even - times_ns).max() <= _MAX_DEVIATION_TICKS * tick_ns:
        return np.asarray(even, np.int64)
    _, first, counts = np.unique(times_ns, return_index=True, return_counts=True)
    place = np.arange(len(times_ns)) - np.repeat(first, counts)
    return np.asarray(times_ns + place * tick_ns // np.repeat(counts, counts), np.int64)
