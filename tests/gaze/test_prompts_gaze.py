"""Prompts from fixations: uncertainty in the right pixels, looking back, dwelling."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import InputError
from sam_edge.gaze.events import EventKind, Fixation, Phase
from sam_edge.gaze.prompts import (
    Camera,
    DwellTimer,
    FixationHistory,
    GazePrompt,
    PromptMaker,
    Trigger,
)

MS = 1_000_000
FIXATION = Fixation(
    event_id=7,
    kind=EventKind.FIXATION,
    phase=Phase.UPDATE,
    onset_ns=0,
    time_ns=200 * MS,
    x_px=320.0,
    y_px=240.0,
    covariance_px2=(400.0, 100.0, 900.0),
    sample_count=25,
)
CAMERA = Camera(fx_px=600.0, fy_px=500.0, cx_px=400.0, cy_px=300.0)


def rest(event_id: int, begin_ms: int, end_ms: int) -> Fixation:
    return replace(FIXATION, event_id=event_id, onset_ns=begin_ms * MS, time_ns=end_ms * MS)


# Degrees to pixels


def test_a_degree_at_the_principal_point_is_the_focal_length_s() -> None:
    xx, xy, yy = CAMERA.covariance_per_deg2(400.0, 300.0)
    assert (math.sqrt(xx), xy, math.sqrt(yy)) == pytest.approx(
        (600 * math.pi / 180, 0.0, 500 * math.pi / 180)
    )
    assert CAMERA.px_per_deg_at(400.0, 300.0) == pytest.approx(math.sqrt(600.0 * 500.0) * math.pi / 180)


@pytest.mark.parametrize("point", [(400.0, 300.0), (750.0, 20.0), (0.0, 300.0), (-200.0, 900.0)])
def test_covariance_per_degree_is_that_of_scattered_lines_of_sight(point: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    ray = np.array([(point[0] - 400.0) / 600.0, (point[1] - 300.0) / 500.0, 1.0])
    ray /= np.linalg.norm(ray)
    side = np.cross(ray, [0.0, 1.0, 0.3])
    side /= np.linalg.norm(side)
    other = np.cross(ray, side)
    turns = rng.normal(0.0, math.radians(0.05), (200_000, 2))
    rays = ray + turns[:, :1] * side + turns[:, 1:] * other
    pixels = rays[:, :2] / rays[:, 2:] * [600.0, 500.0]
    xx, xy, yy = CAMERA.covariance_per_deg2(*point)
    assert np.cov(pixels.T) / 0.05**2 == pytest.approx(
        np.array([[xx, xy], [xy, yy]]), rel=0.02, abs=0.02 * xx
    )


@pytest.mark.parametrize("field", ["fx_px", "fy_px", "cx_px", "cy_px"])
def test_a_camera_refuses_what_is_none(field: str) -> None:
    with pytest.raises(InputError, match=field):
        replace(CAMERA, **{field: math.nan})


# Uncertainty


def test_accuracy_precision_and_supplied_confidence_add_up() -> None:
    maker = PromptMaker(30.0, accuracy_deg=0.5, precision_floor_deg=0.01)
    prompt = maker.prompt(FIXATION, supplied_px2=(50.0, -10.0, 20.0))
    assert prompt.covariance_px2 == pytest.approx(
        (225.0 + 400.0 / 25 + 50.0, 100.0 / 25 - 10.0, 225.0 + 900.0 / 25 + 20.0)
    )
    assert (prompt.x_px, prompt.y_px, prompt.event_id, prompt.kind) == (320.0, 240.0, 7, EventKind.FIXATION)
    assert (prompt.onset_ns, prompt.time_ns) == (0, 200 * MS)


def test_many_samples_do_not_make_a_centroid_exact() -> None:
    still = replace(FIXATION, covariance_px2=(1.0, 0.0, 1.0), sample_count=10_000)
    prompt = PromptMaker(30.0, accuracy_deg=0.0, precision_floor_deg=0.1).prompt(still)
    assert prompt.covariance_px2 == pytest.approx((9.0, 0.0, 9.0))


def test_a_pursuit_s_path_is_not_its_noise() -> None:
    along = replace(FIXATION, kind=EventKind.PURSUIT, covariance_px2=(10_000.0, 0.0, 25.0), sample_count=5)
    maker = PromptMaker(30.0, accuracy_deg=0.0, precision_floor_deg=0.0)
    assert maker.prompt(along).covariance_px2 == pytest.approx((5.0, 0.0, 5.0))


def test_a_camera_makes_prompts_less_sure_towards_its_edge() -> None:
    maker = PromptMaker(CAMERA)
    middle = maker.prompt(replace(FIXATION, x_px=400.0, y_px=300.0))
    corner = maker.prompt(replace(FIXATION, x_px=790.0, y_px=590.0))
    assert corner.sigma_px > 1.3 * middle.sigma_px


@pytest.mark.parametrize("bad", [(-1.0, 0.0, 1.0), (1.0, 2.0, 1.0), (math.nan, 0.0, 1.0)])
def test_a_supplied_matrix_that_is_no_covariance_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="supplied_px2"):
        PromptMaker(30.0).prompt(FIXATION, supplied_px2=bad)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"scale": 0.0}, "scale"),
        ({"accuracy_deg": -1.0}, "accuracy_deg"),
        ({"precision_floor_deg": math.inf}, "floor"),
    ],
)
def test_a_maker_names_what_is_out_of_range(options: dict[str, float], name: str) -> None:
    with pytest.raises(InputError, match=name):
        PromptMaker(**{"scale": 30.0, **options})


# Sigma points


@given(
    st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(-0.99, 0.99), st.integers(0, 12), st.floats(0.2, 3.0)
)
def test_sigma_points_lie_on_the_ellipse_and_weigh_one(
    xx: float, yy: float, correlation: float, count: int, radius: float
) -> None:
    xy = correlation * math.sqrt(xx * yy)
    prompt = GazePrompt(10.0, -5.0, (xx, xy, yy), 0, 0, 0, EventKind.FIXATION)
    centre, *ring = prompt.sigma_points(count, radius_sigma=radius)
    assert (centre.x_px, centre.y_px) == (10.0, -5.0)
    assert len(ring) == count
    assert centre.weight + sum(p.weight for p in ring) == pytest.approx(1.0)
    determinant = xx * yy - xy * xy
    for point in ring:
        dx, dy = point.x_px - 10.0, point.y_px + 5.0
        distance2 = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / determinant
        assert distance2 == pytest.approx(radius * radius, rel=1e-4)
        assert point.weight == pytest.approx(centre.weight * math.exp(-radius * radius / 2))


def test_the_first_sigma_point_is_on_the_long_axis() -> None:
    prompt = GazePrompt(0.0, 0.0, (100.0, 0.0, 4.0), 0, 0, 0, EventKind.FIXATION)
    points = [(p.x_px, p.y_px) for p in prompt.sigma_points(4)[1:]]
    assert np.array(points) == pytest.approx(np.array([(10, 0), (0, 2), (-10, 0), (0, -2)]), abs=1e-9)


def test_sigma_points_refuse_nonsense() -> None:
    prompt = PromptMaker(30.0).prompt(FIXATION)
    with pytest.raises(InputError, match="count"):
        prompt.sigma_points(-1)
    with pytest.raises(InputError, match="radius_sigma"):
        prompt.sigma_points(radius_sigma=0.0)


# Looking back


def test_a_late_trigger_finds_the_fixation_of_its_time() -> None:
    history = FixationHistory()
    for fixation in (rest(1, 0, 300), rest(3, 340, 600), rest(5, 640, 700)):
        history.add(fixation)
    found = history.at(Trigger(time_ns=590 * MS, name="pinch"))
    assert found is not None
    assert found.event_id == 3
    assert [f.event_id for f in history] == [1, 3, 5]


def test_between_fixations_the_nearer_one_is_meant_and_far_away_none() -> None:
    history = FixationHistory()
    history.add(rest(1, 0, 300))
    history.add(rest(3, 340, 600))
    meant = [history.nearest(t * MS) for t in (310, 330, 320, 1099, 1101)]
    assert [f and f.event_id for f in meant] == [1, 3, 1, 3, None]


def test_updates_replace_what_was_known() -> None:
    history = FixationHistory()
    history.add(rest(1, 0, 100))
    history.add(rest(1, 0, 250))
    assert len(history) == 1
    assert history.latest == rest(1, 0, 250)


def test_history_is_bounded_in_time_and_number() -> None:
    history = FixationHistory(span_s=3.0, capacity=4)
    for k in range(10):
        history.add(rest(k, 100 * k, 100 * k + 90))
    assert [f.event_id for f in history] == [6, 7, 8, 9]
    history.add(rest(99, 9000, 9100))
    assert [f.event_id for f in history] == [99]


def test_a_clock_that_begins_anew_clears_the_history() -> None:
    history = FixationHistory()
    history.add(rest(1, 5000, 5300))
    history.add(rest(2, 0, 100))
    assert [f.event_id for f in history] == [2]
    history.clear()
    assert history.latest is None
    assert history.nearest(0) is None


def test_history_refuses_nonsense() -> None:
    with pytest.raises(InputError, match="capacity"):
        FixationHistory(capacity=0)
    with pytest.raises(InputError, match="span_s"):
        FixationHistory(span_s=0.0)


# Dwelling


def feed(timer: DwellTimer, begin_ms: int, end_ms: int, on: bool | None, step_ms: int = 10) -> list[bool]:
    return [timer.update(t * MS, on_target=on).fired for t in range(begin_ms, end_ms, step_ms)]


def test_a_dwell_fires_once_when_its_time_is_reached() -> None:
    timer = DwellTimer(dwell_ms=500.0)
    fired = feed(timer, 0, 2000, True)
    assert fired.index(True) == 50
    assert fired.count(True) == 1
    assert timer.progress == 1.0


def test_blinks_pause_it_and_long_losses_begin_it_anew() -> None:
    timer = DwellTimer(dwell_ms=500.0, blink_ms=400.0)
    feed(timer, 0, 310, True)
    feed(timer, 310, 600, None)
    assert timer.update(600 * MS, on_target=None).paused
    assert timer.progress == pytest.approx(0.6)
    assert feed(timer, 610, 850, True).index(True) == 20
    timer.reset()
    feed(timer, 0, 310, True)
    feed(timer, 310, 800, None)
    assert timer.progress == 0.0


def test_a_short_glance_away_pauses_it_a_long_one_begins_it_anew() -> None:
    timer = DwellTimer(dwell_ms=500.0, resume_ms=250.0)
    feed(timer, 0, 310, True)
    feed(timer, 310, 550, False)
    assert timer.progress == pytest.approx(0.6)
    feed(timer, 550, 560, True)
    feed(timer, 560, 900, False)
    assert timer.progress == 0.0
    assert feed(timer, 900, 1500, True).count(True) == 1


def test_it_can_fire_again_only_after_leaving() -> None:
    timer = DwellTimer(dwell_ms=200.0, resume_ms=100.0)
    assert sum(feed(timer, 0, 1000, True)) == 1
    assert sum(feed(timer, 1000, 1050, False)) + sum(feed(timer, 1050, 2000, True)) == 0
    feed(timer, 2000, 2300, False)
    assert sum(feed(timer, 2300, 3000, True)) == 1


def test_a_gap_between_samples_is_not_a_stare() -> None:
    timer = DwellTimer(dwell_ms=500.0, credit_ms=100.0)
    timer.update(0, on_target=True)
    assert timer.update(390 * MS, on_target=True).progress == pytest.approx(0.2)
    assert timer.update(2000 * MS, on_target=True).progress == 0.0


def test_time_running_backwards_begins_it_anew() -> None:
    timer = DwellTimer(dwell_ms=500.0)
    feed(timer, 1000, 1300, True)
    assert timer.update(0, on_target=True).progress == 0.0


@given(st.lists(st.tuples(st.integers(-50, 600), st.sampled_from([True, False, None])), max_size=60))
def test_progress_stays_within_bounds_and_firing_needs_it_full(steps: list[tuple[int, bool | None]]) -> None:
    timer, now = DwellTimer(dwell_ms=300.0), 0
    for step, on in steps:
        now += step * MS
        state = timer.update(now, on_target=on)
        assert 0.0 <= state.progress <= 1.0
        assert not state.fired or (state.progress == 1.0 and on)


@pytest.mark.parametrize("name", ["dwell_ms", "blink_ms", "resume_ms", "credit_ms"])
def test_a_timer_names_what_is_out_of_range(name: str) -> None:
    with pytest.raises(InputError, match=name):
        DwellTimer(**{name: -1.0})
