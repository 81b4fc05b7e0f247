"""A fake Gazepoint Control: the OpenGaze API, XML lines over TCP."""

from __future__ import annotations

import contextlib
import re
import socket
import time

from fake_base import HEIGHT, WIDTH, TcpFake, position_of, wait_until

TICKS_HZ = 10_000_000


class FakeGazepoint:
    """The tracker's server; records begin when a client has enabled them."""

    def __init__(self) -> None:
        self.offset_s = 123_456.0
        self.rate = 1.0
        self.sent = 0
        self.forget_first = 0
        self.pieces = 0
        self.has_screen_size = True
        self.has_ticks = True
        self.streaming: socket.socket | None = None
        self.enabled: set[str] = set()
        self.server = TcpFake(self._serve)
        self.url = f"gazepoint://127.0.0.1:{self.server.port}"
        self.options: dict[str, object] = {}

    @property
    def connections(self) -> int:
        return self.server.accepted

    def now_s(self) -> float:
        return (time.monotonic() + self.offset_s) * self.rate

    def _serve(self, connection: socket.socket) -> None:
        rest = b""
        self.enabled.clear()
        while True:
            data = connection.recv(4096)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\r\n")
            for line in lines:
                self._answer(connection, line)

    def _answer(self, connection: socket.socket, line: bytes) -> None:
        if self.forget_first > 0:
            self.forget_first -= 1
            return
        matched = re.fullmatch(rb'<(SET|GET) ID="(\w+)"(.*?) ?/>', line.strip())
        if matched is None:
            connection.sendall(b"<NACK />\r\n")
            return
        name = matched[2].decode()
        extra = matched[3].decode()
        if name == "SCREEN_SIZE":
            if not self.has_screen_size:
                connection.sendall(b'<NACK ID="SCREEN_SIZE" />\r\n')
                return
            extra = f' X="0" Y="0" WIDTH="{WIDTH}" HEIGHT="{HEIGHT}"'
        elif name == "TIME_TICK_FREQUENCY":
            if not self.has_ticks:
                connection.sendall(b'<NACK ID="TIME_TICK_FREQUENCY" />\r\n')
                return
            extra = f' FREQ="{TICKS_HZ}"'
        connection.sendall(f'<ACK ID="{name}"{extra} />\r\n'.encode())
        self.enabled.add(name)
        if name == "ENABLE_SEND_DATA":
            self.streaming = connection

    def wait_ready(self) -> None:
        wait_until(lambda: self.streaming is not None, "a client that enables data")

    def record(self, number: int, time_s: float, *, valid: int = 1) -> str:
        """One record, as the tracker writes it."""
        x, y = position_of(number)
        ticks = round(time_s * TICKS_HZ)
        return (
            f'<REC CNT="{number}" TIME="{time_s:.5f}" TIME_TICK="{ticks}" LPOGX="0.5" LPOGY="0.5" LPOGV="{valid}" '
            f'RPOGX="0.5" RPOGY="0.5" RPOGV="1" BPOGX="{x / WIDTH:.5f}" BPOGY="{y / HEIGHT:.5f}" BPOGV="{valid}" />\r\n'
        )

    def send_text(self, text: str) -> None:
        """Send bytes as they are, in pieces when told so."""
        if self.streaming is None:
            return
        data = text.encode()
        size = self.pieces or len(data)
        with contextlib.suppress(OSError):
            for start in range(0, len(data), size):
                self.streaming.sendall(data[start : start + size])

    def send(self, count: int, *, interval_s: float = 0.0) -> None:
        """Send the next numbered samples."""
        for _ in range(count):
            time_s = max(getattr(self, "_last_s", -1e12) + 2e-5, self.now_s())
            self._last_s = time_s
            self.send_text(self.record(self.sent, time_s))
            self.sent += 1
            if interval_s:
                time.sleep(interval_s)

    def send_bad(self) -> None:
        good = self.record(self.sent, self.now_s())
        self.send_text('<REC CNT="1" TIME="x" BPOGX="nan" />\r\n')
        self.send_text("<REC CNT=\r\n")
        self.send_text('<!DOCTYPE a [<!ENTITY b "c">]><REC CNT="&b;" />\r\n')
        self.send_text("\x00\x01\x02 garbage\r\n")
        self.send_text(f"<REC {'a' * 20_000}\r\n")
        self.send_text(re.sub('BPOGX="[^"]*"', 'BPOGX="inf"', good.replace(f'CNT="{self.sent}" ', "")))

    def drop(self) -> None:
        self.streaming = None
        self.server.drop()

    def kill(self) -> None:
        """End Gazepoint Control."""
        self.streaming = None
        self.server.stop()

    def revive(self) -> None:
        """Start Gazepoint Control again, at the same port."""
        self.server.listen()

    def jump_clock(self, seconds: float) -> None:
        self.offset_s += seconds
        self._last_s = -1e12

    def stop(self) -> None:
        self.server.stop()
