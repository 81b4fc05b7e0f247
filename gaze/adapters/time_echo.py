"""The Time Echo protocol of Pupil Labs' phones: round trips that relate the phone's wall clock to the host's."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable

from sam_edge.closing import Closing
from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost
from sam_edge.gaze.adapters.net import TcpStream
from sam_edge.gaze.buffer import StatName
from sam_edge.gaze.clocks import ClockMap, host_now_ns

_ANSWER = struct.Struct("!QQ")
_BURST = 10
_INTERVAL_S = 0.5
_RETRY_S = 5.0
_LARGEST_MS = 1 << 53


class TimeEcho(Closing):
    """Requests the phone's time: in a burst at first, then at intervals from the reader's loop."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        clock: ClockMap,
        stopping: threading.Event,
        timeout_s: float,
        count: Callable[[StatName, int], None],
    ) -> None:
        """Connect. `clock` receives the observations: phone wall clock in nanoseconds since 1970, and host time.

        Raises:
            ConnectionLost: the phone does not answer there.
        """
        self._address = (host, port)
        self._clock = clock
        self._stopping = stopping
        self._timeout_s = timeout_s
        self._count = count
        self._next_at = 0.0
        self.stream: TcpStream | None = None
        self._connect()

    def burst(self) -> None:
        """Request the time several times in a row and wait for the answers.

        Raises:
            ConnectionLost: the phone does not answer.
        """
        for _ in range(_BURST):
            self._send_request()
            deadline = time.monotonic() + self._timeout_s
            while self._requested_ns is not None and not self._stopping.is_set():
                self._receive(POLL_S)
                if time.monotonic() > deadline:
                    raise ConnectionLost("the phone's Time Echo does not answer")

    def turn(self, *, readable: bool) -> bool:
        """Read an answer and send the next request when due; return True when the phone's clock jumped."""
        try:
            if self.stream is None:
                if time.monotonic() >= self._next_at:
                    self._connect()
                return False
            if readable and self._receive(0.0):
                return True
            if time.monotonic() >= self._next_at:
                self._send_request()
        except ConnectionLost:
            # Gaze still flows; the uncertainty grows until the echo is back.
            self.close()
            self._next_at = time.monotonic() + _RETRY_S
        return False

    def close(self) -> None:
        """Close the connection."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def _connect(self) -> None:
        host, port = self._address
        self._requested_ns: int | None = None
        self._request_ms = 0
        self._unparsed = b""
        self.stream = TcpStream(host, port, stopping=self._stopping, timeout_s=min(1.0, self._timeout_s))

    def _send_request(self) -> None:
        if self.stream is None:
            raise ConnectionLost("the phone's Time Echo is gone")
        self._next_at = time.monotonic() + _INTERVAL_S
        self._request_ms = time.time_ns() // 1_000_000
        self._requested_ns = host_now_ns()
        self.stream.send(struct.pack("!Q", self._request_ms))

    def _receive(self, wait_s: float) -> bool:
        if self.stream is None:
            return False
        self._unparsed += self.stream.receive(wait_s)
        now_ns = host_now_ns()
        jumped = False
        while len(self._unparsed) >= _ANSWER.size:
            request_ms, phone_ms = _ANSWER.unpack_from(self._unparsed)
            self._unparsed = self._unparsed[_ANSWER.size :]
            if self._requested_ns is None or request_ms != self._request_ms or phone_ms >= _LARGEST_MS:
                self._count("malformed", 1)
                continue
            half_ns = (now_ns - self._requested_ns) // 2
            # The phone truncates its time to milliseconds: the true time is 0.5 ms later, within 0.5 ms.
            phone_ns = phone_ms * 1_000_000 + 500_000
            jumped |= self._clock.observe(phone_ns, self._requested_ns + half_ns, half_ns + 500_000)
            self._requested_ns = None
        return jumped
