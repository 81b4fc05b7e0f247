"""Channels of what a layer is given, made alike in size where that costs nothing.

A layer's input is rounded in one step size for all channels. Dividing a channel by a factor and multiplying the
layer's weights by it changes nothing but what rounding loses (Xiao et al., "SmoothQuant", 2023). In a transformer block
the division needs no work of its own: it goes into the normalisation before, or into the projection of the values.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from sam_edge.exporters.rounding import Rounding, layers_of
from sam_edge.nn import Sam
from sam_edge.nn.tiny_vit import Attention, TinyViTBlock

Divide = Callable[[Tensor], None]


def dividers(model: Sam) -> Iterator[tuple[str, Divide]]:
    """Yield the layers whose input can be divided for nothing, by the name of their weight, and what divides it."""
    for name, block in model.image_encoder.named_modules():
        if isinstance(block, TinyViTBlock):
            stem = f"sam.image_encoder.{name}"
            yield f"{stem}.attn.qkv.weight", divide_normal(block.attn.norm)
            yield f"{stem}.attn.proj.weight", divide_values(block.attn)
            yield f"{stem}.mlp.fc1.weight", divide_normal(block.mlp.norm)


def divide_normal(norm: nn.LayerNorm) -> Divide:
    """Let a normalisation divide what it gives."""

    def divide(factors: Tensor) -> None:
        norm.weight.data /= factors
        norm.bias.data /= factors

    return divide


def divide_values(attention: Attention) -> Divide:
    """Let the projection of the values divide what attention mixes; what mixes them are weights that sum to one."""
    heads, width = attention.heads, attention.head_width

    def divide(factors: Tensor) -> None:
        packed = attention.qkv
        by_head = factors.view(heads, width)
        packed.weight.data.view(heads, 3, width, -1)[:, 2] /= by_head[..., None]
        packed.bias.data.view(heads, 3, width)[:, 2] /= by_head

    return divide


@torch.no_grad()
def absorbed(model: Sam, plan: Mapping[str, Rounding]) -> tuple[Sam, dict[str, Rounding]]:
    """Move the factors of a plan into the model where that is free.

    Returns:
        A copy of the model that computes the same, and the plan without those factors.
    """
    model = copy.deepcopy(model)
    layers, left = layers_of(model), dict(plan)
    for name, divide in dividers(model):
        rounding = plan.get(name)
        if rounding is not None and rounding.factors:
            factors = torch.tensor(rounding.factors)
            divide(factors)
            layers[name].weight.data *= factors
            left[name] = replace(rounding, factors=())
    return model, left
