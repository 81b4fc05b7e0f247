"""Fake headsets that send ray packets over UDP and over a WebSocket."""

from __future__ import annotations

import contextlib
import socket
import time

from fake_base import position_of, present, wait_until
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from sam_edge.gaze.adapters.ray import RaySource
from sam_edge.gaze.adapters.ray_packets import EyeState, PacketHead, PointPacket, encode_binary, encode_json
from sam_edge.gaze.source import GazeSource


class FakeHeadset:
    """Sends numbered point packets, binary and JSON in turn, to a source that listens."""

    def __init__(self) -> None:
        self.url = "ray+udp://127.0.0.1:0"
        self.options: dict[str, object] = {}
        self.offset_s = 31.0
        self.rate = 1.0
        self.sent = 0
        self.sequence = 2**32 - 5
        self.connections = 0
        self.port = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.source: RaySource | None = None

    def attach(self, source: GazeSource) -> None:
        """Learn where the source listens."""
        assert isinstance(source, RaySource)
        self.source = source
        self.port = source.port

    def wait_ready(self) -> None:
        assert self.port

    def now_ns(self) -> int:
        return round((time.monotonic() + self.offset_s) * 1e9 * self.rate)

    def packet(self, number: int, time_ns: int) -> PointPacket:
        x, y = position_of(number)
        self.sequence = (self.sequence + 1) % 2**32
        return PointPacket(PacketHead(self.sequence, time_ns, time_ns), EyeState(), x, y)

    def send_bytes(self, data: bytes | str) -> None:
        """Send one packet as it is."""
        self.socket.sendto(data.encode() if isinstance(data, str) else data, ("127.0.0.1", self.port))

    def send(self, count: int, *, interval_s: float = 0.0) -> None:
        for _ in range(count):
            time_ns = max(getattr(self, "_last_ns", -(2**62)) + 1000, self.now_ns())
            self._last_ns = time_ns
            packet = self.packet(self.sent, time_ns)
            self.send_bytes(encode_binary(packet) if self.sent % 2 else encode_json(packet))
            self.sent += 1
            if interval_s or self.sent % 64 == 0:
                time.sleep(max(interval_s, 0.002))

    def send_bad(self) -> None:
        good = encode_binary(self.packet(self.sent, self.now_ns()))
        self.sequence -= 1
        for data in (
            b"",
            b"SEGZ",
            good[:-1],
            good + b"x",
            b"SEGZ\x02" + good[5:],
            b"{}",
            b"\xff" * 100,
            b"[" * 3000,
        ):
            self.send_bytes(data)

    def drop(self) -> None:
        """The app on the headset starts again: it sends from another port."""
        self.kill()
        self.revive()

    def kill(self) -> None:
        """End the app on the headset."""
        self.socket.close()

    def revive(self) -> None:
        """Start the app again: it sends from another port."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def jump_clock(self, seconds: float) -> None:
        self.offset_s += seconds
        self._last_ns = -(2**62)

    def stop(self) -> None:
        self.socket.close()


class FakeWebHeadset(FakeHeadset):
    """The same over a WebSocket."""

    def __init__(self) -> None:
        super().__init__()
        self.url = "ray+ws://127.0.0.1:0"
        self.client: ClientConnection | None = None

    def attach(self, source: GazeSource) -> None:
        super().attach(source)
        self._connect()

    def _connect(self) -> None:
        def tried() -> bool:
            with contextlib.suppress(OSError, WebSocketException):
                self.stack = contextlib.ExitStack()
                address = f"ws://127.0.0.1:{self.port}/"
                self.client = self.stack.enter_context(connect(address, close_timeout=0.2, proxy=None))
            return self.client is not None

        wait_until(tried, "a WebSocket connection")

    def send_bytes(self, data: bytes | str) -> None:
        with contextlib.suppress(ConnectionClosed):
            present(self.client).send(data)

    def kill(self) -> None:
        """End the app on the headset."""
        self.stack.close()
        self.client = None

    def revive(self) -> None:
        """Start the app again."""
        self._connect()

    def stop(self) -> None:
        if self.client is not None:
            self.stack.close()
        super().stop()
