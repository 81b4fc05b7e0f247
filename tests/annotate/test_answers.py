"""A question as a value: its next state after every answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.annotate import Accept, Answer, Box, Point, Take, Undo, WithoutGaze
from sam_edge.annotate.answers import LONGEST_LABEL, Draft, label_of, tidy
from sam_edge.errors import InputError

SIZE = (300, 400)
START = Draft(Point(100, 80))

inside = st.builds(Point, st.floats(0, 399.5), st.floats(0, 299.5), st.booleans())
boxes = st.builds(Box, *(st.floats(-20, 420) for _ in range(4)))
answers = st.one_of(
    inside,
    boxes,
    st.builds(Take, st.one_of(st.none(), st.integers(-1, 5))),
    st.just(WithoutGaze()),
    st.just(Undo()),
)


def after(draft: Draft, *said: Answer) -> Draft:
    for one in said:
        draft = draft.after(one, size=SIZE, masks=4)
    return draft


def taken(draft: Draft, answer: Answer) -> Draft:
    """The draft after an answer; the same one where it is refused."""
    try:
        return after(draft, answer)
    except InputError:
        return draft


@settings(deadline=None)
@given(st.lists(answers, max_size=8))
def test_whatever_is_said_something_on_the_thing_is_left(said: list[Answer]) -> None:
    draft = START
    for one in said:
        draft = taken(draft, one)
        assert 0 <= draft.shown < 4
        assert draft.box is not None or any(point.on for point in draft.points)
        assert draft.corrected == (draft != START)


@settings(deadline=None)
@given(st.lists(answers, max_size=6), st.one_of(inside, boxes))
def test_undo_takes_back_exactly_the_last_correction(said: list[Answer], last: Answer) -> None:
    draft = START
    for one in said:
        draft = taken(draft, one)
    further = taken(draft, last)
    if further != draft:
        back = after(further, Undo())
        assert (back.prompts, back.shown) == (draft.prompts, 0)


class TestMasks:
    def test_next_goes_round(self) -> None:
        assert [after(START, *[Take()] * count).shown for count in range(6)] == [0, 1, 2, 3, 0, 1]

    def test_another_by_its_number_and_back(self) -> None:
        assert after(START, Take(2)).shown == 2
        assert after(START, Take(2), Undo()) == START

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(InputError, match="5 is not there; accepted: 1 to 4"):
            after(START, Take(4))

    def test_a_correction_shows_the_best_again(self) -> None:
        assert after(START, Take(2), Point(9, 9)).shown == 0


class TestPoints:
    def test_gaze_comes_first(self) -> None:
        assert after(START, Point(9, 9, False)).points == (START.gaze, Point(9, 9, False))

    def test_outside(self) -> None:
        with pytest.raises(InputError, match="outside the frame; accepted: within 400x300"):
            after(START, Point(400, 9))

    def test_without_gaze_only_what_was_pointed_at_counts(self) -> None:
        assert after(START, Point(9, 9), WithoutGaze()).points == (Point(9, 9),)

    def test_without_gaze_nothing_would_be_left(self) -> None:
        with pytest.raises(InputError, match="nothing on the thing would be left"):
            after(START, WithoutGaze())
        with pytest.raises(InputError, match="nothing on the thing would be left"):
            after(START, Point(9, 9, False), WithoutGaze())


class TestBox:
    def test_the_last_one_counts(self) -> None:
        draft = after(START, Box(90, 70, 120, 110), Box(80, 60, 130, 120))
        assert draft.box == Box(80, 60, 130, 120)
        assert draft.points == (START.gaze,)

    def test_gaze_outside_it_does_not_count(self) -> None:
        assert after(START, Box(200, 200, 250, 250)).points == ()

    def test_drawn_in_any_direction_and_over_the_edge(self) -> None:
        assert tidy(Box(420, 50, 350, -9), SIZE) == Box(350, 0, 400, 50)

    @pytest.mark.parametrize("box", [Box(5, 5, 5, 90), Box(410, 5, 450, 9), Box(0, float("nan"), 9, 9)])
    def test_none_at_all(self, box: Box) -> None:
        with pytest.raises(InputError, match="box"):
            tidy(box, SIZE)


def test_what_ends_a_question_is_no_change() -> None:
    with pytest.raises(InputError, match="Accept does not change a question"):
        after(START, Accept())
    with pytest.raises(InputError, match="Undo"):
        after(START, Undo())


class TestLabel:
    @pytest.mark.parametrize(
        ("text", "label"), [("", "object"), ("  dog \t house ", "dog house"), ("e\u0301", "\u00e9")]
    )
    def test_as_it_is_kept(self, text: str, label: str) -> None:
        assert label_of(text) == label

    @pytest.mark.parametrize("text", ["x" * (LONGEST_LABEL + 1), "a\x00b", "a\u202eb"])
    def test_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="label"):
            label_of(text)
