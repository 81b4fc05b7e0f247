"""Masks on the motion grid: boxes, places inside, pieces, and where gaze would rest on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.stream.candidate import (
    DENSITY_STEP,
    ObjectCandidate,
    box_on_frame,
    deepest_point,
    density_at,
    gaze_density,
    grid_iou,
    keep_pieces,
    on_one_piece,
    upsample_mask,
)

GRID = (48, 64)
FRAME = (96, 128)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    x0, y0 = draw(st.integers(0, GRID[1] - 1)), draw(st.integers(0, GRID[0] - 1))
    return x0, y0, draw(st.integers(x0 + 1, GRID[1])), draw(st.integers(y0 + 1, GRID[0]))


def grid_logits(*filled: tuple[int, int, int, int]) -> np.ndarray:
    canvas = np.full(GRID, -5, np.float32)
    for x0, y0, x1, y1 in filled:
        canvas[y0:y1, x0:x1] = 5
    return canvas


@given(boxes(), boxes())
def test_overlap_is_that_of_the_boxes(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> None:
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    shared = width * height
    assert grid_iou(grid_logits(one) > 0, grid_logits(other) > 0) == pytest.approx(
        shared / (sum(areas) - shared)
    )
    assert ObjectCandidate(grid_logits(one), 0.9).area == areas[0]


def test_overlap_of_nothing_is_none() -> None:
    assert grid_iou(grid_logits() > 0, grid_logits() > 0) == 0.0


@given(boxes())
def test_the_box_and_the_deepest_place_are_the_things_own(box: tuple[int, int, int, int]) -> None:
    found = box_on_frame(grid_logits(box), FRAME)
    assert found == tuple(2.0 * value for value in box)
    x, y = deepest_point(grid_logits(box), FRAME)
    assert found[0] < x < found[2]
    assert found[1] < y < found[3]


def test_the_deepest_place_is_on_the_thick_part() -> None:
    x, y = deepest_point(grid_logits((0, 20, 60, 23), (40, 10, 60, 30)), FRAME)
    assert 80 < x < 120
    assert 30 < y < 50


@settings(deadline=None)
@given(boxes(), st.floats(0.1, 12))
def test_densities_are_relative_to_gaze_all_over_the_frame(
    box: tuple[int, int, int, int], noise: float
) -> None:
    density = gaze_density(grid_logits(box), noise)
    assert density.shape == (GRID[0] // DENSITY_STEP, GRID[1] // DENSITY_STEP)
    assert float(density.mean()) == pytest.approx(1.0, rel=1e-4)
    assert float(density.min()) >= 0.0


def test_a_small_thing_is_denser_than_a_large_one_round_it() -> None:
    small, large = (gaze_density(grid_logits(box), 1.0) for box in ((28, 20, 36, 28), (8, 4, 56, 44)))
    assert density_at(small, 64, 48, FRAME) > 4 * density_at(large, 64, 48, FRAME)
    assert density_at(small, 24, 20, FRAME) < 0.01 < density_at(large, 24, 20, FRAME)


def test_noise_makes_room_round_a_speck() -> None:
    speck = grid_logits((31, 23, 33, 25))
    beside = (72.0, 48.0, FRAME)
    assert density_at(gaze_density(speck, 0.5), *beside) < 0.1
    assert density_at(gaze_density(speck, 5.0), *beside) > 1.0


def test_nothing_draws_no_gaze() -> None:
    assert not gaze_density(grid_logits(), 3.0).any()


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_places_outside_count_as_the_nearest_edge(x: float, y: float) -> None:
    density = np.arange(24 * 32, dtype=np.float32).reshape(24, 32)
    within = min(max(x, 0.0), 127.9), min(max(y, 0.0), 95.9)
    assert density_at(density, x, y, FRAME) == density_at(density, *within, FRAME)


def test_points_on_two_pieces_are_no_thing() -> None:
    apart = grid_logits((5, 5, 20, 20), (40, 5, 60, 20))
    here, there, beside = (20.0, 20.0), (100.0, 20.0), (64.0, 80.0)
    assert on_one_piece(apart, [here], FRAME)
    assert on_one_piece(apart, [here, (30.0, 30.0)], FRAME)
    assert not on_one_piece(apart, [here, there], FRAME)
    assert on_one_piece(apart, [here, beside], FRAME)
    assert on_one_piece(apart, [], FRAME)
    assert on_one_piece(apart, [(-50.0, 900.0)], FRAME)


def test_a_strap_across_does_not_part_a_thing() -> None:
    assert on_one_piece(grid_logits((5, 5, 20, 20), (23, 5, 40, 20)), [(20, 20), (60, 20)], FRAME)


def test_pieces_that_nobody_looked_at_go() -> None:
    """Two things that touched were one mask; once they have parted, only what was looked at stays."""
    apart = grid_logits((5, 5, 20, 20), (30, 5, 45, 20))
    here, there, beside = (20.0, 20.0), (70.0, 20.0), (50.0, 90.0)
    assert np.array_equal(keep_pieces(apart, [here], FRAME) > 0, grid_logits((5, 5, 20, 20)) > 0)
    assert np.array_equal(keep_pieces(apart, [here, there], FRAME), apart)
    assert np.array_equal(keep_pieces(apart, [beside], FRAME), apart)
    assert np.array_equal(keep_pieces(apart, [], FRAME), apart)
    strapped = grid_logits((5, 5, 20, 20), (23, 5, 40, 20))
    assert np.array_equal(keep_pieces(strapped, [here], FRAME), strapped)


@settings(max_examples=40)
@given(boxes())
def test_a_mask_scaled_to_the_frame_stays_where_it_is(box: tuple[int, int, int, int]) -> None:
    full = upsample_mask(grid_logits(box), FRAME)
    assert full.shape == FRAME
    assert full.dtype == np.bool_
    x0, y0, x1, y1 = (2 * value for value in box)
    assert full[y0:y1, x0:x1].all()
    assert np.count_nonzero(full) == (x1 - x0) * (y1 - y0)
