"""The model in Core ML's shapes computes what the model computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from sam_edge.exporters.coreml.modules import EMPTY, CoreMLDecoder, CoreMLEncoder
from sam_edge.runtimes.coreml import EMPTY as EMPTY_AT_RUN_TIME
from sam_edge.runtimes.coreml import fill_slots

if TYPE_CHECKING:
    from sam_edge.nn import Sam

ROWS, COLUMNS, SLOTS = 6, 10, 11


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("size", [(112, 224), (64, 80)])
def test_encoder(random_model: Sam, size: tuple[int, int], half: bool) -> None:
    """With the colours' scale in a convolution and normalisations of smaller values; with padded windows too."""
    torch.manual_seed(0)
    image = torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected = random_model.encode(image)
        made = CoreMLEncoder(random_model, half=half)(image.permute(0, 3, 1, 2).float())
    assert float((made - expected).abs().max() / expected.abs().max()) < 1e-5


@pytest.mark.parametrize("count", [1, 2, 7, SLOTS])
@pytest.mark.parametrize("given", [0.0, 1.0])
def test_decoder_with_empty_slots(random_model: Sam, count: int, given: float) -> None:
    """Points that are not there change nothing, wherever masks and labels come from."""
    torch.manual_seed(count)
    embedding = torch.randn(1, 256, ROWS, COLUMNS)
    points = torch.rand(1, count, 2) * 100
    labels = torch.randint(-1, 4, (1, count), dtype=torch.int32)
    mask, has_mask = torch.randn(1, 1, 4 * ROWS, 4 * COLUMNS) * 4, torch.tensor([given])
    filled = fill_slots(points.numpy(), labels.numpy(), SLOTS)
    with torch.inference_mode():
        expected = random_model.decode(embedding, points, labels, mask, has_mask)
        decoder = CoreMLDecoder(random_model, (ROWS, COLUMNS))
        made = decoder(embedding, *(torch.from_numpy(part) for part in filled), mask, has_mask)
    for ours, theirs in zip(made, expected, strict=True):
        assert ours.shape == theirs.shape
        assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-5


def test_slots() -> None:
    """Points keep their places, empty ones follow; both halves of the project mean the same label."""
    points, labels = fill_slots(np.ones((2, 3, 2), np.float32), np.ones((2, 3), np.int32), 5)
    assert EMPTY == EMPTY_AT_RUN_TIME
    assert points.shape == (2, 5, 2)
    assert (points.dtype, labels.dtype) == (np.dtype(np.float32), np.dtype(np.int32))
    assert labels.tolist() == [[1, 1, 1, EMPTY, EMPTY]] * 2
    assert points[:, 3:].max() == 0
