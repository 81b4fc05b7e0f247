"""Numbers that come back, and numbers that do not: visits to objects that look as they are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sam_edge.identity.appearance import Appearance, describe
from sam_edge.identity.recognizer import ObjectRecognizer, Sighting

Look = Callable[..., Appearance]
Box = tuple[float, float, float, float]
SIZE = (480, 640)
STEP_MS = 40
LEFT, RIGHT = (100.0, 200.0, 180.0, 280.0), (400.0, 200.0, 480.0, 280.0)


class Visitor:
    """Looks at objects for a time each, in a picture that moves as it is told."""

    def __init__(self, look: Look) -> None:
        self.recognizer = ObjectRecognizer()
        self.look = look
        self.now_ms = 0
        self.lineage = 0
        self.frames = 0

    def visit(
        self,
        thing: int,
        box: Box,
        lasting_ms: int = 1000,
        *,
        same_lineage: bool = False,
        gaze: tuple[float, float] | None = None,
    ) -> list[int]:
        """Look at an object; return its number on every scene."""
        self.lineage += not same_lineage
        return [self.see(thing, box, gaze) for _ in range(lasting_ms // STEP_MS)]

    def see(self, thing: int, box: Box, gaze: tuple[float, float] | None = None) -> int:
        time_ns = self.now_ms * 1_000_000
        self.move(0)
        wanted = self.recognizer.wants_view(self.lineage, time_ns, box, looked_at=True)
        self.frames += 1
        view = self.look(thing, self.frames) if wanted else None
        if view is not None:
            self.recognizer.memory.see_scene(np.zeros((len(view.texture), 1, 1), np.float32))
        return self.recognizer.see(Sighting(self.lineage, time_ns, box, True, view, gaze))

    def move(self, x_px: float) -> None:
        """Move the picture to the right."""
        back = np.zeros((48, 64, 2), np.float32)
        back[..., 0] = -x_px / 10
        self.recognizer.memory.places.move(back, SIZE, STEP_MS / 1e3)
        self.now_ms += STEP_MS


@pytest.fixture
def visitor(look: Look) -> Visitor:
    return Visitor(look)


def test_objects_get_their_numbers_back(visitor: Visitor) -> None:
    order = [1, 2, 3, 1, 3, 2, 1]
    places = {1: LEFT, 2: RIGHT, 3: (250.0, 20.0, 300.0, 80.0)}
    numbers = [set(visitor.visit(thing, places[thing])) for thing in order]
    assert numbers == [{1}, {2}, {3}, {1}, {3}, {2}, {1}]
    assert [item.visits for item in visitor.recognizer.memory.objects] == [3, 2, 2]
    kinds = [event.kind for event in visitor.recognizer.memory.take_events()]
    assert kinds == ["new"] * 3 + ["returned"] * 4


def test_an_object_that_left_the_picture_has_its_number_when_it_is_back(visitor: Visitor) -> None:
    visitor.visit(1, LEFT)
    visitor.recognizer.lose()
    for _ in range(2000):
        visitor.move(-5)
    visitor.recognizer.memory.places.clear()
    assert set(visitor.visit(1, RIGHT)) == {1}


def test_identical_objects_side_by_side_stay_apart(visitor: Visitor) -> None:
    numbers = [set(visitor.visit(1, place)) for place in (LEFT, RIGHT, LEFT, RIGHT, LEFT)]
    assert numbers == [{1}, {2}, {1}, {2}, {1}]


def test_identical_objects_with_a_small_gap_stay_apart(visitor: Visitor) -> None:
    beside = (200.0, 200.0, 280.0, 280.0)
    numbers = [set(visitor.visit(1, place)) for place in (LEFT, beside, LEFT, beside)]
    assert numbers == [{1}, {2}, {1}, {2}]


def test_in_doubt_an_object_is_new(visitor: Visitor) -> None:
    """Two known look-alikes, and nothing known of where they are: neither number is given."""
    visitor.visit(1, LEFT)
    visitor.visit(1, RIGHT)
    visitor.recognizer.memory.places.clear()
    assert visitor.visit(1, (250.0, 20.0, 330.0, 100.0), lasting_ms=40) == [3]


def test_a_mask_that_slides_to_another_object_takes_its_number(visitor: Visitor) -> None:
    visitor.visit(1, LEFT)
    visitor.visit(2, RIGHT)
    assert set(visitor.visit(1, LEFT)) == {1}
    assert set(visitor.visit(2, RIGHT, same_lineage=True)) == {2}
    assert set(visitor.visit(3, (250.0, 20.0, 300.0, 80.0), same_lineage=True)) == {3}


def test_a_part_that_grows_to_the_whole_keeps_its_number(visitor: Visitor) -> None:
    visitor.visit(1, (100.0, 200.0, 130.0, 230.0), lasting_ms=200)
    assert set(visitor.visit(5, LEFT, same_lineage=True)) == {1}


def test_what_lies_elsewhere_at_the_same_moment_is_another_object_however_alike(visitor: Visitor) -> None:
    """A thing in the box of the object before, that looks like it: without the masks it would be a part of it."""
    (number, *_) = visitor.visit(0, (100.0, 100.0, 500.0, 400.0))
    part = (120.0, 300.0, 180.0, 380.0)
    visitor.lineage += 1
    view = visitor.look(0, visitor.frames)
    time_ns = visitor.now_ms * 1_000_000
    sighting = Sighting(visitor.lineage, time_ns, part, True, view, is_elsewhere=True)
    other = visitor.recognizer.see(sighting)
    assert other != number
    assert set(visitor.visit(0, part, same_lineage=True)) == {other}


def test_two_numbers_that_turn_out_to_be_one_object_are_merged(visitor: Visitor) -> None:
    visitor.visit(1, LEFT)
    visitor.visit(2, RIGHT)
    visitor.recognizer.memory.places.clear()
    # At first only something else is seen in its place; then it is seen itself.
    assert visitor.visit(7, LEFT, lasting_ms=40) == [3]
    assert visitor.visit(1, LEFT, same_lineage=True)[-1] == 1
    merged = [event for event in visitor.recognizer.memory.take_events() if event.kind == "merged"]
    assert [(event.object_id, event.other_id) for event in merged] == [(1, 3)]


def test_a_target_that_does_not_look_like_its_object_for_long_is_another_one(visitor: Visitor) -> None:
    visitor.visit(1, LEFT)
    visitor.visit(2, RIGHT)
    visitor.recognizer.memory.places.clear()
    visitor.now_ms += 10_000
    assert visitor.visit(1, LEFT, lasting_ms=40) == [1]
    assert visitor.visit(9, LEFT, same_lineage=True)[-1] == 3


def test_a_mask_that_takes_in_the_surroundings_while_gaze_stays_keeps_the_number(visitor: Visitor) -> None:
    """The mask of what is behind the object is not the object's; what is smaller, or elsewhere, is another thing."""
    visitor.visit(1, LEFT)
    around = (60.0, 160.0, 220.0, 320.0)
    assert set(visitor.visit(8, around, lasting_ms=400, gaze=(140.0, 240.0))) == {1}
    assert set(visitor.visit(1, LEFT, gaze=(140.0, 240.0))) == {1}
    assert set(visitor.visit(9, (130.0, 230.0, 150.0, 250.0), lasting_ms=400, gaze=(140.0, 240.0))) == {2}
    assert set(visitor.visit(8, around, lasting_ms=400, gaze=(210.0, 310.0))) == {3}


def test_a_glance_away_and_back_to_what_is_still_followed_keeps_the_number(visitor: Visitor) -> None:
    visitor.visit(1, LEFT)
    lineage = visitor.lineage
    visitor.visit(2, RIGHT, lasting_ms=120)
    visitor.lineage = lineage
    assert set(visitor.visit(1, LEFT, same_lineage=True)) == {1}


def test_merged_and_forgotten_lineages(visitor: Visitor) -> None:
    visitor.visit(1, LEFT)
    visitor.visit(2, RIGHT)
    visitor.recognizer.merge(1, 2, 0)
    assert visitor.recognizer.lineages_of(1) == (1, 2)
    assert set(visitor.visit(2, RIGHT, same_lineage=True)) == {1}
    assert visitor.recognizer.forget(1, 0) == (1, 2)
    assert set(visitor.visit(2, RIGHT, same_lineage=True)) == {3}


def test_the_target_is_described_now_and_then(visitor: Visitor) -> None:
    wanted = []
    for _ in range(100):
        time_ns = visitor.now_ms * 1_000_000
        wanted.append(visitor.recognizer.wants_view(0, time_ns, LEFT, looked_at=True))
        visitor.see(1, LEFT)
    assert wanted[0]
    assert 10 <= sum(wanted) <= 20


def number_after(recognizer: ObjectRecognizer, lineage: int, image: np.ndarray, begin_ms: int) -> int:
    """Look for a second, after a cut, at what is in the middle of a still picture; return its number at the end."""
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[60:120, 120:200] = True
    recognizer.lose()
    recognizer.memory.places.clear()
    box, number = (120.0, 60.0, 200.0, 120.0), 0
    for now_ms in range(begin_ms, begin_ms + 1000, STEP_MS):
        view = describe(image, mask)
        number = recognizer.see(Sighting(lineage, now_ms * 1_000_000, box, True, view))
    return number


def made_scene(colour: tuple[int, int, int]) -> np.ndarray:
    """Make a textured picture (180, 320, 3) with an object of a colour in its middle."""
    rng = np.random.default_rng(7)
    image = rng.normal((150, 140, 120), 20, (180, 320, 3))
    image[60:120, 120:200] = rng.normal(colour, 15, (60, 80, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("light", [(0.67, 0.67, 0.67), (1.2, 1.0, 0.7)])
def test_an_object_in_other_light_gets_its_number_back(light: tuple[float, float, float]) -> None:
    recognizer = ObjectRecognizer()
    cup, book = made_scene((200, 90, 60)), made_scene((70, 110, 190))
    other_cup, other_book = (
        np.clip(scene * np.array(light), 0, 255).astype(np.uint8) for scene in (cup, book)
    )
    numbers = [
        number_after(recognizer, lineage, scene, 5000 * lineage)
        for lineage, scene in enumerate((cup, book, other_cup, other_book), 1)
    ]
    assert numbers[:2] == numbers[2:]
    assert numbers[0] != numbers[1]


def test_an_object_that_is_darker_than_its_scene_became_is_another_one() -> None:
    recognizer = ObjectRecognizer()
    cup, dark_cup = made_scene((200, 90, 60)), made_scene((100, 45, 30))
    first = number_after(recognizer, 1, cup, 0)
    darker = (dark_cup * 0.67).astype(np.uint8)
    assert number_after(recognizer, 2, darker, 5000) != first
