"""The Time Echo of Pupil Labs' phones: round trips that relate the phone's wall clock to the host's."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable

from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost
from sam_edge.gaze.adapters.net import TcpStream
from sam_edge.gaze.buffer import StatName
from sam_edge.gaze.clocks import ClockMap, host_now_ns

_ANSWER = struct.Struct("!QQ")
_BURST = 10
_INTERVAL_S = 0.5
_RETRY_S = 5.0
_LARGEST_MS = 1 << 53


class TimeEcho:
    """Asks the phone for its time: several times at first, then in the turns of the reader's loop."""

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
        """Connect; `clock` takes the observations: phone wall clock in nanoseconds since 1970, and host time.

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
        """Ask several times in a row and wait for the answers.

        Raises:
            ConnectionLost: the phone does not answer.
        """
        for _ in range(_BURST):
            self._ask()
            deadline = time.monotonic() + self._timeout_s
            while self._asked_ns is not None and not self._stopping.is_set():
                self._listen(POLL_S)
                if time.monotonic() > deadline:
                    raise ConnectionLost("the phone's Time Echo does not answer")

    def turn(self, *, readable: bool) -> bool:
        """Do what is due; True when the phone's clock turned out to have jumped."""
        try:
            if self.stream is None:
                if time.monotonic() >= self._next_at:
                    self._connect()
                return False
            if readable and self._listen(0.0):
                return True
            if time.monotonic() >= self._next_at:
                self._ask()
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
        self._asked_ns: int | None = None
        self._question = 0
        self._unparsed = b""
        self.stream = TcpStream(host, port, stopping=self._stopping, timeout_s=min(1.0, self._timeout_s))

    def _ask(self) -> None:
        if self.stream is None:
            raise ConnectionLost("the phone's Time Echo is gone")
        self._next_at = time.monotonic() + _INTERVAL_S
        self._question = time.time_ns() // 1_000_000
        self._asked_ns = host_now_ns()
        self.stream.send(struct.pack("!Q", self._question))

    def _listen(self, wait_s: float) -> bool:
        if self.stream is None:
            return False
        self._unparsed += self.stream.receive(wait_s)
        now_ns = host_now_ns()
        jumped = False
        while len(self._unparsed) >= _ANSWER.size:
            question, phone_ms = _ANSWER.unpack_from(self._unparsed)
            self._unparsed = self._unparsed[_ANSWER.size :]
            if self._asked_ns is None or question != self._question or phone_ms >= _LARGEST_MS:
                self._count("malformed", 1)
                continue
            half_ns = (now_ns - self._asked_ns) // 2
            # The phone cuts its time to whole milliseconds: the truth lies half of one later, give or take as much.
            phone_ns = phone_ms * 1_000_000 + 500_000
            jumped |= self._clock.observe(phone_ns, self._asked_ns + half_ns, half_ns + 500_000)
            self._asked_ns = None
        return jumped
