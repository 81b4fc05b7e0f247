"""What is drawn stays where it belongs, for any mask and any gaze."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sam_edge.errors import InputError
from sam_edge.media.drawing import GAZE_RGB, SELECTION_RGB
from sam_edge.media.overlay import TRAIL_S, draw_selection, outline_reach_px


def scene(height: int = 120, width: int = 160) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def near(mask: np.ndarray, reach: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0


def is_near_colour(pixels: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> np.ndarray:
    return np.asarray(np.abs(pixels.astype(int) - colour).max(axis=-1) <= tolerance)


MASKS = st.one_of(
    arrays.arrays(bool, st.tuples(st.integers(1, 60), st.integers(1, 60))),
    st.builds(lambda h, w, v: np.full((h, w), v), st.integers(1, 60), st.integers(1, 60), st.booleans()),
)


@given(MASKS)
def test_nothing_changes_away_from_the_mask(mask: np.ndarray) -> None:
    image = scene(*mask.shape)
    before = image.copy()
    drawn = draw_selection(image, mask=mask)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert np.array_equal(image, before), "the input was drawn on"
    assert not np.shares_memory(drawn, image)
    outside = ~near(mask, outline_reach_px(mask.shape))
    assert np.array_equal(drawn[outside], image[outside])


@given(MASKS)
def test_every_pixel_of_the_mask_moves_towards_the_colour(mask: np.ndarray) -> None:
    grey = np.full((*mask.shape, 3), 128, np.uint8)
    drawn = draw_selection(grey, mask=mask).astype(int)
    assert (drawn[mask][:, 0] - drawn[mask][:, 1] > 15).all(), "a selected pixel does not look selected"


def test_one_pixel_is_seen() -> None:
    mask = np.zeros((720, 1280), bool)
    mask[300, 500] = True
    drawn = draw_selection(np.zeros((720, 1280, 3), np.uint8), mask=mask)
    assert is_near_colour(drawn[300, 500], SELECTION_RGB)


def test_the_outline_runs_along_the_edge_and_the_inside_shines_through() -> None:
    mask = np.zeros((720, 1280), bool)
    mask[200:500, 300:900] = True
    image = np.full((720, 1280, 3), 90, np.uint8)
    drawn = draw_selection(image, mask=mask)
    for y, x in ((200, 600), (499, 600), (350, 300), (350, 899)):
        assert is_near_colour(drawn[y, x], SELECTION_RGB, 60)
    inside = drawn[300:400, 500:700].reshape(-1, 3)
    assert np.ptp(inside, axis=0).max() == 0
    assert 90 < inside[0, 0] < SELECTION_RGB[0]
    assert not is_near_colour(inside[0], SELECTION_RGB, 60)


def test_a_mask_up_to_the_frames_edge_has_no_outline_there() -> None:
    drawn = draw_selection(scene(), mask=np.ones((120, 160), bool))
    assert not is_near_colour(drawn, SELECTION_RGB).all(axis=0).any()


def test_a_hole_is_left_open() -> None:
    mask = np.ones((200, 200), bool)
    mask[60:140, 60:140] = False
    image = scene(200, 200)
    drawn = draw_selection(image, mask=mask)
    assert np.array_equal(drawn[80:120, 80:120], image[80:120, 80:120])


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.floats(), st.floats(), st.floats(-1, 2) | st.just(math.nan)),
        max_size=30,
    ),
    st.none() | st.tuples(st.floats(), st.floats(), st.floats()),
    st.none() | st.tuples(st.floats(), st.floats(), st.floats(), st.floats()),
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80), max_size=5),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_no_input_makes_it_stumble(
    trail: list[tuple[float, float, float]],
    fixation: tuple[float, float, float] | None,
    box: tuple[float, float, float, float] | None,
    caption: list[str],
    size: tuple[int, int],
) -> None:
    image = scene(*size)
    drawn = draw_selection(image, box=box, gaze_trail=trail, fixation=fixation, caption=caption)
    assert drawn.shape == image.shape


def test_the_trail_fades_with_age() -> None:
    black = np.zeros((720, 1280, 3), np.uint8)
    trail = [(100.0 + 200 * step, 360.0, TRAIL_S * step / 4) for step in range(5)]
    drawn = draw_selection(black, gaze_trail=trail)
    brightness = [int(drawn[355:365, 95 + 200 * step : 105 + 200 * step].max()) for step in range(5)]
    assert brightness[0] > 200
    assert brightness == sorted(brightness, reverse=True)
    assert brightness[3] > 0
    assert brightness[4] == 0


def test_of_dots_in_one_place_the_newest_is_drawn() -> None:
    black = np.zeros((720, 1280, 3), np.uint8)
    newest = (640.0, 360.0, 0.2)
    drawn = draw_selection(black, gaze_trail=[(641.0, 361.0, 0.4), newest, (640.0, 359.0, 0.3)])
    assert np.array_equal(drawn, draw_selection(black, gaze_trail=[newest]))


def test_gaze_outside_the_frame_leaves_it_alone() -> None:
    image = scene()
    trail = [
        (-50.0, 20.0, 0.0),
        (1e12, 5.0, 0.0),
        (math.nan, 4.0, 0.1),
        (10.0, math.inf, 0.0),
        (20.0, 20.0, 9.0),
    ]
    assert np.array_equal(draw_selection(image, gaze_trail=trail, fixation=(1e6, 1e6, 3.0)), image)


def test_the_ring_is_round_and_where_the_gaze_is() -> None:
    black = np.zeros((720, 1280, 3), np.uint8)
    drawn = draw_selection(black, fixation=(640.5, 360.5, 40.0))
    ys, xs = np.nonzero(is_near_colour(drawn, GAZE_RGB))
    radii = np.hypot(ys - 360, xs - 640)
    assert radii.min() == pytest.approx(40, abs=3)
    assert radii.max() == pytest.approx(40, abs=3)


def test_the_box_is_marked_at_its_corners_only() -> None:
    black = np.zeros((720, 1280, 3), np.uint8)
    drawn = draw_selection(black, box=(200.5, 100.5, 600.5, 500.5))
    for y, x in ((100, 200), (100, 600), (500, 200), (500, 600)):
        assert drawn[y, x].max() > 150
    assert drawn[100, 400].max() == 0
    assert drawn[300, 200].max() == 0


@pytest.mark.parametrize("size", [(480, 854), (720, 1280), (2160, 3840), (1280, 720)])
def test_the_caption_grows_with_the_frame_and_stays_in_its_corner(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    caption = ["selected", "87 ms  (encode 61, decode 18)", "score 0.93"]
    changed = (draw_selection(image, caption=caption) != image).any(axis=2)
    ys, xs = np.nonzero(changed)
    unit = min(size) / 720
    assert ys.min() >= 5 * unit
    assert xs.min() >= 5 * unit
    assert 70 * unit < ys.max() < 150 * unit
    assert 200 * unit < xs.max() < 480 * unit


def test_a_long_caption_is_shrunk_into_the_frame() -> None:
    image = np.full((240, 320, 3), 128, np.uint8)
    drawn = draw_selection(image, caption=["propagated from an older mask, 1234 ms ago"])
    changed = (drawn != image).any(axis=2)
    assert changed.any()
    assert not changed[:, -3:].any()
    assert not changed[120:].any()


def test_the_dot_of_the_caption_tells_whether_something_is_selected() -> None:
    image = np.full((720, 1280, 3), 128, np.uint8)
    mask = np.zeros((720, 1280), bool)
    mask[500:600, 500:600] = True
    corner = (slice(0, 100), slice(0, 200))
    for shown, expected in ((mask, True), (~mask & mask, False), (None, False)):
        drawn = draw_selection(image, mask=shown, caption=["state"])
        assert is_near_colour(drawn[corner], SELECTION_RGB).any() == expected


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(image: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"image is .*accepted: uint8 \(H, W, 3\)"):
        draw_selection(image)


@pytest.mark.parametrize("mask", [np.zeros((4, 5), bool), np.zeros((4, 4), np.uint8)])
def test_a_mask_of_another_kind_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"mask is .*accepted: bool \(4, 4\)"):
        draw_selection(np.zeros((4, 4, 3), np.uint8), mask=mask)


@given(MASKS)
def test_an_outline_leaves_the_inside_as_it_is(mask: np.ndarray) -> None:
    grey = np.full((*mask.shape, 3), 128, np.uint8)
    filled, outlined = (draw_selection(grey, mask=mask, outline_only=only) for only in (False, True))
    deep = mask & ~near(~mask, outline_reach_px(mask.shape))
    assert np.array_equal(outlined[deep], grey[deep])
    assert np.array_equal(filled[~mask], outlined[~mask])
