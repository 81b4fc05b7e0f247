"""The webcam as a source of gaze: from video files, and in a closed loop with rendered eyes of known direction."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge.gaze
from sam_edge.errors import GazeDataError, InputError, TrackerError
from sam_edge.gaze.calibration import TargetSamples, calibrate, target_positions
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.head import PinholeCamera
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.gaze.webcam.source import WebcamGazeEstimator, WebcamSource

WriteVideo = Callable[[list[NDArray[np.uint8]]], Path]
FRAMES, LEARNING = 52, 40
CHECKS = ((500.0, 300.0), (1500.0, 350.0), (700.0, 850.0))


class Loop:
    """Somebody who looks where they are told, and what the webcam makes of it."""

    def __init__(self, rendered: ModuleType, camera: PinholeCamera, screen: Screen) -> None:
        self.scene = rendered.Scene
        self.face = rendered.RenderedFace(camera, screen)
        self.estimator = WebcamGazeEstimator(screen, fov_deg=46.0)
        self.frames = 0
        self.look((960.0, 540.0), 42)
        self.collected = [self.look(place, 10) for place in target_positions(9, screen.size)]
        self.calibration = calibrate(self.collected, size=screen.size)

    def look(self, target_px: tuple[float, float], frames: int, **scene: object) -> TargetSamples:
        seen: list[GazeSample] = []
        for _ in range(frames):
            self.frames += 1
            image = self.face.render(self.scene(target_px, **scene))
            seen.append(self.estimator.estimate(image, self.frames * 33_333_333))
        return TargetSamples(target_px, tuple(seen))


@pytest.fixture(scope="module")
def loop(rendered: ModuleType, camera: PinholeCamera, screen: Screen) -> Loop:
    return Loop(rendered, camera, screen)


def error_deg(looked: TargetSamples, screen: Screen) -> float:
    positions = [(one.x_px, one.y_px) for one in looked.samples if one.valid]
    away = np.mean(positions, axis=0) - looked.target_px
    return float(np.hypot(*away)) / screen.px_per_deg(600.0)


class TestClosedLoop:
    def test_uncalibrated_gaze_is_within_what_it_states(self, loop: Loop, screen: Screen) -> None:
        errors = [error_deg(looked, screen) for looked in loop.collected]
        assert max(errors) < 20.0
        stated = loop.collected[0].samples[-1].covariance_px2
        assert stated is not None
        assert np.sqrt(stated[0]) > 7.0 * screen.px_per_deg(600.0)

    def test_uncalibrated_gaze_goes_the_right_way(self, loop: Loop) -> None:
        middle, *others = [
            (looked.target_px, np.mean([(o.x_px, o.y_px) for o in looked.samples], axis=0))
            for looked in loop.collected
        ]
        targets, found = np.array([place for place, _ in others]), np.array([place for _, place in others])
        for axis in (0, 1):
            assert np.corrcoef(targets[:, axis], found[:, axis])[0, 1] > 0.9
        assert len(middle) == 2

    def test_calibrated_gaze_is_right_within_a_few_degrees(self, loop: Loop, screen: Screen) -> None:
        loop.estimator.calibration = loop.calibration
        try:
            errors = []
            for place in CHECKS:
                looked = loop.look(place, 5)
                errors.append(error_deg(looked, screen))
                assert all(one.covariance_px2 is not None for one in looked.samples)
            assert float(np.mean(errors)) < 2.5
            xx, _, yy = cast(tuple[float, float, float], looked.samples[-1].covariance_px2)
            assert 0.5 < np.sqrt(xx + yy) / screen.px_per_deg(600.0) < 8.0
        finally:
            loop.estimator.calibration = None

    def test_head_movement_is_mostly_taken_out(self, loop: Loop, screen: Screen) -> None:
        """40 mm to the side turn each eye by four degrees; without the head's pose gaze would go with them."""
        loop.estimator.calibration = loop.calibration
        try:
            for position in ((40.0, 60.0, 600.0), (0.0, 60.0, 560.0)):
                loop.look((960.0, 540.0), 4, position_mm=position)
                looked = loop.look((960.0, 540.0), 5, position_mm=position)
                assert error_deg(looked, screen) < 4.0
        finally:
            loop.estimator.calibration = None

    def test_shut_eyes_give_no_gaze(self, loop: Loop) -> None:
        loop.look((960.0, 540.0), 20)
        shut = loop.look((960.0, 540.0), 3, closed=1.0).samples
        assert not any(one.valid for one in shut)
        assert loop.estimator.blinking
        loop.look((960.0, 540.0), 3)
        assert not loop.estimator.blinking


def test_until_the_faces_shape_is_learned_samples_are_invalid(
    portrait: NDArray[np.uint8], screen: Screen
) -> None:
    estimator = WebcamGazeEstimator(screen)
    valid = [estimator.estimate(portrait, index * 33_333_333).valid for index in range(LEARNING + 2)]
    assert valid == [False] * (LEARNING - 1) + [True] * 3


def test_without_a_face_samples_are_invalid(screen: Screen) -> None:
    sample = WebcamGazeEstimator(screen).estimate(np.full((240, 320, 3), 90, np.uint8), 5)
    assert not sample.valid
    assert (sample.left_valid, sample.right_valid, sample.time_ns) == (False, False, 5)


@pytest.fixture
def portrait_video(portrait: NDArray[np.uint8], write_video: WriteVideo) -> Path:
    return write_video([portrait[20:236, 116:332]] * FRAMES)


class TestSource:
    def test_a_video_is_read_to_its_end_in_order(self, portrait_video: Path) -> None:
        with sam_edge.gaze.open(f"webcam:{portrait_video}?pace=none") as source:
            samples = list(source)
            assert source.finished
            assert source.stats.received == FRAMES
        times = [one.time_ns for one in samples]
        assert times == sorted(times)
        assert len(samples) == FRAMES
        assert all(one.left_valid and one.right_valid for one in samples)
        assert all(one.valid for one in samples[LEARNING:])
        assert np.diff(times).mean() == pytest.approx(1e9 / 30, rel=0.01)

    def test_the_newest_face_and_picture_can_be_shown(self, portrait_video: Path) -> None:
        with sam_edge.gaze.open(f"webcam:{portrait_video}", pace="none", screen="1280x720") as source:
            assert isinstance(source, WebcamSource)
            assert len(list(source)) == FRAMES
            assert source.frame is not None
            assert source.frame.image.shape == (216, 216, 3)
            assert source.estimator.face is not None
            assert source.estimator.screen.size == (720, 1280)
            assert not source.calibrated

    def test_a_saved_calibration_is_applied(self, portrait_video: Path, tmp_path: Path) -> None:
        places = target_positions(9, (1080, 1920))
        made = [
            TargetSamples(p, tuple(GazeSample(i, p[0] - 100.0, p[1] + 50.0) for i in range(12)))
            for p in places
        ]
        calibrate(made, size=(1080, 1920)).save(tmp_path / "me.json")
        with sam_edge.gaze.open(f"webcam:{portrait_video}?pace=none") as source:
            plain = list(source)[-1]
        url = f"webcam:{portrait_video}?pace=none&calibration={tmp_path / 'me.json'}"
        with sam_edge.gaze.open(url) as source:
            assert isinstance(source, WebcamSource)
            assert source.calibrated
            moved = list(source)[-1]
        assert moved.x_px - plain.x_px == pytest.approx(100.0, abs=1.0)
        assert moved.y_px - plain.y_px == pytest.approx(-50.0, abs=1.0)
        assert moved.covariance_px2 is not None
        assert plain.covariance_px2 is not None
        assert moved.covariance_px2[0] < plain.covariance_px2[0] / 4

    def test_clicks_correct_the_drift(self, portrait_video: Path) -> None:
        with sam_edge.gaze.open(f"webcam:{portrait_video}?pace=none") as source:
            assert isinstance(source, WebcamSource)
            last = list(source)[-1]
            target = (last.x_px + 40.0, last.y_px - 25.0)
            assert source.record_click(target, last.time_ns)
            shift = source.estimator.drift.shift_px
        assert 30.0 < shift[0] < 50.0
        assert -45.0 < shift[1] < -10.0

    def test_a_video_in_its_own_time_takes_its_time(self, portrait_video: Path) -> None:
        begun = time.monotonic()
        with sam_edge.gaze.open(f"webcam:{portrait_video}") as source:
            assert len(list(source)) == FRAMES
        assert time.monotonic() - begun > (FRAMES - 1) / 30 - 0.05

    def test_a_camera_that_is_not_there_is_told(self) -> None:
        with pytest.raises(TrackerError, match="camera 63"):
            sam_edge.gaze.open("webcam:63", timeout=1.0)

    def test_a_file_that_is_no_video_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(TrackerError, match=r"none\.mp4"):
            sam_edge.gaze.open(f"webcam:{tmp_path / 'none.mp4'}")

    def test_a_file_that_is_no_calibration_is_told(self, tmp_path: Path, portrait_video: Path) -> None:
        (tmp_path / "me.json").write_text("{}")
        with pytest.raises(GazeDataError, match="Calibrate again"):
            sam_edge.gaze.open(f"webcam:{portrait_video}?calibration={tmp_path / 'me.json'}")

    @pytest.mark.parametrize(
        "option", ["fov_deg=400", "screen=big", "pace=slow", "screen_mm=1", "colour=red"]
    )
    def test_options_that_are_not_accepted_are_told(self, option: str) -> None:
        with pytest.raises(InputError, match=option.partition("=")[0]):
            sam_edge.gaze.open(f"webcam:0?{option}")

    def test_a_scheme_alone_is_enough(self) -> None:
        with sam_edge.gaze.open("mouse") as source:
            assert source.name == "mouse:"
