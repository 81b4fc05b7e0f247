"""The arithmetic of 8 bits: ranges, steps, and what is lost."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")

import torch

from sam_edge.exporters.balance import absorb_factors, find_dividers
from sam_edge.exporters.onnx_weights import channel_scale, round_channels
from sam_edge.exporters.quantize import (
    InputStatistics,
    correct_biases,
    fit_range,
    fit_rounding,
    fold_batchnorm,
    simulate_rounding,
)
from sam_edge.exporters.rounding import LEVELS, Rounding, asymmetric_rounding, encoder_layers, fake_round
from sam_edge.nn import Sam, mobile_sam

pytestmark = pytest.mark.slow

VALUES = arrays.arrays(float, 50, elements=st.floats(-100, 100, width=32))


class TestActivations:
    @given(values=VALUES)
    def test_within_its_range_nothing_moves_by_more_than_half_a_step(
        self, values: NDArray[np.float64]
    ) -> None:
        rounding = asymmetric_rounding(float(values.min()), float(values.max()))
        assert 0 <= rounding.zero_point <= LEVELS
        moved = np.abs(fake_round(values, rounding) - values)
        # The zero point is a whole step, so the range's ends may lie up to half a step outside.
        assert moved.max() <= rounding.scale * 1.0001

    @given(values=VALUES)
    def test_zero_stays_zero(self, values: NDArray[np.float64]) -> None:
        rounding = asymmetric_rounding(float(values.min()), float(values.max()))
        assert fake_round(np.zeros(1), rounding)[0] == 0

    def test_what_lies_outside_is_cut(self) -> None:
        rounding = asymmetric_rounding(-1.0, 1.0)
        low, high = fake_round(np.array([-50.0, 50.0]), rounding)
        assert low == pytest.approx(-1, abs=0.01)
        assert high == pytest.approx(1, abs=0.01)

    def test_a_range_of_one_sign_still_holds_zero(self) -> None:
        assert asymmetric_rounding(2.0, 5.0).zero_point == 0
        assert asymmetric_rounding(-5.0, -2.0).zero_point == LEVELS
        assert asymmetric_rounding(0.0, 0.0).scale > 0

    @given(values=VALUES)
    def test_the_fitted_range_loses_no_more_than_the_full_one(self, values: NDArray[np.float64]) -> None:
        samples = values.astype(np.float32)
        seen = InputStatistics(float(samples.min()), float(samples.max()), [samples])
        exact = samples.astype(np.float64)

        def lost(rounding: object) -> float:
            return float(np.square(fake_round(exact, rounding) - exact).mean())  # type: ignore[arg-type]

        assert lost(fit_range(seen)) <= lost(asymmetric_rounding(seen.low, seen.high)) + 1e-12

    def test_a_few_far_values_do_not_make_all_others_coarse(self) -> None:
        generator = np.random.default_rng(4)
        samples = np.concatenate([generator.normal(size=600_000), [10.0]]).astype(np.float32)
        fitted = fit_range(InputStatistics(float(samples.min()), float(samples.max()), [samples]))
        assert fitted.scale < 0.8 * asymmetric_rounding(float(samples.min()), float(samples.max())).scale


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
        stored = round_channels(values, scale, axis)
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
            again = round_channels(values, scale, 0) * scale[:, None].astype(np.float64)
            return np.asarray(np.square(again - values).sum(axis=1))

        assert (lost(channel_scale(values, 0)) <= lost(plain) * 1.0001 + 1e-9).all()

    def test_a_channel_of_zeros_stays_zero(self) -> None:
        values = np.zeros((2, 9), np.float32)
        assert not round_channels(values, channel_scale(values, 0), 0).any()


@pytest.fixture(scope="module")
def model() -> Sam:
    """A TinyViT of random weights, normalisation folded."""
    torch.manual_seed(5)
    return fold_batchnorm(mobile_sam())


class TestBalance:
    """Factors move into the model, which computes the same; biases make up for the mean error."""

    IMAGE = np.random.default_rng(1).integers(0, 255, (224, 224, 3), np.uint8)

    def encoded(self, model: Sam) -> torch.Tensor:
        """Encode the picture."""
        with torch.inference_mode():
            return model.encode(torch.from_numpy(self.IMAGE)[None])

    def test_factors_that_are_free_move_into_the_model(self, model: Sam) -> None:
        generator = np.random.default_rng(2)
        layers = encoder_layers(model)
        free = {name for name, _ in find_dividers(model)}
        assert len(free) == 3 * 10
        plan = {
            name: Rounding(0.1, 3, factors=tuple(generator.uniform(0.2, 5, layers[name].weight.shape[1])))
            for name in layers
        }
        before = {name: layer.weight.detach().clone() for name, layer in layers.items()}
        moved, left = absorb_factors(model, plan)
        assert {name for name, one in left.items() if not one.factors} == free
        assert all(torch.equal(layers[name].weight, kept) for name, kept in before.items())
        assert not torch.equal(encoder_layers(moved)[min(free)].weight, before[min(free)])
        exact = self.encoded(model)
        apart = (self.encoded(moved) - exact).norm() / exact.norm()
        assert apart < 1e-4

    def test_biases_make_up_for_the_mean_error(self, model: Sam) -> None:
        """Of the first layer alone, so that nothing before it moves; its input is the picture."""
        name = next(iter(encoder_layers(model)))
        coarse = {name: Rounding(0.6, 4)}
        made: list[torch.Tensor] = []

        def note(module: torch.nn.Module, given: object, result: torch.Tensor) -> None:
            made.append(result.mean(dim=(0, 2, 3)))

        corrected = copy.deepcopy(model)
        correct_biases(corrected, coarse, [self.IMAGE])
        for one, plan in ((model, {}), (model, coarse), (corrected, coarse)):
            handle = encoder_layers(one)[name].register_forward_hook(note)
            with simulate_rounding(one, plan):
                self.encoded(one)
            handle.remove()
        exact, rounded_mean, corrected_mean = made
        assert (rounded_mean - exact).abs().max() > 3e-3
        assert (corrected_mean - exact).abs().max() < 1e-4

    def test_a_channel_far_larger_than_the_others_is_divided(self) -> None:
        """Its step would be that of all others; divided, the others keep what they hold."""
        generator = np.random.default_rng(3)
        samples = generator.normal(size=(4000, 16)).astype(np.float32)
        samples[:, 5] *= 60
        layer = torch.nn.Linear(16, 8)
        layer.weight.data[:, 5] /= 60
        seen = InputStatistics(float(samples.min()), float(samples.max()), [samples])
        lost = {}
        for divided in (False, True):
            rounding = fit_rounding(layer, seen, divided=divided)
            assert bool(rounding.factors) is divided
            again = rounding.of(torch.from_numpy(samples), -1)
            lost[divided] = float(
                ((again - torch.from_numpy(samples)) @ layer.weight.detach().T).square().mean()
            )
        assert lost[True] < 0.1 * lost[False]
