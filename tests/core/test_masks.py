"""Which mask is meant, and the small tools on masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from sam_edge.masks import NEAR_BEST, Masks, best_first, iou, mask_to_box

ALL = (0, 1, 2, 3)


def order(
    areas: list[float], scores: list[float], token: tuple[int, ...] = ALL, *, ambiguous: bool
) -> list[int]:
    """Tokens in the order that `best_first` puts them."""
    kept = np.array(token)
    index = best_first(np.array(areas, float), np.array(scores, np.float32), kept, ambiguous=ambiguous)
    return [int(value) for value in kept[index]]


class TestBestFirst:
    def test_one_point_means_the_largest_of_the_three_that_are_nearly_the_best(self) -> None:
        assert order([500, 10, 100, 1000], [0.99, 0.95, 0.90, 0.88], ambiguous=True) == [3, 0, 1, 2]

    def test_a_large_mask_with_a_poor_score_is_not_meant(self) -> None:
        assert order([500, 10, 100, 1000], [0.5, 0.95, 0.90, 0.80], ambiguous=True) == [2, 1, 3, 0]

    def test_the_single_mask_is_never_what_one_point_means(self) -> None:
        assert order([9999, 10, 20, 30], [1.0, 0.6, 0.3, 0.2], ambiguous=True)[0] == 1

    def test_a_tenth_below_the_best_is_still_near(self) -> None:
        scores = np.array([0, 1.0, 0.25, 0.25], np.float32)
        scores[2] = scores[1] - np.float32(NEAR_BEST)
        assert order([0, 10, 20, 900], scores.tolist(), ambiguous=True)[0] == 2
        scores[2] -= np.float32(0.001)
        assert order([0, 10, 20, 900], scores.tolist(), ambiguous=True)[0] == 1

    def test_a_prompt_that_says_more_means_the_single_mask(self) -> None:
        assert order([1, 10, 100, 1000], [0.2, 0.95, 0.90, 0.88], ambiguous=False) == [0, 1, 2, 3]

    @pytest.mark.parametrize("ambiguous", [True, False])
    def test_the_single_mask_alone_is_itself(self, ambiguous: bool) -> None:
        assert order([5], [0.1], (0,), ambiguous=ambiguous) == [0]

    def test_without_the_single_mask_the_best_score_is_meant(self) -> None:
        assert order([10, 100, 1000], [0.85, 0.9, 0.88], (1, 2, 3), ambiguous=False) == [2, 3, 1]

    def test_equal_masks_keep_their_order(self) -> None:
        assert order([7, 7, 7, 7], [0.5, 0.5, 0.5, 0.5], ambiguous=True) == [1, 0, 2, 3]

    @given(
        areas=arrays.arrays(float, 4, elements=st.floats(0, 1e6)),
        scores=arrays.arrays(np.float32, 4, elements=st.floats(-1, 2, width=32)),
        ambiguous=st.booleans(),
    )
    def test_every_mask_is_kept_and_the_rest_goes_by_score(
        self, areas: NDArray[np.float64], scores: NDArray[np.float32], ambiguous: bool
    ) -> None:
        index = best_first(areas, scores, np.arange(4), ambiguous=ambiguous)
        assert sorted(index.tolist()) == [0, 1, 2, 3]
        assert (np.diff(scores[index[1:]]) <= 0).all()
        assert (index[0] == 0) is not ambiguous


class TestBoxes:
    def test_the_box_of_some_pixels(self) -> None:
        mask = np.zeros((20, 30), bool)
        mask[4, 7] = mask[9, 12] = True
        assert mask_to_box(mask) == (7.0, 4.0, 13.0, 10.0)

    def test_an_empty_mask_has_none(self) -> None:
        assert mask_to_box(np.zeros((5, 5), bool)) is None

    @given(mask=arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
    def test_the_box_holds_every_pixel_and_none_could_be_smaller(self, mask: NDArray[np.bool_]) -> None:
        box = mask_to_box(mask)
        if not mask.any():
            assert box is None
            return
        assert box is not None
        x0, y0, x1, y1 = (int(value) for value in box)
        assert mask[y0:y1, x0:x1].sum() == mask.sum()
        for edge in (mask[y0, :], mask[y1 - 1, :], mask[:, x0], mask[:, x1 - 1]):
            assert edge.any()

    @pytest.mark.parametrize("several", [False, True])
    def test_a_result_has_a_box_for_each_of_its_masks(self, several: bool) -> None:
        masks = np.zeros((2, 10, 12), bool)
        masks[0, 2:5, 3:9] = True
        shape = (1, 2) if several else (2,)
        made = Masks(
            masks=masks.reshape(*shape, 10, 12),
            scores=np.zeros(shape, np.float32),
            logits=np.zeros((*shape, 4, 4), np.float32),
            token=np.zeros(shape, np.int64),
        )
        assert made.boxes.tolist() == np.reshape([[3, 2, 9, 5], [0, 0, 0, 0]], (*shape, 4)).tolist()
        np.testing.assert_array_equal(made.best, masks[None, 0] if several else masks[0])


MASK_PAIRS = st.tuples(*[arrays.arrays(bool, (6, 7))] * 2)


class TestIou:
    def test_known_overlaps(self) -> None:
        first, second = np.zeros((2, 4, 4), bool)
        assert iou(first, second) == 1.0
        first[:2] = True
        assert iou(first, second) == 0.0
        second[1:3] = True
        assert iou(first, second) == pytest.approx(4 / 12)
        assert iou(first, first) == 1.0

    @given(pair=MASK_PAIRS)
    def test_is_symmetric_and_within_bounds(self, pair: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> None:
        first, second = pair
        value = iou(first, second)
        assert 0 <= value <= 1
        assert value == iou(second, first)
        assert (value == 1) == bool((first == second).all())
        assert value == pytest.approx(iou(first.T, second.T))
