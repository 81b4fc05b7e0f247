"""Webcam gaze over a real socket: rendered faces of known direction in, calibrated gaze and selections out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.client import Client, RefusedError, connect, jpeg_of
from sam_edge.client.webcam import JPEG_QUALITY, RemoteWebcam
from sam_edge.gaze.calibration.screen import CHECK_TARGETS
from sam_edge.gaze.calibration.targets import target_positions
from sam_edge.gaze.webcam.head import PinholeCamera
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.serve.server import Server
from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationAction,
    CalibrationResult,
    CalibrationTarget,
    Click,
    FaceFrame,
    GazeEstimate,
    TargetProgress,
    TargetState,
    Viewport,
    Webcam,
)

MS = 1_000_000
STEP_NS = 60 * MS
"""Slower than a camera, so that fewer faces need to be drawn."""
DRAWN = 4
"""Pictures of one place; after that they come again."""
SCREEN = Screen((1080, 1920), 530.0)
FOV_DEG = 46.0
PX_PER_DEG = SCREEN.px_per_deg(600.0)
MIDDLE = (960.0, 540.0)
PLACES = ((500.0, 300.0), (1500.0, 350.0), (700.0, 850.0))
Reply = TypeVar("Reply", GazeEstimate, TargetProgress, CalibrationResult)


class Person:
    """Somebody in front of a camera who looks where they are told, one face at a time."""

    def __init__(self, rendered: ModuleType, client: Client) -> None:
        self.client = client
        self.now_ns = 1_000 * MS
        self._scene = rendered.Scene
        self._face = rendered.RenderedFace(PinholeCamera.of_view((480, 640), fov_deg=FOV_DEG), SCREEN)
        self._drawn: dict[tuple[object, ...], bytes] = {}
        self.eye = RemoteWebcam(client, SCREEN, fov_deg=FOV_DEG)

    def look(self, place: tuple[float, float], **scene: object) -> GazeEstimate:
        """Show the next face and return what the server saw in it."""
        self.now_ns += STEP_NS
        number = self.eye.send_face_jpeg(self._jpeg(place, **scene), (480, 640), self.now_ns)
        sight = self.next(GazeEstimate)
        assert sight.face_frame_id == number
        assert sight.sample.time_ns == self.now_ns
        return sight

    def _jpeg(self, place: tuple[float, float], **scene: object) -> bytes:
        key = (place, *scene.items(), self.now_ns // STEP_NS % DRAWN)
        if key not in self._drawn:
            self._drawn[key] = jpeg_of(self._face.render(self._scene(place, **scene)), JPEG_QUALITY)
        return self._drawn[key]

    def next(self, kind: type[Reply]) -> Reply:
        """Wait for the next answer, which is of a kind."""
        answer = self.eye.receive(10)
        assert isinstance(answer, kind)
        return answer

    def aim(self, number: int, place: tuple[float, float], *, check: bool = False) -> TargetProgress:
        """Look at a target until the server has seen enough, or gives up."""
        self.eye.collect_target(number, place, self.now_ns, validation=check)
        for _ in range(120):
            self.look(place)
            aimed = self.next(TargetProgress)
            assert aimed.target_id == number
            if aimed.state is not TargetState.COLLECTING:
                return aimed
        raise AssertionError(f"no end: {aimed}")

    def calibrate(self) -> CalibrationResult:
        for _ in range(42):
            self.look(MIDDLE)
        self.eye.start_calibration()
        assert self.next(CalibrationResult).action is CalibrationAction.START
        for number, place in enumerate(target_positions(9, SCREEN.size)):
            assert self.aim(number, place).state is TargetState.COLLECTED
        for number, (x, y) in enumerate(CHECK_TARGETS):
            assert self.aim(20 + number, (x * 1920, y * 1080), check=True).state is TargetState.COLLECTED
        self.eye.finish_calibration()
        return self.next(CalibrationResult)


@pytest.fixture(scope="module")
def person(rendered: ModuleType, server: Server) -> Iterator[Person]:
    with connect(server.stream_url) as client:
        yield Person(rendered, client)


@pytest.fixture(scope="module")
def calibrated(person: Person) -> CalibrationResult:
    return person.calibrate()


@pytest.fixture(scope="module")
def grey() -> NDArray[np.uint8]:
    return np.full((240, 320, 3), 90, np.uint8)


def away_deg(sights: list[GazeEstimate], place: tuple[float, float]) -> float:
    found = np.array([(one.sample.x_px, one.sample.y_px) for one in sights if one.sample.valid])
    return float(np.hypot(*(found.mean(axis=0) - place))) / PX_PER_DEG


def test_a_calibration_says_how_good_it_is(calibrated: CalibrationResult) -> None:
    assert 0.1 < calibrated.accuracy_deg < 2.5
    assert calibrated.accuracy_deg <= calibrated.worst_deg < 5.0
    assert calibrated.accuracy_px == pytest.approx(calibrated.accuracy_deg * calibrated.px_per_deg, rel=1e-3)
    assert calibrated.px_per_deg == pytest.approx(PX_PER_DEG, rel=0.15)
    assert [one.validation for one in calibrated.targets] == [False] * 9 + [True] * 4
    shown = np.array([one.target_px for one in calibrated.targets[:9]])
    np.testing.assert_allclose(shown, target_positions(9, SCREEN.size), rtol=1e-6)
    checked = [one.error_px for one in calibrated.targets if one.validation]
    assert float(np.mean(checked)) == pytest.approx(calibrated.accuracy_px, rel=0.05)
    assert json.loads(calibrated.calibration)["size"] == [1080, 1920]


def test_calibrated_gaze_is_right_within_what_the_page_on_webcam_gaze_states(
    person: Person, calibrated: CalibrationResult
) -> None:
    errors = []
    for place in PLACES:
        person.look(place)
        sights = [person.look(place) for _ in range(5)]
        errors.append(away_deg(sights, place))
        assert all(one.calibrated for one in sights)
        xx, _, yy = sights[-1].sample.covariance_px2 or (math.nan,) * 3
        assert 0.3 < math.sqrt(xx + yy) / PX_PER_DEG < 8.0
    assert float(np.mean(errors)) < 2.5


def test_the_face_is_shown_where_it_is(person: Person, calibrated: CalibrationResult) -> None:
    seen = person.look(MIDDLE).face
    assert seen is not None
    assert seen.distance_mm == pytest.approx(600.0, rel=0.15)
    left, top, right, bottom = seen.box_px
    ax, ay, bx, by = seen.irises_px
    assert 0 < left < ax < bx < right < 640
    assert 0 < top < min(ay, by) < max(ay, by) < bottom
    # The eyes are 60 mm under the camera's axis.
    assert (ay + by) / 2 > 240


def test_shut_eyes_and_no_face_give_no_gaze(
    person: Person, calibrated: CalibrationResult, grey: NDArray[np.uint8]
) -> None:
    for _ in range(3):
        shut = person.look(MIDDLE, closed=1.0)
    assert shut.blinking
    assert not shut.sample.valid
    person.now_ns += STEP_NS
    person.eye.send_face_frame(grey, person.now_ns)
    nobody = person.next(GazeEstimate)
    assert (nobody.face, nobody.sample.valid) == (None, False)
    person.look(MIDDLE)


def test_a_kept_calibration_is_used_again(
    rendered: ModuleType, server: Server, calibrated: CalibrationResult
) -> None:
    with connect(server.stream_url) as client:
        person = Person(rendered, client)
        person.eye.restore_calibration(calibrated.calibration)
        assert person.next(CalibrationResult).action is CalibrationAction.RESTORE
        sights = [person.look(MIDDLE) for _ in range(42)]
        learned = [one.face_model_progress for one in sights]
        assert learned == sorted(learned)
        assert learned[0] < 0.1
        assert learned[-1] == 1.0
        assert not sights[10].sample.valid
        sights = [person.look(PLACES[0]) for _ in range(6)]
        assert away_deg(sights[1:], PLACES[0]) < 3.0
        assert sights[-1].calibrated


def test_gaze_of_a_face_selects_in_frames_and_clicks_take_out_drift(
    person: Person, calibrated: CalibrationResult, scene: NDArray[np.uint8]
) -> None:
    """Frames of 320x240 fill the middle of the screen, four pixels of it in one of theirs."""
    person.eye.set_viewport((320.0, 60.0), (4.0, 4.0))
    person.client.reset().result(10)
    place = (960.0, 560.0)
    for _ in range(60):
        person.look(place)
        person.client.wait_until_ready(10)
        if person.client.send_frame(scene, person.now_ns) is None:
            continue
        selected = person.client.receive(10)
        assert selected is not None
        if selected.fixation is not None and selected.gaze_target is not None:
            break
    assert selected is not None
    assert selected.gaze_target is not None
    assert selected.fixation is not None
    x, y, _ = selected.fixation
    assert math.hypot(4 * x + 320 - place[0], 4 * y + 60 - place[1]) / PX_PER_DEG < 4.0
    before = [person.look(place).sample for _ in range(8)]
    moved = (before[-1].x_px + 100.0, before[-1].y_px)
    for _ in range(3):
        person.eye.report_click(moved, person.now_ns)
        after = [person.look(place).sample for _ in range(8)]
    shift = np.median([one.x_px for one in after]) - np.median([one.x_px for one in before])
    assert 40.0 < shift < 120.0


def test_abandoning_goes_back(person: Person, calibrated: CalibrationResult) -> None:
    person.eye.start_calibration()
    person.next(CalibrationResult)
    assert not person.look(MIDDLE).calibrated
    person.eye.cancel_calibration()
    assert person.next(CalibrationResult).action is CalibrationAction.CANCEL
    assert person.look(MIDDLE).calibrated
    person.eye.start_calibration()
    person.next(CalibrationResult)
    person.aim(0, MIDDLE)
    person.eye.finish_calibration()
    with pytest.raises(RefusedError, match="1 of 1 targets") as caught:
        person.next(CalibrationResult)
    assert caught.value.reply.code is ErrorCode.INVALID_OPTION
    assert person.look(MIDDLE).calibrated


def test_a_target_that_nobody_looks_at_is_given_up(server: Server, grey: NDArray[np.uint8]) -> None:
    with connect(server.stream_url) as client:
        eye = RemoteWebcam(client, SCREEN)
        eye.start_calibration()
        eye.collect_target(3, MIDDLE, 0)
        states = []
        for index in range(1, 200):
            eye.send_face_frame(grey, index * 50 * MS)
            while not isinstance(answer := eye.receive(10), TargetProgress):
                assert answer is not None
            states.append(answer.state)
            if answer.state is not TargetState.COLLECTING:
                break
        assert states[-1] is TargetState.UNSTEADY


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([FaceFrame(1, 1, (32, 32), b"")], ErrorCode.OUT_OF_ORDER, "send a webcam message first"),
        ([Calibrate(CalibrationAction.START)], ErrorCode.OUT_OF_ORDER, "send a webcam message first"),
        (
            [Webcam(SCREEN), CalibrationTarget(1, 1, MIDDLE)],
            ErrorCode.OUT_OF_ORDER,
            "no calibration was started",
        ),
        (
            [Webcam(SCREEN), Calibrate(CalibrationAction.FINISH)],
            ErrorCode.OUT_OF_ORDER,
            "finish without start",
        ),
        ([Webcam(SCREEN), Calibrate(CalibrationAction.RESTORE, b"{")], ErrorCode.INVALID_OPTION, "not JSON"),
        (
            [Webcam(SCREEN), Calibrate(CalibrationAction.RESTORE, b"[" * 4096)],
            ErrorCode.INVALID_OPTION,
            "not JSON",
        ),
        (
            [Webcam(SCREEN), Calibrate(CalibrationAction.RESTORE, b"[1]")],
            ErrorCode.INVALID_OPTION,
            "not a JSON object",
        ),
        (
            [Webcam(SCREEN), Calibrate(CalibrationAction.RESTORE, b'{"schema": 4}')],
            ErrorCode.INVALID_OPTION,
            "schema 4",
        ),
        (
            [Webcam(SCREEN), Calibrate(CalibrationAction.RESTORE, b"\xff")],
            ErrorCode.INVALID_OPTION,
            "calibrate again",
        ),
        ([Webcam(SCREEN), FaceFrame(1, 1, (32, 32), b"\xff\xd8 cut")], ErrorCode.INVALID_IMAGE, "JPEG"),
        ([Webcam(SCREEN), FaceFrame(1, 1, (32, 32), b"\x89PNG\r\n\x1a\n")], ErrorCode.INVALID_IMAGE, "PNG"),
        ([Webcam(SCREEN), FaceFrame(1, 1, (4096, 4096), b"")], ErrorCode.TOO_LARGE, "16777216 pixels"),
        (
            [Webcam(SCREEN), Webcam(None), FaceFrame(1, 1, (32, 32), b"")],
            ErrorCode.OUT_OF_ORDER,
            "send a webcam message first",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_the_connection_stays(
    server: Server, messages: list[Any], code: ErrorCode, words: str
) -> None:
    with connect(server.stream_url) as client:
        for message in messages:
            client.send(message)
        with pytest.raises(RefusedError, match=words) as caught:
            client.receive_webcam(10)
        assert caught.value.reply.code is code
        assert not caught.value.reply.fatal
        assert client.unpin().result(10) == 0


def test_faces_in_the_wrong_order_are_refused(server: Server, grey: NDArray[np.uint8]) -> None:
    with connect(server.stream_url) as client:
        eye = RemoteWebcam(client, SCREEN)
        eye.send_face_frame(grey, 2)
        assert isinstance(eye.receive(10), GazeEstimate)
        eye.send_face_frame(grey, 2)
        with pytest.raises(RefusedError, match="does not come after"):
            eye.receive(10)


def test_a_kept_calibration_of_another_screen_is_refused(
    server: Server, calibrated: CalibrationResult
) -> None:
    with connect(server.stream_url) as client:
        eye = RemoteWebcam(client, Screen((900, 1600), 530.0))
        eye.restore_calibration(calibrated.calibration)
        with pytest.raises(RefusedError, match="1920x1080, this one has 1600x900"):
            eye.receive(10)


def test_a_hostile_calibration_gives_no_gaze_and_no_harm(
    rendered: ModuleType, server: Server, calibrated: CalibrationResult
) -> None:
    facts = json.loads(calibrated.calibration)
    facts["map"]["x_terms"] = [1e308] * len(facts["map"]["x_terms"])
    with connect(server.stream_url) as client:
        person = Person(rendered, client)
        person.eye.restore_calibration(json.dumps(facts).encode())
        person.next(CalibrationResult)
        sights = [person.look(MIDDLE) for _ in range(44)]
        assert not any(one.sample.valid for one in sights)


def test_the_newest_face_wins(server: Server, grey: NDArray[np.uint8]) -> None:
    with connect(server.stream_url) as client:
        eye = RemoteWebcam(client, SCREEN)
        numbers = [eye.send_face_frame(grey, index + 1) for index in range(20)]
        seen: list[int] = []
        while not seen or seen[-1] != numbers[-1]:
            answer = eye.receive(10)
            assert isinstance(answer, GazeEstimate)
            seen.append(answer.face_frame_id)
        assert seen == sorted(seen)
        assert len(seen) < len(numbers)


def test_more_faces_than_accepted_are_told(serve: Callable[..., Server]) -> None:
    running = serve(limits={"webcams": 1})
    with connect(running.stream_url) as one, connect(running.stream_url) as other:
        first = RemoteWebcam(one, SCREEN)
        first.start_calibration()
        assert isinstance(first.receive(10), CalibrationResult)
        second = RemoteWebcam(other, SCREEN)
        with pytest.raises(RefusedError, match="gaze for 1 clients") as caught:
            second.receive(10)
        assert caught.value.reply.code is ErrorCode.TOO_MANY_WEBCAMS
        first.stop()
        one.unpin().result(10)
        again = RemoteWebcam(other, SCREEN)
        again.start_calibration()
        assert isinstance(again.receive(10), CalibrationResult)


def test_a_client_that_leaves_makes_room(serve: Callable[..., Server], ask: Callable[..., Any]) -> None:
    running = serve(limits={"webcams": 1})
    for _ in range(3):
        with connect(running.stream_url) as client:
            eye = RemoteWebcam(client, SCREEN)
            eye.start_calibration()
            assert isinstance(eye.receive(10), CalibrationResult)
        end = time.monotonic() + 10
        while b"sam_edge_webcams 0\n" not in ask(running, "/metrics").body:
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("limits", "send", "code"),
    [
        ({"face_bytes": 1000}, 1, ErrorCode.TOO_LARGE),
        ({"faces_per_s": 4.0}, 30, ErrorCode.RATE_LIMIT),
    ],
)
def test_too_many_or_too_large_faces_end_the_connection(
    serve: Callable[..., Server], scene: NDArray[np.uint8], limits: dict[str, Any], send: int, code: ErrorCode
) -> None:
    running = serve(limits=limits)
    with connect(running.stream_url) as client:
        eye = RemoteWebcam(client, SCREEN)

        def go_on() -> None:
            for index in range(send):
                eye.send_face_frame(scene, index + 1)
            while eye.receive(10) is not None:
                pass

        with pytest.raises(RefusedError) as caught:
            go_on()
        assert caught.value.reply.code is code


def test_nothing_about_faces_is_logged(
    server: Server, scene: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", logger="sam_edge"), connect(server.stream_url) as client:
        eye = RemoteWebcam(client, SCREEN)
        eye.send_face_frame(scene, 1)
        assert isinstance(eye.receive(10), GazeEstimate)
        client.send(FaceFrame(9, 5, (32, 32), b"\xff\xd8 broken"))
        with pytest.raises(RefusedError):
            eye.receive(10)
    assert caplog.records == []


NUMBERS = st.floats(-1e6, 1e6, width=32)
POINTS = st.tuples(NUMBERS, NUMBERS)
TIMES = st.integers(-(2**62), 2**62)
SMALL_JPEG = cv2.imencode(".jpg", np.full((64, 64, 3), 99, np.uint8))[1].tobytes()
LAST = 777
PICTURES = st.one_of(st.just(SMALL_JPEG), st.binary(max_size=90))
OTHERS = [CalibrationAction.START, CalibrationAction.FINISH, CalibrationAction.CANCEL]
ANY_OF_AN_EYE = st.one_of(
    st.builds(Webcam, st.one_of(st.none(), st.just(SCREEN)), st.just(78.0)),
    st.builds(
        FaceFrame,
        st.integers(0, 9),
        TIMES,
        st.just((64, 64)),
        st.one_of(st.just(SMALL_JPEG), st.binary(max_size=90)),
    ),
    st.builds(Viewport, POINTS, st.tuples(st.just(2.0), st.just(0.5))),
    st.builds(
        Calibrate,
        st.sampled_from([CalibrationAction.START, CalibrationAction.FINISH, CalibrationAction.CANCEL]),
    ),
    st.builds(Calibrate, st.just(CalibrationAction.RESTORE), st.binary(min_size=1, max_size=60)),
    st.builds(CalibrationTarget, st.integers(0, 63), TIMES, POINTS, st.booleans()),
    st.builds(Click, TIMES, POINTS, st.just(5.0)),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_OF_AN_EYE, max_size=25))
def test_any_order_of_messages_leaves_the_server_well(server: Server, messages: list[Any]) -> None:
    with connect(server.stream_url) as client:
        for message in [*messages, Webcam(SCREEN), FaceFrame(LAST, 1, (64, 64), SMALL_JPEG)]:
            client.send(message)
        while not is_last(client):
            pass
        assert client.unpin().result(10) == 0


def is_last(client: Client) -> bool:
    """Take the next answer and say whether it is the last face's; what did not fit was refused, and no more."""
    try:
        answer = client.receive_webcam(20)
    except RefusedError as error:
        if error.reply.fatal:
            raise
        return False
    assert answer is not None
    return isinstance(answer, GazeEstimate) and answer.face_frame_id == LAST
