"""Quantization parameters of one layer: input scale and per-channel divisors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sam_edge.nn import Sam

LEVELS = 255

Layer = nn.Linear | nn.Conv2d
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Rounding:
    """8-bit quantization of the input of one layer."""

    scale: float
    """Value of one step."""
    zero_point: int
    """Step that stands for 0, 0..255; 0 where `signed`."""
    signed: bool = False
    """Whether steps are -127..127 instead of 0..255."""
    factors: tuple[float, ...] = ()
    """Per-channel divisors applied before rounding; empty for none."""

    def of(self, values: Tensor, axis: int) -> Tensor:
        """Quantize and dequantize `values`; channels lie on `axis`."""
        factors = self.factors_along(values.ndim, axis)
        steps = (values / factors / self.scale).round() + self.zero_point
        low, high = (-127, 127) if self.signed else (0, LEVELS)
        return (steps.clamp(low, high) - self.zero_point) * self.scale * factors

    def factors_along(self, axes: int, axis: int) -> Tensor:
        """Return the factors shaped to multiply a tensor with `axes` axes, channels on `axis`."""
        if not self.factors:
            return torch.ones(())
        shape = [1] * axes
        shape[axis] = -1
        return torch.tensor(self.factors).view(shape)


def encoder_layers(model: Sam) -> dict[str, Layer]:
    """Return the encoder's linear layers and full convolutions by the name of their weight in the traced graph."""
    return {
        f"sam.image_encoder.{name}.weight": module
        for name, module in model.image_encoder.named_modules()
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
    }


def linear_layers(model: Sam) -> dict[str, nn.Linear]:
    """Return the linear layers among `encoder_layers`."""
    return {name: layer for name, layer in encoder_layers(model).items() if isinstance(layer, nn.Linear)}


def channels_axis(layer: Layer) -> int:
    """Return the axis of a layer's input on which its channels lie."""
    return 1 if isinstance(layer, nn.Conv2d) else -1


def asymmetric_rounding(low: float, high: float) -> Rounding:
    """Spread 256 steps over a range that holds 0."""
    scale = max(max(high, 0.0) - min(low, 0.0), 1e-9) / LEVELS
    return Rounding(scale=float(np.float32(scale)), zero_point=round(-min(low, 0.0) / scale))


def symmetric_rounding(largest: float) -> Rounding:
    """Spread 255 steps evenly about 0."""
    return Rounding(scale=float(np.float32(max(largest, 1e-9) / 127)), zero_point=0, signed=True)


def fake_round(values: Floats, rounding: Rounding) -> Floats:
    """Round to 8 bits and back, all channels alike."""
    low, high = (-127, 127) if rounding.signed else (0, LEVELS)
    steps = np.clip(np.rint(values / rounding.scale) + rounding.zero_point, low, high)
    return np.asarray((steps - rounding.zero_point) * rounding.scale)
