"""Gaze that moves with an object is on it, wherever the tracker's offset puts it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.stream.anchor import Anchor, TraceBack
from sam_edge.stream.candidate import ObjectCandidate
from sam_edge.stream.pursuit import gaze_path, points_on, weigh_pursuit
from sam_edge.stream.tuning import DEFAULT_TUNING

FRAME = (112, 160)
MS = 1_000_000
PX_PER_DEG = 8.0


def box(x0: int, y0: int, x1: int, y1: int) -> ObjectCandidate:
    logits = np.full(FRAME, -5, np.float32)
    logits[y0:y1, x0:x1] = 5
    return ObjectCandidate(logits, 0.9)


def moving(step_px: float) -> TraceBack:
    """What lies in the left half moves to the right by this in each of five frames of 40 ms; the rest is still."""

    def trace_back(
        points: NDArray[np.float64], since_ns: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        back = np.where(points[:, :1] < 80, (-step_px, 0.0), (0.0, 0.0))
        places = np.stack([points + index * back for index in range(6)])
        return np.array([200 - 40 * index for index in range(6)]) * MS, places

    return trace_back


def dwell(step_px: float, offset_px: float = 30.0, noise_px: float = 0.0) -> Anchor:
    """A dwell whose gaze moves to the right by this in 40 ms, off everything."""
    noise = np.random.default_rng(1).normal(0, noise_px, 10)
    path = [(20 + offset_px + step_px * at / 2 + noise[at], 90.0, 20 * at * MS) for at in range(10)]
    return Anchor(7, 50.0, 90.0, 0, 200 * MS, gaze=path)


@pytest.mark.parametrize(("step_px", "still"), [(6.0, False), (0.0, True)])
def test_what_moves_as_the_gaze_does_is_likelier(step_px: float, still: bool) -> None:
    mover, stander = box(20, 40, 60, 80), box(100, 40, 140, 80)
    weigh_pursuit(
        [mover, stander], dwell(step_px, noise_px=0.5), moving(6.0), FRAME, PX_PER_DEG, DEFAULT_TUNING
    )
    best, other = (stander, mover) if still else (mover, stander)
    assert best.pursuit[7] == 0
    assert other.pursuit[7] < -1.5


def test_a_flow_that_may_be_wrong_does_not_decide_alone() -> None:
    mover, stander = box(20, 40, 60, 80), box(100, 40, 140, 80)
    anchor = dwell(0.0)
    anchor.gaze = [(x, 90.0 + 40 * (index % 2), time_ns) for index, (x, _, time_ns) in enumerate(anchor.gaze)]
    weigh_pursuit([mover, stander], anchor, moving(30.0), FRAME, PX_PER_DEG, DEFAULT_TUNING)
    assert min(mover.pursuit[7], stander.pursuit[7]) >= -DEFAULT_TUNING.max_pursuit


def test_what_follows_a_part_follows_the_whole() -> None:
    part, whole, region = box(20, 40, 60, 80), box(20, 40, 140, 80), box(16, 0, 160, 100)
    region.background = True
    weigh_pursuit([part, whole, region], dwell(6.0), moving(6.0), FRAME, PX_PER_DEG, DEFAULT_TUNING)
    assert part.pursuit[7] == whole.pursuit[7] == 0
    assert region.pursuit[7] < -1


def test_a_still_scene_says_nothing() -> None:
    first, second = box(20, 40, 60, 80), box(100, 40, 140, 80)
    weigh_pursuit([first, second], dwell(0.0, noise_px=2.0), moving(0.0), FRAME, PX_PER_DEG, DEFAULT_TUNING)
    assert [first.pursuit[7], second.pursuit[7]] == pytest.approx([0, 0])


def test_an_eye_that_falls_behind_is_believed() -> None:
    mover, stander = box(20, 40, 60, 80), box(100, 40, 140, 80)
    weigh_pursuit([mover, stander], dwell(6.0 * 0.8), moving(6.0), FRAME, PX_PER_DEG, DEFAULT_TUNING)
    assert mover.pursuit[7] == 0
    assert stander.pursuit[7] < -1


def test_one_place_is_no_motion() -> None:
    anchor, candidate = dwell(6.0), box(20, 40, 60, 80)
    del anchor.gaze[1:]
    weigh_pursuit([candidate], anchor, moving(6.0), FRAME, PX_PER_DEG, DEFAULT_TUNING)
    assert candidate.pursuit == {}


def test_a_path_is_the_means_of_short_stretches() -> None:
    samples = [(float(at), 2.0 * at, at * 5 * MS) for at in range(20)]
    path = gaze_path(samples)
    assert [place[:2] for place in path] == [(3.5, 7.0), (11.5, 23.0), (17.5, 35.0)]
    assert path[0][2] == 17_500_000
    assert gaze_path([]) == []


@pytest.mark.parametrize("corners", [(40, 20, 80, 60), (0, 0, 160, 112), (30, 50, 130, 53), (7, 9, 10, 12)])
def test_points_lie_all_over_a_mask(corners: tuple[int, int, int, int]) -> None:
    points = points_on(box(*corners).grid_logits, FRAME)
    x0, y0, x1, y1 = corners
    assert 6 <= len(points) <= 60
    assert np.all((points >= (x0, y0)) & (points <= (x1, y1)))
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    np.testing.assert_allclose(np.median(points, axis=0), middle, atol=0.15 * max(x1 - x0, y1 - y0) + 1)
