"""Boxes of many masks, overlaps of sets, and suppression of what says the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as pycoco

from sam_edge.errors import InputError
from sam_edge.masks import (
    box_areas,
    box_iou,
    iou,
    mask_iou,
    mask_to_box,
    masks_to_boxes,
    nms,
    overlap,
    suppress_overlaps,
)

STACKS = arrays.arrays(bool, st.tuples(st.integers(0, 5), st.just(5), st.just(7)))
BOXES = arrays.arrays(
    float, st.tuples(st.integers(1, 7), st.just(2), st.just(2)), elements=st.integers(0, 30)
).map(lambda corners: np.concatenate([corners[:, 0], corners[:, 0] + corners[:, 1]], axis=1))


@given(masks=STACKS)
def test_boxes_of_many_are_those_of_each(masks: NDArray[np.bool_]) -> None:
    assert masks_to_boxes(masks).tolist() == [list(mask_to_box(mask) or (0, 0, 0, 0)) for mask in masks]


@given(first=STACKS, second=STACKS)
def test_overlaps_of_sets_are_those_of_pairs(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> None:
    matrix = mask_iou(first, second)
    assert matrix.shape == (len(first), len(second))
    for row, one in zip(matrix, first, strict=True):
        assert row.tolist() == pytest.approx([iou(one, other) for other in second])
    assert (mask_iou(first) == mask_iou(first).T).all()


def test_masks_larger_than_a_block_are_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = np.random.default_rng(0).random((3, 40, 50)) < 0.4
    whole = mask_iou(masks)
    monkeypatch.setattr(overlap, "BLOCK_PX", 77)
    np.testing.assert_array_equal(mask_iou(masks), whole)


@given(first=BOXES, second=BOXES)
def test_overlaps_of_boxes_are_those_of_pycocotools(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> None:
    def corner_and_sides(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)

    solid, others = first[box_areas(first) > 0], second[box_areas(second) > 0]
    if not len(solid) or not len(others):
        assert (box_iou(first, second) == 0).all()
        return
    their = pycoco.iou(corner_and_sides(solid), corner_and_sides(others), [0] * len(others))
    np.testing.assert_allclose(box_iou(solid, others), their, atol=1e-12)


@given(boxes=BOXES, seed=st.integers(0, 5), above=st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_suppression_keeps_the_best_of_what_says_the_same(
    boxes: NDArray[np.float64], seed: int, above: float
) -> None:
    scores = np.random.default_rng(seed).random(len(boxes)).round(1)
    kept = nms(boxes, scores, above=above)
    assert kept[0] == scores.argmax()
    assert (np.diff(scores[kept]) <= 0).all()
    overlaps = box_iou(boxes, boxes)
    np.fill_diagonal(overlaps, 0)
    assert (overlaps[np.ix_(kept, kept)] <= above).all()
    for gone in set(range(len(boxes))) - set(kept.tolist()):
        better = [one for one in kept if scores[one] >= scores[gone]]
        assert overlaps[gone, better].max() > above
    assert suppress_overlaps(box_iou(boxes, boxes), scores, above=above).tolist() == kept.tolist()


def test_nothing_is_suppressed_of_nothing() -> None:
    assert nms([], []).tolist() == []
    assert box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nms([[0, 0, 1, 1]], [1, 2]), "scores"),
        (lambda: nms([[0, 0, 1, 1]], [np.nan]), "NaN"),
        (lambda: nms([[0, 0, 1, 1]], [1], above=1.5), "0 to 1"),
        (lambda: nms([[0, 0, 1]], [1]), r"\(N, 4\)"),
        (lambda: box_iou([["a"] * 4], []), "not boxes"),
        (lambda: box_areas([[0, 0, 1, np.inf]]), "infinity"),
        (lambda: suppress_overlaps(np.zeros((2, 3)), [1, 2], above=0.5), r"\(N, N\)"),
        (lambda: mask_iou(np.zeros((2, 3), bool)), r"\(N, H, W\)"),
        (lambda: mask_iou(np.zeros((1, 2, 3), bool), np.zeros((1, 3, 2), bool)), "one height and width"),
        (lambda: masks_to_boxes(np.zeros((2, 3), bool)), r"mask\[None\]"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
