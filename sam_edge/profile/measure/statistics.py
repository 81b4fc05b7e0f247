"""Statistics of times that a few bad samples do not spoil: medians, percentiles, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLED = 2000
"""Bootstrap samples of an interval."""
SEED = 20
"""Of the bootstrap: the same figures give the same interval."""
CONFIDENCE = 95.0
"""Per cent of an interval."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Times of one thing that was called again and again. Percentiles are linear between two samples."""

    count: int
    """Calls that were timed."""
    median_ms: float
    """Half of the calls took no longer, milliseconds."""
    median_low_ms: float
    """Lower end of the 95 % interval of the median."""
    median_high_ms: float
    """Upper end of it."""
    p95_ms: float
    """95 % of the calls took no longer."""
    p99_ms: float
    """99 % of the calls took no longer; with fewer than 100 calls, nearly the slowest one."""
    mad_ms: float
    """Median distance from the median: the spread that outliers do not move."""
    min_ms: float
    """The fastest call."""
    max_ms: float
    """The slowest call."""
    mean_ms: float
    """The mean of all calls: what counts where they wait in a queue."""


def summarise(times_ms: Sequence[float], rounds: Sequence[int] | None = None) -> Summary | None:
    """Summarise times; None where there are none.

    Args:
        times_ms: milliseconds of every call.
        rounds: the round that each call belongs to. Calls of one round share what the machine was doing, so the
            interval comes from drawing whole rounds; None takes every call for a round of its own.
    """
    if not times_ms:
        return None
    times = np.asarray(times_ms, np.float64)
    median, p95, p99 = (float(value) for value in np.percentile(times, (50, 95, 99)))
    low, high = (float(value) for value in np.percentile(medians(times_ms, rounds), interval()))
    return Summary(
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


def medians(
    times_ms: Sequence[float], rounds: Sequence[int] | None = None, *, seed: int = SEED
) -> NDArray[np.float64]:
    """Draw rounds with replacement, and return the median of each draw: (RESAMPLED,).

    A bootstrap of clusters (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
    """
    times = np.asarray(times_ms, np.float64)
    numbers = np.arange(len(times)) if rounds is None else np.asarray(rounds)
    groups = [times[numbers == number] for number in np.unique(numbers)]
    random = np.random.default_rng(seed)
    picks = random.integers(0, len(groups), (RESAMPLED, len(groups)))
    if all(len(group) == len(groups[0]) for group in groups):
        return np.asarray(np.median(np.array(groups)[picks].reshape(RESAMPLED, -1), axis=1))
    return np.array([np.median(np.concatenate([groups[one] for one in pick])) for pick in picks])


def interval() -> tuple[float, float]:
    """Return the percentiles between which an interval lies."""
    tail = (100.0 - CONFIDENCE) / 2
    return tail, 100.0 - tail


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long one thing takes as another."""

    value: float
    """Of the medians."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of it."""


def ratio(
    times_ms: Sequence[float],
    base_ms: Sequence[float],
    rounds: Sequence[int] | None = None,
    base_rounds: Sequence[int] | None = None,
) -> Ratio:
    """Compare the median of `times_ms` with that of `base_ms`; both hold something, and the base takes time."""
    drawn = medians(times_ms, rounds, seed=SEED) / medians(base_ms, base_rounds, seed=SEED + 1)
    low, high = (float(value) for value in np.percentile(drawn, interval()))
    return Ratio(float(np.median(times_ms) / np.median(base_ms)), low, high)
