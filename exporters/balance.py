"""Equalizes the channels of layer inputs where that costs nothing.

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

from sam_edge.exporters.rounding import Rounding, encoder_layers
from sam_edge.nn import Sam
from sam_edge.nn.tiny_vit import Attention, TinyViTBlock

Divide = Callable[[Tensor], None]


def find_dividers(model: Sam) -> Iterator[tuple[str, Divide]]:
    """Yield the layers whose input can be divided at no cost: the name of their weight, and what divides."""
    for name, block in model.image_encoder.named_modules():
        if isinstance(block, TinyViTBlock):
            stem = f"sam.image_encoder.{name}"
            yield f"{stem}.attn.qkv.weight", divide_normal(block.attn.norm)
            yield f"{stem}.attn.proj.weight", divide_values(block.attn)
            yield f"{stem}.mlp.fc1.weight", divide_normal(block.mlp.norm)


def divide_normal(norm: nn.LayerNorm) -> Divide:
    """Return a function that divides the outputs of a normalisation by factors."""

    def divide(factors: Tensor) -> None:
        norm.weight.data /= factors
        norm.bias.data /= factors

    return divide


def divide_values(attention: Attention) -> Divide:
    """Return a function that divides the projected values of attention by factors; attention weights sum to one."""
    heads, width = attention.heads, attention.head_width

    def divide(factors: Tensor) -> None:
        packed = attention.qkv
        by_head = factors.view(heads, width)
        packed.weight.data.view(heads, 3, width, -1)[:, 2] /= by_head[..., None]
        packed.bias.data.view(heads, 3, width)[:, 2] /= by_head

    return divide


@torch.no_grad()
def absorb_factors(model: Sam, plan: Mapping[str, Rounding]) -> tuple[Sam, dict[str, Rounding]]:
    """Move the factors of a plan into the model where that is free.

    Returns:
        A copy of the model that computes the same, and the plan without those factors.
    """
    model = copy.deepcopy(model)
    layers, left = encoder_layers(model), dict(plan)
    for name, divide in find_dividers(model):
        rounding = plan.get(name)
        if rounding is not None and rounding.factors:
            factors = torch.tensor(rounding.factors)
            divide(factors)
            layers[name].weight.data *= factors
            left[name] = replace(rounding, factors=())
    return model, left
