"""Robust statistics of latencies: medians, percentiles, and bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""Bootstrap samples of an interval."""
SEED = 20
"""Seed of the bootstrap: the same samples give the same interval."""
CONFIDENCE = 95.0
"""Confidence level of an interval, per cent."""


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Latencies of repeated calls, milliseconds. Percentiles are interpolated linearly between two samples."""

    count: int
    """Number of timed calls."""
    median_ms: float
    median_low_ms: float
    """Lower end of the 95 % confidence interval of the median."""
    median_high_ms: float
    """Upper end of the 95 % confidence interval of the median."""
    p95_ms: float
    """95th percentile."""
    p99_ms: float
    """99th percentile. With fewer than 100 calls it is close to the maximum."""
    mad_ms: float
    """Median absolute deviation from the median: a measure of spread that ignores outliers."""
    min_ms: float
    max_ms: float
    mean_ms: float
    """Mean of all calls: what counts when calls wait in a queue."""


def summarise(times_ms: Sequence[float], rounds: Sequence[int] | None = None) -> LatencySummary | None:
    """Summarise latencies.

    Args:
        times_ms: duration of every call, milliseconds.
        rounds: the round that each call belongs to. Calls of one round share the state of the machine, so the
            interval is bootstrapped over whole rounds. None treats every call as a round of its own.

    Returns:
        The summary; None when there are no calls.
    """
    if not times_ms:
        return None
    times = np.asarray(times_ms, np.float64)
    median, p95, p99 = (float(value) for value in np.percentile(times, (50, 95, 99)))
    low, high = (
        float(value) for value in np.percentile(bootstrap_medians(times_ms, rounds), interval_percentiles())
    )
    return LatencySummary(
        count=len(times),
        median_ms=median,
        median_low_ms=low,
        median_high_ms=high,
        p95_ms=p95,
        p99_ms=p99,
        mad_ms=float(np.median(np.abs(times - median))),
        min_ms=float(times.min()),
        max_ms=float(times.max()),
        mean_ms=float(times.mean()),
    )


def bootstrap_medians(
    times_ms: Sequence[float], rounds: Sequence[int] | None = None, *, seed: int = SEED
) -> NDArray[np.float64]:
    """Draw whole rounds with replacement and return the median of each draw, float64 (RESAMPLES,).

    A cluster bootstrap (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
    """
    times = np.asarray(times_ms, np.float64)
    numbers = np.arange(len(times)) if rounds is None else np.asarray(rounds)
    groups = [times[numbers == number] for number in np.unique(numbers)]
    random = np.random.default_rng(seed)
    draws = random.integers(0, len(groups), (RESAMPLES, len(groups)))
    if all(len(group) == len(groups[0]) for group in groups):
        return np.asarray(np.median(np.array(groups)[draws].reshape(RESAMPLES, -1), axis=1))
    return np.array([np.median(np.concatenate([groups[index] for index in draw])) for draw in draws])


def interval_percentiles() -> tuple[float, float]:
    """Return the percentiles that enclose a confidence interval: (2.5, 97.5)."""
    tail = (100.0 - CONFIDENCE) / 2
    return tail, 100.0 - tail


@dataclass(frozen=True, slots=True)
class MedianRatio:
    """Ratio of two median latencies."""

    value: float
    low: float
    """Lower end of the 95 % confidence interval."""
    high: float
    """Upper end of the 95 % confidence interval."""


def compare_medians(
    times_ms: Sequence[float],
    base_ms: Sequence[float],
    rounds: Sequence[int] | None = None,
    base_rounds: Sequence[int] | None = None,
) -> MedianRatio:
    """Divide the median of `times_ms` by the median of `base_ms`. Neither may be empty; the base median is not 0."""
    ratios = bootstrap_medians(times_ms, rounds, seed=SEED) / bootstrap_medians(
        base_ms, base_rounds, seed=SEED + 1
    )
    low, high = (float(value) for value in np.percentile(ratios, interval_percentiles()))
    return MedianRatio(float(np.median(times_ms) / np.median(base_ms)), low, high)
