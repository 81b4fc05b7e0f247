"""Fake Tobii Pro Glasses 3: the g3api WebSocket and the RTSP server."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from datetime import datetime, timezone
from typing import Any

from fake_base import HEIGHT, WIDTH, position_of, wait_until
from fake_rtsp import FakeRtsp
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve
from websockets.typing import Subprotocol

CLOCK_HZ = 90_000
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=live\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 95\r\na=rtpmap:95 H264/90000\r\na=control:stream=0\r\n"
    "m=audio 0 RTP/AVP 94\r\na=rtpmap:94 mpeg4-generic/24000/2\r\na=control:stream=1\r\n"
    f"m=application 0 RTP/AVP 96\r\na=rtpmap:96 com.tobii.ucs/{CLOCK_HZ}\r\na=control:stream=2\r\n"
    f"m=application 0 RTP/AVP 97\r\na=rtpmap:97 com.tobii.sync/{CLOCK_HZ}\r\na=control:stream=3\r\n"
)


def gaze_object(number: int) -> dict[str, object]:
    """A gaze message whose position carries a number."""
    x, y = position_of(number)
    eye = {"gazeorigin": [30.0, -10.0, -20.0], "gazedirection": [0.0, 0.0, 1.0], "pupildiameter": 3.1}
    other = {"gazeorigin": [-30.0, -10.0, -20.0], "gazedirection": [0.0, 0.0, 1.0], "pupildiameter": 3.0}
    return {
        "gaze2d": [x / WIDTH, y / HEIGHT],
        "gaze3d": [-100.0, 50.0, 980.0],
        "eyeleft": eye,
        "eyeright": other,
    }


class FakeGlasses:
    """The recording unit."""

    via = "rtsp"

    def __init__(self) -> None:
        self.clock_offset_s = 0.0
        self.signal_offset_s = -time.monotonic()
        self.began_ns = time.monotonic_ns()
        self.sent = 0
        self.accepted = 0
        self.paths: list[str] = []
        self.subscribed: Any = None
        self.open: list[Any] = []
        self.rtsp = FakeRtsp(SDP, clock_hz=CLOCK_HZ)
        self.port = 0
        self._listen()
        self.url = f"tobii-g3://127.0.0.1:{self.port}"
        self.options: dict[str, object] = {
            "rtsp_port": self.rtsp.port,
            "via": self.via,
            "size": (HEIGHT, WIDTH),
        }

    @property
    def connections(self) -> int:
        return self.accepted

    def _listen(self) -> None:
        self.server = serve(
            self._serve, "127.0.0.1", self.port, subprotocols=[Subprotocol("g3api")], close_timeout=0.2
        )
        self.port = self.server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def _serve(self, connection: Any) -> None:
        assert connection.subprotocol == "g3api"
        self.accepted += 1
        self.open.append(connection)
        with contextlib.suppress(ConnectionClosed):
            for text in connection:
                request = json.loads(text)
                self.paths.append(request["path"])
                answer: dict[str, object] = {"id": request["id"]}
                if request["path"] == "system.time" and request["method"] == "GET":
                    wall = datetime.fromtimestamp(self.wall_ns(self.media_ns()) / 1e9, tz=timezone.utc)
                    answer["body"] = wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                elif request["path"] == "rudimentary:gaze" and request["body"] is None:
                    answer["body"] = 17
                elif request["path"] == "rudimentary!keepalive":
                    answer["body"] = True
                else:
                    answer |= {"error": 404, "message": "not found"}
                connection.send(json.dumps(answer))
                if request["path"] == "rudimentary!keepalive":
                    self.subscribed = connection

    def media_ns(self) -> int:
        return time.monotonic_ns() - self.began_ns

    def wall_ns(self, media_ns: int) -> int:
        return 1_700_000_000_000_000_000 + round(self.clock_offset_s * 1e9) + media_ns

    def wait_ready(self) -> None:
        self.rtsp.wait_playing()

    def _tick(self) -> int:
        self._last_ns = max(getattr(self, "_last_ns", 0) + 20_000, self.media_ns())
        return self._last_ns

    def send(self, count: int, *, interval_s: float = 0.0) -> None:
        """Send the next numbered samples, with a sender report before them."""
        media_ns = self.media_ns()
        self.rtsp.send_control(self.rtsp.sender_report(media_ns, self.wall_ns(media_ns)))
        for _ in range(count):
            self.rtsp.send_media(self.rtsp.rtp(json.dumps(gaze_object(self.sent)).encode(), self._tick()))
            self.sent += 1
            if interval_s or self.sent % 64 == 0:
                time.sleep(max(interval_s, 0.002))

    def send_bad(self) -> None:
        for payload in (
            b"",
            b"[1]",
            b"{",
            b"[" * 5000,
            b'{"gaze2d": [1]}',
            b'{"gaze2d": ["a", "b"]}',
            b'{"eyeleft": 1}',
        ):
            self.rtsp.send_media(self.rtsp.rtp(payload, self._tick()))

    def drop(self) -> None:
        self.rtsp.drop()
        self.subscribed = None
        for connection in self.open:
            connection.socket.close() if self.via == "rtsp" else connection.close()
        self.open.clear()

    def kill(self) -> None:
        """Switch the recording unit off: nothing listens any more."""
        self.drop()
        self.server.shutdown()
        self._thread.join(2.0)
        self.rtsp.server.stop()

    def revive(self) -> None:
        """Switch the recording unit on again, at the same ports."""
        self.rtsp.server.listen()
        self._listen()

    def jump_clock(self, seconds: float) -> None:
        self.clock_offset_s += seconds

    def stop(self) -> None:
        for connection in self.open:
            connection.close()
        self.server.shutdown()
        self._thread.join(2.0)
        self.rtsp.stop()


class FakeGlassesSignals(FakeGlasses):
    """The same glasses, read over the WebSocket's rudimentary gaze signal."""

    via = "websocket"

    def wait_ready(self) -> None:
        wait_until(lambda: self.subscribed is not None, "a client that subscribes")

    def send_message(self, message: object) -> None:
        """Send a WebSocket message."""
        with contextlib.suppress(ConnectionClosed, AttributeError):
            self.subscribed.send(message if isinstance(message, str) else json.dumps(message))

    def send(self, count: int, *, interval_s: float = 0.0) -> None:
        for _ in range(count):
            now_s = max(getattr(self, "_last_s", -1e12) + 1e-5, time.monotonic() + self.signal_offset_s)
            self._last_s = now_s
            self.send_message({"signal": 17, "body": [now_s, gaze_object(self.sent)]})
            self.sent += 1
            if interval_s:
                time.sleep(interval_s)

    def send_bad(self) -> None:
        self.send_message("{")
        self.send_message([1])
        self.send_message({"signal": 17, "body": []})
        self.send_message({"signal": 17, "body": ["x", {}]})
        self.send_message({"signal": 17, "body": [1.0, {"gaze2d": 3}]})

    def jump_clock(self, seconds: float) -> None:
        self.signal_offset_s += seconds
        self._last_s = -1e12
