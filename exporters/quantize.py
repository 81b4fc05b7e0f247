"""Static 8-bit quantization of the encoder's matrix products and convolutions, fitted on photographs.

A layer multiplies unsigned 8-bit activations (one scale a tensor, asymmetric) by signed 8-bit weights (one scale an
output channel). Ranges are those that add least to the layer's results, not the extremes: TinyViT's activations have a
few values ten times beyond the rest. Convolutions that pad take signed activations, so that what is padded is 0.

Input channels of a layer differ up to a hundredfold. Where it costs little or nothing (`balance`), each channel is
divided by a factor and its weights are multiplied by it. Biases are then corrected for the mean rounding error.
Convolutions of a single channel stay in floating point, and so does every layer whose rounding alone disturbs the
embedding by more than its share.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from sam_edge.exporters.balance import absorb_factors, find_dividers
from sam_edge.exporters.onnx_weights import channel_scale, round_channels
from sam_edge.exporters.rounding import (
    Layer,
    Rounding,
    asymmetric_rounding,
    channels_axis,
    encoder_layers,
    fake_round,
    symmetric_rounding,
)
from sam_edge.nn import Sam
from sam_edge.nn.layers import fold_batch_norms

SAMPLES_PER_IMAGE = 8_000
"""Activations sampled per calibration image and layer."""
MAX_DISTURBANCE = 5e-5
"""Largest squared relative error of the embedding that rounding one matrix product may cause."""
MAX_CONVOLUTION_DISTURBANCE = 1e-4
"""The same for a convolution; there are fewer of them."""
DISTURBANCE_PER_WORK = 0.0
"""The same for a convolution, per multiplication that it does for a pixel of the image: a convolution that saves
little time may disturb little. At 0 every convolution stays in floating point: at 7.5e-8 the two that pay most save
some 3 % of the time, and cost .007 of the chosen mask's IoU on OpenVINO in bf16."""
SMALLEST_FACTOR, LARGEST_FACTOR = 0.02, 50.0
"""Bounds of the factor that a channel is divided by before rounding."""
SHARES = (None, 0.3, 0.45, 0.6, 0.75, 0.9)
"""Tried shares of the channel differences that move from the activations into the weights; None moves nothing."""
RANGES_TRIED = 17
"""Clipping ranges tried for each share."""
BIAS_IMAGES = 8
"""Calibration images that biases are corrected on."""


@dataclass(slots=True)
class InputStatistics:
    """Statistics of one layer's input over the calibration images."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    samples: list[NDArray[np.float32]]
    """Random samples of the values, (places, channels)."""
    places_a_pixel: float = 0.0
    """Places of the layer's input per pixel of the image."""


def observe(model: Sam, images: Sequence[NDArray[np.uint8]], *, seed: int = 0) -> dict[str, InputStatistics]:
    """Run the encoder on images (H, W, 3) and sample what its layers receive: places x channels."""
    generator = np.random.default_rng(seed)
    seen = {name: InputStatistics(0.0, 0.0, []) for name in encoder_layers(model)}
    pixels = images[0].shape[0] * images[0].shape[1]

    def watch(name: str, axis: int) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor]) -> None:
            places = inputs[0].detach().movedim(axis, -1).flatten(0, -2).numpy()
            record = seen[name]
            record.low = min(record.low, float(places.min()))
            record.high = max(record.high, float(places.max()))
            chosen = generator.integers(0, len(places), max(1, SAMPLES_PER_IMAGE // places.shape[1]))
            record.samples.append(places[chosen])
            record.places_a_pixel = len(places) / pixels

        return hook

    handles = [
        module.register_forward_pre_hook(watch(name, channels_axis(module)))
        for name, module in encoder_layers(model).items()
    ]
    encode_with_hooks(model, images, handles)
    return seen


def encode_with_hooks(
    model: Sam, images: Sequence[NDArray[np.uint8]], watchers: Sequence[RemovableHandle]
) -> None:
    """Encode images (H, W, 3) while hooks watch, then remove the hooks."""
    try:
        with torch.inference_mode():
            for image in images:
                model.encode(torch.from_numpy(image)[None])
    finally:
        for watcher in watchers:
            watcher.remove()


def fit_range(
    observed: InputStatistics,
    steps: int = 33,
    *,
    signed: bool = False,
    weights: NDArray[np.float32] | None = None,
) -> Rounding:
    """Choose the range with the least squared error of rounding and clipping; at least a fifth of the range seen.

    Args:
        observed: what was seen.
        steps: how many ranges are tried.
        signed: whether steps lie evenly about 0.
        weights: (C,) what an error of each channel counts; None counts all alike.
    """
    return search_range(observed, steps, signed=signed, weights=weights)[0]


def search_range(
    observed: InputStatistics, steps: int, *, signed: bool, weights: NDArray[np.float32] | None
) -> tuple[Rounding, float]:
    """Return the range of `fit_range` and its mean squared error."""
    values = np.concatenate(observed.samples)
    counts = np.float32(1.0) if weights is None else weights
    largest = max(observed.high, -observed.low)
    best = symmetric_rounding(largest) if signed else asymmetric_rounding(observed.low, observed.high)
    least = np.inf
    for share in np.linspace(0.2, 1.0, steps):
        # What GELU leaves below zero is small and always reached: only a range with two long ends is cut at both.
        low_share = share if -observed.low > 0.3 * observed.high else 1.0
        candidate = (
            symmetric_rounding(share * largest)
            if signed
            else asymmetric_rounding(observed.low * low_share, observed.high * share)
        )
        error = float((np.square(fake_round(values, candidate) - values) * counts).mean(dtype=np.float64))
        if error < least:
            best, least = candidate, error
    return best, least


def choose_factors(
    weight: NDArray[np.float32], seen: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """Choose the divisor of each channel, so that channels become about equal: `share` of the differences between
    activations is removed, and the rest of the differences between weights.

    Args:
        weight: (outputs, C, ...) of the layer.
        seen: (C,) largest magnitude of each channel.
        share: 0..1.
    """
    others = (0, *range(2, weight.ndim))
    factors = np.maximum(seen, 1e-4) ** share / np.maximum(np.abs(weight).max(axis=others), 1e-6) ** (
        1 - share
    )
    factors /= np.exp(np.log(factors).mean())
    return np.asarray(np.clip(factors, SMALLEST_FACTOR, LARGEST_FACTOR), np.float32)


def fit_rounding(layer: Layer, observed: InputStatistics, *, divided: bool) -> Rounding:
    """Fit the quantization of one layer's input to the error that it adds to the layer's outputs. Channel errors are
    assumed to be independent; weight errors count too.

    Args:
        layer: the layer.
        observed: statistics of its input.
        divided: whether its channels may be divided by factors.
    """
    signed = isinstance(layer, nn.Conv2d) and layer.kernel_size[0] > 1
    weight, values = layer.weight.detach().numpy(), np.concatenate(observed.samples)
    others = (0, *range(2, weight.ndim))
    shape = [1, -1, *[1] * (weight.ndim - 2)]
    strongest, power = np.abs(values).max(axis=0), np.square(values).mean(axis=0)
    best, least = Rounding(1.0, 0), np.inf
    for share in SHARES if divided else (None,):
        factors = (
            np.ones(values.shape[1], np.float32)
            if share is None
            else choose_factors(weight, strongest, share)
        )
        smaller, larger = values / factors, weight * factors.reshape(shape)
        seen = InputStatistics(float(smaller.min()), float(smaller.max()), [smaller])
        counts = np.square(larger).sum(axis=others)
        rounding, lost = search_range(seen, RANGES_TRIED, signed=signed, weights=counts)
        scale = channel_scale(larger, 0)
        moved = round_channels(larger, scale, 0) * scale.reshape(-1, *[1] * (weight.ndim - 1)) - larger
        lost += float((power / np.square(factors) * np.square(moved).sum(axis=others)).mean(dtype=np.float64))
        if lost < least:
            kept = () if share is None else tuple(float(factor) for factor in factors)
            best, least = replace(rounding, factors=kept), lost
    return best


@contextmanager
def simulate_rounding(model: Sam, plan: Mapping[str, Rounding]) -> Iterator[None]:
    """Round activations and weights of the layers of `plan` inside the block, as the exported graph will."""
    layers = encoder_layers(model)
    handles, originals = [], {}
    for name, rounding in plan.items():
        layer = layers[name]
        axis = channels_axis(layer)
        originals[name] = layer.weight.data
        layer.weight.data = round_layer_weight(layer, rounding)

        def hook(
            module: nn.Module, inputs: tuple[Tensor], rounding: Rounding = rounding, axis: int = axis
        ) -> tuple[Tensor]:
            return (rounding.of(inputs[0], axis),)

        handles.append(layer.register_forward_pre_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for name, original in originals.items():
            layers[name].weight.data = original


def correct_biases(model: Sam, plan: Mapping[str, Rounding], images: Sequence[NDArray[np.uint8]]) -> None:
    """Subtract from each layer's bias the mean error that rounding its input and weight adds to its outputs, in place.

    It is measured on images, layer by layer, all others exact (Nagel et al., "Data-Free Quantization", 2019).
    """
    layers, total = encoder_layers(model), dict.fromkeys(plan, torch.zeros(()))

    def watch(name: str, rounding: Rounding) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        axis, weight = channels_axis(layers[name]), round_layer_weight(layers[name], rounding)

        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            added = apply_layer(layers[name], rounding.of(inputs[0], axis), weight) - output
            total[name] = total[name] + added.movedim(axis, -1).flatten(0, -2).mean(dim=0) / len(images)

        return hook

    handles = [layers[name].register_forward_hook(watch(name, rounding)) for name, rounding in plan.items()]
    encode_with_hooks(model, images, handles)
    for name, added in total.items():
        former = layers[name].bias
        layers[name].bias = nn.Parameter(-added.clone() if former is None else former.detach() - added)


def apply_layer(layer: Layer, values: Tensor, weight: Tensor) -> Tensor:
    """Apply a layer with another weight."""
    if isinstance(layer, nn.Linear):
        return functional.linear(values, weight, layer.bias)
    return functional.conv2d(values, weight, layer.bias, layer.stride, layer.padding)


def round_layer_weight(layer: Layer, rounding: Rounding) -> Tensor:
    """Return a layer's weight as it is after rounding, its factors taken out again."""
    factors = rounding.factors_along(layer.weight.ndim, 1)
    weight = (layer.weight.detach() * factors).numpy()
    scale = channel_scale(weight, 0)
    shape = (-1, *[1] * (weight.ndim - 1))
    return torch.from_numpy(round_channels(weight, scale, 0) * scale.reshape(shape)) / factors


def disturbance(
    model: Sam, plan: Mapping[str, Rounding], images: Sequence[Tensor], exact: Sequence[Tensor]
) -> float:
    """Return the mean squared relative error of the embedding under `plan`."""
    errors = []
    with simulate_rounding(model, plan), torch.inference_mode():
        for image, expected in zip(images, exact, strict=True):
            difference = model.encode(image) - expected
            errors.append(float(difference.square().sum() / expected.square().sum()))
    return float(np.mean(errors))


def fold_batchnorm(model: Sam) -> Sam:
    """Copy `model` with normalisation folded into its convolutions, as it is traced."""
    model = copy.deepcopy(model).eval()
    fold_batch_norms(model)
    return model


@dataclass(frozen=True, slots=True)
class QuantizationPlan:
    """Which layers are rounded, and how."""

    model: Sam
    """The model to trace: normalisation folded into convolutions, channels balanced where that is free, biases
    corrected for the mean rounding error."""
    layers: dict[str, Rounding]
    """The rounding of each layer that takes 8 bits, by the name of its weight."""
    disturbances: dict[str, float]
    """Mean squared relative error of the embedding when one layer alone is rounded, by layer."""


def plan_quantization(
    model: Sam, images: Sequence[NDArray[np.uint8]], *, checked_on: int = 3
) -> QuantizationPlan:
    """Fit the rounding of every layer, and leave out those that disturb too much.

    Args:
        model: the model; not changed.
        images: calibration images uint8 (H, W, 3), sides multiples of 224.
        checked_on: how many of them the disturbance of each layer is measured on.
    """
    model = fold_batchnorm(model)
    layers = encoder_layers(model)
    seen = observe(model, images)
    free = {name for name, _ in find_dividers(model)}
    everything = {
        name: fit_rounding(
            layers[name], observed, divided=name in free or isinstance(layers[name], nn.Conv2d)
        )
        for name, observed in seen.items()
    }
    probes = [torch.from_numpy(image)[None] for image in images[:checked_on]]
    with torch.inference_mode():
        exact = [model.encode(probe) for probe in probes]
    alone = {
        name: disturbance(model, {name: rounding}, probes, exact) for name, rounding in everything.items()
    }
    kept = {
        name: everything[name]
        for name, lost in alone.items()
        if lost <= tolerance_of(layers[name], seen[name].places_a_pixel)
    }
    model, kept = absorb_factors(model, kept)
    correct_biases(model, kept, images[:BIAS_IMAGES])
    return QuantizationPlan(model, kept, alone)


def tolerance_of(layer: Layer, places_a_pixel: float) -> float:
    """Return how much rounding one layer may disturb the embedding, given how often it is applied."""
    if isinstance(layer, nn.Linear):
        return MAX_DISTURBANCE
    work = layer.weight.numel() * places_a_pixel / (layer.stride[0] * layer.stride[1])
    return min(MAX_CONVOLUTION_DISTURBANCE, DISTURBANCE_PER_WORK * work)
