"""Flow carries maps and points, over one step or several."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sam_edge.stream.motion import FRAMES_KEPT, FrameMotion, Motion, grid_of


def texture(height: int = 240, width: int = 320) -> np.ndarray:
    small = np.random.default_rng(3).integers(0, 255, (height // 6, width // 6, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def disc(x: int, y: int, radius: int, shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    canvas = np.full(shape, -1, np.float32)
    cv2.circle(canvas, (x, y), radius, 1, -1)
    return canvas


def between(frames: FrameMotion, since_ns: int, until_ns: int) -> Motion:
    motion = frames.between(since_ns, until_ns)
    assert motion is not None
    return motion


def grid_iou(one: np.ndarray, other: np.ndarray) -> float:
    return float(((one > 0) & (other > 0)).sum() / ((one > 0) | (other > 0)).sum())


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (5, 0), (-4, 3), (8, -6)])
def test_a_shift_of_the_picture_shifts_what_is_carried(dx: int, dy: int) -> None:
    image = texture()
    frames = FrameMotion()
    frames.advance(image, 10)
    frames.advance(np.roll(image, (dy, dx), axis=(0, 1)), 20)
    motion = between(frames, 10, 20)
    x_px, y_px = motion.carry_point(160.0, 120.0)
    assert np.hypot(x_px - 160 - dx, y_px - 120 - dy) < 1.0
    assert grid_iou(motion.carry(disc(160, 120, 40)), disc(160 + dx, 120 + dy, 40)) > 0.93


def test_several_steps_add_up_however_they_are_asked_for() -> None:
    image = texture()
    frames = FrameMotion()
    for step in range(5):
        frames.advance(np.roll(image, 3 * step, axis=1), step)
    assert grid_iou(between(frames, 0, 4).carry(disc(160, 120, 40)), disc(172, 120, 40)) > 0.9
    # Asked step by step from the same frame, as a camera does.
    for step in range(1, 5):
        stepwise = between(frames, 0, step)
    np.testing.assert_allclose(stepwise.back, between(frames, 0, 4).back)
    assert grid_iou(between(frames, 2, 4).carry(disc(160, 120, 40)), disc(166, 120, 40)) > 0.9


def test_samples_are_brought_from_the_frames_that_were_on_the_screen() -> None:
    """Gaze that follows a thing exactly lies on one place of it, on whichever frame it is asked for."""
    image, frames = texture(), FrameMotion()
    for step in range(5):
        frames.advance(np.roll(image, 4 * step, axis=1), 10 * step)
    samples = [(160.0 + 4 * (at // 10), 120.0, at) for at in range(5, 40)]
    for newer in (20, 30, 40):
        seen = [sample for sample in samples if sample[2] <= newer]
        assert frames.carry_samples(seen, newer) == pytest.approx((160 + 0.4 * newer, 120), abs=0.7)
    assert frames.carry_samples([(50.0, 60.0, 90)], 40) == (50.0, 60.0)
    assert frames.carry_samples([], 40) is None


def test_motion_that_is_not_remembered_is_none() -> None:
    frames = FrameMotion()
    frames.advance(texture(), 0)
    assert frames.between(0, 0) is None
    for step in range(1, FRAMES_KEPT + 3):
        frames.advance(texture(), step)
    assert frames.between(0, FRAMES_KEPT + 2) is None
    assert frames.between(FRAMES_KEPT, FRAMES_KEPT + 2) is not None
    assert frames.between(FRAMES_KEPT, FRAMES_KEPT + 9) is None


def test_still_says_whether_the_picture_changed() -> None:
    image = texture()
    frames = FrameMotion()
    for time_ns, shift in enumerate((0, 0, 0, 6, 6)):
        frames.advance(np.roll(image, shift, axis=1), time_ns)
    assert frames.is_still(0, 2)
    assert not frames.is_still(1, 3)
    assert frames.is_still(3, 4)
    assert not frames.is_still(3, 9)


def test_the_grid_has_the_frames_shape() -> None:
    assert grid_of((480, 854)) == (180, 320)
    assert grid_of((240, 320)) == (240, 320)


def test_points_are_followed_back_to_the_frame_that_was_shown_at_a_time() -> None:
    image, frames = texture(), FrameMotion()
    for step in range(6):
        frames.advance(np.roll(image, 4 * step, axis=1), 10 * step)
    times, places = frames.trace_back(np.array([(160.0, 120.0), (60.0, 200.0)]), 50, 25)
    assert times.tolist() == [50, 40, 30, 20]
    assert places.shape == (4, 2, 2)
    for index, place in enumerate(places):
        np.testing.assert_allclose(place, [(160 - 4 * index, 120), (60 - 4 * index, 200)], atol=1.0)
    assert frames.trace_back(np.zeros((1, 2)), 50, 60)[0].tolist() == [50]


def test_over_a_cut_no_motion_is_known() -> None:
    image, frames = texture(), FrameMotion()
    other = np.ascontiguousarray(image[::-1, ::-1] // 3)
    for step in range(3):
        frames.advance(np.roll(image, 2 * step, axis=1), step)
    assert frames.cut_ns is None
    for step in range(3, 6):
        frames.advance(np.roll(other, 2 * step, axis=1), step)
    assert frames.cut_ns == 3
    assert frames.between(1, 4) is None
    assert frames.between(2, 3) is None
    assert frames.between(3, 5) is not None
    assert not frames.is_still(2, 3)


def test_light_and_fast_motion_are_no_cuts() -> None:
    image, frames = texture(), FrameMotion()
    frames.advance(image, 0)
    frames.advance(np.roll(image, 12, axis=1), 1)
    frames.advance(np.roll(image // 2, 12, axis=1), 2)
    frames.advance(np.roll(image, (9, 0), axis=(0, 1)), 3)
    assert frames.cut_ns is None


def test_cuts_are_not_looked_for_where_the_constant_says_so() -> None:
    image, frames = texture(), FrameMotion(cut_correlation=-1.0)
    frames.advance(image, 0)
    frames.advance(np.ascontiguousarray(image[::-1, ::-1] // 3), 1)
    assert frames.cut_ns is None
