"""Jumps of a recorder's clock: where they are, what is none, and how the parts are joined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.gaze.recordings.clock_jumps import ClockJump, find_jumps, join_at_jumps

NS = 1_000_000_000


def times(*parts: tuple[float, float, float]) -> np.ndarray:
    """Times of parts (begin, end, interval), seconds, as nanoseconds."""
    return np.concatenate(
        [np.round(np.arange(begin, end - 1e-9, step) * NS).astype(np.int64) for begin, end, step in parts]
    )


@pytest.mark.parametrize("step_s", [-74667.0, -3600.0, -5.0, -2.5, -0.5, -0.2])
@pytest.mark.parametrize("rate", [30, 60, 200, 1000])
def test_a_clock_that_is_set_back_is_found_where_it_was(step_s: float, rate: int) -> None:
    values = times((0, 5, 1 / rate), (5 + step_s, 10 + step_s, 1 / rate))
    (jump,) = find_jumps(values)
    assert jump.index == 5 * rate
    assert jump.step_s == pytest.approx(step_s + 1 / rate, abs=1e-6)
    joined = join_at_jumps(values, (jump,))
    np.testing.assert_allclose(joined, times((0, 10, 1 / rate)), atol=10)


def test_several_jumps_are_found_in_order() -> None:
    values = times((0, 5, 0.01), (-95, -90, 0.01), (-97, -92, 0.01), (3000, 3005, 0.01))
    assert [jump.index for jump in find_jumps(values)] == [500, 1000, 1500]
    joined = join_at_jumps(values, find_jumps(values))
    np.testing.assert_allclose(joined, times((0, 20, 0.01)), atol=10)


def test_a_while_on_another_clock_is_a_part_of_its_own() -> None:
    values = times((0, 5, 0.01), (-3595, -3594, 0.01), (6, 10, 0.01))
    assert [jump.index for jump in find_jumps(values)] == [500, 600]


def test_a_pause_is_no_jump_unless_leaps_are_looked_for() -> None:
    values = times((0, 5, 0.01), (125, 130, 0.01))
    assert find_jumps(values) == ()
    assert find_jumps(values, forward_ns=60 * NS) == (ClockJump(500, int(values[499]), int(values[500])),)


def test_late_samples_and_late_blocks_are_no_jump() -> None:
    rising = times((0, 10, 0.005))
    one_late = np.concatenate([rising[:100], rising[101:400], rising[100:101], rising[400:]])
    assert find_jumps(one_late) == ()
    block_late = np.concatenate([rising[:500], rising[600:700], rising[500:600], rising[700:]])
    assert find_jumps(block_late) == ()
    swapped = rising.reshape(-1, 2)[:, ::-1].reshape(-1)
    assert find_jumps(swapped) == ()


def test_frames_jump_by_any_fall() -> None:
    values = times((0, 5, 1 / 30), (4.95, 5.2, 1 / 30))
    assert find_jumps(values) == ()
    assert [jump.index for jump in find_jumps(values, frames=True)] == [150]


@given(st.permutations(list(range(40))))
def test_shuffled_times_are_not_split_into_splinters(order: list[int]) -> None:
    jumps = find_jumps([value * 10_000_000 for value in order])
    assert len(jumps) <= 3
    assert all(later.index - jump.index >= 10 for jump, later in pairwise(jumps))


@given(st.integers(2, 60), st.integers(10, 60), st.integers(-(10**6), -1), st.sampled_from([4, 16, 33]))
def test_joined_times_rise_evenly(before: int, after: int, back_s: int, interval_ms: int) -> None:
    interval = interval_ms * 1_000_000
    first = np.arange(before, dtype=np.int64) * interval
    values = np.concatenate([first, first[-1] + back_s * NS + np.arange(after) * interval])
    jumps = find_jumps(values)
    assert [jump.index for jump in jumps] == [before]
    assert set(np.diff(join_at_jumps(values, jumps))) == {interval}
