"""Islands go, holes are filled, and nothing else changes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import ndimage

from sam_edge.errors import InputError
from sam_edge.masks import fill_holes, remove_islands
from sam_edge.masks.clean import find_components, hole_area_px

MASKS = arrays.arrays(bool, (12, 13))
CORNERS = np.ones((3, 3))


@given(mask=MASKS)
def test_islands_are_the_small_pieces(mask: NDArray[np.bool_]) -> None:
    labels, count = ndimage.label(mask, CORNERS)
    areas = ndimage.sum_labels(mask, labels, range(1, count + 1))
    keep = [number + 1 for number, area in enumerate(areas) if area >= 0.3 * areas.max()]
    np.testing.assert_array_equal(remove_islands(mask, 0.3), np.isin(labels, keep))


@given(mask=MASKS)
def test_pieces_and_holes_are_counted_to_the_pixel(mask: NDArray[np.bool_]) -> None:
    labels, count = ndimage.label(mask, CORNERS)
    pieces = find_components(mask)
    areas = ndimage.sum_labels(mask, labels, range(1, count + 1))
    assert sorted(piece.area_px for piece in pieces) == sorted(areas)
    for piece in pieces:
        for hole in piece.holes:
            ring = np.zeros(mask.shape, bool)
            ring[hole[:, 0, 1], hole[:, 0, 0]] = True
            assert hole_area_px(hole) == (ndimage.binary_fill_holes(ring) & ~ring).sum()


def test_large_pieces_are_counted_to_the_pixel() -> None:
    canvas = np.zeros((1080, 1920), np.uint8)
    cv2.ellipse(canvas, (900, 500), (800, 450), 20, 0, 360, 1, -1)
    cv2.circle(canvas, (900, 500), 303, 0, -1)
    (piece,) = find_components(canvas > 0)
    assert piece.area_px == np.count_nonzero(canvas)


@given(mask=MASKS)
def test_every_hole_is_filled_when_asked(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(fill_holes(mask, least_px=200), ndimage.binary_fill_holes(mask))


def test_large_holes_stay() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:35] = True
    mask[10:20, 10:20] = False
    mask[25, 25] = False
    filled = fill_holes(mask)
    assert filled[25, 25]
    assert not filled[15, 15]
    assert np.count_nonzero(filled) == np.count_nonzero(mask) + 1
    assert fill_holes(mask, least_px=101)[15, 15]


def test_the_largest_piece_stays_however_small() -> None:
    mask = np.zeros((9, 9), bool)
    mask[1:3, 1:3] = mask[7, 7] = True
    kept = remove_islands(mask, least_px=50)
    assert kept.sum() == 4
    assert kept[1:3, 1:3].all()


@pytest.mark.parametrize("clean", [remove_islands, fill_holes])
def test_a_clean_mask_is_returned_as_it_is(clean: Any) -> None:
    mask = np.zeros((9, 9), bool)
    assert clean(mask) is mask
    mask[2:5, 2:5] = True
    assert clean(mask) is mask


@pytest.mark.parametrize("clean", [remove_islands, fill_holes])
@pytest.mark.parametrize(
    ("mask", "options", "said"),
    [
        (np.zeros((3, 3), np.uint8), {}, "bool"),
        (np.zeros((3, 3), bool), {"share": 1.5}, "share"),
        (np.zeros((3, 3), bool), {"least_px": -1}, "least_px"),
    ],
)
def test_bad_arguments_are_refused(clean: Any, mask: Any, options: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        clean(mask, **options)
