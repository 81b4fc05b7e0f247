"""A fake Companion app (Pupil Labs Neon or Invisible): HTTP status, RTSP gaze, Time Echo."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

from fake_base import TcpFake, position_of, receive_until
from fake_rtsp import FakeRtsp

CLOCK_HZ = 90_000
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=gaze\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    f"a=rtpmap:96 com.pupillabs.gaze1/{CLOCK_HZ}\r\na=control:trackID=0\r\n"
)


def payload(x: float, y: float, *, worn: int = 255, length: int = 9) -> bytes:
    """A gaze payload of one of the known lengths."""
    if length == 17:
        return struct.pack("!ffBff", x, y, worn, x, y)
    floats = {9: 0, 25: 4, 65: 14, 89: 20, 105: 24}[length]
    eyes = (x - 1.0, y, x + 1.0, y) if length in (25, 105) else ()
    return struct.pack(f"!ffB{floats}f", x, y, worn, *[0.5] * (floats - len(eyes)), *eyes)


class FakeCompanion:
    """The phone. Its wall clock runs `clock_offset_s` ahead of the host's."""

    scheme = "neon"

    def __init__(self, *, version: str = "2", echo: bool = True) -> None:
        self.version = version
        self.with_echo = echo
        self.clock_offset_s = 1000.25
        self.drift = 0.0
        self.began_ns = time.monotonic_ns()
        self.length = 9
        self.reports = True
        self.sent = 0
        self.connected_glasses = True
        self.rtsp = FakeRtsp(SDP, clock_hz=CLOCK_HZ)
        self.http = TcpFake(self._serve_http)
        self.echo = TcpFake(self._serve_echo)
        self.url = f"{self.scheme}://127.0.0.1:{self.http.port}"
        self.options: dict[str, object] = {}

    @property
    def connections(self) -> int:
        return self.http.accepted

    def media_ns(self) -> int:
        elapsed = time.monotonic_ns() - self.began_ns
        return elapsed + round(elapsed * self.drift)

    def wall_ns(self, media_ns: int) -> int:
        return 1_700_000_000_000_000_000 + round(self.clock_offset_s * 1e9) + media_ns

    def host_ns(self, wall_ns: int) -> int:
        """The host's time at which the phone's clock shows `wall_ns`."""
        return self.began_ns + round((wall_ns - self.wall_ns(0)) / (1 + self.drift))

    def _status(self) -> dict[str, Any]:
        def sensor(name: str, kind: str) -> dict[str, object]:
            return {
                "model": "Sensor",
                "data": {
                    "sensor": name,
                    "conn_type": kind,
                    "connected": self.connected_glasses,
                    "ip": "127.0.0.1",
                    "params": f"camera={name}&audioenable=on",
                    "port": self.rtsp.port,
                    "protocol": "rtsp",
                    "stream_error": False,
                },
            }

        phone: dict[str, object] = {
            "battery_level": 90,
            "battery_state": "OK",
            "device_id": "d",
            "device_name": "fake",
            "ip": "127.0.0.1",
            "memory": 1,
            "memory_state": "OK",
        }
        if self.with_echo:
            phone["time_echo_port"] = self.echo.port
        hardware = {
            "version": self.version,
            "glasses_serial": "g",
            "world_camera_serial": "w",
            "module_serial": "m",
        }
        return {
            "message": "Success",
            "result": [
                {"model": "Phone", "data": phone},
                {"model": "Hardware", "data": hardware},
                sensor("world", "DIRECT"),
                sensor("gaze", "WEBSOCKET"),
                sensor("gaze", "DIRECT"),
            ],
        }

    def _serve_http(self, connection: socket.socket) -> None:
        head, _ = receive_until(connection, b"\r\n\r\n", b"")
        body = json.dumps(self._status()).encode()
        found = head.startswith(b"GET /api/status ")
        status = b"200 OK" if found else b"404 Not Found"
        if self.version == "1":
            # The other way that servers frame a body.
            pieces = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:50], body[50:])) + b"0\r\n\r\n"
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces)
            return
        length = str(len(body)).encode()
        head = (
            b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: "
        )
        connection.sendall(head + length + b"\r\n\r\n" + body)

    def _serve_echo(self, connection: socket.socket) -> None:
        rest = b""
        while True:
            data = connection.recv(4096)
            if not data:
                return
            rest += data
            while len(rest) >= 8:
                now_ms = self.wall_ns(self.media_ns()) // 1_000_000
                connection.sendall(rest[:8] + struct.pack("!Q", now_ms))
                rest = rest[8:]

    def wait_ready(self) -> None:
        self.rtsp.wait_playing()

    def send(self, count: int, *, interval_s: float = 0.0) -> None:
        """Send the next numbered samples, with a sender report before them."""
        media_ns = self.media_ns()
        if self.reports:
            self.rtsp.send_control(self.rtsp.sender_report(media_ns, self.wall_ns(media_ns)))
        for _ in range(count):
            x, y = position_of(self.sent)
            self.rtsp.send_media(self.rtsp.rtp(payload(x, y, length=self.length), self._tick()))
            self.sent += 1
            if interval_s or self.sent % 64 == 0:
                time.sleep(max(interval_s, 0.002))

    def _tick(self) -> int:
        """A media time that differs from all before by at least one tick of 90 kHz."""
        self._last_ns = max(getattr(self, "_last_ns", 0) + 20_000, self.media_ns())
        return self._last_ns

    def send_bad(self) -> None:
        good = payload(1.0, 1.0)
        self.rtsp.send_media(b"")
        self.rtsp.send_media(b"\x80")
        self.rtsp.send_media(b"\x40" + self.rtsp.rtp(good, 0, sequence=1)[1:])
        self.rtsp.send_media(self.rtsp.rtp(good + b"x", self._tick()))
        self.rtsp.send_media(self.rtsp.rtp(struct.pack("!ffB", float("inf"), 0.0, 255), self._tick()))
        self.rtsp.send_control(b"\x80\xc8\x00\xff")

    def drop(self) -> None:
        self.rtsp.drop()

    def kill(self) -> None:
        """Switch the phone off: nothing listens any more."""
        for server in (self.rtsp.server, self.http, self.echo):
            server.stop()
        self.rtsp.client_ports = None

    def revive(self) -> None:
        """Switch the phone on again, at the same ports."""
        for server in (self.rtsp.server, self.http, self.echo):
            server.listen()

    def jump_clock(self, seconds: float) -> None:
        self.clock_offset_s += seconds

    def stop(self) -> None:
        self.rtsp.stop()
        self.http.stop()
        self.echo.stop()


class FakeInvisible(FakeCompanion):
    """An Invisible: older, without Time Echo."""

    scheme = "invisible"

    def __init__(self) -> None:
        super().__init__(version="1", echo=False)
