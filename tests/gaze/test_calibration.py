"""Calibration in a closed loop: a simulated eye whose true error is known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError, InputError
from sam_edge.gaze.calibration import Calibration, TargetSamples, calibrate, target_positions, validate
from sam_edge.gaze.samples import GazeSample

SIZE = (1080, 1920)
PX_PER_DEG = 38.0
CHECK = tuple((x * 1920, y * 1080) for x in (0.2, 0.4, 0.6, 0.8) for y in (0.2, 0.4, 0.6, 0.8))


class Eye:
    """Looks at a target; the tracker reports it shifted, turned, scaled and bent, with noise, glances and blinks."""

    def __init__(self, seed: int, *, bend: float = 0.03, noise_deg: float = 0.3, bad: float = 0.1) -> None:
        self.random = np.random.default_rng(seed)
        self.bend, self.noise_px, self.bad = bend, noise_deg * PX_PER_DEG, bad
        self.shift = self.random.normal(0, 60, 2)
        angle, scale = self.random.normal(0, 0.05), self.random.normal(1, 0.05)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        self.linear = scale * turn
        self.curve = self.random.normal(0, 1, (3, 2))

    def reported(self, truth: np.ndarray) -> np.ndarray:
        """What the tracker says without noise for a true position."""
        u, v = (truth - (960, 540)) / 960
        bent = self.bend * 960 * np.array([u * v, u * u, v * v]) @ self.curve
        return self.linear @ (truth - (960, 540)) + (960, 540) + self.shift + bent

    def look(self, target: tuple[float, float], count: int = 60, *, start_ns: int = 0) -> TargetSamples:
        """The samples of one target; a share of `bad` is glances elsewhere or blinks."""
        samples = []
        for index in range(count):
            time_ns = start_ns + index * 16_666_667
            fate = self.random.random()
            if fate < self.bad / 2:
                samples.append(GazeSample(time_ns, math.nan, math.nan, 0.0))
                continue
            truth = self.random.uniform((0, 0), (1920, 1080)) if fate < self.bad else np.array(target)
            x, y = self.reported(truth) + self.random.normal(0, self.noise_px, 2)
            samples.append(GazeSample(time_ns, float(x), float(y), 0.9))
        return TargetSamples(target, tuple(samples))


def calibrated(eye: Eye, points: int, **options: int) -> Calibration:
    return calibrate([eye.look(target) for target in target_positions(points, SIZE)], size=SIZE, **options)


@pytest.mark.parametrize("count", [5, 9, 13])
def test_targets(count: int) -> None:
    places = target_positions(count, SIZE, margin=0.1)
    assert len(set(places)) == count
    assert places[0] == (960, 540)
    xs, ys = zip(*places, strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == pytest.approx((192, 1728, 108, 972))
    unit = target_positions(count)
    assert all(0 < x < 1 and 0 < y < 1 for x, y in unit)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [((7,), "count is 7; accepted: 5, 9, 13"), ((9, (0, 5)), "size is"), ((9, SIZE, 0.5), "margin is 0.5")],
)
def test_targets_refuse(arguments: tuple[Any, ...], part: str) -> None:
    margin = {"margin": arguments[2]} if len(arguments) == 3 else {}
    with pytest.raises(InputError, match=part):
        target_positions(*arguments[:2], **margin)


@pytest.mark.parametrize(
    ("points", "bend", "limit_deg"),
    [
        # Noise of .3 degrees in 60 samples leaves .04 a target; what the map cannot bend adds to it.
        (5, 0.0, 0.1),
        (5, 0.015, 0.45),
        (9, 0.03, 0.1),
        (13, 0.03, 0.1),
    ],
)
@pytest.mark.parametrize("seed", range(8))
def test_accuracy_at_places_it_was_not_fitted_to(
    points: int, bend: float, limit_deg: float, seed: int
) -> None:
    eye = Eye(seed, bend=bend)
    calibration = calibrated(eye, points)
    checked = [eye.look(target, 200) for target in CHECK]
    before = validate(checked, px_per_deg=PX_PER_DEG)
    after = validate(checked, px_per_deg=PX_PER_DEG, calibration=calibration)
    assert after.accuracy_deg < limit_deg
    assert after.accuracy_deg < before.accuracy_deg
    assert calibration.rejected == ()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("points", [5, 9, 13])
def test_a_target_that_was_never_looked_at_is_left_out(points: int, seed: int) -> None:
    eye = Eye(seed, bend=0.0 if points == 5 else 0.02)
    targets = target_positions(points, SIZE)
    collected = [eye.look(target) for target in targets]
    stray = seed % points
    elsewhere = targets[(stray + points // 2) % points]
    collected[stray] = TargetSamples(targets[stray], eye.look(elsewhere).samples)
    calibration = calibrate(collected, size=SIZE)
    assert calibration.rejected == (stray,)
    checked = [eye.look(target, 200) for target in CHECK]
    assert validate(checked, px_per_deg=PX_PER_DEG, calibration=calibration).accuracy_deg < 0.4


def test_a_third_of_the_samples_may_be_glances_away() -> None:
    eye = Eye(3, bad=0.35)
    calibration = calibrated(eye, 9)
    checked = [eye.look(target, 200) for target in CHECK]
    assert validate(checked, px_per_deg=PX_PER_DEG, calibration=calibration).accuracy_deg < 0.25


def test_precision_is_that_of_the_noise() -> None:
    eye = Eye(1, noise_deg=0.5, bad=0.0, bend=0.0)
    eye.linear, eye.shift = np.eye(2), np.zeros(2)
    quality = validate([eye.look(target, 500) for target in CHECK], px_per_deg=PX_PER_DEG)
    # Two axes of .5: the standard deviation is .5*sqrt(2), successive differences have twice the variance.
    assert quality.sd_deg == pytest.approx(0.5 * math.sqrt(2), rel=0.06)
    assert quality.rms_s2s_deg == pytest.approx(1.0, rel=0.06)
    assert quality.accuracy_deg < 0.1
    assert quality.worst_deg >= quality.accuracy_deg
    assert quality.loss == 0.0


def test_quality_of_a_shifted_gaze() -> None:
    samples = tuple(
        GazeSample(t, 138.0, 100.0) if t % 4 else GazeSample(t, math.nan, math.nan) for t in range(40)
    )
    quality = validate([TargetSamples((100.0, 100.0), samples)], px_per_deg=38.0)
    assert quality.accuracy_deg == pytest.approx(1.0)
    assert (quality.rms_s2s_deg, quality.sd_deg, quality.loss) == pytest.approx((0.0, 0.0, 0.25))
    assert (quality.targets[0].valid, quality.targets[0].samples) == (30, 40)


def test_quality_refuses() -> None:
    with pytest.raises(InputError, match="px_per_deg is 0"):
        validate([], px_per_deg=0)
    with pytest.raises(InputError, match="two valid samples"):
        validate([TargetSamples((0, 0), (GazeSample(0, 1, 1),))], px_per_deg=1)


def test_covariance_says_how_far_off_it_is() -> None:
    """Squared error over stated variance has mean 1 when the uncertainty is honest; half to double is asked."""
    ratios = []
    for seed in range(12):
        eye = Eye(seed, bad=0.0)
        calibration = calibrated(eye, 9)
        for target in CHECK:
            for sample in map(calibration.apply, eye.look(target, 10).samples):
                assert sample.covariance_px2 is not None
                error = np.array([sample.x_px - target[0], sample.y_px - target[1]])
                xx, xy, yy = sample.covariance_px2
                ratios.append(error @ np.linalg.solve(np.array([[xx, xy], [xy, yy]]), error) / 2)
    assert 0.5 < float(np.mean(ratios)) < 2.0


def test_a_samples_own_covariance_goes_through_the_map() -> None:
    eye = Eye(0, bend=0.0, noise_deg=0.0, bad=0.0)
    eye.linear, eye.shift = np.diag([2.0, 0.5]), np.zeros(2)
    calibration = calibrated(eye, 5)
    sample = calibration.apply(GazeSample(0, 960.0, 540.0, covariance_px2=(16.0, 0.0, 4.0)))
    assert (sample.x_px, sample.y_px) == pytest.approx((960, 540), abs=0.01)
    assert sample.covariance_px2 == pytest.approx((4.0, 0.0, 16.0), abs=0.01)


def test_invalid_samples_stay_as_they_are() -> None:
    calibration = calibrated(Eye(0), 9)
    for lost in (GazeSample(0, math.nan, math.nan, 0.0), GazeSample(0, 5.0, 5.0, 0.0)):
        assert calibration.apply(lost) is lost


def test_apply_keeps_the_rest_of_the_sample() -> None:
    sample = GazeSample(7, 500.0, 400.0, 0.8, device_time_ns=9, left_valid=True, depth_m=0.5)
    moved = calibrated(Eye(0), 9).apply(sample)
    assert (moved.time_ns, moved.confidence, moved.device_time_ns) == (7, 0.8, 9)
    assert (moved.left_valid, moved.depth_m) == (True, 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_drift_correction_from_one_point(seed: int) -> None:
    eye = Eye(seed)
    calibration = calibrated(eye, 9)
    eye.shift = eye.shift + np.array((57.0, -76.0))
    checked = [eye.look(target, 200) for target in CHECK]
    drifted = validate(checked, px_per_deg=PX_PER_DEG, calibration=calibration)
    corrected = calibration.correct_drift(eye.look((960, 540)))
    again = validate(checked, px_per_deg=PX_PER_DEG, calibration=corrected)
    assert drifted.accuracy_deg > 2.0
    assert again.accuracy_deg < 0.35


def test_drift_correction_needs_samples() -> None:
    seen = TargetSamples((960, 540), (GazeSample(0, 1, 1),) * 3)
    with pytest.raises(InputError, match="the drift target has 3 valid samples"):
        calibrated(Eye(0), 9).correct_drift(seen)


def test_save_and_load(tmp_path: Path) -> None:
    calibration = calibrated(Eye(2), 9).correct_drift(Eye(2).look((960, 540)))
    calibration.save(tmp_path / "me.json")
    assert Calibration.load(tmp_path / "me.json") == calibration
    assert [path.name for path in tmp_path.iterdir()] == ["me.json"]


def test_json_gives_the_calibration_back() -> None:
    calibration = calibrated(Eye(3), 9)
    assert Calibration.from_json(calibration.to_json()) == calibration


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "[" * 9999, "1" * 9999, '{"schema": "other"}'])
def test_json_of_anything_else_is_a_clear_error(text: str) -> None:
    with pytest.raises(GazeDataError, match="kept one: "):
        Calibration.from_json(text, what="kept one")


def change(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def edit(facts: dict[str, Any]) -> None:
        *path, last = name.split(".")
        for part in path:
            facts = facts[part]
        facts[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (change("version", 2), "accepted: 'sam-edge-gaze-calibration' version 1"),
        (change("schema", None), "Calibrate again"),
        (change("map", []), "map.order"),
        (change("map.order", 3), "map.order"),
        (change("map.x_terms", [1, 2]), "x_terms is \\[1, 2\\]; accepted: 6 numbers"),
        (change("map.y_terms", [1, 2, 3, 4, 5, "6"]), "y_terms"),
        (change("map.scale", 0), "above 0"),
        (change("map.scale", True), "scale"),
        (change("map.centre", None), "centre is None"),
        (change("noise_px2", [float("nan")] * 3), "noise_px2"),
        (change("drift_px", [0]), "drift_px"),
        (change("rejected", ["a"]), "rejected"),
    ],
)
def test_load_refuses(tmp_path: Path, edit: Callable[[dict[str, Any]], None], part: str) -> None:
    path = tmp_path / "me.json"
    calibrated(Eye(2), 9).save(path)
    facts = json.loads(path.read_text())
    edit(facts)
    path.write_text(json.dumps(facts))
    with pytest.raises(GazeDataError, match=part):
        Calibration.load(path)


@given(st.binary(max_size=100))
def test_load_of_anything_is_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("load") / "me.json"
    path.write_bytes(data)
    with pytest.raises(GazeDataError, match=r"me\.json"):
        Calibration.load(path)


def test_too_little_to_calibrate_with() -> None:
    eye = Eye(0)
    targets = target_positions(9, SIZE)
    empty = tuple(GazeSample(t, math.nan, math.nan) for t in range(50))
    collected = [TargetSamples(targets[0], empty) if i > 4 else eye.look(targets[i]) for i in range(9)]
    with pytest.raises(InputError, match="5 of 9 targets have 10 valid samples; order 2 needs 7"):
        calibrate(collected, size=SIZE)
    assert calibrate(collected, size=SIZE, order=1).rejected == (5, 6, 7, 8)
    with pytest.raises(InputError, match="order is 3"):
        calibrate([eye.look(target) for target in targets], size=SIZE, order=3)


def test_gaze_that_stands_still_or_moves_on_a_line() -> None:
    targets = target_positions(5, SIZE)
    still = [TargetSamples(t, tuple(GazeSample(i, 100.0, 100.0) for i in range(20))) for t in targets]
    with pytest.raises(InputError, match="at one place"):
        calibrate(still, size=SIZE)
    line = [TargetSamples(t, tuple(GazeSample(i, t[0], t[0]) for i in range(20))) for t in targets]
    with pytest.raises(InputError, match="along one line"):
        calibrate(line, size=SIZE)
