"""Packed selections come back bit for bit, and are small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.stream.packed_selection import PackedMask, PackedSelection
from sam_edge.stream.selection import PinnedObject, Selection, State

BOX = (1.0, 2.0, 3.0, 4.0)


def random_mask(seed: int, height: int, width: int, share: float = 0.4) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = np.random.default_rng(seed).random((height, width)) < share
    return mask


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.02, 0.4, 0.98, 1.0]),
)
def test_masks_come_back_bit_for_bit(seed: int, height: int, width: int, share: float) -> None:
    mask = random_mask(seed, height, width, share)
    restored = PackedMask.pack(mask).unpack()
    assert restored.dtype == np.bool_
    assert np.array_equal(restored, mask)


@pytest.mark.parametrize("pinned", [0, 2])
def test_a_selection_comes_back_with_its_masks(pinned: int) -> None:
    masks = [random_mask(seed, 30, 50) for seed in range(1 + pinned)]
    selection = Selection(
        7,
        State.FOCUSED,
        mask=masks[0],
        box=BOX,
        score=0.9,
        object_id=3,
        origin="encoded",
        pinned=tuple(PinnedObject(index, mask, BOX, 0.8) for index, mask in enumerate(masks[1:])),
        timing_ms={"total": 5.0},
    )
    packed = PackedSelection.pack(selection)
    assert packed.selection.mask is None
    restored = packed.unpack()
    assert restored.mask is not None
    assert np.array_equal(restored.mask, masks[0])
    assert [item.object_id for item in restored.pinned] == list(range(pinned))
    assert all(np.array_equal(item.mask, mask) for item, mask in zip(restored.pinned, masks[1:], strict=True))
    assert (restored.state, restored.box, restored.timing_ms) == (State.FOCUSED, BOX, {"total": 5.0})


def test_no_mask_stays_none() -> None:
    nothing = Selection(7, State.NONE, mask=None, box=None, score=None, object_id=None, origin="none")
    assert PackedSelection.pack(nothing).unpack() == nothing


def test_a_mask_of_a_large_frame_and_a_view_come_back() -> None:
    mask = np.zeros((2160, 3840), np.bool_)
    mask[700:, 900:] = True
    for view in (mask, ~mask, mask[::-1, ::3], mask.T):
        assert np.array_equal(PackedMask.pack(view).unpack(), view)


def test_an_objects_mask_takes_a_kilobyte() -> None:
    rows, columns = np.mgrid[:720, :1280]
    disc = (rows - 300) ** 2 + (columns - 600) ** 2 < 150**2
    assert len(PackedMask.pack(disc).data) < 1000
