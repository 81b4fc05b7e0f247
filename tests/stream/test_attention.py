"""What is meant, in a world of boxes: part or whole, glance or change, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.geometry import Placement, View
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.anchor import Anchor, EncodedScene, time_distance_ns
from sam_edge.stream.attention import GazeAttention
from sam_edge.stream.candidate import ObjectCandidate
from sam_edge.stream.dwell_tracker import DwellSegment
from sam_edge.stream.motion import Motion
from sam_edge.stream.tuning import DEFAULT_TUNING

FRAME, INPUT = (112, 160), (224, 320)
MS = 1_000_000
STEP_MS = 40
MakeLook = Callable[..., DwellSegment]
Shift = Callable[[float, float], Motion]

WHOLE, PART = (20.0, 20.0, 80.0, 80.0), (40.0, 24.0, 60.0, 44.0)
LARGE = (20.0, 10.0, 120.0, 100.0)
OTHER = (110.0, 40.0, 140.0, 70.0)
EVERYTHING = (0.0, 0.0, 160.0, 112.0)


class Viewer:
    """Looks at places for a time, scene after scene, and remembers what was meant."""

    def __init__(self, runtime: Any, make_look: MakeLook, shift: Shift, candidates: int = 5) -> None:
        self.runtime = runtime
        self.attention = GazeAttention(Segmenter(runtime), px_per_deg=8, max_candidates=candidates)
        self.no_motion = shift(0, 0)
        self.make_look = make_look
        self.now_ms = 0
        self.rest = -1
        self.targets: list[ObjectCandidate | None] = []

    def see(self, look: DwellSegment | None, motion: Motion | None = None) -> ObjectCandidate | None:
        """Show the next scene."""
        data = np.zeros((1, 256, INPUT[0] // 16, INPUT[1] // 16), np.float32)
        embedding = Embedding(data, Placement(View.whole(FRAME), INPUT), FRAME, self.now_ms * MS)
        scene = EncodedScene(embedding, self.now_ms * MS, motion or self.no_motion)
        self.targets.append(self.attention.see(scene, look))
        self.now_ms += STEP_MS
        return self.targets[-1]

    def rest_at(self, x: float, y: float, lasting_ms: float) -> ObjectCandidate | None:
        """Rest the gaze somewhere: a new fixation."""
        self.rest += 1
        begun = self.now_ms
        while self.now_ms < begun + lasting_ms:
            end = self.now_ms + STEP_MS
            self.see(self.make_look(self.rest, x, y, begun, end))
        return self.targets[-1]

    def numbers(self) -> list[int | None]:
        """Give the number of what was meant on every scene."""
        return [None if one is None else one.object_id for one in self.targets]


@pytest.fixture
def view(
    world: Callable[..., Any], make_look: MakeLook, shift: Shift
) -> Callable[[Sequence[tuple[float, float, float, float]]], Viewer]:
    return lambda things, **given: Viewer(world(*things), make_look, shift, **given)


def is_box(candidate: ObjectCandidate | None, box: tuple[float, float, float, float]) -> bool:
    if candidate is None:
        return False
    x0, y0, x1, y1 = map(round, box)
    filled = np.zeros(FRAME, bool)
    filled[y0:y1, x0:x1] = True
    mask = candidate.mask
    return bool(np.count_nonzero(mask & filled) / np.count_nonzero(mask | filled) > 0.85)


def test_looks_all_over_a_thing_mean_the_thing(view: Callable[..., Viewer]) -> None:
    viewer = view([PART, WHOLE, EVERYTHING])
    for x, y in ((50, 34), (30, 70), (70, 60), (28, 30)):
        viewer.rest_at(x, y, 300)
    assert is_box(viewer.targets[-1], WHOLE)


def test_looks_at_one_part_again_and_again_mean_the_part(view: Callable[..., Viewer]) -> None:
    """The size principle: had the whole been meant, gaze would have gone elsewhere on it, too."""
    viewer = view([PART, LARGE, EVERYTHING])
    viewer.runtime.scores = (0.95, 0.95, 0.80, 0.5)
    for x, y in ((48, 34), (55, 30), (45, 40), (52, 38), (47, 30), (54, 41)):
        viewer.rest_at(x, y, 300)
    assert is_box(viewer.targets[-1], PART)


def test_background_that_fills_the_frame_is_not_meant(view: Callable[..., Viewer]) -> None:
    viewer = view([OTHER, EVERYTHING])
    assert is_box(viewer.rest_at(125, 55, 400), OTHER)


def test_a_glance_changes_nothing(view: Callable[..., Viewer]) -> None:
    viewer = view([WHOLE, OTHER])
    viewer.rest_at(50, 50, 700)
    before = viewer.targets[-1]
    viewer.rest_at(125, 55, 160)
    viewer.rest_at(40, 60, 400)
    assert before is not None
    assert set(viewer.numbers()) == {before.object_id}
    assert is_box(viewer.targets[-1], WHOLE)


def test_a_longer_rest_on_another_thing_switches(view: Callable[..., Viewer]) -> None:
    viewer = view([WHOLE, OTHER])
    viewer.rest_at(50, 50, 700)
    begun = len(viewer.targets)
    viewer.rest_at(125, 55, 600)
    switched = next(index for index, one in enumerate(viewer.targets[begun:]) if is_box(one, OTHER))
    assert switched * STEP_MS <= 480
    assert viewer.numbers()[-1] == 2


def test_while_nothing_is_settled_a_change_is_quick(view: Callable[..., Viewer]) -> None:
    viewer = view([WHOLE, OTHER])
    viewer.rest_at(50, 50, 160)
    assert not viewer.attention.stable
    assert is_box(viewer.rest_at(125, 55, 240), OTHER)


def test_looks_back_and_forth_are_no_flicker(view: Callable[..., Viewer]) -> None:
    """Short rests on two things in turn: what is meant changes once a rest at most."""
    viewer = view([WHOLE, OTHER])
    for _ in range(6):
        viewer.rest_at(50, 50, 160)
        viewer.rest_at(125, 55, 160)
    for rest in range(12):
        numbers = [one for one in viewer.numbers()[4 * rest : 4 * rest + 4] if one is not None]
        assert sum(one != other for one, other in pairwise(numbers)) <= 1
    assert set(viewer.numbers()) <= {None, 1, 2}


def test_of_two_equal_things_the_shown_one_stays(view: Callable[..., Viewer]) -> None:
    viewer = view([WHOLE, OTHER])
    viewer.rest_at(50, 50, 300)
    attention = viewer.attention
    held = attention.target
    assert held is not None
    rival = ObjectCandidate(held.grid_logits.copy(), held.score, log_posterior=held.log_posterior + 0.4)
    attention.candidates.append(rival)
    assert attention.choose() is held
    rival.log_posterior = held.log_posterior + 0.6
    assert attention.choose() is rival


def test_part_and_whole_keep_the_number(view: Callable[..., Viewer]) -> None:
    """What is selected grows from a part to its whole: still the same selection."""
    viewer = view([PART, WHOLE])
    viewer.runtime.scores = (0.5, 0.95, 0.5, 0.5)
    assert is_box(viewer.rest_at(50, 34, 200), PART)
    viewer.runtime.scores = (0.9, 0.9, 0.9, 0.9)
    for x, y in ((30, 70), (70, 60), (28, 30), (75, 75)):
        viewer.rest_at(x, y, 300)
    assert is_box(viewer.targets[-1], WHOLE)
    assert set(viewer.numbers()) == {1}


def test_a_look_outside_the_frame_means_nothing(view: Callable[..., Viewer]) -> None:
    viewer = view([WHOLE])
    assert viewer.rest_at(500, -20, 300) is None
    assert viewer.attention.anchors == []


def test_places_and_masks_move_with_the_picture(view: Callable[..., Viewer], shift: Shift) -> None:
    viewer = view([WHOLE])
    viewer.rest_at(50, 50, 200)
    for step in range(1, 6):
        viewer.runtime.things = [(20.0 + 4 * step, 20.0, 80.0 + 4 * step, 80.0)]
        viewer.see(None, shift(4, 0))
    assert is_box(viewer.targets[-1], (40.0, 20.0, 100.0, 80.0))
    assert [(place.x_px, place.y_px) for place in viewer.attention.anchors] == [
        pytest.approx((70, 50), abs=1)
    ]
    assert set(viewer.numbers()) == {1}


def test_what_leaves_is_lost(view: Callable[..., Viewer], shift: Shift) -> None:
    viewer = view([OTHER])
    viewer.rest_at(125, 55, 200)
    viewer.runtime.things = []
    seen = [viewer.see(None, shift(12, 0)) for _ in range(8)]
    assert seen[-1] is None
    assert viewer.attention.candidates == []
    assert viewer.attention.anchors == []


def test_what_is_followed_is_bounded(view: Callable[..., Viewer]) -> None:
    viewer = view([PART, WHOLE, OTHER, EVERYTHING], candidates=3)
    generator = np.random.default_rng(7)
    for x, y in zip(generator.uniform(0, 160, 40), generator.uniform(0, 112, 40), strict=True):
        viewer.rest_at(x, y, 80)
        assert len(viewer.attention.candidates) <= 3
        assert len(viewer.attention.anchors) <= DEFAULT_TUNING.anchors_kept
        kept = {place.dwell_id for place in viewer.attention.anchors}
        assert all(set(one.fits) <= kept for one in viewer.attention.candidates)
    # What is followed is decoded in one call; a look adds one prompt on its own, and one for all places together.
    assert max(viewer.runtime.prompts) <= 3


def test_a_selected_thing_without_gaze_does_not_bar_the_next_one(
    view: Callable[..., Viewer],
) -> None:
    """Whatever happened before, a long rest on a thing selects it."""
    viewer = view([WHOLE, OTHER])
    viewer.rest_at(50, 50, 400)
    attention = viewer.attention
    assert attention.target is not None
    # As when the places of the past have left the frame but one, which nothing that is followed explains.
    attention.anchors = [Anchor(0, 150.0, 100.0, 0, 100 * MS)]
    attention.candidates = [attention.target]
    attention.target.fits = {0: 0.0}
    viewer.see(None)
    assert is_box(viewer.rest_at(125, 55, 800), OTHER)


@pytest.mark.parametrize("candidates", [3, 5])
def test_select_takes_what_was_looked_at_then(view: Callable[..., Viewer], candidates: int) -> None:
    """A trigger comes late: gaze has gone on, and even the selection may have."""
    viewer = view([WHOLE, OTHER], candidates=candidates)
    viewer.rest_at(50, 50, 700)
    then_ms = viewer.now_ms - 100
    viewer.rest_at(125, 55, 200)
    assert viewer.attention.pin(then_ms * MS) == 1
    viewer.rest_at(120, 60, 700)
    assert is_box(viewer.targets[-1], OTHER)
    viewer.attention.forget(1)
    assert viewer.attention.pinned == []
    number = viewer.attention.pin(then_ms * MS)
    assert number is not None
    assert is_box(viewer.attention.pinned[0], WHOLE)


def test_select_without_a_time_takes_what_is_meant(view: Callable[..., Viewer]) -> None:
    viewer = view([WHOLE, OTHER])
    assert viewer.attention.pin() is None
    assert viewer.attention.pin(5) is None
    viewer.rest_at(50, 50, 400)
    assert viewer.attention.pin() == 1
    assert viewer.attention.pin() == 1
    assert len(viewer.attention.pinned) == 1


def test_kept_things_are_followed_while_others_are_selected(
    view: Callable[..., Viewer], shift: Shift
) -> None:
    viewer = view([WHOLE, OTHER])
    viewer.rest_at(50, 50, 500)
    viewer.attention.pin()
    viewer.rest_at(125, 55, 900)
    viewer.attention.pin()
    viewer.runtime.things = [(24.0, 20.0, 84.0, 80.0), (114.0, 40.0, 144.0, 70.0)]
    viewer.see(None, shift(4, 0))
    first, second = viewer.attention.pinned
    assert (first.object_id, second.object_id) == (1, 2)
    assert is_box(first, (24.0, 20.0, 84.0, 80.0))
    assert is_box(second, (114.0, 40.0, 144.0, 70.0))


def test_one_thing_is_let_go_and_the_others_stay(view: Callable[..., Viewer]) -> None:
    viewer = view([WHOLE, OTHER])
    viewer.rest_at(50, 50, 500)
    viewer.attention.pin()
    viewer.rest_at(125, 55, 900)
    viewer.attention.pin()
    viewer.attention.forget(1)
    assert [one.object_id for one in viewer.attention.pinned] == [2]
    assert viewer.attention.target is not None
    viewer.attention.forget(2)
    assert viewer.attention.target is None
    assert viewer.attention.pinned == []
    viewer.rest_at(50, 50, 200)
    viewer.attention.pin()
    viewer.attention.forget()
    assert (viewer.attention.target, viewer.attention.pinned, viewer.attention.candidates) == (None, [], [])


def test_numbers_rise_and_are_not_used_again(view: Callable[..., Viewer]) -> None:
    viewer = view([WHOLE, OTHER])
    found = []
    for _ in range(3):
        viewer.rest_at(50, 50, 300)
        found.append(viewer.numbers()[-1])
        viewer.attention.forget()
    assert found == [1, 2, 3]


@settings(max_examples=12, deadline=None)
@given(
    rests=st.lists(
        st.tuples(st.floats(-20, 180), st.floats(-20, 130), st.sampled_from([40, 120, 300])), max_size=5
    ),
    scores=st.tuples(*[st.floats(0.01, 1.0)] * 4),
)
def test_whatever_is_looked_at_gives_a_thing_on_the_frame_or_none(
    world: Callable[..., Any],
    make_look: MakeLook,
    shift: Shift,
    rests: list[tuple[float, float, float]],
    scores: tuple[float, ...],
) -> None:
    viewer = Viewer(world(PART, WHOLE, OTHER), make_look, shift)
    viewer.runtime.scores = scores
    for x, y, lasting_ms in rests:
        viewer.rest_at(x, y, lasting_ms)
    for candidate in viewer.attention.candidates:
        assert np.isfinite(candidate.grid_logits).all()
        assert candidate.grid_logits.shape == FRAME
        assert not np.isnan(candidate.log_posterior)
    target = viewer.attention.target
    assert target is None or target.object_id is not None


def test_a_time_within_a_rest_is_no_distance_from_it() -> None:
    place = Anchor(0, 0.0, 0.0, onset_ns=100, time_ns=200)
    assert [time_distance_ns(place, time_ns) for time_ns in (40, 100, 150, 200, 260)] == [60, 0, 0, 0, 60]
