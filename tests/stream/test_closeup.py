"""Close-ups: the view round a thing, maps between grids, and which masks are believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.geometry import Placement
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.candidate import box_on_frame, grid_iou
from sam_edge.stream.closeup import (
    SIDE,
    Track,
    look_closer,
    points_from_mask,
    to_lowres,
    view_around,
)
from sam_edge.stream.motion import grid_of
from sam_edge.stream.tuning import DEFAULT_TUNING

MS = 1_000_000


@st.composite
def frames_and_boxes(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[float, float, float, float]]:
    height, width = draw(st.integers(100, 1100)), draw(st.integers(100, 2000))
    x0, y0 = draw(st.floats(0, width - 1)), draw(st.floats(0, height - 1))
    return (height, width), (x0, y0, draw(st.floats(x0 + 1, width)), draw(st.floats(y0 + 1, height)))


@given(frames_and_boxes())
def test_the_view_lies_on_the_frame_and_holds_the_thing(
    given_: tuple[tuple[int, int], tuple[float, float, float, float]],
) -> None:
    (height, width), box = given_
    view = view_around(box, (height, width))
    assert view.x0 >= 0
    assert view.y0 >= 0
    assert view.x0 + view.width <= width
    assert view.y0 + view.height <= height
    assert view.width >= min(DEFAULT_TUNING.min_closeup_px, width) - 1
    # Whole pixels may cost a thing at the edge of the frame one of its own.
    assert view.x0 <= box[0] + 1
    assert view.y0 <= box[1] + 1
    assert view.x0 + view.width >= box[2] - 1
    assert view.y0 + view.height >= box[3] - 1


def track_of(size: tuple[int, int], box: tuple[int, int, int, int]) -> Track:
    """A thing that fills a box of the grid."""
    grid_logits = np.full(grid_of(size), -5, np.float32)
    x0, y0, x1, y1 = box
    grid_logits[y0:y1, x0:x1] = 5
    return Track(object_id=3, time_ns=40 * MS, grid_logits=grid_logits, score=0.5, decoded_ns=0)


def picture(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)


def test_a_thing_is_decoded_on_its_close_up() -> None:
    size = (240, 320)
    carried = track_of(size, (100, 60, 180, 140))
    runtime = Fake()
    found = look_closer(Segmenter(runtime), picture(size), carried, lambda: carried)
    assert found is not None
    assert found is not carried
    assert (found.object_id, found.time_ns, found.decoded_ns) == (3, 40 * MS, 40 * MS)
    assert found.embedding is not None
    assert found.embedding.data.shape[2:] == (SIDE // 16, SIDE // 16)
    assert found.lowres_logits is not None
    assert grid_iou(found.grid_logits > 0, carried.grid_logits > 0) > 0.7
    assert np.isfinite(found.grid_logits).all()
    assert runtime.encoded == 1


def test_points_lie_all_over_the_thing_and_beside_it() -> None:
    """An L: its box is half empty."""
    expected = np.full((56, 56), -8, np.float32)
    expected[10:50, 8:18] = 8
    expected[40:50, 8:48] = 8
    points, labels = points_from_mask(expected)
    on, off = points[labels == 1].astype(int), points[labels == 0].astype(int)
    assert 3 <= len(on) <= DEFAULT_TUNING.positive_points
    assert 1 <= len(off) <= DEFAULT_TUNING.negative_points
    assert all(expected[row, column] > 0 for column, row in on)
    assert all(expected[row, column] < 0 for column, row in off)
    assert all(8 <= column < 48 and 10 <= row < 50 for column, row in off)
    assert {bool(row < 30) for _, row in on} == {bool(column > 28) for column, _ in on} == {True, False}


def test_a_full_box_and_a_speck_have_no_points_beside_them() -> None:
    for box in (np.s_[10:50, 8:48], np.s_[3:4, 5:6]):
        expected = np.full((56, 56), -8, np.float32)
        expected[box] = 8
        points, labels = points_from_mask(expected)
        assert (labels == 1).all()
        assert len(points) >= 1


class Elsewhere(Fake):
    """Sees the thing in the corner, whatever is asked."""

    def decode(self, *given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, scores = super().decode(*given)
        logits[:] = -10
        logits[..., :3, :3] = 10
        return logits, scores


def test_what_is_not_believable_leaves_the_carried_mask() -> None:
    carried = track_of((240, 320), (100, 60, 180, 140))
    found = look_closer(Segmenter(Elsewhere()), picture((240, 320)), carried, lambda: carried)
    assert found is carried


def test_a_thing_that_is_gone_costs_nothing() -> None:
    carried = track_of((240, 320), (0, 0, 0, 0))
    runtime = Fake()
    assert look_closer(Segmenter(runtime), picture((240, 320)), carried, lambda: carried) is carried
    assert runtime.encoded == 0


def test_a_thing_that_leaves_while_the_encoder_works_stays_as_it_was_carried() -> None:
    before = track_of((240, 320), (100, 60, 180, 140))
    gone = track_of((240, 320), (0, 0, 0, 0))
    model = Segmenter(Fake())
    assert look_closer(model, picture((240, 320)), before, lambda: gone) is gone
    assert look_closer(model, picture((240, 320)), before, lambda: None) is None
    # It jumped out of the view that was encoded.
    away = track_of((240, 320), (300, 0, 318, 12))
    small = track_of((240, 320), (10, 200, 20, 210))
    assert look_closer(model, picture((240, 320)), small, lambda: away) is away


@settings(max_examples=25, deadline=None)
@given(
    size=st.sampled_from([(480, 640), (240, 320), (360, 500), (720, 1280), (100, 100)]),
    side=st.sampled_from(["left", "right", "top", "bottom"]),
    thick=st.integers(1, 3),
    begin=st.floats(0, 0.9),
    length=st.integers(1, 30),
)
def test_strips_at_the_edge_are_no_error(
    size: tuple[int, int], side: str, thick: int, begin: float, length: int
) -> None:
    """What leaves the frame is a strip of a pixel or two at last."""
    rows, columns = grid_of(size)
    along = rows if side in ("left", "right") else columns
    first = int(begin * along)
    last = min(along, first + length)
    box = {
        "left": (0, first, thick, last),
        "right": (columns - thick, first, columns, last),
        "top": (first, 0, last, thick),
        "bottom": (first, rows - thick, last, rows),
    }[side]
    carried = track_of(size, box)
    found = look_closer(Segmenter(Fake()), picture(size), carried, lambda: carried)
    assert found is not None
    assert found.grid_logits.shape == (rows, columns)


@settings(max_examples=20, deadline=None)
@given(x0=st.integers(0, 60), y0=st.integers(0, 40), width=st.integers(20, 60), height=st.integers(20, 60))
def test_lowered_and_pasted_again_is_the_same_thing(x0: int, y0: int, width: int, height: int) -> None:
    size = (120, 160)
    track = track_of(size, (x0, y0, min(160, x0 + width), min(120, y0 + height)))
    view = view_around(box_on_frame(track.grid_logits, size), size)
    placement = Placement(view, (SIDE, SIDE))
    embedding = Embedding(np.zeros((1, 256, SIDE // 16, SIDE // 16), np.float32), placement, size)
    lowres_logits = to_lowres(track.grid_logits, embedding, size)
    assert lowres_logits.shape == (SIDE // 4, SIDE // 4)
    again = placement.paste_on_grid(lowres_logits, size, grid_of(size))
    assert box_on_frame(again, size) == pytest.approx(box_on_frame(track.grid_logits, size), abs=2.5)


def test_a_carried_track_says_which_frame_it_was_decoded_on() -> None:
    carried = track_of((240, 320), (100, 60, 180, 140))
    late = replace(carried, time_ns=400 * MS)
    found = look_closer(Segmenter(Elsewhere()), picture((240, 320)), late, lambda: late)
    assert found is not None
    assert found.decoded_ns == 0
