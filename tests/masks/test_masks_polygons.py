"""Polygons keep a mask exactly, and are rasterised as pycocotools does."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as pycoco

from sam_edge.errors import InputError
from sam_edge.masks import iou, mask_to_polygons, polygons_to_mask

# pycocotools 2.0.11 was made for numpy 1, whose way to an array numpy 2 still takes, and warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZES = st.tuples(st.integers(1, 16), st.integers(1, 16))


def theirs(polygons: list[list[float]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask that pycocotools makes of them."""
    return np.asarray(pycoco.decode(pycoco.merge(pycoco.frPyObjects(polygons, *size))) > 0)


@given(mask=arrays.arrays(bool, SIZES))
def test_a_mask_comes_back_from_its_polygons(mask: NDArray[np.bool_]) -> None:
    polygons = mask_to_polygons(mask)
    np.testing.assert_array_equal(polygons_to_mask(polygons, mask.shape), mask)
    assert bool(polygons) == bool(mask.any())
    if polygons:
        np.testing.assert_array_equal(theirs([one.ravel().tolist() for one in polygons], mask.shape), mask)


COORDINATES = st.floats(-20, 60).map(lambda value: round(value, 2))
OUTLINES = st.lists(COORDINATES, min_size=6, max_size=16).filter(lambda values: len(values) % 2 == 0)


@given(
    polygons=st.lists(OUTLINES, min_size=1, max_size=3),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_rasterises_as_pycocotools(polygons: list[list[float]], size: tuple[int, int]) -> None:
    np.testing.assert_array_equal(polygons_to_mask(polygons, size), theirs(polygons, size))


def test_the_outline_of_a_square_is_its_four_corners() -> None:
    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:9] = True
    (square,) = mask_to_polygons(mask)
    assert {tuple(corner) for corner in square} == {(3, 2), (9, 2), (9, 5), (3, 5)}


def test_a_ring_is_one_polygon_with_a_slit() -> None:
    mask = np.zeros((40, 40), np.uint8)
    cv2.circle(mask, (20, 20), 15, 1, 5)
    ring = mask > 0
    polygons = mask_to_polygons(ring)
    assert len(polygons) == 1
    np.testing.assert_array_equal(polygons_to_mask(polygons, ring.shape), ring)


def test_a_tolerance_saves_vertices_and_keeps_the_shape() -> None:
    disc = cv2.circle(np.zeros((200, 240), np.uint8), (120, 100), 70, 1, -1) > 0
    exact, coarse = mask_to_polygons(disc)[0], mask_to_polygons(disc, tolerance_px=1.0)[0]
    assert len(coarse) < len(exact) / 4
    assert iou(polygons_to_mask([coarse], disc.shape), disc) > 0.97


@pytest.mark.parametrize(
    ("polygon", "said"),
    [
        ([0, 0, 5, 5], "3 vertices"),
        ([0, 0, 5, 5, 1], "3 vertices"),
        ([[0, 0], [5, 5], [1]], "not numbers"),
        (["a"] * 6, "not numbers"),
        ([0, 0, 5, np.nan, 1, 1], "not finite"),
        ([0, 0, 5, 1e9, 1, 1], "farther away"),
        (np.tile([[-9e4, 0], [9e4, 1]], (200, 1)), "outline of"),
    ],
)
def test_what_is_no_polygon_is_refused(polygon: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        polygons_to_mask([polygon], (10, 10))


def test_what_is_no_mask_is_refused() -> None:
    with pytest.raises(InputError, match="bool"):
        mask_to_polygons(np.zeros((3, 4), np.uint8))
    with pytest.raises(InputError, match="tolerance_px"):
        mask_to_polygons(np.zeros((3, 4), bool), tolerance_px=-1)
