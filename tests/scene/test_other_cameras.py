"""Scene cameras of Pupil Core and Tobii Pro Glasses 3, and recordings that are played."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("zmq", reason="needs pip install 'sam-edge[gaze]'")
pytest.importorskip("msgpack", reason="needs pip install 'sam-edge[gaze]'")
pytest.importorskip("websockets", reason="needs pip install 'sam-edge[gaze]'")

from fake_base import wait_until
from fake_core import FakeCore
from fake_glasses import FakeGlasses
from fake_video import SDP, Encoder, number_shown, payloads, picture, send_picture

import sam_edge.scene
from sam_edge.errors import GazeDataError, TrackerError
from sam_edge.media.video_writer import VideoWriter
from sam_edge.scene.core_camera import decode_frame

MS = 1_000_000
ERROR_MS = 10


class FakeCoreVideo(FakeCore):
    """Capture with a world camera; the plugin that publishes frames is off until somebody starts it."""

    def publish_picture(self, number: int, kind: str = "bgr") -> float:
        """Publish a numbered picture; returns its pupil time."""
        taken_s = self.now_s()
        image = picture(number)
        raw = {"bgr": image[..., ::-1], "gray": image[..., 0]}[kind].tobytes()
        facts = {"format": kind, "width": 320, "height": 240, "timestamp": taken_s, "index": number}
        self.publish("frame.world", {"topic": "frame.world", **facts}, raw)
        return taken_s


def test_core_frames_have_capture_s_time_on_our_clock() -> None:
    fake = FakeCoreVideo()
    try:
        with sam_edge.scene.open(fake.url, timeout=4.0) as camera:
            wait_until(lambda: b"frame.world" in fake.subscribed, "a subscription to frames")
            for number in range(6):
                before_ns = time.monotonic_ns()
                fake.publish_picture(number, "gray" if number % 2 else "bgr")
                frame = camera.read(4.0)
                assert frame is not None
                assert number_shown(frame.image) == number
                assert abs(frame.time_ns - before_ns) / MS < ERROR_MS
    finally:
        fake.stop()


def test_core_s_publisher_is_started_where_it_is_off() -> None:
    fake = FakeCoreVideo()
    try:
        with sam_edge.scene.open(fake.url, timeout=4.0):
            wait_until(lambda: bool(fake.notified), "a notification")
        assert fake.notified == [
            {"subject": "start_plugin", "name": "Frame_Publisher", "args": {"format": "jpeg"}}
        ]
    finally:
        fake.stop()


@pytest.mark.parametrize(
    ("facts", "raw", "message"),
    [
        ({"format": "bgr", "width": 4, "height": 2}, bytes(23), "23 bytes, not 24"),
        ({"format": "yuv", "width": 4, "height": 2}, bytes(12), "format 'yuv'; read are jpeg, bgr and gray"),
        ({"format": "jpeg", "width": 4, "height": 2}, b"no jpeg", "no JPEG of the stated size"),
        ({"format": "bgr", "width": 1 << 20, "height": 1 << 20}, b"", "1048576x1048576 pixels"),
        ([], b"", "width"),
    ],
)
def test_a_broken_core_frame_is_refused(facts: object, raw: bytes, message: str) -> None:
    with pytest.raises(GazeDataError, match=message):
        decode_frame(facts, raw)


def test_glasses_frames_have_their_time_on_our_clock() -> None:
    fake = FakeGlasses()
    fake.rtsp.sdp = SDP
    encoder = Encoder()
    try:
        with sam_edge.scene.open(fake.url, rtsp_port=fake.rtsp.port, timeout=4.0) as camera:
            fake.wait_ready()
            media_ns = fake.media_ns()
            fake.rtsp.send_control(fake.rtsp.sender_report(media_ns, fake.wall_ns(media_ns)))
            for number in range(5):
                media_ns = fake.media_ns()
                parts = payloads(encoder.units(picture(number)))
                time.sleep(0.03 * number)
                send_picture(fake.rtsp, parts, media_ns)
                frame = camera.read(4.0)
                assert frame is not None
                assert number_shown(frame.image) == number
                assert abs(frame.time_ns - (fake.began_ns + media_ns)) / MS < ERROR_MS
    finally:
        fake.stop()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A folder with a video of ten numbered pictures, ten a second, and gaze."""
    with VideoWriter(tmp_path / "video.mp4", (240, 320)) as writer:
        for number in range(10):
            writer.write(picture(number), number * 100 * MS, (number + 1) * 100 * MS)
    rows = "".join(f"{time_ms / 1000},{100},{80},1\n" for time_ms in range(0, 1000, 10))
    (tmp_path / "gaze.csv").write_text(f"timestamp_s,x_px,y_px,confidence\n{rows}", encoding="utf-8")
    return tmp_path


def test_a_recording_plays_as_if_it_were_live(recording: Path) -> None:
    found = []
    with sam_edge.scene.open(f"file:{recording}") as camera:
        while not camera.finished:
            frame = camera.read(1.0)
            if frame is not None:
                found.append((number_shown(frame.image), frame.time_ns))
    numbers = [number for number, _ in found]
    assert numbers == sorted(set(numbers))
    # The first and the last frame are never skipped by a reader that waits.
    assert numbers[-1] == 9
    begin_ns = found[0][1] - numbers[0] * 100 * MS
    assert np.allclose([time_ns - begin_ns for _, time_ns in found], [n * 100 * MS for n in numbers], atol=MS)
    assert camera.read(0.1) is None


def test_a_webcam_that_is_not_there_is_an_error() -> None:
    with pytest.raises(TrackerError, match="camera 97"):
        sam_edge.scene.open("webcam:97", timeout=4.0)
