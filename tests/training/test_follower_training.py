"""The follower's training: the cache gives back what it was given, and training lowers the loss, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sam_edge.follow.crops import CELLS, SIDE
from sam_edge.nn.follower import Follower
from sam_edge.training.crops import CropSequence
from sam_edge.training.feature_cache import FeatureCache
from sam_edge.training.follower_loop import (
    Score,
    TrainingConfig,
    carry,
    displace,
    mask_iou,
    mask_loss,
    schedule,
    train,
)
from sam_edge.training.key_init import initialise_keys

SEQUENCES, FRAMES = 3, 3


def features(images: NDArray[np.uint8]) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Stand in for the frozen part: colours, repeated."""
    scaled = (images / 64).astype(np.float16)
    fine = np.repeat(scaled[:, ::4, ::4], 22, axis=3)[..., :64]
    coarse = np.repeat(scaled[:, ::8, ::8], 43, axis=3)[..., :128]
    return np.asarray(fine, np.float16), np.asarray(coarse, np.float16)


def make_sequence(seed: int) -> CropSequence:
    """Make a bright square on noise that moves by 4 cells a frame, while motion says that it stands still."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (FRAMES, SIDE, SIDE, 3)).astype(np.uint8)
    truth = np.zeros((FRAMES, CELLS, CELLS), np.uint8)
    for frame in range(FRAMES):
        left = 20 + 4 * frame
        truth[frame, 20:60, left : left + 30] = 255
        images[frame, 40:120, 2 * left : 2 * left + 60] += 120
    rows, columns = np.mgrid[:CELLS, :CELLS].astype(np.float32)
    places = np.broadcast_to(np.stack([columns, rows], axis=-1), (FRAMES, CELLS, CELLS, 2)).copy()
    return CropSequence(images, truth, places)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster in one thread, and sums then come in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    cache = FeatureCache(tmp_path / "train", mode="w+", shape=(SEQUENCES, FRAMES))
    for index in range(SEQUENCES):
        cache.write(index, make_sequence(index), features)
    return cache


def test_a_cache_gives_back_what_was_written(cache: FeatureCache) -> None:
    batch = FeatureCache(cache.folder).read(np.array([1]))
    sequence = make_sequence(1)
    assert batch.images.shape == (1, FRAMES, 3, SIDE, SIDE)
    np.testing.assert_allclose(batch.truth[0, :, 0].numpy() * 255, sequence.truth, atol=1e-4)
    np.testing.assert_allclose(batch.places[0].numpy(), sequence.places, atol=0.05)
    np.testing.assert_allclose(batch.fine[0].permute(0, 2, 3, 1).numpy(), features(sequence.images)[0])


def test_batches_in_order_hold_everything_and_shuffled_ones_are_full(cache: FeatureCache) -> None:
    assert [len(batch.truth) for batch in cache.batches(2)] == [2, 1]
    assert [len(batch.truth) for batch in cache.batches(2, np.random.default_rng(0))] == [2]


def run(cache: FeatureCache, steps: int) -> tuple[Follower, list[float], list[Score]]:
    torch.manual_seed(0)
    model = Follower()
    initialise_keys(model, cache, torch.Generator().manual_seed(0))
    losses: list[float] = []
    scores: list[Score] = []

    def note(step: int, loss: float, score: Score, average: Follower) -> None:
        losses.append(loss)
        scores.append(score)

    config = TrainingConfig(steps=steps, batch=2, warmup=1, validate_every=max(1, steps // 2))
    return train(model, cache, cache, config, seed=0, report=note), losses, scores


def test_training_lowers_the_loss_and_beats_motion(cache: FeatureCache) -> None:
    _, losses, scores = run(cache, 8)
    assert losses[-1] < losses[0]
    assert scores[-1].network > scores[-1].motion


def test_training_is_the_same_for_the_same_seed(cache: FeatureCache) -> None:
    first, again = (run(cache, 2)[0].state_dict() for _ in range(2))
    assert all(torch.equal(value, again[name]) for name, value in first.items())


def test_keys_begin_with_the_features_own_likeness(cache: FeatureCache) -> None:
    model = Follower()
    initialise_keys(model, cache, torch.Generator().manual_seed(0))
    batch = cache.read(np.array([0]))
    with torch.no_grad():
        _, keys = model.embed_crop(*batch.crop(0)[1:])
    inside = (batch.truth[0, 0, 0, 2::4, 2::4] > 0.5).flatten()
    cosines = (keys[0, 0] @ keys[0, 0].T).numpy()
    assert cosines[inside][:, inside].mean() > cosines[inside][:, ~inside].mean() + 0.1


def test_a_mask_is_carried_by_its_places() -> None:
    logits = torch.full((1, 1, CELLS, CELLS), -8.0)
    logits[..., 30:40, 30:40] = 8
    rows, columns = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    places = torch.stack([columns - 5, rows + 3], dim=-1)[None].float()
    carried = carry(logits, places)
    assert torch.equal(carried > 0, logits.roll((-3, 5), (2, 3)) > 0)
    assert carried[..., 0].max() == -8


def test_spoiling_moves_chosen_masks_only() -> None:
    places = torch.zeros(2, CELLS, CELLS, 2)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(displace(places, 0.0, generator), places)
    assert not torch.equal(displace(places, 1.0, generator), places)


def test_the_loss_is_least_for_the_true_mask() -> None:
    truth = torch.zeros(1, 1, CELLS, CELLS)
    truth[..., 20:60, 20:60] = 1
    right, wrong = 16 * truth - 8, 16 * truth.roll(10, 3) - 8
    assert mask_loss(right, truth) < 0.01 < mask_loss(wrong, truth)
    assert mask_iou(right, truth).item() == 1
    assert mask_iou(-8 * torch.ones_like(truth), torch.zeros_like(truth)).item() == 1


def test_the_learning_rate_rises_and_falls() -> None:
    config = TrainingConfig(steps=100, warmup=10)
    rates = [schedule(step, config) for step in range(1, 101)]
    assert rates.index(max(rates)) == 9
    assert rates[-1] < 0.05
