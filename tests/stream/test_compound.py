"""Compounds: a mask that takes in the neighbour of what is looked at is not meant, unless both move together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.geometry import Placement, View
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.anchor import EncodedScene
from sam_edge.stream.attention import GazeAttention
from sam_edge.stream.candidate import Grid, ObjectCandidate
from sam_edge.stream.compound import find_compounds, find_left_behind, find_rests
from sam_edge.stream.dwell_tracker import DwellSegment
from sam_edge.stream.hypothesis import MaskHypothesis, doubt_compounds
from sam_edge.stream.motion import Motion
from sam_edge.stream.tuning import DEFAULT_TUNING, FORMER_TUNING, SelectionTuning

FRAME, INPUT = (112, 160), (224, 320)
MS = 1_000_000
Box = tuple[float, float, float, float]
LEFT: Box = (20.0, 20.0, 60.0, 80.0)
RIGHT: Box = (60.0, 20.0, 90.0, 80.0)
BOTH: Box = (20.0, 20.0, 90.0, 80.0)
CORNER: Box = (20.0, 20.0, 40.0, 40.0)


def grid_of_box(box: Box) -> Grid:
    x0, y0, x1, y1 = map(round, box)
    logits = np.full(FRAME, -8, np.float32)
    logits[y0:y1, x0:x1] = 8
    return logits


def move(*moved: tuple[Box, float, float], ground: tuple[float, float] = (0.0, 0.0)) -> Motion:
    """Motion of boxes, pixels to the right and down, before a ground that moves, too."""
    back = np.empty((*FRAME, 2), np.float32)
    back[:] = (-ground[0], -ground[1])
    for (x0, y0, x1, y1), x_px, y_px in moved:
        back[round(y0) : round(y1), round(x0) : round(x1)] = (-x_px, -y_px)
    return Motion(back, (1.0, 1.0))


def scene(time_ms: float = 0, motion: Motion | None = None) -> EncodedScene:
    data = np.zeros((1, 256, INPUT[0] // 16, INPUT[1] // 16), np.float32)
    embedding = Embedding(data, Placement(View.whole(FRAME), INPUT), FRAME, round(time_ms * MS))
    return EncodedScene(embedding, round(time_ms * MS), motion)


STILL = move()


@pytest.mark.parametrize(
    ("motion", "compounds"),
    [
        (STILL, {1}),
        (move((BOTH, 3.0, 1.0), ground=(3.0, 1.0)), {1}),
        (move((LEFT, 2.0, 0.0)), {1}),
        (move((BOTH, 2.0, 0.0)), set()),
        (move((RIGHT, 2.0, 0.0)), set()),
        (move((LEFT, 2.0, 0.0), (RIGHT, 1.0, 0.0)), set()),
        (None, set()),
    ],
    ids=[
        "still",
        "with the camera",
        "the left one moves",
        "together",
        "the right one moves",
        "alike",
        "unknown",
    ],
)
def test_two_things_are_a_compound_unless_they_move_together(
    world: Callable[..., Any], motion: Motion | None, compounds: set[int]
) -> None:
    grids = [grid_of_box(LEFT), grid_of_box(BOTH)]
    model = Segmenter(world(LEFT, RIGHT, BOTH))
    assert find_compounds(model, scene().embedding, grids, motion, DEFAULT_TUNING) == compounds


def test_a_thing_whose_rest_is_nothing_by_itself_is_no_compound(world: Callable[..., Any]) -> None:
    """SAM answers a point on the rest with the whole only."""
    grids = [grid_of_box(LEFT), grid_of_box(BOTH)]
    model = Segmenter(world(LEFT, BOTH))
    assert find_compounds(model, scene().embedding, grids, STILL, DEFAULT_TUNING) == set()


def test_a_rest_that_the_model_is_not_sure_of_is_no_object(world: Callable[..., Any]) -> None:
    runtime = world(LEFT, RIGHT, BOTH)
    runtime.scores = (0.7, 0.7, 0.7, 0.7)
    grids = [grid_of_box(LEFT), grid_of_box(BOTH)]
    assert find_compounds(Segmenter(runtime), scene().embedding, grids, STILL, DEFAULT_TUNING) == set()


def test_a_small_part_makes_no_compound() -> None:
    """A wheel and a car: what is left of the car is an object, too, and the car is meant all the same."""
    assert find_rests([grid_of_box(CORNER), grid_of_box(BOTH)], DEFAULT_TUNING) == []
    (rest,) = find_rests([grid_of_box(LEFT), grid_of_box(BOTH)], DEFAULT_TUNING)
    assert rest.larger == 1
    # The right box without its first column, the rim of the left one.
    assert np.count_nonzero(rest.mask) == 29 * 60


@pytest.mark.parametrize(
    ("motion", "behind"),
    [
        (move((LEFT, 2.0, 0.0)), {1}),
        (move((LEFT, 0.4, 0.0)), set()),
        (move((LEFT, 2.0, 0.0), (RIGHT, 0.3, 0.0)), set()),
        (STILL, set()),
        (None, set()),
    ],
    ids=["clear", "too little", "the rest moves a bit", "still", "unknown"],
)
def test_what_clearly_stays_behind_does_not_belong_to_what_moves(
    motion: Motion | None, behind: set[int]
) -> None:
    grids = [grid_of_box(LEFT), grid_of_box(BOTH)]
    assert find_left_behind(grids, motion, DEFAULT_TUNING) == behind


def test_compounds_are_made_less_likely_by_their_odds() -> None:
    first, second = (
        MaskHypothesis(grid_of_box(box), probability, 0.9, np.zeros((4, 4), np.float32))
        for box, probability in ((LEFT, 0.4), (BOTH, 0.6))
    )
    doubted = doubt_compounds([first, second], {1}, replace(DEFAULT_TUNING, compound_odds=0.1))
    assert [item.probability for item in doubted] == pytest.approx([0.4 / 0.46, 0.06 / 0.46])


def rest_at(
    attention: GazeAttention,
    places: Sequence[tuple[float, float]],
    make_look: Callable[..., DwellSegment],
    motion: Motion,
    lasting_ms: int = 320,
) -> ObjectCandidate | None:
    """Rest the gaze at one place after the other; return the target at the end."""
    now_ms, target = 0, None
    for rest, (x_px, y_px) in enumerate(places):
        begun_ms = now_ms
        while now_ms < begun_ms + lasting_ms:
            look = make_look(rest, x_px, y_px, begun_ms, now_ms + 40)
            target = attention.see(scene(now_ms, motion), look)
            now_ms += 40
    return target


def is_box(candidate: ObjectCandidate | None, box: Box) -> bool:
    filled: NDArray[np.bool_] = grid_of_box(box) > 0
    if candidate is None:
        return False
    return bool((candidate.mask & filled).sum() > 0.85 * (candidate.mask | filled).sum())


@pytest.mark.parametrize(("tuning", "meant"), [(DEFAULT_TUNING, LEFT), (FORMER_TUNING, BOTH)])
def test_gaze_on_one_of_two_touching_things_means_that_one(
    world: Callable[..., Any], make_look: Callable[..., DwellSegment], tuning: SelectionTuning, meant: Box
) -> None:
    attention = GazeAttention(Segmenter(world(LEFT, RIGHT, BOTH)), px_per_deg=8, tuning=tuning)
    assert is_box(rest_at(attention, [(40.0, 50.0)], make_look, STILL), meant)


def test_gaze_on_both_of_two_touching_things_means_both(
    world: Callable[..., Any], make_look: Callable[..., DwellSegment]
) -> None:
    attention = GazeAttention(Segmenter(world(LEFT, RIGHT, BOTH)), px_per_deg=8)
    places = [(40.0, 50.0), (75.0, 50.0), (35.0, 30.0), (78.0, 70.0), (45.0, 70.0), (72.0, 30.0)]
    assert is_box(rest_at(attention, places, make_look, STILL), BOTH)


@pytest.mark.parametrize(("score", "switched"), [(0.97, True), (0.9, False)])
def test_a_look_at_something_clear_switches_sooner_than_a_glance_ends(
    world: Callable[..., Any], make_look: Callable[..., DwellSegment], score: float, switched: bool
) -> None:
    """The target is stable; then gaze rests for 160 ms on another thing, that the model is sure of or not."""
    other = (110.0, 40.0, 140.0, 70.0)
    runtime = world(LEFT, other)
    runtime.scores = (score,) * 4
    attention = GazeAttention(Segmenter(runtime), px_per_deg=8)
    assert is_box(rest_at(attention, [(40.0, 50.0)], make_look, STILL, 640), LEFT)
    assert attention.stable
    for step in range(4):
        begun_ms = 700
        look = make_look(7, 125.0, 55.0, begun_ms, begun_ms + 40 * (step + 1))
        target = attention.see(scene(begun_ms + 40 * step, STILL), look)
    assert is_box(target, other if switched else LEFT)
