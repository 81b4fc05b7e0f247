"""What a webcam brings: it is unplugged, its pictures change size or go black, time goes back, faces come and go."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, TypeVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import TrackerError
from sam_edge.gaze.calibration import Calibration, TargetSamples, calibrate, target_positions
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.cameras import CameraFrame, camera_frames
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.gaze.webcam.source import WebcamGazeEstimator, WebcamSource
from sam_edge.media import camera

Picture = NDArray[np.uint8]
FRAME_NS = 33_333_333
LEARNING = 41


class FakeCapture:
    """A camera that gives some pictures and is then unplugged; None is a read that fails."""

    pictures: ClassVar[list[Picture | None]] = []
    settings: ClassVar[list[tuple[int, float]]] = []
    exists = True

    def __init__(self, _number: int) -> None:
        self.left = list(FakeCapture.pictures)
        self.released = False

    def set(self, _name: int, _value: float) -> bool:
        FakeCapture.settings.append((_name, _value))
        return False

    def get(self, _name: int) -> float:
        """What many cameras state for everything, and 1000 frames a second is another such number."""
        return 0.0

    def isOpened(self) -> bool:
        return FakeCapture.exists

    def read(self) -> tuple[bool, Picture | None]:
        picture = self.left.pop(0) if self.left else None
        return picture is not None, picture

    def release(self) -> None:
        self.released = True


Item = TypeVar("Item")


def taken(items: Iterable[Item], into: list[Item]) -> None:
    """Keep what comes, whatever ends it."""
    for item in items:
        into.append(item)  # noqa: PERF402 - what came before an error must be kept


@pytest.fixture(scope="module")
def head(portrait: Picture) -> Picture:
    return np.ascontiguousarray(portrait[20:236, 116:332])


@pytest.fixture(scope="module")
def learned(head: Picture, screen: Screen) -> WebcamGazeEstimator:
    """An estimator that knows the portrait's face."""
    estimator = WebcamGazeEstimator(screen)
    for index in range(LEARNING):
        estimator.estimate(head, index * FRAME_NS)
    return estimator


def test_an_unplugged_camera_is_told_after_what_it_gave(
    monkeypatch: pytest.MonkeyPatch, head: Picture
) -> None:
    FakeCapture.pictures = [head] * 3
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    seen: list[CameraFrame] = []
    with pytest.raises(TrackerError, match="camera 4: it stopped sending images"):
        taken(camera_frames(4, threading.Event()), seen)
    assert len(seen) == 3
    assert [one.time_ns for one in seen] == sorted(one.time_ns for one in seen)


@pytest.mark.parametrize(
    "plan", [[False] * 3 + [True] * 5, [True] * 3 + [False] + [True] * 5, [True, False] * 8]
)
def test_reads_that_fail_are_repeated(
    monkeypatch: pytest.MonkeyPatch, head: Picture, plan: list[bool]
) -> None:
    FakeCapture.pictures = [head if there else None for there in plan]
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(camera, "LOST_S", 0.2)
    seen: list[CameraFrame] = []
    with pytest.raises(TrackerError, match="stopped sending images"):
        taken(camera_frames(0, threading.Event()), seen)
    assert len(seen) == sum(plan)


def test_motion_jpeg_is_asked_for_before_the_size(monkeypatch: pytest.MonkeyPatch, head: Picture) -> None:
    FakeCapture.pictures, FakeCapture.settings = [head], []
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    next(camera_frames(0, threading.Event(), size=(480, 640)))
    names = [name for name, _ in FakeCapture.settings]
    assert FakeCapture.settings[0] == (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    assert names.index(cv2.CAP_PROP_FOURCC) < names.index(cv2.CAP_PROP_FRAME_WIDTH)


def test_a_camera_that_sends_nothing_is_opened_once_more_without_compression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeCapture.pictures, FakeCapture.settings = [], []
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(camera, "FIRST_FRAME_S", 0.1)
    with pytest.raises(TrackerError, match=r"camera 2: there is none.*as in webcam:1"):
        list(camera_frames(2, threading.Event()))
    names = [name for name, _ in FakeCapture.settings]
    assert (names.count(cv2.CAP_PROP_FOURCC), names.count(cv2.CAP_PROP_FRAME_WIDTH)) == (1, 2)


def test_a_camera_that_is_not_there_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FakeCapture, "exists", False)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    with pytest.raises(TrackerError, match="there is none"):
        list(camera_frames(2, threading.Event()))
    monkeypatch.undo()
    with pytest.raises(TrackerError, match="camera 97"):
        list(camera_frames(97, threading.Event()))
    assert capfd.readouterr() == ("", "")


def test_an_unplugged_camera_ends_the_source_with_an_error(
    monkeypatch: pytest.MonkeyPatch, head: Picture, learned: WebcamGazeEstimator
) -> None:
    FakeCapture.pictures = [head] * 3
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    samples: list[GazeSample] = []
    with WebcamSource(4, learned) as source, pytest.raises(TrackerError, match="stopped sending"):
        taken(source, samples)
    assert len(samples) == 3


def test_pictures_of_another_size_go_on_with_the_same_face(
    head: Picture, learned: WebcamGazeEstimator
) -> None:
    large = np.asarray(cv2.resize(head, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC), np.uint8)
    before = learned.estimate(head, 10**10)
    after = [learned.estimate(large, 10**10 + (1 + index) * FRAME_NS) for index in range(3)]
    assert before.valid
    assert all(one.valid for one in after)
    learned.estimate(head, 2 * 10**10)


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_or_white_picture_gives_no_gaze_and_the_next_one_does(
    head: Picture, learned: WebcamGazeEstimator, level: int
) -> None:
    empty = learned.estimate(np.full_like(head, level), 10**10)
    assert not empty.valid
    assert math.isnan(empty.x_px)
    assert learned.face is None
    assert learned.estimate(head, 10**10 + FRAME_NS).valid


def test_the_face_that_is_followed_stays_when_another_one_comes(head: Picture, screen: Screen) -> None:
    alone = np.full((216, 470, 3), 128, np.uint8)
    alone[30:186, 20:176] = cv2.resize(head, (156, 156), interpolation=cv2.INTER_AREA)
    both = alone.copy()
    both[:, 250:466] = head
    estimator = WebcamGazeEstimator(screen)
    estimator.estimate(alone, 0)
    estimator.estimate(both, FRAME_NS)
    assert estimator.face is not None
    assert estimator.face.landmarks[:, 0].mean() < 200


def test_time_that_goes_back_does_no_harm(head: Picture, learned: WebcamGazeEstimator) -> None:
    for time_ns in (9 * 10**10, 10**9, 10**9, 10**9 + FRAME_NS):
        sample = learned.estimate(head, time_ns)
        assert sample.valid
        assert sample.time_ns == time_ns
        assert sample.covariance_px2 is not None
        assert np.isfinite(sample.covariance_px2).all()
    assert not learned.drift.record_click((sample.x_px, sample.y_px), 10**8)


def test_glasses_are_no_blink(head: Picture, screen: Screen) -> None:
    estimator = WebcamGazeEstimator(screen)
    for index in range(LEARNING):
        estimator.estimate(head, index * FRAME_NS)
    assert estimator.face is not None
    worn = head.copy()
    for eye in estimator.face.eyes:
        middle = tuple(round(float(value)) for value in eye.lids_px.mean(axis=0))
        cv2.ellipse(worn, middle, (18, 12), 0, 0, 360, (30, 25, 25), 2, cv2.LINE_AA)
    samples = [estimator.estimate(worn, (LEARNING + index) * FRAME_NS) for index in range(5)]
    assert all(one.valid for one in samples)
    assert not estimator.blinking


class TestUncertainty:
    @pytest.fixture
    @staticmethod
    def calibrated(head: Picture, learned: WebcamGazeEstimator, screen: Screen) -> Calibration:
        here = learned.estimate(head, 3 * 10**10).head
        assert here is not None
        seen = [
            TargetSamples(place, tuple(GazeSample(index, *place, head=here) for index in range(12)))
            for place in target_positions(9, screen.size)
        ]
        return calibrate(seen, size=screen.size)

    def test_a_calibration_keeps_where_the_head_was(self, calibrated: Calibration) -> None:
        assert calibrated.head is not None
        assert 100.0 < calibrated.head[2] < 2000.0
        assert Calibration.from_json(calibrated.to_json()) == calibrated
        assert Calibration.from_json(replace(calibrated, head=None).to_json()).head is None

    @pytest.mark.parametrize("moved", [(80.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 12.0, 0.0)])
    def test_gaze_is_less_sure_where_the_head_has_moved(
        self,
        calibrated: Calibration,
        head: Picture,
        learned: WebcamGazeEstimator,
        screen: Screen,
        moved: tuple[float, ...],
    ) -> None:
        stated = []
        assert calibrated.head is not None
        x, y, z, yaw, pitch, roll = np.add(calibrated.head, moved).tolist()
        for calibration in (calibrated, replace(calibrated, head=(x, y, z, yaw, pitch, roll))):
            learned.calibration = calibration
            sample = learned.estimate(head, 4 * 10**10)
            assert sample.covariance_px2 is not None
            stated.append(math.sqrt(sample.covariance_px2[0]))
        learned.calibration = None
        assert learned.face is not None
        grown_deg = math.sqrt(stated[1] ** 2 - stated[0] ** 2) / screen.px_per_deg(
            learned.face.pose.distance_mm
        )
        assert grown_deg > 1.0
