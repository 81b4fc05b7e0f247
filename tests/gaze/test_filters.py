"""Position filters: less jitter, little lag, no surprise after losses."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import InputError
from sam_edge.gaze.filters import KalmanFilter, OneEuroFilter
from sam_edge.gaze.samples import GazeSample

Filter = OneEuroFilter | KalmanFilter
PX_PER_DEG = 30.0
BOTH = pytest.mark.parametrize("make", [OneEuroFilter, KalmanFilter])
Maker = Callable[..., Filter]


def at(time_s: float, x_px: float, y_px: float = 100.0) -> GazeSample:
    return GazeSample(round(time_s * 1e9), x_px, y_px)


def noisy(seed: int = 0, *, speed_px_s: float = 0.0, seconds: float = 2.0) -> list[GazeSample]:
    rng = random.Random(seed)
    times = [k / 120 + rng.uniform(0, 0.004) for k in range(round(seconds * 120))]
    return [at(t, 500 + speed_px_s * t + rng.gauss(0, 3), 100 + rng.gauss(0, 3)) for t in times]


@BOTH
def test_jitter_at_rest_shrinks(make: Maker) -> None:
    samples = noisy()
    smooth = make(px_per_deg=PX_PER_DEG)
    out = [smooth.update(s) for s in samples][60:]
    assert statistics.stdev(s.x_px for s in out) < 0.65 * statistics.stdev(s.x_px for s in samples)
    assert abs(statistics.mean(s.x_px for s in out) - 500) < 3.0


@BOTH
def test_a_saccade_is_followed_soon(make: Maker) -> None:
    smooth = make(px_per_deg=PX_PER_DEG)
    for k in range(60):
        smooth.update(at(k / 120, 100.0))
    out = [smooth.update(at((60 + k) / 120, 500.0)).x_px for k in range(8)]
    assert out[-1] > 460.0
    assert max(out) < 505.0


def test_the_kalman_filter_learns_a_pursuit_and_does_not_trail_it() -> None:
    smooth = KalmanFilter(px_per_deg=PX_PER_DEG)
    samples = noisy(speed_px_s=300.0)
    out = [smooth.update(s) for s in samples]
    errors = [o.x_px - 500 - 300 * o.time_ns * 1e-9 for o in out[120:]]
    assert abs(statistics.mean(errors)) < 1.5
    assert smooth.velocity_px_s[0] == pytest.approx(300.0, rel=0.25)


def test_the_kalman_filter_knows_how_sure_it_is() -> None:
    smooth = KalmanFilter(px_per_deg=PX_PER_DEG, noise_deg=0.2)
    first, *_, last = [smooth.update(s) for s in noisy()]
    assert first.covariance_px2 == (36.0, 0.0, 36.0)
    assert last.covariance_px2 is not None
    assert 0.0 < last.covariance_px2[0] < 18.0


def test_the_one_euro_filter_is_the_paper_s_low_pass_at_rest() -> None:
    smooth = OneEuroFilter(px_per_deg=PX_PER_DEG, min_cutoff_hz=2.0, beta=0.0)
    smooth.update(at(0.0, 0.0))
    share = 1.0 / (1.0 + (1.0 / (2.0 * math.pi * 2.0)) / 0.01)
    assert smooth.update(at(0.01, 10.0)).x_px == pytest.approx(10.0 * share)
    assert smooth.update(at(0.02, 10.0)).x_px == pytest.approx(10.0 * (1.0 - (1.0 - share) ** 2))


@BOTH
def test_invalid_samples_pass_and_teach_nothing(make: Maker) -> None:
    with_holes, without = make(px_per_deg=PX_PER_DEG), make(px_per_deg=PX_PER_DEG)
    hole = GazeSample(0, math.nan, math.nan, confidence=0.0)
    samples = noisy()
    out = []
    for sample in samples:
        assert with_holes.update(hole) is hole
        out.append(with_holes.update(sample))
    assert out == [without.update(sample) for sample in samples]


@BOTH
@pytest.mark.parametrize("jump_s", [1.0, -5.0])
def test_gaps_and_backward_jumps_begin_anew(make: Maker, jump_s: float) -> None:
    smooth = make(px_per_deg=PX_PER_DEG)
    for sample in noisy():
        smooth.update(sample)
    after = smooth.update(at(2.0 + jump_s, 40.0, 50.0))
    assert (after.x_px, after.y_px) == (40.0, 50.0)


@BOTH
@given(data=st.data())
def test_reset_equals_fresh_and_output_stays_finite(make: Maker, data: st.DataObject) -> None:
    step = st.tuples(
        st.floats(-0.1, 0.5),
        st.floats(-1e6, 1e6) | st.just(math.nan),
        st.floats(-1e6, 1e6) | st.just(math.inf),
    )
    used, fresh = make(px_per_deg=PX_PER_DEG), make(px_per_deg=PX_PER_DEG)
    for part, compare in (
        (data.draw(st.lists(step, max_size=20)), False),
        (data.draw(st.lists(step, max_size=20)), True),
    ):
        time_s = 0.0
        for passed, x, y in part:
            time_s += passed
            sample = at(time_s, x, y)
            out = used.update(sample)
            assert out.valid == sample.valid
            if compare:
                assert repr(out) == repr(fresh.update(sample))
        used.reset()


@BOTH
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_arguments_out_of_range_are_named(make: Maker, value: float) -> None:
    with pytest.raises(InputError, match="px_per_deg"):
        make(px_per_deg=value)
