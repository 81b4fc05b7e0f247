"""Clock maps against clocks whose true relation is known."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.errors import InputError, TrackerError
from sam_edge.gaze.clocks import ArrivalClock, ClockMap, MappedTime, RateGuard

SECOND = 1_000_000_000
MS = 1_000_000


def observe_round_trips(
    clock: ClockMap,
    device_of: Callable[[float], float],
    *,
    start_s: float,
    seconds: float,
    rng: random.Random,
) -> int:
    """Feed round trips every half second with asymmetric delays of 0.2 to 40 ms; return the number of jumps."""
    jumps = 0
    for step in range(int(seconds * 2)):
        sent = round((start_s + step / 2) * SECOND)
        there, back = (rng.choice([0.1, 0.1, 0.2, 2.0, 20.0]) * MS for _ in range(2))
        device = device_of(sent + there)
        jumps += clock.observe(round(device), round(sent + (there + back) / 2), round((there + back) / 2))
    return jumps


def test_the_shortest_round_trips_give_the_offset() -> None:
    clock = ClockMap()
    jumps = observe_round_trips(clock, lambda t: t + 5e15, start_s=10, seconds=20, rng=random.Random(1))
    mapped = clock.map(round(30 * SECOND + 5e15))
    assert jumps == 0
    assert abs(mapped.host_ns - 30 * SECOND) <= mapped.uncertainty_ns
    assert mapped.uncertainty_ns < 1 * MS


@pytest.mark.parametrize("ppm", [-200.0, -20.0, 50.0, 300.0])
def test_drift_is_followed(ppm: float) -> None:
    clock = ClockMap()

    def device_of(host: float) -> float:
        return host * (1 + ppm * 1e-6) - 7e12

    jumps = observe_round_trips(clock, device_of, start_s=0, seconds=60, rng=random.Random(2))
    mapped = clock.map(round(device_of(61 * SECOND)))
    assert jumps == 0
    assert clock.drift_ppm == pytest.approx(-ppm, abs=15)
    assert abs(mapped.host_ns - 61 * SECOND) <= mapped.uncertainty_ns < MS


@pytest.mark.parametrize("jump_s", [-3600.0, -0.2, 0.05, 12.0])
def test_a_jump_begins_the_map_anew(jump_s: float) -> None:
    clock = ClockMap()
    rng = random.Random(3)
    assert observe_round_trips(clock, lambda t: t, start_s=0, seconds=10, rng=rng) == 0
    jumps = observe_round_trips(clock, lambda t: t + jump_s * SECOND, start_s=10, seconds=10, rng=rng)
    assert jumps == 1
    assert clock.epoch == 1
    mapped = clock.map(round((20 + jump_s) * SECOND))
    assert mapped.epoch == 1
    assert abs(mapped.host_ns - 20 * SECOND) <= mapped.uncertainty_ns


def test_one_late_answer_changes_nothing() -> None:
    clock = ClockMap()
    observe_round_trips(clock, lambda t: t, start_s=0, seconds=10, rng=random.Random(4))
    before = clock.map(11 * SECOND)
    # An answer that took 800 ms on the way back: its middle is 400 ms off, and its uncertainty says so.
    assert not clock.observe(10 * SECOND, 10 * SECOND + 400 * MS, 400 * MS)
    assert abs(clock.map(11 * SECOND).host_ns - before.host_ns) < MS


def test_uncertainty_grows_while_nothing_is_heard() -> None:
    clock = ClockMap()
    clock.observe(0, 0, 1000)
    assert clock.map(100 * SECOND).uncertainty_ns > clock.map(SECOND).uncertainty_ns > 1000


def test_a_map_without_observations_says_so() -> None:
    with pytest.raises(InputError, match="observe"):
        ClockMap().map(0)
    with pytest.raises(InputError, match="window"):
        ClockMap(window=1)


@pytest.mark.parametrize("rate", [1e-3, 1e3, 0.0, -1.0, 1e6, 0.4, 2.5])
def test_a_wrong_unit_is_found_by_its_rate(rate: float) -> None:
    guard = RateGuard()

    def run() -> None:
        for step in range(50):
            guard.add(round(step * 50 * MS * rate), step * 50 * MS)

    with pytest.raises(TrackerError, match="times the host's rate"):
        run()


@pytest.mark.parametrize("rate", [1e-4, 0.01, 0.4, 2.5])
def test_packets_that_wait_for_a_busy_machine_are_no_wrong_unit(rate: float) -> None:
    """For three seconds packets are read more slowly than they come, or worked off faster."""
    guard = RateGuard()
    device_ns = 0
    for step in range(200):
        guard.add(device_ns, step * 50 * MS)
        device_ns += round(50 * MS * (rate if 80 <= step < 140 else 1.0))


def test_one_jump_is_no_wrong_unit() -> None:
    guard = RateGuard()
    for step in range(100):
        guard.add(
            step * 50 * MS + (10**12 if step > 30 else 0) - (10**15 if step > 60 else 0), step * 50 * MS
        )


def arrivals(
    clock: ArrivalClock,
    device_of: Callable[[float], float],
    *,
    start_s: float,
    seconds: float,
    rng: random.Random,
    rate: int = 200,
) -> tuple[int, MappedTime]:
    """Feed packets with a latency of 1 ms and jitter up to 30 ms; return the last true time and its mapping."""
    for step in range(int(seconds * rate)):
        true = round((start_s + step / rate) * SECOND)
        jitter = rng.choice([0.0, 0.1, 0.5, 5.0, 30.0]) * MS
        mapped = clock.observe(round(device_of(true)), round(true + MS + jitter))
    return true, mapped


@pytest.mark.parametrize("ppm", [0.0, -100.0, 100.0])
def test_arrivals_follow_the_floor(ppm: float) -> None:
    clock = ArrivalClock()
    true, mapped = arrivals(
        clock, lambda t: t * (1 + ppm * 1e-6) + 4e14, start_s=0, seconds=40, rng=random.Random(5)
    )
    # What a one-way clock cannot see is the constant millisecond of latency.
    assert abs(mapped.host_ns - MS - true) < 0.5 * MS
    assert mapped.epoch == 0
    assert abs(mapped.host_ns - true) <= mapped.uncertainty_ns + MS


@pytest.mark.parametrize("jump_s", [-100.0, 60.0])
def test_arrivals_notice_a_jump_at_once(jump_s: float) -> None:
    clock = ArrivalClock()
    rng = random.Random(6)
    arrivals(clock, lambda t: t, start_s=0, seconds=5, rng=rng)
    mapped = clock.observe(round((5 + jump_s) * SECOND), 5 * SECOND)
    assert mapped.epoch == 1
    assert abs(mapped.host_ns - 5 * SECOND) < 40 * MS


def test_arrivals_ride_out_a_stall_of_the_network() -> None:
    clock = ArrivalClock()
    rng = random.Random(7)
    arrivals(clock, lambda t: t, start_s=0, seconds=5, rng=rng)
    # 1.5 s of packets arrive in one burst at 6.5 s.
    for step in range(300):
        true = 5 * SECOND + step * 5 * MS
        mapped = clock.observe(true, 6 * SECOND + 500 * MS + step)
        assert mapped.epoch == 0
        assert abs(mapped.host_ns - true) < 3 * MS


def test_arrivals_find_a_clock_that_was_set_back_behind_a_stall() -> None:
    clock = ArrivalClock()
    rng = random.Random(8)
    arrivals(clock, lambda t: t, start_s=0, seconds=5, rng=rng)
    # The device stood still for 5 s and goes on as if nothing had been.
    true, mapped = arrivals(clock, lambda t: t - 5 * SECOND, start_s=10, seconds=4, rng=rng)
    assert mapped.epoch == 1
    assert abs(mapped.host_ns - true) < 40 * MS


def follow_arrivals(
    lateness_s: Callable[[float], float], *, seconds: float, rate_hz: float = 120.0, jitter_s: float = 0.001
) -> tuple[ArrivalClock, list[tuple[float, float]]]:
    """Run a one-way clock whose packets are late by `lateness_s`; return it, and (time, error in seconds) of each.

    The lateness below 4 ms is that of the network, and is not an error of the clock.
    """
    rng = np.random.default_rng(3)
    clock = ArrivalClock()
    errors = []
    for index in range(round(seconds * rate_hz)):
        true_s = index / rate_hz
        arrival_s = true_s + 0.004 + lateness_s(true_s) + rng.exponential(jitter_s)
        mapped = clock.observe(round((1000 + true_s) * 1e9), round((5 + arrival_s) * 1e9))
        errors.append((true_s, mapped.host_ns / 1e9 - 5 - true_s))
    return clock, errors


@pytest.mark.parametrize("rate_hz", [20.0, 120.0, 1000.0])
@pytest.mark.parametrize("step_s", [0.06, 0.1, 0.3, 0.49, 0.8])
def test_a_one_way_clock_that_is_set_back_a_little_is_found_within_a_second(
    step_s: float, rate_hz: float
) -> None:
    """The device's clock goes back at 20 s: from then on its packets seem to be late by the step."""

    def lateness(true_s: float) -> float:
        return step_s if true_s >= 20.0 else 0.0

    clock, errors = follow_arrivals(lateness, seconds=30.0, rate_hz=rate_hz)
    assert clock.epoch == 1
    after = [
        abs(error - step_s) for true_s, error in errors if true_s >= 21.0 + (1.2 if step_s > 0.5 else 0.0)
    ]
    assert max(after) < 0.02


@given(st.floats(0.04, 0.45), st.floats(2.5, 6.0))
@settings(max_examples=30, deadline=None)
def test_a_stall_that_swells_and_goes_is_no_step_of_the_clock(height_s: float, length_s: float) -> None:
    """A full queue in the network: lateness rises to its height, and falls again."""

    def lateness(true_s: float) -> float:
        return height_s * max(0.0, 1.0 - abs(true_s - 20.0) / (length_s / 2))

    clock, errors = follow_arrivals(lateness, seconds=30.0)
    after = [abs(error - 0.004) for true_s, error in errors if true_s >= 20.0 + length_s / 2 + 0.1]
    assert max(after) < 0.02
    if 2 * height_s / length_s > 0.25:
        # Such a stall changes by more than the tolerance between quarters of the wait.
        assert clock.epoch == 0


def test_a_step_is_found_where_packets_are_often_late() -> None:
    """The mean lateness of 60 ms must not hide a step of 0.3 s."""

    def lateness(true_s: float) -> float:
        return 0.3 if true_s >= 20.0 else 0.0

    _, errors = follow_arrivals(lateness, seconds=30.0, jitter_s=0.06)
    assert max(abs(error - 0.3) for true_s, error in errors if true_s >= 21.5) < 0.08


def test_a_stall_of_constant_length_costs_nothing_when_it_has_gone() -> None:
    def lateness(true_s: float) -> float:
        return 0.2 if 20.0 <= true_s < 23.0 else 0.0

    _, errors = follow_arrivals(lateness, seconds=30.0)
    assert max(abs(error - 0.004) for true_s, error in errors if true_s >= 23.05) < 0.02
