"""What is said of a device that is not there, is something else, or refuses: its address, and what to check."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

import sam_edge
from sam_edge.errors import SamEdgeError

REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
OTHER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server that answers every request with the same bytes."""
    reply = request.param
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(4096)
                    connection.sendall(reply)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def refuse_to_load() -> sam_edge.Segmenter:
    raise AssertionError("the model was opened before the device")


def message_of(url: str, eye: str | None = None) -> str:
    with pytest.raises(SamEdgeError) as raised:
        sam_edge.live(url, eye=eye, model=refuse_to_load, timeout_s=0.6)
    return str(raised.value)


@pytest.mark.parametrize(
    ("url", "eye", "check"),
    [
        ("neon://127.0.0.1:9", None, "the Companion app is open with the glasses plugged in"),
        ("invisible://127.0.0.1:9", None, "the Companion app is open with the glasses plugged in"),
        ("tobii-g3://127.0.0.1:9", None, "the recording unit is switched on"),
        ("pupil-core://127.0.0.1:9", None, "Pupil Capture runs with its plugin Network API"),
        ("rtsp://127.0.0.1:9/live", "mouse:", "the camera streams"),
    ],
)
def test_a_device_that_is_not_there(url: str, eye: str | None, check: str) -> None:
    pytest.importorskip("zmq" if url.startswith("pupil") else "websockets", reason="needs sam-edge[gaze]")
    message = message_of(url, eye)
    assert message.startswith(f"{url} cannot be reached within 0.6 s")
    assert check in message
    assert "address and port are right" in message


def test_a_camera_and_a_recording_that_are_not_there() -> None:
    assert "check with another camera number" in message_of("webcam:77", "mouse:")
    assert "/nowhere: no such file or folder" in message_of("file:/nowhere")


@pytest.mark.parametrize(
    ("scheme", "port", "said"),
    [
        ("neon", REFUSAL, "403 Forbidden"),
        ("neon", OTHER, "does not answer like a Companion app; update the app"),
        ("invisible", OTHER, "does not answer like a Companion app; update the app"),
        ("tobii-g3", REFUSAL, "HTTP 403"),
        ("pupil-core", OTHER, "Network API"),
        ("rtsp", OTHER, "does not speak RTSP"),
    ],
    indirect=["port"],
    ids=lambda value: value.decode()[9:12] if isinstance(value, bytes) else None,
)
def test_something_else_at_the_address(scheme: str, port: int, said: str) -> None:
    pytest.importorskip("zmq" if scheme == "pupil-core" else "websockets", reason="needs sam-edge[gaze]")
    message = message_of(f"{scheme}://127.0.0.1:{port}/", "mouse:" if scheme == "rtsp" else None)
    assert said in message
    assert f"127.0.0.1:{port}" in message
    assert "heck" in message or "update" in message
