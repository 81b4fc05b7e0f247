"""Where objects would be: carried with the picture, and with the camera where they have left it."""

from __future__ import annotations

import numpy as np
import pytest

from sam_edge.identity.places import ODDS_HIGH, ODDS_LOW, ObjectPlaces, share_in_common

SIZE = (480, 640)
BOX = (100.0, 100.0, 180.0, 160.0)


def shift(x_px: float, y_px: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The picture moves to the right and down by frame pixels; the grid is half as fine."""
    back = np.empty((240, 320, 2), np.float32)
    back[:] = (-x_px / 2, -y_px / 2)
    return back


def test_a_place_moves_with_the_picture_out_of_the_frame_and_back() -> None:
    places = ObjectPlaces()
    places.set(1, BOX)
    for x_px in (-60.0,) * 8 + (60.0,) * 8:
        places.move(shift(x_px, 5.0), SIZE, 0.04)
    place = places.get(1)
    assert place is not None
    assert place.box == pytest.approx((100, 180, 180, 240), abs=0.1)
    assert place.variance_px2 > 0


def test_out_of_view_a_place_is_less_sure() -> None:
    places = ObjectPlaces()
    places.set(1, BOX)
    places.set(2, (-900.0, 0.0, -800.0, 90.0))
    places.move(shift(0, 0), SIZE, 1.0)
    inside, outside = places.get(1), places.get(2)
    assert inside is not None
    assert outside is not None
    assert 0 < inside.variance_px2 < outside.variance_px2


def test_an_object_elsewhere_in_the_picture_is_another_one() -> None:
    places = ObjectPlaces()
    places.set(1, BOX)
    places.move(shift(0, 0), SIZE, 0.5)
    elsewhere = (400.0, 300.0, 480.0, 360.0)
    assert places.log_odds([1, 7], BOX).tolist() == [ODDS_HIGH, 0]
    assert places.log_odds([1], elsewhere).tolist() == [ODDS_LOW]
    places.clear()
    assert places.log_odds([1], elsewhere).tolist() == [0]


def test_a_part_of_an_object_is_where_the_object_is() -> None:
    places = ObjectPlaces()
    places.set(1, (100.0, 100.0, 300.0, 260.0))
    places.move(shift(0, 0), SIZE, 0.1)
    assert places.log_odds([1], (100.0, 100.0, 150.0, 150.0))[0] > -2


def test_an_object_that_is_found_again_corrects_the_others() -> None:
    places = ObjectPlaces()
    for number, left in ((1, -700.0), (2, -1500.0)):
        places.set(number, (left, 0.0, left + 80, 60.0))
    places.move(shift(0, 0), SIZE, 4.0)
    places.correct(1, (-650.0, 10.0, -570.0, 70.0))
    other = places.get(2)
    assert other is not None
    assert other.box == pytest.approx((-1450, 10, -1370, 70))


def test_boxes_in_common() -> None:
    assert share_in_common(BOX, BOX) == 1
    assert share_in_common(BOX, (100.0, 100.0, 400.0, 400.0)) == 1
    assert share_in_common(BOX, (180.0, 100.0, 200.0, 160.0)) == 0
    assert share_in_common(BOX, (140.0, 100.0, 220.0, 160.0)) == pytest.approx(0.5)
