"""Packed masks come out as they went in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.masks import MaskStack


@given(st.data(), st.integers(1, 5), st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_masks_come_out_as_they_went_in(data: st.DataObject, count: int, size: tuple[int, int]) -> None:
    masks: list[NDArray[np.bool_]] = [data.draw(hnp.arrays(np.bool_, size)) for _ in range(count)]
    stack = MaskStack(size, count)
    for index, mask in enumerate(masks):
        stack.put(index, mask)
    assert stack.shape == (count, *size)
    assert len(stack) == count
    assert np.array_equal(np.asarray(stack), np.stack(masks))
    assert np.array_equal(stack[1:], np.stack(masks)[1:])
    assert all(np.array_equal(one, mask) for one, mask in zip(stack, masks, strict=True))
    assert np.array_equal(stack[-1], masks[-1])


def test_a_stack_begins_with_empty_masks() -> None:
    stack = MaskStack((3, 4), 2)
    assert not stack[1].any()
    assert np.asarray(stack, np.uint8).shape == (2, 3, 4)
    assert np.asarray(MaskStack((3, 4))).shape == (0, 3, 4)
    with pytest.raises(IndexError):
        stack[2]


def test_an_object_takes_an_eighth_of_a_byte_a_pixel_of_its_box() -> None:
    stack = MaskStack((3000, 4000), 1)
    mask = np.zeros((3000, 4000), np.bool_)
    mask[100:180, 200:300] = True
    stack.put(0, mask)
    assert stack.nbytes == 80 * 100 // 8


@pytest.mark.parametrize("mask", [np.zeros((3, 5), np.bool_), np.zeros((3, 4), np.uint8)])
def test_other_masks_are_refused(mask: NDArray[np.bool_]) -> None:
    with pytest.raises(InputError, match=r"accepted: bool \(3, 4\)"):
        MaskStack((3, 4), 1).put(0, mask)
