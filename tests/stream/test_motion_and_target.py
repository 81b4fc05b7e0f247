"""Flow carries masks and points; a target keeps the places where gaze rested."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.gaze.events import EventKind, Fixation, Phase
from sam_edge.masks import Masks
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.target import POINTS_KEPT, Target, near, without_islands


def texture(height: int = 240, width: int = 320) -> np.ndarray:
    small = np.random.default_rng(3).integers(0, 255, (height // 6, width // 6, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def disc(x: int, y: int, radius: int, shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    cv2.circle(canvas, (x, y), radius, 1, -1)
    return canvas > 0


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (5, 0), (-4, 3), (8, -6)])
def test_a_shift_of_the_picture_shifts_what_is_carried(dx: int, dy: int) -> None:
    image = texture()
    motion = FrameMotion()
    motion.advance(image)
    motion.advance(np.roll(image, (dy, dx), axis=(0, 1)))
    x_px, y_px = motion.carry_point(160.0, 120.0)
    assert np.hypot(x_px - 160 - dx, y_px - 120 - dy) < 1.0
    moved = motion.carry_mask(disc(160, 120, 40))
    expected = disc(160 + dx, 120 + dy, 40)
    assert (moved & expected).sum() / (moved | expected).sum() > 0.93


def test_without_a_frame_before_nothing_moves() -> None:
    motion = FrameMotion()
    motion.advance(texture())
    assert motion.carry_point(3.0, 4.0) == (3.0, 4.0)
    mask = disc(50, 60, 10)
    np.testing.assert_array_equal(motion.carry_mask(mask), mask)


def fixation(event_id: int, x_px: float, y_px: float) -> Fixation:
    return Fixation(
        event_id, EventKind.FIXATION, Phase.UPDATE, 0, 100_000_000, x_px, y_px, (1.0, 0.0, 1.0), 20
    )


def test_a_target_keeps_the_newest_places_and_moves_one_that_is_looked_at_still() -> None:
    target = Target(1)
    for event_id in range(POINTS_KEPT + 3):
        target.looked_at(fixation(event_id, 10.0 * event_id, 5.0))
    assert [place.event_id for place in target.places] == list(range(3, POINTS_KEPT + 3))
    target.looked_at(fixation(4, 99.0, 98.0))
    assert len(target.places) == POINTS_KEPT
    assert (target.places[-1].event_id, target.places[-1].x_px) == (4, 99.0)


def test_places_that_leave_the_frame_are_let_go() -> None:
    image = texture()
    motion = FrameMotion()
    motion.advance(image)
    motion.advance(np.roll(image, 8, axis=1))
    target = Target(1)
    target.looked_at(fixation(1, 318.0, 100.0))
    target.looked_at(fixation(2, 100.0, 100.0))
    target.follow(motion, (240, 320))
    assert [place.event_id for place in target.places] == [2]


def test_the_mask_most_like_the_one_so_far_is_chosen() -> None:
    small, large = disc(100, 100, 20), disc(100, 100, 60)
    masks = Masks(
        masks=np.stack([large, small]),
        scores=np.array([0.9, 0.88], np.float32),
        logits=np.zeros((2, 4, 4), np.float32),
        token=np.array([3, 1]),
    )
    target = Target(1)
    assert target.choose(masks) == 0
    target.mask = disc(101, 100, 20)
    assert target.choose(masks) == 1


def test_islands_are_dropped_and_large_pieces_kept() -> None:
    mask = disc(80, 80, 40) | disc(200, 80, 30) | disc(300, 200, 3)
    cleaned = without_islands(mask)
    assert cleaned[80, 80]
    assert cleaned[80, 200]
    assert not cleaned[200, 300]


@given(st.floats(-50, 370), st.floats(-50, 290), st.floats(0.5, 30))
def test_near_agrees_with_the_distance_to_every_pixel(x_px: float, y_px: float, tolerance: float) -> None:
    mask = disc(150, 100, 12)
    rows, columns = np.nonzero(mask)
    distance = np.hypot(columns + 0.5 - x_px, rows + 0.5 - y_px).min()
    if abs(distance - tolerance) > 1e-6:
        assert near(mask, x_px, y_px, tolerance) == (distance < tolerance)
