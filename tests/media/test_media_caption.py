"""The caption lies in the corner in which it covers the least of the selection and of the gaze."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import InputError
from sam_edge.media import CORNERS, Corner, choose_corner, draw_selection
from sam_edge.media.caption import draw_caption
from sam_edge.media.overlay import outline_reach_px

SIZE = (720, 1280)
CAPTION = ["focused", "object 3, predicted IoU 0.93", "live: mask 40 ms old, propagated"]


def panel_of(corner: Corner, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Where the caption is drawn in a corner, bool (H, W)."""
    image = np.full((*size, 3), 128, np.uint8)
    draw_caption(image, CAPTION, selected=True, corner=corner)
    return np.asarray((image != 128).any(axis=2))


@pytest.mark.parametrize("corner", CORNERS)
def test_a_corner_is_where_its_name_says(corner: Corner) -> None:
    ys, xs = np.nonzero(panel_of(corner))
    assert (ys.max() < 360) == corner.startswith("top")
    assert (xs.max() < 640) == corner.endswith("left")
    assert min(ys.min(), xs.min(), SIZE[0] - 1 - ys.max(), SIZE[1] - 1 - xs.max()) >= 10


def test_panels_of_all_corners_are_alike() -> None:
    top_left = panel_of("top left").sum()
    assert [panel_of(corner).sum() for corner in CORNERS] == pytest.approx([top_left] * 4, rel=0.01)


@given(st.tuples(st.integers(0, 1180), st.integers(0, 620), st.integers(20, 700), st.integers(20, 500)))
def test_while_a_corner_is_free_the_mask_is_not_covered(box: tuple[int, int, int, int]) -> None:
    x, y, width, height = box
    mask = np.zeros(SIZE, np.bool_)
    mask[y : y + height, x : x + width] = True
    corner = choose_corner(SIZE, CAPTION, mask=mask)
    covered = {name: int((PANELS[name] & mask).sum()) for name in CORNERS}
    assert covered[corner] == 0 or min(covered.values()) > 0


PANELS = {corner: panel_of(corner) for corner in CORNERS}


@given(st.floats(0, 1280), st.floats(0, 720))
def test_the_gaze_is_not_covered(x: float, y: float) -> None:
    corner = choose_corner(SIZE, CAPTION, gaze=[(x, y)])
    ys, xs = np.nonzero(PANELS[corner])
    assert max(xs.min() - x, x - xs.max(), ys.min() - y, y - ys.max()) > 60


@pytest.mark.parametrize("corner", CORNERS)
def test_the_caption_stays_where_it_is_while_that_is_free(corner: Corner) -> None:
    mask = np.zeros(SIZE, np.bool_)
    mask[300:400, 500:700] = True
    assert choose_corner(SIZE, CAPTION, mask=mask, gaze=[(640, 360)], preferred=corner) == corner


def test_the_mask_of_the_whole_frame_leaves_the_caption_in_its_corner() -> None:
    mask = np.ones(SIZE, np.bool_)
    assert choose_corner(SIZE, CAPTION, mask=mask, preferred="bottom right") == "bottom right"
    mask[600:, 800:] = False
    assert choose_corner(SIZE, CAPTION, mask=mask) == "bottom right"


def test_the_outline_stays_free_too() -> None:
    ys, xs = np.nonzero(PANELS["top left"])
    mask = np.zeros(SIZE, np.bool_)
    beyond = int(ys.max()) + outline_reach_px(SIZE) // 2
    mask[beyond : beyond + 100, xs.min() : xs.max()] = True
    assert choose_corner(SIZE, CAPTION, mask=mask) == "top right"


def test_draw_selection_puts_the_caption_where_it_covers_nothing() -> None:
    image = np.full((*SIZE, 3), 128, np.uint8)
    mask = np.zeros(SIZE, np.bool_)
    mask[:200, :300] = True
    plain, captioned = (draw_selection(image, mask=mask, caption=lines) for lines in ([], CAPTION))
    changed = (plain != captioned).any(axis=2)
    assert changed.any()
    assert not (changed & mask).any()
    forced = draw_selection(image, mask=mask, caption=CAPTION, corner="top left")
    assert ((plain != forced).any(axis=2) & mask).any()


def test_a_frame_too_small_for_the_caption_stays_as_it_is() -> None:
    image = np.full((40, 40, 3), 128, np.uint8)
    draw_caption(image, CAPTION, selected=False)
    assert (image == 128).all()
    assert choose_corner((40, 40), CAPTION, preferred="bottom left") == "bottom left"


def test_an_unknown_corner_is_refused() -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    with pytest.raises(InputError, match="corner: 'middle'; accepted: top left"):
        draw_selection(image, caption=CAPTION, corner="middle")  # type: ignore[arg-type]
