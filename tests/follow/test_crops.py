"""Views round an object, and masks that are carried from one view to the next."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.follow.crops import (
    CELLS,
    CLIP,
    MARGIN,
    MIN_SIDE_PX,
    SIDE,
    carry_cells,
    paste_cells,
    places_before,
    render_crop,
    sample_map,
    square_round,
)
from sam_edge.geometry import View

SIZE = (240, 320)
GRID = (120, 160)


def disc(x: float, y: float, radius: float) -> NDArray[np.float32]:
    """Draw a disc on the frame, 0 or 1; places are continuous."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.asarray(np.hypot(columns - x, rows - y) <= radius, np.float32)


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum() / (first | second).sum())


def test_a_view_is_square_and_lies_round_its_box() -> None:
    view = square_round((100, 60, 200, 120))
    assert view.width == view.height == int(100 * MARGIN)
    assert abs(view.x0 + view.width / 2 - 150) <= 1
    assert abs(view.y0 + view.height / 2 - 90) <= 1


def test_a_small_object_is_not_magnified_without_end() -> None:
    assert square_round((100, 60, 104, 63)).width == MIN_SIDE_PX


def test_a_view_may_reach_over_the_frame() -> None:
    image = np.full((*SIZE, 3), 200, np.uint8)
    crop = render_crop(image, square_round((0, 0, 100, 100)))
    assert crop.shape == (SIDE, SIDE, 3)
    assert (crop[-1, -1] == 200).all()
    assert (crop[0, 0] != 200).all()


@pytest.mark.parametrize("box", [(60, 50, 260, 190), (140, 100, 180, 140)])
def test_a_mask_comes_back_from_its_view(box: tuple[float, float, float, float]) -> None:
    mask = disc((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[3] - box[1]) / 2)
    view = square_round(box)
    cells = sample_map(mask, view, SIZE, 0.0)
    assert cells.shape == (CELLS, CELLS)
    back = paste_cells((2 * cells - 1) * np.float32(CLIP), view, SIZE, SIZE) > 0
    assert iou(back, mask > 0.5) > 0.97


def test_a_map_on_a_grid_is_sampled_as_one_on_the_frame() -> None:
    mask, view = disc(150, 120, 50), square_round((100, 70, 200, 170))
    on_grid = paste_cells(sample_map(mask, view, SIZE, 0.0) * 2 - 1, view, SIZE, GRID)
    assert iou(on_grid > 0, mask[1::2, 1::2] > 0.5) > 0.93


def test_what_lies_outside_a_view_is_not_on_the_object() -> None:
    pasted = paste_cells(np.ones((CELLS, CELLS), np.float32), View(100, 60, 90, 90), SIZE, SIZE)
    assert pasted[100, 140] == 1
    assert pasted[10, 10] == pasted[-1, -1] == -CLIP


def test_a_mask_moves_with_the_image() -> None:
    before, now = square_round((100, 70, 200, 170)), square_round((117, 60, 217, 160))
    logits = (2 * sample_map(disc(150, 120, 40), before, SIZE, 0.0) - 1) * np.float32(CLIP)
    # The object moved by (16, -8) frame pixels: back on the grid, which is half as fine, that is (-8, 4).
    back = np.broadcast_to(np.array([-8, 4], np.float32), (*GRID, 2)).copy()
    carried = carry_cells(logits, places_before(back, SIZE, now, before))
    assert iou(paste_cells(carried, now, SIZE, SIZE) > 0, disc(166, 112, 40) > 0.5) > 0.96


def test_cells_that_were_outside_the_earlier_view_are_empty() -> None:
    logits = np.full((CELLS, CELLS), 3, np.float32)
    still = np.zeros((*GRID, 2), np.float32)
    carried = carry_cells(logits, places_before(still, SIZE, View(150, 70, 100, 100), View(50, 70, 100, 100)))
    assert (carried == -CLIP).mean() > 0.98
