"""Pinned objects that are covered, leave, and come back: lost rather than dragged, and found by how they look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.identity.appearance import Appearance
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream import GazeSession, Selection
from sam_edge.stream.anchor import EncodedScene
from sam_edge.stream.candidate import Grid, ObjectCandidate
from sam_edge.stream.pinned_presence import PinnedPresence
from sam_edge.stream.playback import GazeFeed
from sam_edge.stream.tuning import DEFAULT_TUNING, FORMER_TUNING, SelectionTuning

INPUT = (224, 320)
FRAME_NS = 40_000_000
RED, GREEN = (30.0, 30.0, 60.0, 60.0), (100.0, 70.0, 130.0, 100.0)
ON_RED, ON_GREEN = (45.0, 45.0), (115.0, 85.0)
COVER, ELSEWHERE = (26.0, 26.0, 64.0, 64.0), (110.0, 20.0, 140.0, 50.0)
RED_RGB, GREEN_RGB, BLUE_RGB = (200, 20, 20), (20, 180, 20), (20, 20, 200)
Box = tuple[float, float, float, float]
Texture = Callable[..., NDArray[np.uint8]]
MakeGaze = Callable[..., list[GazeSample]]
PINNED_AT = 20


class Stage:
    """A wall with coloured boxes, and a session that looks at it."""

    def __init__(self, world: Callable[..., Any], texture: Texture, tuning: SelectionTuning) -> None:
        self.world = world()
        self.wall = texture() // 4 + 90
        self.session = GazeSession(Segmenter(self.world), px_per_deg=8, size=INPUT, tuning=tuning)
        self.index = 0
        self.shown: list[Selection] = []

    def play(self, frames: int, gaze: list[GazeSample], *things: tuple[Box, tuple[int, int, int]]) -> None:
        """Step through frames on which there are these boxes, the last one in front."""
        image = self.wall.copy()
        for (x0, y0, x1, y1), colour in things:
            part = image[int(y0) : int(y1), int(x0) : int(x1)]
            part[:] = part // 3 + np.array(colour, np.uint8) // 3 * 2
        self.world.things = [box for box, _ in things]
        feed = GazeFeed(gaze)
        for _ in range(frames):
            self.session.feed(feed.until((self.index + 1) * FRAME_NS))
            self.shown.append(self.session.step(image, self.index * FRAME_NS))
            self.index += 1


def stage_with_a_pinned_object(
    world: Callable[..., Any],
    texture: Texture,
    gaze_at: MakeGaze,
    tuning: SelectionTuning = DEFAULT_TUNING,
) -> Stage:
    """Pin the red box, and look at the green one."""
    stage = Stage(world, texture, tuning)
    stage.play(PINNED_AT, gaze_at((800, *ON_RED)), (RED, RED_RGB), (GREEN, GREEN_RGB))
    assert stage.session.pin() == 1
    stage.play(20, gaze_at((800, *ON_GREEN), begin_ms=40 * stage.index), (RED, RED_RGB), (GREEN, GREEN_RGB))
    assert [item.object_id for item in stage.shown[-1].pinned] == [1]
    assert stage.shown[-1].lost == ()
    return stage


def middle(mask: NDArray[np.bool_]) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


def test_a_pinned_object_that_is_covered_is_lost_and_found_elsewhere(
    world: Callable[..., Any], texture: Texture, gaze_at: MakeGaze
) -> None:
    stage = stage_with_a_pinned_object(world, texture, gaze_at)
    stage.play(25, [], (GREEN, GREEN_RGB), (COVER, BLUE_RGB))
    assert stage.shown[-1].pinned == ()
    assert stage.shown[-1].lost == (1,)
    stage.play(15, [], (GREEN, GREEN_RGB), (COVER, BLUE_RGB), (ELSEWHERE, RED_RGB))
    found = stage.shown[-1]
    assert [item.object_id for item in found.pinned] == [1]
    assert found.lost == ()
    assert middle(found.pinned[0].mask) == pytest.approx((124.5, 34.5), abs=2)


def test_a_pinned_object_stays_while_it_is_seen(
    world: Callable[..., Any], texture: Texture, gaze_at: MakeGaze
) -> None:
    stage = stage_with_a_pinned_object(world, texture, gaze_at)
    stage.play(40, [], (RED, RED_RGB), (GREEN, GREEN_RGB))
    after = stage.shown[PINNED_AT + 1 :]
    assert {tuple(item.object_id for item in shown.pinned) for shown in after} == {(1,)}


def test_a_scene_compares_three_objects_at_most_and_all_get_their_turn(
    world: Callable[..., Any], texture: Texture
) -> None:
    """Ten objects: each one is compared once within four scenes."""
    model = Segmenter(world())
    image = texture()
    compared: list[float] = []

    def describe(_image: NDArray[np.uint8], grid_logits: Grid, _embedding: Embedding) -> Appearance:
        compared.append(float(grid_logits.max()))
        zeros = np.zeros(384, np.float32)
        return Appearance(zeros, zeros, np.zeros(256, np.float32))

    presence = PinnedPresence(model, describe)
    pinned = [
        ObjectCandidate(np.full((112, 160), 1.0 + number, np.float32), 0.9, object_id=number)
        for number in range(10)
    ]
    for index in range(4):
        scene = EncodedScene(model.encode(image, size=INPUT), index * FRAME_NS, None)
        before = len(compared)
        assert len(presence.review(image, scene, pinned, None)) == 10
        assert len(compared) - before <= 3
    assert len(set(compared)) == 10


def test_a_lost_object_is_not_something_of_another_colour(
    world: Callable[..., Any], texture: Texture, gaze_at: MakeGaze
) -> None:
    stage = stage_with_a_pinned_object(world, texture, gaze_at)
    stage.play(60, [], (GREEN, GREEN_RGB), (COVER, BLUE_RGB), (ELSEWHERE, (200, 200, 20)))
    assert stage.shown[-1].lost == (1,)


def test_a_lost_object_is_found_by_gaze_on_it(
    world: Callable[..., Any], texture: Texture, gaze_at: MakeGaze
) -> None:
    stage = stage_with_a_pinned_object(world, texture, gaze_at)
    stage.play(25, [], (GREEN, GREEN_RGB), (COVER, BLUE_RGB))
    gaze = gaze_at((800, 125.0, 35.0), begin_ms=40 * stage.index)
    stage.play(20, gaze, (GREEN, GREEN_RGB), (COVER, BLUE_RGB), (ELSEWHERE, RED_RGB))
    found = stage.shown[-1]
    assert [item.object_id for item in found.pinned] == [1]
    assert found.object_id == 1


def test_a_lost_object_that_is_let_go_does_not_come_back(
    world: Callable[..., Any], texture: Texture, gaze_at: MakeGaze
) -> None:
    stage = stage_with_a_pinned_object(world, texture, gaze_at)
    stage.play(25, [], (GREEN, GREEN_RGB), (COVER, BLUE_RGB))
    stage.session.unpin(1)
    stage.play(15, [], (GREEN, GREEN_RGB), (COVER, BLUE_RGB), (ELSEWHERE, RED_RGB))
    assert stage.shown[-1].lost == ()
    assert stage.shown[-1].pinned == ()


def test_without_the_constant_the_cover_is_taken_for_the_object(
    world: Callable[..., Any], texture: Texture, gaze_at: MakeGaze
) -> None:
    stage = stage_with_a_pinned_object(world, texture, gaze_at, FORMER_TUNING)
    stage.play(25, [], (GREEN, GREEN_RGB), (COVER, BLUE_RGB))
    assert len(stage.shown[-1].pinned) == 1
