"""Masks are scaled to the frame when they are asked for, and only those that are; with the same bits."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import sam_edge
from sam_edge.geometry import Placement, View
from sam_edge.masks.lazy_masks import LazyMasks, areas_that_decide, bound_areas
from sam_edge.segmenter import Segmenter

FRAME = (60, 90)
VIEWS = (View(0, 0, 90, 60), View(10, 20, 33, 31), View(-20, -10, 90, 60), View(40, 30, 90, 60))


def smooth_logits(seed: int, count: int, placement: Placement) -> NDArray[np.float32]:
    """Make `count` maps with blobs and noise; some are all inside or all outside."""
    rng = np.random.default_rng(seed)
    rows, columns = (side // 4 for side in placement.size)
    logits = rng.normal(size=(count, rows, columns))
    logits += np.cumsum(np.cumsum(rng.normal(size=logits.shape), axis=1), axis=2) * rng.uniform(0, 0.2)
    return (logits + rng.normal(0, 3, (count, 1, 1))).astype(np.float32)


def scale_all(logits: NDArray[np.float32], placement: Placement) -> NDArray[np.bool_]:
    """Scale one mask after the other."""
    return np.stack([placement.paste(low, FRAME) > 0 for low in logits])


@pytest.fixture
def pastes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count what is scaled to the frame."""
    made: list[int] = []
    paste = Placement.paste

    def count(self: Placement, low: NDArray[np.float32], frame_size: tuple[int, int]) -> NDArray[np.float32]:
        made.append(1)
        return paste(self, low, frame_size)

    monkeypatch.setattr(Placement, "paste", count)
    return made


@given(seed=st.integers(0, 10_000), view=st.sampled_from(VIEWS), best_first=st.booleans())
def test_the_masks_are_those_that_were_scaled_one_by_one(seed: int, view: View, best_first: bool) -> None:
    placement = Placement(view, (64, 96))
    logits = smooth_logits(seed, 6, placement)
    expected = scale_all(logits, placement).reshape(2, 3, *FRAME)
    lazy = LazyMasks(logits.reshape(2, 3, *logits.shape[1:]), placement, FRAME)
    if best_first:
        np.testing.assert_array_equal(lazy.best(), expected[:, 0])
    np.testing.assert_array_equal(lazy.every(), expected)
    np.testing.assert_array_equal(lazy.best(), expected[:, 0])


@given(seed=st.integers(0, 10_000), view=st.sampled_from(VIEWS))
def test_areas_lie_within_their_bounds_and_the_largest_is_told(seed: int, view: View) -> None:
    placement = Placement(view, (64, 96))
    logits = smooth_logits(seed, 3, placement)
    true = np.count_nonzero(scale_all(logits, placement), axis=(1, 2))
    least, most = bound_areas(logits, placement, FRAME)
    assert (least <= true).all()
    assert (true <= most).all()
    areas, scaled = areas_that_decide(logits, placement, FRAME)
    assert areas.argmax() == true.argmax()
    for index, mask in scaled.items():
        assert np.count_nonzero(mask) == areas[index] == true[index]


def test_masks_that_differ_plainly_are_told_apart_without_scaling_them(pastes: list[int]) -> None:
    placement = Placement(VIEWS[0], (64, 96))
    logits = np.full((3, 16, 24), -1, np.float32)
    logits[0, 2:5, 2:5], logits[1, 2:12, 2:20], logits[2, 3:6, 3:6] = 1, 1, 1
    areas, scaled = areas_that_decide(logits, placement, FRAME)
    assert areas.argmax() == 1
    assert not scaled
    assert not pastes


def test_the_best_alone_scales_one_mask_and_nothing_is_scaled_twice(pastes: list[int]) -> None:
    with sam_edge.load(runtime="fake") as model:
        embedding = model.encode(np.zeros((*FRAME, 3), np.uint8))
        masks = model.decode(embedding, points=[[40, 30], [50, 30]], labels=[1, 1])
    assert not pastes
    best = masks.best
    assert len(pastes) == 1
    assert masks.best is best
    np.testing.assert_array_equal(masks.masks[0], best)
    assert len(pastes) == 4
    assert np.shares_memory(masks.best, masks.masks)
    assert masks.boxes.shape == (4, 4)
    assert len(pastes) == 4


def test_a_result_stays_as_it_is_when_the_model_decodes_again_and_closes() -> None:
    model = Segmenter(sam_edge.load(runtime="onnxruntime", threads=1).runtime)
    rng = np.random.default_rng(0)
    with model:
        embedding = model.encode(rng.integers(0, 255, (64, 64, 3), np.uint8), size=(64, 64))
        first = model.decode(embedding, points=[[30, 20]])
        logits = first.logits.copy()
        again = model.decode(embedding, points=[[30, 20]]).masks.copy()
        model.decode(embedding, points=[[5, 60]])
    np.testing.assert_array_equal(first.logits, logits)
    np.testing.assert_array_equal(first.masks, again)


def test_a_result_is_pickled_before_and_after_it_was_scaled() -> None:
    with sam_edge.load(runtime="fake") as model:
        embedding = model.encode(np.zeros((*FRAME, 3), np.uint8))
        masks = model.decode(embedding, points=[[[40, 30]], [[70, 20]]])
    copies = [pickle.loads(pickle.dumps(masks))]
    expected = masks.masks
    copies.append(pickle.loads(pickle.dumps(masks)))
    for copy in copies:
        np.testing.assert_array_equal(copy.best, expected[:, 0])
        np.testing.assert_array_equal(copy.masks, expected)
