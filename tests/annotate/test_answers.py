"""Drafts of proposals: the next state after every answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.annotate import Accept, Answer, Box, ChooseMask, ExcludeGaze, Point, Undo
from sam_edge.annotate.answers import MAX_LABEL_LENGTH, clip_box, normalize_label
from sam_edge.annotate.proposal import Draft
from sam_edge.errors import InputError

SIZE = (300, 400)
START = Draft(Point(100, 80))

inside = st.builds(Point, st.floats(0, 399.5), st.floats(0, 299.5), st.booleans())
boxes = st.builds(Box, *(st.floats(-20, 420) for _ in range(4)))
answers = st.one_of(
    inside,
    boxes,
    st.builds(ChooseMask, st.one_of(st.none(), st.integers(-1, 5))),
    st.just(ExcludeGaze()),
    st.just(Undo()),
)


def apply(draft: Draft, *given_answers: Answer) -> Draft:
    for answer in given_answers:
        draft = draft.apply(answer, size=SIZE, mask_count=4)
    return draft


def apply_or_keep(draft: Draft, answer: Answer) -> Draft:
    """The draft after an answer; the same one where it is refused."""
    try:
        return apply(draft, answer)
    except InputError:
        return draft


@settings(deadline=None)
@given(st.lists(answers, max_size=8))
def test_after_any_answers_a_prompt_on_the_object_is_left(sequence: list[Answer]) -> None:
    draft = START
    for answer in sequence:
        draft = apply_or_keep(draft, answer)
        assert 0 <= draft.mask_index < 4
        assert draft.box is not None or any(point.positive for point in draft.points)
        assert draft.corrected == (draft != START)


@settings(deadline=None)
@given(st.lists(answers, max_size=6), st.one_of(inside, boxes))
def test_undo_takes_back_exactly_the_last_correction(sequence: list[Answer], last: Answer) -> None:
    draft = START
    for answer in sequence:
        draft = apply_or_keep(draft, answer)
    further = apply_or_keep(draft, last)
    if further != draft:
        back = apply(further, Undo())
        assert (back.prompts, back.mask_index) == (draft.prompts, 0)


class TestMasks:
    def test_next_goes_round(self) -> None:
        assert [apply(START, *[ChooseMask()] * count).mask_index for count in range(6)] == [0, 1, 2, 3, 0, 1]

    def test_another_by_its_number_and_back(self) -> None:
        assert apply(START, ChooseMask(2)).mask_index == 2
        assert apply(START, ChooseMask(2), Undo()) == START

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(InputError, match="5 is not there; accepted: 1 to 4"):
            apply(START, ChooseMask(4))

    def test_a_correction_shows_the_best_again(self) -> None:
        assert apply(START, ChooseMask(2), Point(9, 9)).mask_index == 0


class TestPoints:
    def test_gaze_comes_first(self) -> None:
        assert apply(START, Point(9, 9, False)).points == (START.gaze, Point(9, 9, False))

    def test_outside(self) -> None:
        with pytest.raises(InputError, match="outside the frame; accepted: within 400x300"):
            apply(START, Point(400, 9))

    def test_with_gaze_excluded_only_the_persons_points_count(self) -> None:
        assert apply(START, Point(9, 9), ExcludeGaze()).points == (Point(9, 9),)

    def test_gaze_cannot_be_excluded_when_no_prompt_is_left(self) -> None:
        with pytest.raises(InputError, match="no prompt on the object would be left"):
            apply(START, ExcludeGaze())
        with pytest.raises(InputError, match="no prompt on the object would be left"):
            apply(START, Point(9, 9, False), ExcludeGaze())


class TestBox:
    def test_the_last_one_counts(self) -> None:
        draft = apply(START, Box(90, 70, 120, 110), Box(80, 60, 130, 120))
        assert draft.box == Box(80, 60, 130, 120)
        assert draft.points == (START.gaze,)

    def test_gaze_outside_it_does_not_count(self) -> None:
        assert apply(START, Box(200, 200, 250, 250)).points == ()

    def test_drawn_in_any_direction_and_over_the_edge(self) -> None:
        assert clip_box(Box(420, 50, 350, -9), SIZE) == Box(350, 0, 400, 50)

    @pytest.mark.parametrize("box", [Box(5, 5, 5, 90), Box(410, 5, 450, 9), Box(0, float("nan"), 9, 9)])
    def test_none_at_all(self, box: Box) -> None:
        with pytest.raises(InputError, match="box"):
            clip_box(box, SIZE)


def test_what_closes_a_proposal_is_no_correction() -> None:
    with pytest.raises(InputError, match="Accept does not correct a proposal"):
        apply(START, Accept())
    with pytest.raises(InputError, match="Undo"):
        apply(START, Undo())


class TestLabel:
    @pytest.mark.parametrize(
        ("text", "label"), [("", "object"), ("  dog \t house ", "dog house"), ("e\u0301", "\u00e9")]
    )
    def test_normalized(self, text: str, label: str) -> None:
        assert normalize_label(text) == label

    @pytest.mark.parametrize("text", ["x" * (MAX_LABEL_LENGTH + 1), "a\x00b", "a\u202eb"])
    def test_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="label"):
            normalize_label(text)
