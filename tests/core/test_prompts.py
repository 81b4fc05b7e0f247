"""Prompts: what is not accepted is refused by name, and what is accepted reaches the decoder as SAM wants it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import InputError, SamEdgeError, SamEdgeWarning
from sam_edge.geometry import Placement, View
from sam_edge.prompts import Prompts, as_prompts

FRAME = (300, 400)
WHOLE = View.whole(FRAME)
CROP = View(100, 50, 200, 150)


def prompts(points: Any = None, labels: Any = None, boxes: Any = None, view: View = WHOLE) -> Prompts:
    """Prompts on a frame of 400x300."""
    return as_prompts(points, labels, boxes, frame_size=FRAME, view=view)


class TestShapes:
    def test_points_of_one_prompt(self) -> None:
        made = prompts([[10, 20], [30, 40]], [1, 0])
        assert made.points.tolist() == [[[10, 20], [30, 40]]]
        assert made.labels.tolist() == [[1, 0]]
        assert (made.count, made.several, made.ambiguous.tolist(), made.empty) == (1, False, [False], False)

    def test_labels_default_to_the_object(self) -> None:
        assert prompts([[10, 20], [30, 40]]).labels.tolist() == [[1, 1]]

    def test_one_point_is_ambiguous_and_with_a_box_it_is_not(self) -> None:
        assert prompts([[10, 20]]).ambiguous
        assert not prompts([[10, 20]], boxes=[0, 0, 50, 50]).ambiguous
        assert not prompts(boxes=[0, 0, 50, 50]).ambiguous

    def test_points_of_several_prompts(self) -> None:
        made = prompts(np.full((3, 2, 2), 7.0), np.ones((3, 2)))
        assert (made.count, made.several) == (3, True)
        assert made.labels.dtype == np.int32

    def test_a_list_of_one_prompt_is_several(self) -> None:
        assert prompts([[[1, 2]]]).several
        assert prompts(boxes=[[1, 2, 3, 4]]).several
        assert not prompts(boxes=[1, 2, 3, 4]).several

    def test_boxes_of_several_prompts_with_their_points(self) -> None:
        made = prompts(np.ones((2, 1, 2)), [[1], [0]], [[0, 0, 5, 5], [1, 1, 9, 9]])
        assert made.count == 2
        assert made.boxes is not None
        assert made.boxes.shape == (2, 4)

    def test_a_box_alone(self) -> None:
        made = prompts(boxes=(1, 2, 3, 4))
        assert (made.count, made.empty, made.points.shape) == (1, False, (1, 0, 2))

    def test_nothing_at_all(self) -> None:
        assert prompts().empty

    @pytest.mark.parametrize("labels", [[1], [1.0], [True], np.array([1], np.uint8), np.array([[1]])])
    def test_labels_of_every_kind_of_number(self, labels: Any) -> None:
        assert prompts([[1, 2]], labels).labels.tolist() == [[1]]


class TestConventions:
    """Prompts as programs for the original write them."""

    def test_padding_is_kept_and_may_lie_anywhere(self) -> None:
        made = prompts([[[10, 20], [-5, 999]], [[30, 40], [50, 60]]], [[1, -1], [1, 0]])
        assert made.labels.tolist() == [[1, -1], [1, 0]]
        assert made.points[0].tolist() == [[10, 20], [0, 0]]

    def test_padding_is_no_second_point(self) -> None:
        made = prompts([[[10, 20], [0, 0]], [[30, 40], [50, 60]]], [[1, -1], [1, 1]])
        assert made.ambiguous.tolist() == [True, False]
        assert prompts([[10, 20]], boxes=[1, 2, 30, 40]).ambiguous.tolist() == [False]

    @pytest.mark.parametrize(
        ("box", "clipped"),
        [
            ([-0.3, 80, 141, 161], [0, 80, 141, 161]),
            ([300, 200, 400.4, 300.4], [300, 200, 400, 300]),
            ([-2, -2, 402, 302], [0, 0, 400, 300]),
        ],
    )
    def test_a_box_a_fraction_over_the_edge_is_clipped(self, box: list[float], clipped: list[float]) -> None:
        assert prompts(boxes=box).boxes is not None
        assert np.array_equal(np.asarray(prompts(boxes=box).boxes), [clipped])

    def test_a_box_far_over_the_edge_is_clipped_with_a_word(self) -> None:
        with pytest.warns(SamEdgeWarning, match=r"reaches 30 px over the edge; it is clipped"):
            made = prompts(boxes=[300, 200, 430, 290])
        assert np.array_equal(np.asarray(made.boxes), [[300, 200, 400, 290]])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a flat point": ({"points": [10, 20]}, r"points: shape \(2,\)"),
    "four axes": ({"points": np.zeros((1, 1, 1, 2))}, r"points: shape \(1, 1, 1, 2\)"),
    "three coordinates": ({"points": [[1, 2, 3]]}, r"points: shape \(1, 3\)"),
    "no points": ({"points": []}, r"points: shape \(0,\).*not empty"),
    "no prompts": ({"points": np.zeros((0, 1, 2))}, r"points: shape \(0, 1, 2\).*not empty"),
    "a scalar": ({"points": 3}, r"points: shape \(\)"),
    "ragged points": ({"points": [[1, 2], [3]]}, "points: not an array of numbers"),
    "words": ({"points": [["a", "b"]]}, "points: not an array of numbers"),
    "an object": ({"points": object()}, "points: not an array of numbers"),
    "NaN": ({"points": [[float("nan"), 5]]}, "points: .*nan.*finite"),
    "infinity": ({"points": [[5, float("inf")]]}, "points: .*inf.*finite"),
    "left of the frame": ({"points": [[-1, 5]]}, r"points: \(-1, 5\) lies outside the frame 400x300"),
    "below the frame": ({"points": [[5, 300.5]]}, r"points: \(5, 300.5\) lies outside the frame 400x300"),
    "one of several outside": ({"points": [[5, 5], [401, 2]]}, r"points: \(401, 2\) lies outside the frame"),
    "one of several prompts outside": ({"points": [[[5, 5]], [[5, 999]]]}, r"points: \(5, 999\)"),
    "outside the view": ({"points": [[5, 5]], "view": CROP}, r"points: \(5, 5\) lies outside the view"),
    "fewer labels": ({"points": [[1, 2], [3, 4]], "labels": [1]}, r"labels: shape \(1,\).*\(1, 2, 2\)"),
    "more labels": ({"points": [[1, 2]], "labels": [1, 0]}, r"labels: shape \(2,\).*one label a point"),
    "a scalar label": ({"points": [[1, 2]], "labels": 1}, r"labels: shape \(\)"),
    "labels of one prompt for two": (
        {"points": np.ones((2, 1, 2)), "labels": [1, 1]},
        r"labels: shape \(2,\).*one label a point",
    ),
    "labels without points": ({"labels": [1], "boxes": [0, 0, 5, 5]}, "labels: given without points"),
    "label 2": ({"points": [[1, 2]], "labels": [2]}, r"labels: \[\[2\]\]; accepted: 1 .* 0"),
    "padding alone": ({"points": [[1, 2]], "labels": [-1]}, r"labels: \[\[-1\]\]; a prompt holds padding"),
    "one prompt of padding alone": (
        {"points": np.ones((2, 1, 2)), "labels": [[1], [-1]]},
        "a prompt holds padding",
    ),
    "label -2": ({"points": [[1, 2]], "labels": [-2]}, r"labels: \[\[-2\]\]; accepted: 1 .* 0 .* -1"),
    "half a label": ({"points": [[1, 2]], "labels": [0.5]}, r"labels: \[\[0.5\]\]"),
    "a label that is NaN": ({"points": [[1, 2]], "labels": [float("nan")]}, r"labels: \[\[nan\]\]"),
    "a word as a label": ({"points": [[1, 2]], "labels": ["on"]}, "labels: .*on"),
    "ragged labels": ({"points": [[1, 2]], "labels": [[1], [1, 0]]}, "labels: not an array"),
    "a box of three": ({"boxes": [1, 2, 3]}, r"boxes: shape \(3,\)"),
    "boxes of three axes": ({"boxes": np.ones((1, 1, 4))}, r"boxes: shape \(1, 1, 4\)"),
    "a box without width": ({"boxes": [5, 5, 5, 9]}, r"boxes: \[5.0, 5.0, 5.0, 9.0\] has no extent"),
    "a box upside down": ({"boxes": [5, 9, 8, 5]}, "boxes: .* has no extent"),
    "a box with NaN": ({"boxes": [5, 5, float("nan"), 9]}, "boxes: .*nan.*finite"),
    "a box outside": ({"boxes": [250, 5, 600, 9]}, r"boxes: .*600.0, 9.0\] lies outside the frame 400x300"),
    "a box outside the view": ({"boxes": [5, 5, 110, 60], "view": CROP}, "boxes: .* lies outside the view"),
    "one bad box of two": ({"boxes": [[5, 5, 9, 9], [7, 7, 6, 9]]}, r"boxes: \[7.0, 7.0, 6.0, 9.0\]"),
    "more boxes than prompts": (
        {"points": np.ones((2, 1, 2)), "boxes": np.tile([1, 1, 9, 9], (3, 1))},
        "boxes: 3 boxes for 2 prompts",
    ),
    "one prompt's points with two boxes": (
        {"points": [[1, 2]], "boxes": [[1, 1, 9, 9], [1, 1, 9, 9]]},
        "boxes: 2 boxes for 1 prompts",
    ),
    "no boxes": ({"boxes": np.zeros((0, 4))}, r"boxes: shape \(0, 4\).*not empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_prompt_is_refused_by_name(name: str) -> None:
    arguments, said = REFUSED[name]
    with pytest.raises(InputError, match=said) as caught:
        prompts(**arguments)
    assert isinstance(caught.value, SamEdgeError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("point", [(0, 0), (400, 0), (0, 300), (400, 300), (199.5, 0)])
def test_the_frames_edges_are_inside(point: tuple[float, float]) -> None:
    assert prompts([point]).points.tolist() == [[list(point)]]


@pytest.mark.parametrize("point", [(100, 50), (300, 200), (150, 60)])
def test_the_views_edges_are_inside(point: tuple[float, float]) -> None:
    assert prompts([point], view=CROP).count == 1


class TestInInput:
    placement = Placement(WHOLE, (600, 800))
    """Twice the frame's size."""

    def test_a_point_is_scaled_counted_by_pixel_index_and_padded(self) -> None:
        places, kinds = prompts([[10, 20]]).in_input(self.placement)
        assert places.tolist() == [[[19.5, 39.5], [0, 0]]]
        assert kinds.tolist() == [[1, -1]]
        assert places.dtype == np.float32
        assert kinds.dtype == np.int32

    def test_a_box_becomes_its_corners_without_padding(self) -> None:
        places, kinds = prompts([[10, 20]], [0], [5, 6, 50, 60]).in_input(self.placement)
        assert places.tolist() == [[[19.5, 39.5], [9.5, 11.5], [99.5, 119.5]]]
        assert kinds.tolist() == [[0, 2, 3]]

    def test_several_boxes(self) -> None:
        places, kinds = prompts(boxes=[[5, 6, 50, 60], [1, 1, 2, 2]]).in_input(self.placement)
        assert places.shape == (2, 2, 2)
        assert kinds.tolist() == [[2, 3], [2, 3]]

    def test_without_points_or_boxes_there_is_no_token(self) -> None:
        """A mask prompt alone: upstream adds a padding point only to points."""
        places, kinds = prompts().in_input(self.placement)
        assert places.shape == (1, 0, 2)
        assert kinds.shape == (1, 0)

    @given(x=st.floats(100, 300), y=st.floats(50, 200))
    def test_a_view_is_where_the_input_begins(self, x: float, y: float) -> None:
        placement = Placement(CROP, (600, 800))
        places, _ = prompts([[x, y]], view=CROP).in_input(placement)
        np.testing.assert_allclose(places[0, 0], [4 * (x - 100) - 0.5, 4 * (y - 50) - 0.5], atol=1e-3)
