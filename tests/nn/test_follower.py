"""The follower in torch: what its parts promise, on small random inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sam_edge.errors import InputError
from sam_edge.nn import mobile_sam
from sam_edge.nn.follower import Follower, FollowerConfig, FollowerGraph, FrozenFeatures, MemoryMatch
from sam_edge.nn.follower_weights import load_follower, save_follower
from sam_edge.nn.tiny_vit import TinyViT

SIDE, PLACES, CELLS = 56, 7, 28
PARAMETERS = 1_000_000


@pytest.fixture
def model() -> Follower:
    torch.manual_seed(0)
    return Follower(side=SIDE).eval()


def crop(batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.randn(batch, 3, SIDE, SIDE),
        torch.randn(batch, 64, SIDE // 4, SIDE // 4),
        torch.randn(batch, 128, PLACES, PLACES),
    )


def test_an_untrained_network_keeps_what_was_carried(model: Follower) -> None:
    seen, carried = crop(), 8 * torch.randn(2, 1, CELLS, CELLS)
    _, keys = model.embed_crop(*seen[1:])
    memory = (keys, torch.rand(2, 1, CELLS, CELLS))
    logits, confidence, own_keys = model(seen, carried, memory, memory)
    assert logits.shape == carried.shape
    assert confidence.shape == (2,)
    assert torch.equal(logits > 0, carried > 0)
    assert torch.equal(own_keys, keys)


def test_objects_of_a_batch_do_not_see_each_other(model: Follower) -> None:
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    seen, carried = crop(), torch.randn(2, 1, CELLS, CELLS)
    _, keys = model.embed_crop(*seen[1:])
    mask = torch.rand(2, 1, CELLS, CELLS)
    both = model(seen, carried, (keys, mask), (keys, mask))[0]
    first = (keys[:1], mask[:1])
    alone = model(tuple(part[:1] for part in seen), carried[:1], first, first)[0]
    torch.testing.assert_close(both[:1], alone, rtol=1e-4, atol=1e-5)


def match_of(nearness: float, nowhere: float = -20.0) -> MemoryMatch:
    match = MemoryMatch(FollowerConfig(heads=1), PLACES)
    match.sharpness.data.fill_(3.5)
    match.nearness.data.fill_(nearness)
    match.nowhere.data.fill_(nowhere)
    return match


def unit_keys(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(1, 1, count, 32, generator=generator), dim=3)


def test_a_mask_is_read_where_places_look_alike() -> None:
    keys = unit_keys(PLACES**2)
    order = torch.randperm(PLACES**2, generator=torch.Generator().manual_seed(1))
    masks = (torch.arange(PLACES**2) % 2).float()[None, :, None]
    read = match_of(-20.0)(keys[:, :, order], keys, masks)
    assert read.shape == (1, 2, PLACES, PLACES)
    torch.testing.assert_close(read[0, 0].flatten(), masks[0, order, 0], rtol=0, atol=0.05)
    assert read[0, 1].min() > 0.95


def test_of_equal_places_the_near_one_counts() -> None:
    keys = torch.ones(1, 1, PLACES**2, 32) / 32**0.5
    masks = (torch.arange(PLACES**2) % PLACES < 3).float()[None, :, None]
    read = match_of(1.0)(keys, keys, masks)[0, 0]
    torch.testing.assert_close(read.flatten(), masks.flatten(), rtol=0, atol=0.1)


def test_a_place_like_none_reads_little() -> None:
    keys = F.normalize(1 + 0.1 * unit_keys(PLACES**2), dim=3)
    masks = torch.ones(1, PLACES**2, 1)
    match = match_of(-20.0, nowhere=0.0)
    assert match(keys, keys, masks)[0, 1].min() > 0.99
    assert match(-keys, keys, masks)[0, 1].max() < 0.01


def test_the_frozen_features_are_the_encoders_own() -> None:
    torch.manual_seed(0)
    encoder = TinyViT().eval()
    features = FrozenFeatures(encoder)
    seen: dict[str, Tensor] = {}
    for name, layer in (("fine", "layers.0.downsample"), ("coarse", "layers.1.downsample")):
        encoder.get_submodule(layer).register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update({name: inputs[0]})
        )
    image = torch.randn(1, 3, 112, 112)
    with torch.inference_mode():
        encoder(image)
        fine, coarse = features(image)
    torch.testing.assert_close(fine, seen["fine"])
    torch.testing.assert_close(coarse, seen["coarse"])
    assert fine.shape == (1, 64, 28, 28)
    assert coarse.shape == (1, 128, 14, 14)


def test_frozen_and_trained_parameters_stay_under_a_million() -> None:
    graph = FollowerGraph(mobile_sam(), Follower())
    assert sum(parameter.numel() for parameter in graph.parameters()) < PARAMETERS


def test_weights_come_back_with_their_configuration(tmp_path: Path) -> None:
    model = Follower(FollowerConfig(widths=(32, 16, 8), depths=(1, 1, 1)))
    save_follower(tmp_path / "follower.safetensors", model, {"seed": "0"})
    read = load_follower(tmp_path / "follower.safetensors")
    assert read.config == model.config
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in model.state_dict().items())


def test_weights_that_are_not_there_are_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_follower(tmp_path / "follower.safetensors")


def test_weights_without_a_configuration_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no configuration"):
        load_follower(tmp_path / "other.safetensors")
