"""The arithmetic of 8 bits: ranges, steps, and what is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")

from sam_edge.exporters.onnx_weights import channel_scale, rounded
from sam_edge.exporters.quantize import (
    LEVELS,
    Observed,
    fake_round,
    least_error,
    rounding_of,
)

VALUES = arrays.arrays(float, 50, elements=st.floats(-100, 100, width=32))


class TestActivations:
    @given(values=VALUES)
    def test_within_its_range_nothing_moves_by_more_than_half_a_step(
        self, values: NDArray[np.float64]
    ) -> None:
        rounding = rounding_of(float(values.min()), float(values.max()))
        assert 0 <= rounding.zero_point <= LEVELS
        moved = np.abs(fake_round(values, rounding) - values)
        # The zero point is a whole step, so the range's ends may lie up to half a step outside.
        assert moved.max() <= rounding.scale * 1.0001

    @given(values=VALUES)
    def test_zero_stays_zero(self, values: NDArray[np.float64]) -> None:
        rounding = rounding_of(float(values.min()), float(values.max()))
        assert fake_round(np.zeros(1), rounding)[0] == 0

    def test_what_lies_outside_is_cut(self) -> None:
        rounding = rounding_of(-1.0, 1.0)
        low, high = fake_round(np.array([-50.0, 50.0]), rounding)
        assert low == pytest.approx(-1, abs=0.01)
        assert high == pytest.approx(1, abs=0.01)

    def test_a_range_of_one_sign_still_holds_zero(self) -> None:
        assert rounding_of(2.0, 5.0).zero_point == 0
        assert rounding_of(-5.0, -2.0).zero_point == LEVELS
        assert rounding_of(0.0, 0.0).scale > 0

    @given(values=VALUES)
    def test_the_fitted_range_loses_no_more_than_the_full_one(self, values: NDArray[np.float64]) -> None:
        samples = values.astype(np.float32)
        seen = Observed(float(samples.min()), float(samples.max()), [samples])
        exact = samples.astype(np.float64)

        def lost(rounding: object) -> float:
            return float(np.square(fake_round(exact, rounding) - exact).mean())  # type: ignore[arg-type]

        assert lost(least_error(seen)) <= lost(rounding_of(seen.low, seen.high)) + 1e-12

    def test_a_few_far_values_do_not_make_all_others_coarse(self) -> None:
        generator = np.random.default_rng(4)
        samples = np.concatenate([generator.normal(size=600_000), [10.0]]).astype(np.float32)
        fitted = least_error(Observed(float(samples.min()), float(samples.max()), [samples]))
        assert fitted.scale < 0.8 * rounding_of(float(samples.min()), float(samples.max())).scale


class TestWeights:
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_every_channel_has_a_step_of_its_own(self, axis: int) -> None:
        generator = np.random.default_rng(axis)
        gains = np.array([0.001, 1.0, 100.0, 7.0])
        shape = [6, 5, 7]
        shape[axis] = 4
        along = [1, 1, 1]
        along[axis] = 4
        values = (generator.normal(size=shape) * gains.reshape(along)).astype(np.float32)
        scale = channel_scale(values, axis)
        assert scale.shape == (4,)
        stored = rounded(values, scale, axis)
        assert stored.dtype == np.int8
        assert stored.min() >= -127
        again = stored * scale.reshape(along)
        moved = np.moveaxis(np.abs(again - values), axis, 0).reshape(4, -1).max(axis=1)
        size = np.moveaxis(np.abs(values), axis, 0).reshape(4, -1).max(axis=1)
        assert (moved < 0.41 * size).all()
        assert np.sqrt(np.square(again - values).mean()) < 0.01 * np.sqrt(np.square(values).mean())

    @given(values=arrays.arrays(np.float32, (3, 20), elements=st.floats(-10, 10, width=32)))
    def test_steps_lose_no_more_than_those_of_the_largest_value(self, values: NDArray[np.float32]) -> None:
        plain = np.maximum(np.abs(values).max(axis=1), 1e-12).astype(np.float32) / 127

        def lost(scale: NDArray[np.float32]) -> NDArray[np.float64]:
            again = rounded(values, scale, 0) * scale[:, None].astype(np.float64)
            return np.asarray(np.square(again - values).sum(axis=1))

        assert (lost(channel_scale(values, 0)) <= lost(plain) * 1.0001 + 1e-9).all()

    def test_a_channel_of_zeros_stays_zero(self) -> None:
        values = np.zeros((2, 9), np.float32)
        assert not rounded(values, channel_scale(values, 0), 0).any()
