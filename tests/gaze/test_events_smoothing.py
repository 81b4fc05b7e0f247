"""Fixation or pursuit in a whole recording: what is promised, on made-up eyes."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.errors import InputError
from sam_edge.gaze.events import EventKind, LabelledSample, label_recording, smooth_kinds
from sam_edge.gaze.events.blocks import BLOCK_S, FEATURES, Blocks, cut_blocks
from sam_edge.gaze.events.smoothing import (
    OFFSET_MEMORY_S,
    OFFSET_SHARES,
    OFFSETS,
    STAY_LOG_ODDS,
    pursuit_probability,
    smooth,
)
from sam_edge.gaze.samples import GazeSample

PX_PER_DEG = 30.0


def eye(
    speeds_deg_s: list[float],
    *,
    rate_hz: float = 250.0,
    rest_s: float = 0.36,
    noise_deg: float = 0.015,
    wander_deg: float = 0.0,
    seed: int = 1,
    start_ns: int = 0,
) -> tuple[list[GazeSample], list[float]]:
    """An eye that drifts at each speed in turn, in a random direction, with jumps of 40 ms between; and the speeds."""
    rng = random.Random(seed)
    samples, truth, t, x, y = [], [], 0.0, 0.0, 0.0
    for speed in speeds_deg_s:
        turn = rng.uniform(0.0, 2 * math.pi)
        wander = rng.uniform(0.0, 2 * math.pi)
        vx, vy = speed * math.cos(turn), speed * math.sin(turn)
        for k in range(round(rest_s * rate_hz)):
            way = wander_deg * math.sin(2 * math.pi * k / rate_hz / 0.25 + wander)
            place = (x + vx * k / rate_hz + way, y + vy * k / rate_hz)
            samples.append(_sample(start_ns, t, *(v + rng.gauss(0.0, noise_deg) for v in place)))
            truth.append(speed)
            t += 1 / rate_hz
        x, y = x + vx * rest_s, y + vy * rest_s
        jump = (rng.uniform(3.0, 6.0), rng.uniform(0.0, 2 * math.pi))
        step = (jump[0] * math.cos(jump[1]), jump[0] * math.sin(jump[1]))
        for k in range(round(0.04 * rate_hz)):
            way = k / 0.04 / rate_hz
            way = way * way * (3 - 2 * way)
            samples.append(_sample(start_ns, t, x + step[0] * way, y + step[1] * way))
            truth.append(math.nan)
            t += 1 / rate_hz
        x, y = x + step[0], y + step[1]
    return samples, truth


def _sample(start_ns: int, t: float, x_deg: float, y_deg: float) -> GazeSample:
    return GazeSample(start_ns + round(t * 1e9), 900.0 + x_deg * PX_PER_DEG, 600.0 + y_deg * PX_PER_DEG)


def kinds(samples: list[GazeSample]) -> tuple[list[LabelledSample], list[LabelledSample]]:
    live = label_recording(samples, px_per_deg=PX_PER_DEG)
    return live, smooth_kinds(samples, live, px_per_deg=PX_PER_DEG)


def share(labels: list[LabelledSample], truth: list[float], speed: float) -> float:
    """Share of pursuit among the stable samples of stretches with one speed."""
    own = [a.kind for a, v in zip(labels, truth, strict=True) if v == speed and a.kind.stable]
    return own.count(EventKind.PURSUIT) / len(own)


@pytest.mark.parametrize("rate_hz", [60.0, 120.0, 250.0, 500.0])
def test_resting_and_following_are_told_apart_within_one_recording(rate_hz: float) -> None:
    samples, truth = eye([0.3, 0.3, 9.0, 9.0, 9.0, 0.3, 0.3, 9.0, 9.0, 0.3], rate_hz=rate_hz, rest_s=0.45)
    _, smoothed = kinds(samples)
    assert share(smoothed, truth, 9.0) > 0.9
    assert share(smoothed, truth, 0.3) < 0.1


@pytest.mark.parametrize("noise_deg", [0.01, 0.05, 0.1])
def test_a_look_at_a_photograph_has_no_pursuit_however_noisy_the_tracker(noise_deg: float) -> None:
    samples, truth = eye([1.0] * 25, rest_s=0.27, noise_deg=noise_deg, wander_deg=0.08)
    _, smoothed = kinds(samples)
    assert share(smoothed, truth, 1.0) == 0.0


def test_a_doubtful_drift_is_judged_by_the_rest_of_the_recording() -> None:
    doubtful = 2.6
    among_rests, truth = eye([0.5] * 8 + [doubtful] + [0.5] * 8)
    assert share(kinds(among_rests)[1], truth, doubtful) == 0.0
    among_pursuits, truth = eye([12.0] * 8 + [doubtful] + [12.0] * 8)
    assert share(kinds(among_pursuits)[1], truth, doubtful) == 1.0


def test_nothing_but_the_kind_of_stable_samples_changes() -> None:
    samples, _ = eye([0.3, 5.0, 2.0, 12.0, 0.3, 7.0])
    samples = [
        replace(s, x_px=math.nan, y_px=math.nan, confidence=0.0) if 200 < k < 240 or k == 70 else s
        for k, s in enumerate(samples)
    ]
    live, smoothed = kinds(samples)
    assert live != smoothed
    for before, after in zip(live, smoothed, strict=True):
        assert (before.time_ns, before.event_id) == (after.time_ns, after.event_id)
        assert before.kind is after.kind or (before.kind.stable and after.kind.stable)


def test_parts_between_which_time_runs_backwards_are_judged_apart() -> None:
    first, _ = eye([9.0] * 4, start_ns=8_000_000_000)
    second, _ = eye([0.3] * 4)
    live = label_recording(first + second, px_per_deg=PX_PER_DEG)
    both = smooth_kinds(first + second, live, px_per_deg=PX_PER_DEG)
    cut = len(first)
    assert both[:cut] == smooth_kinds(first, live[:cut], px_per_deg=PX_PER_DEG)
    assert both[cut:] == smooth_kinds(second, live[cut:], px_per_deg=PX_PER_DEG)


def test_a_recording_without_gaze_stays_as_it_is() -> None:
    samples = [GazeSample(k * 4_000_000, math.nan, math.nan, confidence=0.0) for k in range(50)]
    live, smoothed = kinds(samples)
    assert smoothed == live
    assert smooth_kinds([], [], px_per_deg=PX_PER_DEG) == []


def test_arguments_are_checked() -> None:
    samples, _ = eye([0.3])
    labels = label_recording(samples, px_per_deg=PX_PER_DEG)
    with pytest.raises(InputError, match=rf"{len(labels) - 1} entries for {len(labels)} samples"):
        smooth_kinds(samples, labels[1:], px_per_deg=PX_PER_DEG)
    for bad in (0.0, math.nan, math.inf):
        with pytest.raises(InputError, match="px_per_deg"):
            smooth_kinds(samples, labels, px_per_deg=bad)


STEP_NS = st.sampled_from([2_000_000, 16_700_000, 0, 1, 80_000_000, 2_000_000_000, -30_000_000])
COORDINATE = st.one_of(st.floats(0.0, 2000.0), st.just(math.nan), st.just(1e300))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(STEP_NS, COORDINATE, COORDINATE), max_size=80))
def test_any_stream_keeps_one_label_a_sample(steps: list[tuple[int, float, float]]) -> None:
    times = itertools.accumulate((step for step, _, _ in steps), initial=5_000_000_000)
    samples = [GazeSample(t, x, y) for t, (_, x, y) in zip(times, steps, strict=False)]
    live, smoothed = kinds(samples)
    assert [a.time_ns for a in smoothed] == [s.time_ns for s in samples]
    assert [a.kind.stable for a in smoothed] == [a.kind.stable for a in live]


# Blocks and the model


def test_blocks_cover_each_stable_sample_once_in_order() -> None:
    samples, _ = eye([0.3, 9.0, 0.3])
    labels = label_recording(samples, px_per_deg=PX_PER_DEG)
    time_s = np.array([s.time_ns * 1e-9 for s in samples])
    gaze = np.array([(s.x_px, s.y_px) for s in samples]) / PX_PER_DEG
    event = np.array([a.event_id if a.kind.stable else -1 for a in labels])
    blocks = cut_blocks(time_s, gaze, event)
    assert ((blocks.of_sample >= 0) == (event >= 0)).all()
    used = blocks.of_sample[blocks.of_sample >= 0]
    assert np.array_equal(np.unique(used), np.arange(len(blocks.features)))
    assert (np.diff(used) >= 0).all()
    assert (np.diff(blocks.time_s) > 0.5 * BLOCK_S).all()
    assert blocks.features.shape == (len(blocks.stretch), len(FEATURES))


def test_a_steady_drift_has_the_features_of_one() -> None:
    time_s = np.arange(600) / 500.0
    gaze = np.column_stack([4.0 * time_s, 3.0 * time_s])
    gaze[300:] += (0.8, 0.6)
    event = np.where(np.arange(600) < 290, 0, np.where(np.arange(600) < 300, -1, 1))
    blocks = cut_blocks(time_s, gaze, event)
    columns = dict(zip(FEATURES, blocks.features.T, strict=True))
    inner = slice(1, -1)
    assert columns["speed"] == pytest.approx(math.log(5.5) - 0.5 * math.log(0.005))
    assert columns["duration"][0] == pytest.approx(math.log(0.578 - 0.026 + 0.03), abs=1e-3)
    assert columns["course"][inner] == pytest.approx(25.0 / 27.25)
    assert columns["neighbours"] == pytest.approx(25.0 / 27.25)
    assert (columns["saccades"] > 0.9).all()


def enumerated(blocks: Blocks, log_odds: Any) -> tuple[Any, float]:
    """The same model by summing over every course of events."""
    count, total, pursued = len(log_odds), 0.0, np.zeros(len(log_odds))
    for kinds_ in itertools.product((0, 1), repeat=count):
        for places in itertools.product(range(len(OFFSETS)), repeat=count):
            weight = OFFSET_SHARES[places[0]]
            for k in range(count):
                weight *= math.exp(kinds_[k] * (log_odds[k] + OFFSETS[places[k]]))
                if k:
                    stays = STAY_LOG_ODDS[int(blocks.stretch[k] == blocks.stretch[k - 1])]
                    weight *= math.exp(stays) if kinds_[k] == kinds_[k - 1] else 1.0
                    renew = 1.0 - math.exp(-(blocks.time_s[k] - blocks.time_s[k - 1]) / OFFSET_MEMORY_S)
                    weight *= renew * OFFSET_SHARES[places[k]] + (1.0 - renew) * (places[k] == places[k - 1])
            total += weight
            pursued += weight * np.array(kinds_)
    return pursued / total, math.log(total)


def test_forwards_and_backwards_equals_the_sum_over_everything() -> None:
    blocks = Blocks(
        np.zeros((4, 6)), np.array([0, 0, 1, 1]), np.array([0.0, 0.1, 50.0, 50.1]), np.zeros(0, np.int64)
    )
    log_odds = np.array([2.0, -1.0, 0.5, -3.0])
    probability, log_evidence = smooth(blocks, log_odds)
    expected, log_total = enumerated(blocks, log_odds)
    assert probability == pytest.approx(expected)
    assert log_evidence == pytest.approx(log_total)


def test_certain_blocks_stay_certain_over_long_recordings() -> None:
    count = 3000
    blocks = Blocks(
        np.zeros((count, 6)),
        np.arange(count) // 5,
        np.arange(count, dtype=np.float64) * 0.1,
        np.zeros(0, np.int64),
    )
    log_odds = np.where(np.arange(count) // 500 % 2 == 0, 40.0, -40.0)
    assert pursuit_probability(blocks, log_odds) == pytest.approx((log_odds > 0).astype(float), abs=1e-6)
