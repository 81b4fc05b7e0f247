"""Frames, views and the encoder's input: the maps between them undo each other, and pictures land where they were."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.geometry import (
    LARGEST_PX,
    LETTERBOX_RGB,
    MASK_STRIDE,
    Placement,
    View,
    clip_view,
    default_size,
)

SIDES = st.integers(1, 3000)
PLACES = st.integers(-1000, 3000)
VIEWS = st.builds(View, PLACES, PLACES, SIDES, SIDES)
INPUT_SIDES = st.integers(4, 80).map(lambda side: 16 * side)
SIZES = st.tuples(INPUT_SIDES, INPUT_SIDES)
PLACEMENTS = st.builds(Placement, VIEWS, SIZES)
SIXTEENTHS = st.integers(-32_000, 32_000).map(lambda count: count / 16)
POINTS = st.integers(1, 5).flatmap(
    lambda count: arrays.arrays(float, (count, 2), elements=st.floats(-5000, 5000, allow_subnormal=False))
)


class TestView:
    @given(x0=SIXTEENTHS, y0=SIXTEENTHS, width=SIXTEENTHS.map(abs), height=SIXTEENTHS.map(abs))
    def test_snaps_outwards_to_whole_pixels(self, x0: float, y0: float, width: float, height: float) -> None:
        assume(width > 0 and height > 0)
        view = View(x0, y0, width, height)  # type: ignore[arg-type]
        assert all(type(value) is int for value in (view.x0, view.y0, view.width, view.height))
        assert view.x0 <= x0 < view.x0 + 1
        assert view.y0 <= y0 < view.y0 + 1
        for low, extent, asked in ((view.x0, view.width, x0 + width), (view.y0, view.height, y0 + height)):
            assert extent >= 1
            assert asked <= low + extent
            assert extent == 1 or low + extent < asked + 1

    def test_whole_pixels_stay(self) -> None:
        assert View(3, -4, 10, 20) == View(3.0, -4.0, 10.0, 20.0)  # type: ignore[arg-type]
        assert View.whole((480, 640)) == View(0, 0, 640, 480)

    @pytest.mark.parametrize("place", range(4))
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, LARGEST_PX + 1.0])
    def test_what_is_not_finite_or_far_away_is_refused(self, place: int, value: float) -> None:
        values = [0.0, 0.0, 10.0, 10.0]
        values[place] = value
        with pytest.raises(InputError, match=r"view: .*accepted") as caught:
            View(*values)  # type: ignore[arg-type]
        assert repr(value) in str(caught.value)

    @pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (-1, 5), (5, -0.5)])
    def test_without_extent_it_is_refused(self, width: float, height: float) -> None:
        with pytest.raises(InputError, match="width > 0, height > 0"):
            View(0, 0, width, height)  # type: ignore[arg-type]

    def test_contains_its_edges(self) -> None:
        view = View(10, 20, 30, 40)
        points = np.array([[10, 20], [40, 60], [25, 40], [9.99, 30], [25, 60.01], [41, 30]])
        assert view.contains(points).tolist() == [True, True, True, False, False, False]
        assert view.contains(points.reshape(2, 3, 2)).shape == (2, 3)


class TestMaps:
    @given(placement=PLACEMENTS, points=POINTS)
    def test_each_undoes_the_other(self, placement: Placement, points: NDArray[np.float64]) -> None:
        there = placement.frame_from_input(placement.input_from_frame(points))
        np.testing.assert_allclose(there, points, rtol=1e-9, atol=1e-6)
        back = placement.input_from_frame(placement.frame_from_input(points))
        np.testing.assert_allclose(back, points, rtol=1e-9, atol=1e-6)

    @given(placement=PLACEMENTS)
    def test_the_views_corners_are_the_corners_of_what_it_fills(self, placement: Placement) -> None:
        view = placement.view
        corners = [[view.x0, view.y0], [view.x0 + view.width, view.y0 + view.height]]
        height, width = placement.inside
        np.testing.assert_allclose(placement.input_from_frame(corners), [[0, 0], [width, height]], atol=1e-6)

    @given(placement=PLACEMENTS)
    def test_the_view_fills_one_side_and_keeps_its_shape(self, placement: Placement) -> None:
        height, width = placement.inside
        assert 1 <= height <= placement.size[0]
        assert 1 <= width <= placement.size[1]
        assert height == placement.size[0] or width == placement.size[1]
        scale = min(placement.size[0] / placement.view.height, placement.size[1] / placement.view.width)
        assert abs(height - placement.view.height * scale) <= 1
        assert abs(width - placement.view.width * scale) <= 1

    def test_a_known_case(self) -> None:
        """A 640x480 frame in 672x448: scaled by 448/480, so 597 columns wide."""
        placement = Placement(View.whole((480, 640)), (448, 672))
        assert placement.inside == (448, 597)
        np.testing.assert_allclose(placement.input_from_frame([320, 240]), [298.5, 224.0])
        np.testing.assert_allclose(placement.frame_from_input([[0, 0], [597, 448]]), [[0, 0], [640, 480]])


def disc(size: tuple[int, int], x: float, y: float, radius: float) -> NDArray[np.float32]:
    """A map (H, W) of how far inside a disc each pixel's centre lies, frame pixels."""
    columns, rows = np.arange(size[1]) + 0.5, np.arange(size[0])[:, None] + 0.5
    return np.asarray(radius - np.hypot(columns - x, rows - y), np.float32)


def centre(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean place (x, y) of the pixels of a mask, frame pixels."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def seen(placement: Placement, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a perfect decoder would give for a white thing in a black frame: logits at a quarter of the input's size."""
    red = placement.render(image)[..., 0].astype(np.float32)
    height, width = placement.inside
    red[height:] = red[:, width:] = 0
    rows, columns = placement.size[0] // MASK_STRIDE, placement.size[1] // MASK_STRIDE
    blocks = red.reshape(rows, MASK_STRIDE, columns, MASK_STRIDE)
    return np.asarray(blocks.mean(axis=(1, 3)) - 127.5, np.float32)


CASES = {
    "whole, shrunk": ((720, 1280), View(0, 0, 1280, 720), (448, 672)),
    "whole, enlarged": ((120, 200), View(0, 0, 200, 120), (448, 672)),
    "whole, tall": ((900, 400), View(0, 0, 400, 900), (448, 448)),
    "whole, exact": ((448, 672), View(0, 0, 672, 448), (448, 672)),
    "crop": ((720, 1280), View(301, 97, 480, 480), (448, 448)),
    "small crop": ((720, 1280), View(555, 333, 150, 101), (224, 448)),
    "over the left and top edge": ((720, 1280), View(-150, -87, 480, 480), (448, 448)),
    "over the right and bottom edge": ((720, 1280), View(1000, 450, 480, 480), (448, 448)),
    "round the frame": ((300, 400), View(-100, -50, 600, 400), (448, 672)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("u", "v"), [(0.5, 0.5), (0.31, 0.62), (0.71, 0.27)])
def test_a_disc_comes_back_where_it_was(name: str, u: float, v: float) -> None:
    """Rendered, seen by a perfect decoder, and pasted: within a pixel of the frame (or of the input, if coarser)."""
    frame_size, view, size = CASES[name]
    shown = clip_view(view, frame_size)
    x, y = shown.x0 + u * shown.width, shown.y0 + v * shown.height
    radius = 0.2 * min(shown.width, shown.height)
    inside = disc(frame_size, x, y, radius)
    image = np.repeat(np.clip(inside * 255 + 127.5, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    placement = Placement(view, size)
    pasted = placement.paste(seen(placement, image), frame_size)
    assert pasted.shape == frame_size
    assert pasted.dtype == np.float32
    pixel = max(1.0, 1 / placement.scale.min())
    np.testing.assert_allclose(centre(pasted > 0), [x, y], atol=0.5 * pixel)
    got, expected = np.count_nonzero(pasted > 0), np.count_nonzero(inside > 0)
    assert math.sqrt(got / expected) == pytest.approx(1, abs=pixel / radius)


@given(
    frame_size=st.tuples(st.integers(60, 700), st.integers(60, 700)),
    corner=st.tuples(st.floats(-0.3, 0.6), st.floats(-0.3, 0.6)),
    extent=st.tuples(st.floats(0.4, 1.3), st.floats(0.4, 1.3)),
    size=st.sampled_from([(448, 672), (448, 448), (224, 448), (672, 448), (480, 640)]),
)
def test_a_disc_in_the_middle_of_any_view_comes_back(
    frame_size: tuple[int, int],
    corner: tuple[float, float],
    extent: tuple[float, float],
    size: tuple[int, int],
) -> None:
    height, width = frame_size
    view = View(*(part * side for part, side in zip((*corner, *extent), (width, height) * 2, strict=True)))  # type: ignore[arg-type]
    shown = clip_view(view, frame_size)
    placement = Placement(view, size)
    x, y = shown.x0 + shown.width / 2, shown.y0 + shown.height / 2
    radius = 0.3 * min(shown.width, shown.height)
    assume(radius * placement.scale.min() > 8)
    inside = disc(frame_size, x, y, radius)
    image = np.repeat(np.clip(inside * 255 + 127.5, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    pasted = placement.paste(seen(placement, image), frame_size)
    np.testing.assert_allclose(centre(pasted > 0), [x, y], atol=max(1.0, 1 / placement.scale.min()))


@pytest.mark.parametrize("name", CASES)
def test_a_mask_that_is_lowered_and_pasted_is_the_same_mask(name: str) -> None:
    """`to_lowres` brings a frame's mask to logits in the places where `paste` takes them from."""
    frame_size, view, size = CASES[name]
    shown = clip_view(view, frame_size)
    x, y = shown.x0 + 0.45 * shown.width, shown.y0 + 0.55 * shown.height
    radius = 0.25 * min(shown.width, shown.height)
    mask = disc(frame_size, x, y, radius) > 0
    placement = Placement(view, size)
    low = placement.to_lowres(np.where(mask, 1.0, -1.0).astype(np.float32))
    assert low.shape == (size[0] // MASK_STRIDE, size[1] // MASK_STRIDE)
    again = placement.paste(low, frame_size) > 0
    coarse = max(1.0, MASK_STRIDE / float(placement.scale.min()))
    np.testing.assert_allclose(centre(again), centre(mask), atol=coarse / 4)
    differs = np.count_nonzero(again != mask)
    assert differs < 2 * math.pi * radius * coarse * 0.35


@given(
    frame_size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    size=st.sampled_from([(448, 672), (224, 224), (64, 80)]),
    seed=st.integers(0, 9),
)
def test_paste_is_bilinear_to_the_last_digits(
    frame_size: tuple[int, int], size: tuple[int, int], seed: int
) -> None:
    placement = Placement(View.whole(frame_size), size)
    low = np.random.default_rng(seed).normal(0, 5, (size[0] // 4, size[1] // 4)).astype(np.float32)
    rows, columns = (
        np.clip((np.arange(side) + 0.5) * step / MASK_STRIDE - 0.5, 0, count - 1)
        for side, step, count in zip(frame_size, placement.scale[::-1], low.shape, strict=True)
    )
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    bottom, right = np.minimum(top + 1, low.shape[0] - 1), np.minimum(left + 1, low.shape[1] - 1)
    down, across = (rows - top)[:, None], columns - left
    upper = low[top][:, left] * (1 - across) + low[top][:, right] * across
    lower = low[bottom][:, left] * (1 - across) + low[bottom][:, right] * across
    np.testing.assert_allclose(
        placement.paste(low, frame_size), upper * (1 - down) + lower * down, atol=2e-5, rtol=0
    )


def test_what_lies_outside_the_view_is_never_selected() -> None:
    placement = Placement(View(100, 50, 200, 100), (224, 448))
    pasted = placement.paste(np.ones((56, 112), np.float32), (300, 400))
    inside = np.zeros((300, 400), bool)
    inside[50:150, 100:300] = True
    assert (pasted[inside] == 1).all()
    assert np.isneginf(pasted[~inside]).all()


def test_what_a_view_does_not_fill_has_sams_mean_colour() -> None:
    image = np.full((100, 100, 3), 255, np.uint8)
    canvas = Placement(View(0, 0, 100, 100), (224, 448)).render(image)
    assert canvas.shape == (224, 448, 3)
    assert canvas.dtype == np.uint8
    assert (canvas[:, :224] == 255).all()
    assert (canvas[:, 224:] == LETTERBOX_RGB).all()
    over = Placement(View(-50, 0, 100, 50), (224, 448)).render(image)
    assert (over[:, :220] == LETTERBOX_RGB).all()
    assert (over[:, 228:] == 255).all()
    assert np.abs(np.array(LETTERBOX_RGB) - (123.675, 116.28, 103.53)).max() < 1


@pytest.mark.parametrize("step", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (2, 3, 1)])
def test_views_of_arrays_are_rendered_like_their_copies(step: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)[
        :: step[0], :: step[1], :: step[2]
    ]
    placement = Placement(View.whole((image.shape[0], image.shape[1])), (224, 224))
    got = placement.render(image)
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, placement.render(image.copy()))


@pytest.mark.parametrize("name", CASES)
def test_rendering_leaves_the_frame_as_it_was(name: str) -> None:
    frame_size, view, size = CASES[name]
    image = np.random.default_rng(3).integers(0, 256, (*frame_size, 3), np.uint8)
    before = image.copy()
    Placement(view, size).render(image)
    np.testing.assert_array_equal(image, before)


@given(view=VIEWS, frame_size=st.tuples(SIDES, SIDES))
def test_clipping_keeps_what_is_on_the_frame(view: View, frame_size: tuple[int, int]) -> None:
    height, width = frame_size
    meets = view.x0 < width and view.y0 < height and view.x0 + view.width > 0 and view.y0 + view.height > 0
    if not meets:
        with pytest.raises(InputError, match=f"outside the frame.*{width}x{height}"):
            clip_view(view, frame_size)
        return
    part = clip_view(view, frame_size)
    assert part.x0 == max(view.x0, 0)
    assert part.y0 == max(view.y0, 0)
    assert part.x0 + part.width == min(view.x0 + view.width, width)
    assert part.y0 + part.height == min(view.y0 + view.height, height)


class TestDefaultSize:
    @pytest.mark.parametrize(
        ("frame_size", "expected"),
        [
            ((720, 1280), (448, 672)),
            ((1080, 1920), (448, 672)),
            ((480, 640), (448, 672)),
            ((640, 480), (672, 448)),
            ((1920, 1080), (672, 448)),
            ((500, 500), (448, 448)),
            ((200, 600), (224, 672)),
            ((600, 200), (672, 224)),
            ((100, 400), (224, 896)),
            ((400, 100), (896, 224)),
            ((1, 3000), (224, 896)),
        ],
    )
    def test_known_shapes(self, frame_size: tuple[int, int], expected: tuple[int, int]) -> None:
        assert default_size(frame_size) == expected

    @given(frame_size=st.tuples(SIDES, SIDES))
    def test_no_other_pad_free_size_shows_the_frame_larger(self, frame_size: tuple[int, int]) -> None:
        def shown(size: tuple[int, int]) -> float:
            return min(size[0] / frame_size[0], size[1] / frame_size[1])

        steps = (224, 448, 672, 896)
        allowed = [(h, w) for h in steps for w in steps if h * w <= 448 * 672]
        chosen = default_size(frame_size)
        assert chosen in allowed
        best = max(map(shown, allowed))
        assert shown(chosen) == best
        assert chosen[0] * chosen[1] == min(h * w for h, w in allowed if shown((h, w)) == best)


def test_shrinking_loses_no_thin_line() -> None:
    """A line of one pixel in 20 leaves its share of brightness everywhere: nothing is skipped."""
    image = np.zeros((1000, 1000, 3), np.uint8)
    image[:, ::20] = 200
    canvas = Placement(View.whole((1000, 1000)), (224, 224)).render(image)
    assert canvas.mean() == pytest.approx(10, abs=0.7)
    assert cv2.blur(canvas, (25, 25)).min() > 3
