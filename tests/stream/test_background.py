"""A first dwell on background is an outline until a second one confirms it; after a cut nothing old is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream.assessment import Assessment, SceneObject
from sam_edge.stream.candidate import is_background
from sam_edge.stream.closeup import Track
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.render import render_selection
from sam_edge.stream.selection import Selection, State
from sam_edge.stream.session import GazeSession
from sam_edge.stream.tuning import DEFAULT_TUNING, FORMER_TUNING, SelectionTuning

FRAME, INPUT = (112, 160), (224, 320)
MS = 1_000_000
FRAME_MS = 40
GROUND = (0.0, 30.0, 160.0, 112.0)
"""Half of the frame, cut off by three borders."""
THING = (40.0, 40.0, 70.0, 70.0)
ON_GROUND, ALSO_ON_GROUND, ON_THING = (120.0, 90.0), (20.0, 95.0), (55.0, 55.0)
World = Callable[..., Any]
MakeGaze = Callable[..., list[GazeSample]]
Texture = Callable[..., NDArray[np.uint8]]


@pytest.mark.parametrize(
    ("box", "background"),
    [
        ((0, 0, 160, 50), True),
        ((0, 0, 160, 20), True),
        ((10, 10, 150, 62), True),
        ((10, 10, 150, 50), False),
        ((0, 0, 40, 40), False),
        ((0, 0, 30, 112), True),
        ((0, 0, 160, 112), True),
    ],
)
def test_background_fills_much_of_the_frame_or_is_cut_off_by_three_borders(
    box: tuple[int, int, int, int], background: bool
) -> None:
    logits = np.full(FRAME, -5, np.float32)
    logits[box[1] : box[3], box[0] : box[2]] = 5
    assert is_background(logits, DEFAULT_TUNING) is background
    assert not is_background(logits, FORMER_TUNING)


def test_what_only_touches_a_border_is_not_cut_off_by_it() -> None:
    logits = np.full(FRAME, -5, np.float32)
    logits[:40, :40] = 5
    logits[-1, 10:14] = 5
    assert not is_background(logits, DEFAULT_TUNING)


def play(
    model: Any,
    texture: Texture,
    gaze: list[GazeSample],
    frames: int,
    tuning: SelectionTuning = DEFAULT_TUNING,
    cut_at: int | None = None,
) -> list[Selection]:
    """Step through a still scene, which another one replaces at a cut."""
    shown = []
    with GazeSession(Segmenter(model), px_per_deg=8, size=INPUT, tuning=tuning) as session:
        for index in range(frames):
            begin, end = index * FRAME_MS * MS, (index + 1) * FRAME_MS * MS
            session.feed([sample for sample in gaze if begin <= sample.time_ns < end])
            image = texture(0)
            if cut_at is not None and index >= cut_at:
                image = np.ascontiguousarray(image[::-1, ::-1] // 3)
            shown.append(session.step(image, begin))
    return shown


def test_a_first_dwell_on_background_is_not_confirmed_however_long(
    world: World, texture: Texture, gaze_at: MakeGaze
) -> None:
    gaze = gaze_at((800, *ON_GROUND), (200, *ALSO_ON_GROUND))
    shown = play(world(GROUND), texture, gaze, 25)
    first, second = shown[4:20], shown[-1]
    assert all(item.mask is not None for item in first)
    assert {(item.state, item.confirmed) for item in first} == {(State.HOVER, False)}
    assert second.mask is not None
    assert (second.state, second.confirmed) == (State.FOCUSED, True)


def test_a_confirmed_background_stays_confirmed(world: World, texture: Texture, gaze_at: MakeGaze) -> None:
    gaze = gaze_at((300, *ON_GROUND), (300, *ALSO_ON_GROUND), (150, 10, None), (1000, *ON_GROUND))
    shown = play(world(GROUND), texture, gaze, 40)
    assert all(item.confirmed for item in shown[12:])


def test_sessions_without_the_constants_confirm_at_once(
    world: World, texture: Texture, gaze_at: MakeGaze
) -> None:
    shown = play(world(GROUND), texture, gaze_at((800, *ON_GROUND)), 20, FORMER_TUNING)
    assert all(item.confirmed for item in shown)
    assert shown[-1].state is State.FOCUSED


def test_one_dwell_on_background_does_not_hold_it(world: World, texture: Texture, gaze_at: MakeGaze) -> None:
    """However long it was: the object is the target with the first segment of the dwell on it."""
    gaze = gaze_at((900, *ON_GROUND), (300, *ON_THING))
    shown = play(world(THING, GROUND), texture, gaze, 30)
    right = [
        index for index, item in enumerate(shown) if item.box is not None and item.box[2] - item.box[0] < 40
    ]
    assert not shown[22].confirmed
    assert right
    assert (right[0] + 1) * FRAME_MS <= 900 + 200
    assert shown[right[0]].confirmed


def test_after_a_cut_nothing_of_the_old_scene_is_shown(
    world: World, texture: Texture, gaze_at: MakeGaze
) -> None:
    """Nor is what the eye did before it saw the cut an answer to the new scene."""
    gaze = gaze_at((600, *ON_THING), (400, *ON_GROUND))
    shown = play(world(THING, GROUND), texture, gaze, 25, cut_at=13)
    assert shown[12].mask is not None
    assert shown[13].mask is None
    assert shown[13].state is State.LOST
    later = [item for item in shown[14:] if item.mask is not None]
    assert later
    assert all(item.object_id != shown[12].object_id for item in later)


def test_without_the_constant_a_cut_is_not_seen(world: World, texture: Texture, gaze_at: MakeGaze) -> None:
    shown = play(world(THING), texture, gaze_at((800, *ON_THING)), 20, FORMER_TUNING, cut_at=13)
    assert shown[13].mask is not None


@pytest.mark.parametrize(("dwells_on_it", "confirmed"), [(1, False), (2, True)])
def test_a_mask_that_grows_over_the_background_needs_a_second_dwell(
    dwells_on_it: int, confirmed: bool
) -> None:
    """It was an object when it was assessed; the track has grown over half of the frame since."""
    assessed = np.full(FRAME, -5, np.float32)
    assessed[40:70, 40:70] = 5
    grown = np.full(FRAME, -5, np.float32)
    grown[:, :80] = 5
    embedding = Segmenter(Fake()).encode(np.zeros((*FRAME, 3), np.uint8), size=INPUT)
    target = SceneObject(1, assessed, None, 0.9)
    assessment = Assessment(
        1, 0, embedding, State.FOCUSED, target, (), True, None, {}, may_fill=dwells_on_it >= 2
    )
    track = Track(1, FRAME_MS * MS, grown, 0.9, 0)
    shown = render_selection(assessment, track, FrameMotion(), FRAME_MS * MS)
    assert shown.confirmed is confirmed
    assert shown.state is (State.FOCUSED if confirmed else State.HOVER)
