"""Static 8-bit quantization of the encoder's matrix products and convolutions, fitted on photographs.

A layer multiplies unsigned 8-bit activations (one scale a tensor, asymmetric) by signed 8-bit weights (one scale an
output channel). Ranges are those of least squared error, not the extremes: TinyViT's activations have a few values ten
times beyond the rest. Convolutions that pad take signed activations, so that what is padded is 0.

Channels of what a convolution is given differ up to a hundredfold. Each is divided by a factor that its weights are
multiplied by, which changes nothing but what rounding loses (Xiao et al., "SmoothQuant", 2023). Convolutions of a
single channel stay in floating point, and so does every layer whose rounding alone disturbs the embedding by more than
its share.
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

from sam_edge.exporters.onnx_weights import channel_scale, rounded
from sam_edge.nn import Sam
from sam_edge.nn.layers import fold_batch_norms

LEVELS = 255
KEPT_A_PICTURE = 20_000
"""Activations sampled from each picture and layer."""
TOLERATED = 1e-4
"""Squared relative error of the embedding that rounding one matrix product may cause."""
TOLERATED_OF_CONVOLUTIONS = 1.5e-4
"""The same of a convolution: there are fewer."""
TOLERATED_FOR_WORK = 2.1e-7
"""The same of a convolution for every multiplication that it does for a pixel of the picture: what saves little time
may not disturb much."""
SMALLEST_FACTOR, LARGEST_FACTOR = 0.02, 50.0
"""Between these a channel is divided before it is rounded."""

Layer = nn.Linear | nn.Conv2d


@dataclass(frozen=True, slots=True)
class Rounding:
    """How what goes into one layer is rounded to 8 bits."""

    scale: float
    """Value of one step."""
    zero_point: int
    """Step that stands for 0, 0..255; 0 where `signed`."""
    signed: bool = False
    """Whether steps are -127..127 instead of 0..255."""
    factors: tuple[float, ...] = ()
    """What each channel is divided by before; none where channels are left as they are."""

    def of(self, values: Tensor, axis: int) -> Tensor:
        """Round and widen again; channels lie on `axis`."""
        factors = self.factors_along(values.ndim, axis)
        steps = (values / factors / self.scale).round() + self.zero_point
        low, high = (-127, 127) if self.signed else (0, LEVELS)
        return (steps.clamp(low, high) - self.zero_point) * self.scale * factors

    def factors_along(self, axes: int, axis: int) -> Tensor:
        """Return the factors shaped to multiply a tensor of so many `axes`, channels on `axis`."""
        if not self.factors:
            return torch.ones(())
        shape = [1] * axes
        shape[axis] = -1
        return torch.tensor(self.factors).view(shape)


@dataclass(slots=True)
class Observed:
    """What calibration saw of one layer's input."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    samples: list[NDArray[np.float32]]
    """A random part of all values; places x channels where channels are of interest."""
    places_a_pixel: float = 0.0
    """How many places its input has for each pixel of the picture."""


def layers_of(model: Sam) -> dict[str, Layer]:
    """Return the encoder's linear layers and full convolutions by the name of their weight in the traced graph."""
    return {
        f"sam.image_encoder.{name}.weight": module
        for name, module in model.image_encoder.named_modules()
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
    }


def linears(model: Sam) -> dict[str, nn.Linear]:
    """Return the linear layers among `layers_of`."""
    return {name: layer for name, layer in layers_of(model).items() if isinstance(layer, nn.Linear)}


def channels_axis(layer: Layer) -> int:
    """Return the axis of a layer's input on which its channels lie."""
    return 1 if isinstance(layer, nn.Conv2d) else -1


def observe(model: Sam, images: Sequence[NDArray[np.uint8]], *, seed: int = 0) -> dict[str, Observed]:
    """Run the encoder on pictures (H, W, 3) and note what its layers are given: samples of places x channels."""
    generator = np.random.default_rng(seed)
    seen = {name: Observed(0.0, 0.0, []) for name in layers_of(model)}
    pixels = images[0].shape[0] * images[0].shape[1]

    def watch(name: str, axis: int) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def hook(module: nn.Module, given: tuple[Tensor]) -> None:
            places = given[0].detach().movedim(axis, -1).flatten(0, -2).numpy()
            record = seen[name]
            record.low = min(record.low, float(places.min()))
            record.high = max(record.high, float(places.max()))
            kept = generator.integers(0, len(places), max(1, KEPT_A_PICTURE // places.shape[1]))
            record.samples.append(places[kept])
            record.places_a_pixel = len(places) / pixels

        return hook

    handles = [
        module.register_forward_pre_hook(watch(name, channels_axis(module)))
        for name, module in layers_of(model).items()
    ]
    try:
        with torch.inference_mode():
            for image in images:
                model.encode(torch.from_numpy(image)[None])
    finally:
        for handle in handles:
            handle.remove()
    return seen


def least_error(observed: Observed, steps: int = 33, *, signed: bool = False) -> Rounding:
    """Choose the range whose rounding and clipping together lose least; at least a fifth of the range seen."""
    values = np.concatenate([sample.ravel() for sample in observed.samples]).astype(np.float64)
    largest = max(observed.high, -observed.low)
    best = signed_rounding_of(largest) if signed else rounding_of(observed.low, observed.high)
    least = np.inf
    for share in np.linspace(0.2, 1.0, steps):
        # What GELU leaves below zero is small and always reached: only a range with two long ends is cut at both.
        low_share = share if -observed.low > 0.3 * observed.high else 1.0
        candidate = (
            signed_rounding_of(share * largest)
            if signed
            else rounding_of(observed.low * low_share, observed.high * share)
        )
        error = float(np.square(fake_round(values, candidate) - values).mean())
        if error < least:
            best, least = candidate, error
    return best


def rounding_of(low: float, high: float) -> Rounding:
    """Spread 256 steps over a range that holds 0."""
    scale = max(max(high, 0.0) - min(low, 0.0), 1e-9) / LEVELS
    return Rounding(scale=float(np.float32(scale)), zero_point=round(-min(low, 0.0) / scale))


def signed_rounding_of(largest: float) -> Rounding:
    """Spread 255 steps evenly about 0."""
    return Rounding(scale=float(np.float32(max(largest, 1e-9) / 127)), zero_point=0, signed=True)


def fake_round(values: NDArray[np.float64], rounding: Rounding) -> NDArray[np.float64]:
    """Round to 8 bits and back, all channels alike."""
    low, high = (-127, 127) if rounding.signed else (0, LEVELS)
    steps = np.clip(np.rint(values / rounding.scale) + rounding.zero_point, low, high)
    return np.asarray((steps - rounding.zero_point) * rounding.scale)


def balanced(layer: nn.Conv2d, observed: Observed) -> tuple[float, ...]:
    """Choose what each channel is divided by: half of what makes its activations, and half of what makes its weights
    as large as those of the others."""
    seen = np.maximum(np.abs(np.concatenate(observed.samples)).max(axis=0), 1e-4)
    weights = np.maximum(layer.weight.detach().abs().amax(dim=(0, 2, 3)).numpy(), 1e-6)
    factors = np.sqrt(seen / weights)
    factors /= np.exp(np.log(factors).mean())
    return tuple(float(np.float32(f)) for f in np.clip(factors, SMALLEST_FACTOR, LARGEST_FACTOR))


def fitted(layer: Layer, observed: Observed) -> Rounding:
    """Fit the rounding of what goes into one layer."""
    if isinstance(layer, nn.Linear):
        return least_error(observed)
    factors = balanced(layer, observed)
    values = np.divide(np.concatenate(observed.samples), np.array(factors, np.float32), dtype=np.float32)
    divided = Observed(float(values.min()), float(values.max()), [values])
    return replace(least_error(divided, signed=layer.kernel_size[0] > 1), factors=factors)


@contextmanager
def simulated(model: Sam, plan: Mapping[str, Rounding]) -> Iterator[None]:
    """Round activations and weights of the layers of `plan` while inside, as the exported graph will."""
    layers = layers_of(model)
    handles, originals = [], {}
    for name, rounding in plan.items():
        layer = layers[name]
        axis = channels_axis(layer)
        originals[name] = layer.weight.data
        factors = rounding.factors_along(layer.weight.ndim, 1)
        weight = (layer.weight.detach() * factors).numpy()
        scale = channel_scale(weight, 0).reshape(-1, *[1] * (weight.ndim - 1))
        layer.weight.data = torch.from_numpy(rounded(weight, scale.ravel(), 0) * scale) / factors

        def hook(
            module: nn.Module, given: tuple[Tensor], rounding: Rounding = rounding, axis: int = axis
        ) -> tuple[Tensor]:
            return (rounding.of(given[0], axis),)

        handles.append(layer.register_forward_pre_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for name, original in originals.items():
            layers[name].weight.data = original


def disturbance(
    model: Sam, plan: Mapping[str, Rounding], images: Sequence[Tensor], exact: Sequence[Tensor]
) -> float:
    """Return the mean squared relative error of the embedding under `plan`."""
    errors = []
    with simulated(model, plan), torch.inference_mode():
        for image, expected in zip(images, exact, strict=True):
            difference = model.encode(image) - expected
            errors.append(float(difference.square().sum() / expected.square().sum()))
    return float(np.mean(errors))


def folded(model: Sam) -> Sam:
    """Copy `model` with normalisation folded into its convolutions, as it is traced."""
    model = copy.deepcopy(model).eval()
    fold_batch_norms(model)
    return model


def plan_quantization(
    model: Sam, images: Sequence[NDArray[np.uint8]], *, checked_on: int = 3
) -> tuple[dict[str, Rounding], dict[str, float]]:
    """Fit the rounding of every layer, and leave out those that disturb too much.

    Args:
        model: the model; not changed.
        images: calibration pictures uint8 (H, W, 3), sides multiples of 224.
        checked_on: how many of them the disturbance of each layer is measured on.

    Returns:
        The plan, by name of the weight; and the disturbance of every layer alone.
    """
    model = folded(model)
    layers = layers_of(model)
    seen = observe(model, images)
    everything = {name: fitted(layers[name], observed) for name, observed in seen.items()}
    probes = [torch.from_numpy(image)[None] for image in images[:checked_on]]
    with torch.inference_mode():
        exact = [model.encode(probe) for probe in probes]
    alone = {
        name: disturbance(model, {name: rounding}, probes, exact) for name, rounding in everything.items()
    }
    kept = {
        name: everything[name]
        for name, lost in alone.items()
        if lost <= tolerated(layers[name], seen[name].places_a_pixel)
    }
    return kept, alone


def tolerated(layer: Layer, places_a_pixel: float) -> float:
    """Return how much rounding one layer may disturb the embedding, given how often it is applied."""
    if isinstance(layer, nn.Linear):
        return TOLERATED
    work = layer.weight.numel() * places_a_pixel / (layer.stride[0] * layer.stride[1])
    return min(TOLERATED_OF_CONVOLUTIONS, TOLERATED_FOR_WORK * work)
