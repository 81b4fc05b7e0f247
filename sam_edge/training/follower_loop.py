"""Training of the follower: it follows cached sequences on its own masks, and learns from every frame."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam_edge.follow.crops import CELLS, CLIP
from sam_edge.nn.follower import Follower
from sam_edge.training.feature_cache import Batch, FeatureCache


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How the follower is trained."""

    steps: int = 1500
    """Batches."""
    batch: int = 8
    """Sequences in a batch."""
    learning_rate: float = 2e-3
    """At its highest; it rises over `warmup` steps and falls as a cosine."""
    warmup: int = 40
    """Steps of the rise."""
    weight_decay: float = 0.02
    """Of AdamW."""
    average: float = 0.99
    """Share of the old weights in the running average that is kept as the result."""
    spoil: float = 0.35
    """Probability that a carried mask is displaced further."""
    validate_every: int = 100
    """Steps between two validations."""


@dataclass(frozen=True, slots=True)
class Score:
    """Mean IoU with the true masks over the followed frames of held-out sequences."""

    network: float
    """Of the network."""
    motion: float
    """Of motion alone."""
    last: float
    """Of the network on the last frame."""


def train(
    model: Follower,
    training: FeatureCache,
    validation: FeatureCache,
    config: TrainingConfig,
    *,
    seed: int,
    report: Callable[[int, float, Score, Follower], None],
) -> Follower:
    """Train in place, and return the average of the weights that scored best.

    Args:
        model: the network.
        training: sequences to train on.
        validation: sequences of held-out photographs.
        config: how.
        seed: of the order and of the spoiling.
        report: receives the step, the mean loss since the last report, the score, and the averaged network.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    average = copy.deepcopy(model)
    best, best_score, losses = copy.deepcopy(model), -1.0, []
    for step, batch in enumerate(endless(training, config, rng), 1):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(step, config)
        loss = sequence_loss(model, batch, config, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        update_average(average, model, min(config.average, step / (step + 9)))
        losses.append(float(loss.detach()))
        if step % config.validate_every == 0 or step == config.steps:
            score = validate(average, validation, config.batch)
            report(step, float(np.mean(losses)), score, average)
            losses.clear()
            if score.network > best_score:
                best, best_score = copy.deepcopy(average), score.network
        if step == config.steps:
            return best
    return best


def endless(cache: FeatureCache, config: TrainingConfig, rng: np.random.Generator) -> Iterator[Batch]:
    """Read the cache again and again."""
    while True:
        yield from cache.batches(config.batch, rng)


def schedule(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step, as a share of the highest."""
    rise = min(1.0, step / max(1, config.warmup))
    return rise * (0.02 + 0.98 * (0.5 + 0.5 * float(np.cos(np.pi * step / config.steps))))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, keep: float) -> None:
    """Move averaged weights towards the model's."""
    for mean, value in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(value, 1 - keep)


def follow_batch(
    model: Follower, batch: Batch, spoil: Callable[[Tensor], Tensor] = lambda places: places
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Follow sequences from the true masks of their first frames.

    Yields:
        The frame, logits (B, 1, CELLS, CELLS), and the confidence's logits (B,).
    """
    with torch.autocast("cpu", torch.bfloat16):
        _, image_keys = model.embed_crop(*batch.crop(0)[1:])
    truth = batch.truth[:, 0]
    trusted = before = (image_keys, truth)
    logits = (2 * truth - 1) * CLIP
    for index in range(1, batch.truth.shape[1]):
        carried = carry(logits.detach(), spoil(batch.places[:, index]))
        with torch.autocast("cpu", torch.bfloat16):
            logits, confidence, keys = model(batch.crop(index), carried, trusted, before)
        logits = logits.float()
        before = (keys, logits.detach().sigmoid())
        yield index, logits, confidence.float()


def carry(logits: Tensor, places: Tensor) -> Tensor:
    """Carry logits (B, 1, CELLS, CELLS) to places (B, CELLS, CELLS, 2) of the crop before."""
    grid = (places + 0.5) * (2 / CELLS) - 1
    inside = F.grid_sample(logits.clamp(-CLIP, CLIP) + CLIP, grid, align_corners=False)
    return inside - CLIP


def sequence_loss(
    model: Follower, batch: Batch, config: TrainingConfig, generator: torch.Generator
) -> Tensor:
    """Return the mean loss over the followed frames of a batch."""

    def spoil(places: Tensor) -> Tensor:
        return displace(places, config.spoil, generator)

    losses = [
        mask_loss(logits, batch.truth[:, index]) + confidence_loss(confidence, logits, batch.truth[:, index])
        for index, logits, confidence in follow_batch(model, batch, spoil)
    ]
    return torch.stack(losses).mean()


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy and soft IoU."""
    entropy = F.binary_cross_entropy_with_logits(logits, truth)
    probability = logits.sigmoid()
    shared = (probability * truth).sum(dim=(1, 2, 3)) + 1
    union = (probability + truth - probability * truth).sum(dim=(1, 2, 3)) + 1
    return 2 * entropy + (1 - shared / union).mean()


def confidence_loss(confidence: Tensor, logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of the confidence with the IoU that was reached."""
    return 0.1 * F.binary_cross_entropy_with_logits(confidence, mask_iou(logits, truth))


@torch.no_grad()
def mask_iou(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the IoU of each mask (B,); 1 where both are empty."""
    found, true = logits > 0, truth > 0.5
    union = (found | true).sum(dim=(1, 2, 3))
    shared = (found & true).sum(dim=(1, 2, 3))
    return torch.where(union > 0, shared / union.clamp(min=1), 1.0)


def displace(places: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Displace some of the carried masks by a smooth random field, as a flow that is wrong does."""
    batch = places.shape[0]
    coarse = torch.randn(batch, 2, 3, 3, generator=generator) + torch.randn(
        batch, 2, 1, 1, generator=generator
    )
    field = F.interpolate(coarse, size=(CELLS, CELLS), mode="bicubic", align_corners=False)
    strength = 2.5 * torch.rand(batch, 1, 1, 1, generator=generator)
    chosen = torch.rand(batch, 1, 1, 1, generator=generator) < probability
    return places + (field * strength * chosen).permute(0, 2, 3, 1)


@torch.inference_mode()
def validate(model: Follower, cache: FeatureCache, batch_size: int) -> Score:
    """Follow all sequences of a cache, and compare with motion alone."""
    network: list[list[Tensor]] = [[] for _ in range(cache.shape[1])]
    motion: list[Tensor] = []
    for batch in cache.batches(batch_size):
        for index, logits, _ in follow_batch(model, batch):
            network[index].append(mask_iou(logits, batch.truth[:, index]))
        carried = (2 * batch.truth[:, 0] - 1) * CLIP
        for index in range(1, cache.shape[1]):
            carried = carry(carried, batch.places[:, index])
            motion.append(mask_iou(carried, batch.truth[:, index]))
    each = [float(torch.cat(values).mean()) for values in network[1:]]
    return Score(float(np.mean(each)), float(torch.cat(motion).mean()), each[-1])
