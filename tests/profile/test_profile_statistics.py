"""Medians, intervals and ratios."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.profile.measure.statistics import bootstrap_medians, compare_medians, summarise

TIMES = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=40)


def test_known_values() -> None:
    result = summarise([1.0, 2.0, 3.0, 4.0, 100.0])
    assert result is not None
    assert (result.count, result.median_ms, result.min_ms, result.max_ms) == (5, 3.0, 1.0, 100.0)
    # Distances from 3 are 2, 1, 0, 1, 97: their median is 1, whatever the outlier is.
    assert result.mad_ms == 1.0
    # Linear between 4 and 100, at a rank of 0.95 * 4 = 3.8.
    assert result.p95_ms == pytest.approx(4 + 0.8 * 96)


def test_nothing_measured_has_no_summary() -> None:
    assert summarise([]) is None


@given(TIMES)
def test_the_interval_holds_the_median_and_lies_within_the_extremes(times_ms: list[float]) -> None:
    result = summarise(times_ms)
    assert result is not None
    assert result.min_ms <= result.median_low_ms <= result.median_high_ms <= result.max_ms
    assert result.median_ms <= result.p95_ms <= result.p99_ms <= result.max_ms


def test_calls_of_one_round_count_as_one() -> None:
    """Two rounds, one of them slow: however many calls each has, nobody knows better than from two draws."""
    times = [10.0] * 50 + [20.0] * 50
    rounds = [0] * 50 + [1] * 50
    alone, together = summarise(times), summarise(times, rounds)
    assert alone is not None
    assert together is not None
    assert (together.median_low_ms, together.median_high_ms) == (10.0, 20.0)
    assert set(np.unique(bootstrap_medians(times, rounds))) == {10.0, 15.0, 20.0}


def test_rounds_of_different_length_are_drawn_whole() -> None:
    drawn = bootstrap_medians([1.0, 1.0, 1.0, 9.0], [0, 0, 0, 1])
    # Two draws of two rounds: 1 1 1 and 1 1 1, 1 1 1 and 9, 9 and 9.
    assert set(np.unique(drawn)) == {1.0, 9.0}


def test_the_same_figures_give_the_same_interval() -> None:
    times = list(np.random.default_rng(0).normal(20, 2, 60))
    assert summarise(times) == summarise(times)


def test_a_ratio_covers_the_truth() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(40):
        base, slower = random.normal(100, 5, 40), random.normal(110, 5, 40)
        result = compare_medians(list(slower), list(base))
        hits += result.low <= 1.1 <= result.high
    # A 95 % interval misses 2 of 40 on average; more than 6 misses happen by chance once in 200.
    assert hits >= 34


def test_a_ratio_of_a_thing_with_itself_holds_one() -> None:
    times = list(np.random.default_rng(2).normal(50, 3, 30))
    result = compare_medians(times, times)
    assert result.value == 1.0
    assert result.low < 1.0 < result.high
