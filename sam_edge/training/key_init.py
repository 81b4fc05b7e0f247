"""First weights of the follower's keys: the principal components of the frozen features, whitened."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sam_edge.nn.follower import Follower
from sam_edge.training.feature_cache import FeatureCache

SEQUENCES = 24
"""Sequences whose features are analysed."""
SHRINKAGE = 0.1
"""Share of the mean variance that is added to each component's, so that noise is not magnified."""


@torch.no_grad()
def initialise_keys(model: Follower, cache: FeatureCache, generator: torch.Generator) -> None:
    """Set the keys' weights, so that places that look alike have like keys before any training.

    Components are mixed by a random rotation, so that every head has its share of the strong ones.
    """
    count = min(SEQUENCES, cache.shape[0])
    batch = cache.read(np.arange(count))
    features = stack_scales(batch.fine.flatten(0, 1), batch.coarse.flatten(0, 1))
    mean = features.mean(dim=0)
    variances, components = torch.linalg.eigh(torch.cov(features.T))
    width = model.config.key_width
    scale = (variances[-width:] + SHRINKAGE * variances.mean()).rsqrt()
    rotation, _ = torch.linalg.qr(torch.randn(width, width, generator=generator))
    weights = rotation @ (components[:, -width:] * scale).T
    fine, coarse = weights.split((256, 128), dim=1)
    model.key.fine.weight.copy_(fine.reshape(width, 64, 2, 2))
    model.key.coarse.weight.copy_(coarse[:, :, None, None])
    model.key.fine.bias.zero_()  # type: ignore[union-attr]
    model.key.coarse.bias.copy_(-(weights @ mean))  # type: ignore[union-attr]


def stack_scales(fine: Tensor, coarse: Tensor) -> Tensor:
    """Join (N, 64, 2h, 2w) and (N, 128, h, w) to the features of each place: (N h w, 384)."""
    joined = torch.cat([F.pixel_unshuffle(fine, 2), coarse], dim=1)
    return joined.permute(0, 2, 3, 1).flatten(0, 2)
