"""Blinks, jitter and drift on made-up signals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import InputError
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.blink import BlinkDetector
from sam_edge.gaze.webcam.drift import DriftCorrector
from sam_edge.gaze.webcam.jitter import JitterEstimate

FRAME_NS = 33_333_333


class TestBlinks:
    def test_a_blink_is_seen_and_a_look_down_is_none(self) -> None:
        blinks = BlinkDetector()
        signal = [0.27] * 60 + [0.20] * 20 + [0.27] * 10 + [0.14, 0.05, 0.04, 0.12, 0.16] + [0.27] * 10
        shut = [blinks.update(value) for value in signal]
        assert not any(shut[:90])
        assert all(shut[90:95])
        assert not any(shut[95:])

    def test_narrow_eyes_are_open_too(self) -> None:
        blinks = BlinkDetector()
        for _ in range(60):
            blinks.update(0.13)
        assert blinks.usual == pytest.approx(0.13)
        assert not blinks.update(0.13)
        assert blinks.update(0.05)

    def test_a_long_blink_does_not_become_the_usual(self) -> None:
        blinks = BlinkDetector()
        for _ in range(200):
            blinks.update(0.27)
        assert all(blinks.update(0.04) for _ in range(60))


class TestJitter:
    def test_noise_is_measured_in_spite_of_drift_and_saccades(self) -> None:
        rng = np.random.default_rng(3)
        jitter = JitterEstimate()
        for index in range(60):
            away = 400.0 * (index // 20)
            x, y = rng.normal(0, 5.0) + 2.0 * index + away, rng.normal(0, 9.0)
            jitter.update(index * FRAME_NS, float(x), float(y))
        xx, xy, yy = jitter.covariance(100.0)
        assert 3.0 < math.sqrt(xx) < 8.0
        assert 5.5 < math.sqrt(yy) < 13.0
        assert xy == 0.0

    def test_until_enough_is_seen_it_is_what_one_says(self) -> None:
        jitter = JitterEstimate()
        for index in range(5):
            jitter.update(index * FRAME_NS, 0.0, 0.0)
        assert jitter.covariance(7.0) == (49.0, 0.0, 49.0)

    def test_a_gap_is_no_jump(self) -> None:
        jitter = JitterEstimate()
        for index in range(40):
            jump = 500.0 * (index // 3)
            jitter.update(index * FRAME_NS + (index // 3) * 1_000_000_000, jump, 0.0)
        assert jitter.covariance(1.0)[0] == 0.0


def gaze(corrector: DriftCorrector, x: float, y: float, begin: int, frames: int = 15) -> int:
    """Look at one place for a while; return the time after it."""
    for index in range(frames):
        corrector.apply(GazeSample((begin + index) * FRAME_NS, x + index % 2, y - index % 2))
    return (begin + frames) * FRAME_NS


class TestDrift:
    def test_clicks_take_an_offset_out(self) -> None:
        corrector = DriftCorrector(click_sd_px=30.0)
        before = corrector.sd_px
        for index, (x, y) in enumerate([(300.0, 200.0), (900.0, 500.0), (600.0, 700.0), (100.0, 90.0)]):
            now_ns = gaze(corrector, x + 60.0, y - 40.0, index * 60)
            assert corrector.record_click((x, y), now_ns)
        np.testing.assert_allclose(corrector.shift_px, (-60.0, 40.0), atol=4.0)
        assert corrector.clicks == 4
        assert corrector.sd_px < before / 3
        shown = corrector.apply(GazeSample(10**12, 660.0, 160.0))
        assert (shown.x_px, shown.y_px) == pytest.approx((600.0, 200.0), abs=4.0)

    def test_a_click_where_nobody_looked_does_not_count(self) -> None:
        corrector = DriftCorrector(click_sd_px=30.0)
        now_ns = gaze(corrector, 300.0, 200.0, 0)
        assert not corrector.record_click((900.0, 800.0), now_ns)
        assert corrector.shift_px == (0.0, 0.0)

    def test_a_click_without_gaze_before_it_does_not_count(self) -> None:
        corrector = DriftCorrector(click_sd_px=30.0)
        now_ns = gaze(corrector, 300.0, 200.0, 0)
        assert not corrector.record_click((300.0, 200.0), now_ns + 5_000_000_000)
        for index in range(10):
            corrector.apply(GazeSample(10**12 + index * FRAME_NS, math.nan, math.nan, 0.0))
        assert not corrector.record_click((300.0, 200.0), 10**12 + 10 * FRAME_NS)

    def test_a_large_thing_says_less_than_a_small_one(self) -> None:
        small, large = DriftCorrector(click_sd_px=30.0), DriftCorrector(click_sd_px=30.0)
        for corrector, size_px in ((small, 0.0), (large, 400.0)):
            corrector.record_click((300.0, 200.0), gaze(corrector, 350.0, 200.0, 0), size_px=size_px)
        assert small.shift_px[0] < large.shift_px[0] < -1.0

    def test_a_drift_that_goes_on_is_followed_when_it_may_wander(self) -> None:
        still, wandering = (
            DriftCorrector(click_sd_px=30.0),
            DriftCorrector(click_sd_px=30.0, wander_px_per_s=10.0),
        )
        for corrector in (still, wandering):
            for index in range(12):
                now_ns = gaze(corrector, 500.0 + 8.0 * index, 300.0, index * 300)
                corrector.record_click((500.0, 300.0), now_ns)
        assert wandering.shift_px[0] < still.shift_px[0] < -30.0
        assert wandering.shift_px[0] < -75.0

    @given(st.floats(-60, 60), st.floats(-60, 60), st.integers(1, 6))
    def test_the_shift_never_overshoots(self, x: float, y: float, clicks: int) -> None:
        corrector = DriftCorrector(click_sd_px=30.0)
        for index in range(clicks):
            corrector.record_click((500.0, 400.0), gaze(corrector, 500.0 + x, 400.0 + y, index * 60))
        for shift, offset in zip(corrector.shift_px, (x, y), strict=True):
            assert abs(shift) <= abs(offset) + 1.0
            assert abs(shift + offset) <= abs(offset) + 1.0

    @pytest.mark.parametrize("values", [{"click_sd_px": 0.0}, {"click_sd_px": 5.0, "wander_px_per_s": -1.0}])
    def test_impossible_values_are_refused(self, values: dict[str, float]) -> None:
        with pytest.raises(InputError, match="accepted"):
            DriftCorrector(**values)
