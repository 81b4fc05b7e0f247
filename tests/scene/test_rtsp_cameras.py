"""Scene cameras over RTSP: pictures, their times, losses, stalls, and what cannot be read."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fake_base import present, wait_until
from fake_rtsp import FakeRtsp
from fake_video import SDP, FakeCompanionVideo, number_shown, send_picture

import sam_edge.gaze
import sam_edge.scene
from sam_edge.errors import InputError, TrackerError
from sam_edge.scene import LiveFrame, SceneCamera

MS = 1_000_000
ERROR_MS = 10
"""Largest error of a frame's time that is accepted."""


@pytest.fixture
def phone() -> Iterator[FakeCompanionVideo]:
    fake = FakeCompanionVideo()
    yield fake
    fake.stop()


def open_world(fake: FakeCompanionVideo, **options: object) -> SceneCamera:
    camera = sam_edge.scene.open(fake.url, **({"timeout": 4.0} | options))
    fake.video.wait_playing()
    fake.report()
    return camera


def next_frame(camera: SceneCamera) -> LiveFrame:
    frame = camera.read(4.0)
    assert frame is not None
    return frame


def test_each_picture_has_the_time_at_which_it_was_taken(phone: FakeCompanionVideo) -> None:
    """The phone sends each picture late; its time on our clock does not depend on that."""
    errors_ms = []
    with open_world(phone) as camera:
        for delay_s in (0.0, 0.05, 0.12, 0.0, 0.2, 0.01) * 2:
            number, media_ns, parts = phone.take_picture()
            time.sleep(delay_s)
            send_picture(phone.video, parts, media_ns)
            frame = next_frame(camera)
            assert number_shown(frame.image) == number
            assert frame.uncertainty_ns is not None
            errors_ms.append(abs(frame.time_ns - phone.host_of(media_ns)) / MS)
    assert camera.stats.received == len(errors_ms)
    assert max(errors_ms) < ERROR_MS


def test_frames_and_gaze_of_one_instant_meet(phone: FakeCompanionVideo) -> None:
    with open_world(phone) as camera, sam_edge.gaze.open(phone.url, timeout=4.0) as gaze:
        phone.wait_ready()
        for _ in range(8):
            _, media_ns, parts = phone.take_picture()
            phone.send(1)
            send_picture(phone.video, parts, media_ns)
            frame, (sample,) = next_frame(camera), gaze.read(4.0)
            # The sample was taken a little after the picture; the phone's clock says how much.
            between_ns = present(sample.device_time_ns) - phone.wall_ns(media_ns)
            assert abs(sample.time_ns - frame.time_ns - between_ns) / MS < ERROR_MS


def test_a_lost_packet_withholds_pictures_until_a_key_frame(phone: FakeCompanionVideo) -> None:
    shown = []
    with open_world(phone) as camera:
        for index in range(25):
            number, media_ns, parts = phone.take_picture()
            send_picture(phone.video, parts, media_ns, leave_out=1 if index == 13 else None)
            frame = camera.read(0.5 if index in range(13, 20) else 4.0)
            if frame is not None:
                assert number_shown(frame.image) == number
                shown.append(number)
    # Key frames are 0, 10, 20.
    assert shown == [*range(13), *range(20, 25)]
    assert camera.stats.damaged == 7
    assert camera.stats.lost == 1


def test_a_slow_reader_gets_the_newest_picture(phone: FakeCompanionVideo) -> None:
    with open_world(phone) as camera:
        for _ in range(5):
            number, media_ns, parts = phone.take_picture()
            send_picture(phone.video, parts, media_ns)
        wait_until(lambda: camera.stats.received == 5, "five pictures")
        assert number_shown(next_frame(camera).image) == number
        assert camera.read() is None
        assert camera.stats.skipped == 4


def test_a_camera_that_stalls_says_so_and_goes_on(phone: FakeCompanionVideo) -> None:
    with open_world(phone, timeout=0.6) as camera:
        _, media_ns, parts = phone.take_picture()
        send_picture(phone.video, parts, media_ns)
        next_frame(camera)
        with pytest.raises(TrackerError, match=r"sent no frame for 0\.6 s"):
            camera.read(3.0)
        wait_until(lambda: camera.stats.reconnects > 0, "a new connection")
        phone.encoder = type(phone.encoder)()
        deadline_s = time.monotonic() + 8
        found = None
        while found is None and time.monotonic() < deadline_s:
            phone.report()
            _, media_ns, parts = phone.take_picture()
            send_picture(phone.video, parts, media_ns)
            try:
                found = camera.read(0.2)
            except TrackerError:
                continue
        assert found is not None


def test_any_camera_is_timed_by_arrival() -> None:
    fake = FakeCompanionVideo(echo=False)
    try:
        url = f"rtsp://127.0.0.1:{fake.video.port}/stream?channel=1"
        with sam_edge.scene.open(url, timeout=4.0) as camera:
            fake.video.wait_playing()
            fake.report()
            number, media_ns, parts = fake.take_picture()
            send_picture(fake.video, parts, media_ns)
            frame = next_frame(camera)
            arrived_ns = time.monotonic_ns()
        assert number_shown(frame.image) == number
        assert frame.uncertainty_ns is None
        assert fake.host_of(media_ns) <= frame.time_ns + MS
        assert frame.time_ns <= arrived_ns
        assert fake.video.requests[1] == f"DESCRIBE {url}"
    finally:
        fake.stop()


@pytest.mark.parametrize("encoding", ["H265/90000", "JPEG/90000"])
def test_another_encoding_is_named(encoding: str) -> None:
    fake = FakeRtsp(SDP.replace("H264/90000", encoding), clock_hz=90_000)
    try:
        name = encoding.partition("/")[0].lower()
        with pytest.raises(TrackerError, match=f"video {name}.*no H.264 video.*switch the camera to H.264"):
            sam_edge.scene.open(f"rtsp://127.0.0.1:{fake.port}/", timeout=2.0)
    finally:
        fake.stop()


def test_nothing_there_is_said_with_what_to_check() -> None:
    with pytest.raises(TrackerError, match=r"cannot be reached within 0\.4 s.*firewall"):
        sam_edge.scene.open("rtsp://127.0.0.1:9/", timeout=0.4)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gopro://host", "accepted is the address of a scene camera: .*neon://PHONE"),
        ("neon:", "has no host"),
        ("neon://me:secret@host", "the address of the neon camera holds a user name"),
        ("rtsps://me:secret@host/", r"rtsps://\*\*\*@host/"),
        ("rtsp://me:sec/ret-secret@host/", "write / as %2F"),
        ("rtsp://me@host/", "user or password is missing"),
        ("rtsp://me:secret@host:none/", "the port of 'rtsp://host:none/'"),
        ("webcam:front", "webcam:NUMBER"),
        ("file:", "file:FOLDER"),
        ("tobii-g3://host?speed=2", "no option 'speed'"),
    ],
)
def test_addresses_that_cannot_be_opened(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        sam_edge.scene.open(url)
    assert "secret" not in str(raised.value)


def test_a_clock_that_was_set_is_asked_for_at_once(phone: FakeCompanionVideo) -> None:
    with open_world(phone) as camera:
        _, media_ns, parts = phone.take_picture()
        send_picture(phone.video, parts, media_ns)
        before = next_frame(camera)
        # Back by three seconds: with the old relation of the clocks the picture would be of the past.
        phone.clock_offset_s -= 3.0
        phone.report()
        _, media_ns, parts = phone.take_picture()
        send_picture(phone.video, parts, media_ns)
        frame = next_frame(camera)
        assert before.time_ns < frame.time_ns
        assert abs(frame.time_ns - phone.host_of(media_ns)) / MS < ERROR_MS
