"""What every fake tracker shares, and helpers to read from a source until something is true."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import GazeSource

WIDTH, HEIGHT = 1000, 800
"""Size of the fakes' scene. Samples are numbered: number n looks at pixel (n % 1000, n // 1000)."""


Value = TypeVar("Value")


class LiveFake(Protocol):
    """What the tests of all sources ask of a fake tracker."""

    id: str
    url: str
    options: dict[str, object]

    @property
    def connections(self) -> int: ...
    def attach(self, source: GazeSource) -> None: ...
    def wait_ready(self) -> None: ...
    def send(self, count: int, *, interval_s: float = 0.0) -> None: ...
    def send_bad(self) -> None: ...
    def drop(self) -> None: ...
    def kill(self) -> None: ...
    def revive(self) -> None: ...
    def jump_clock(self, seconds: float) -> None: ...
    def stop(self) -> None: ...


def present(value: Value | None) -> Value:
    """Return a value that must not be None."""
    assert value is not None
    return value


def number_of(sample: GazeSample) -> int:
    """The number that a fake has put into a sample's position."""
    return round(sample.x_px) + 1000 * round(sample.y_px)


def position_of(number: int) -> tuple[float, float]:
    """The pixel that carries a number."""
    return float(number % 1000), float(number // 1000)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 8.0) -> None:
    """Wait for a condition; fail loudly when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.005)


def collect(source: GazeSource, count: int, seconds: float = 8.0) -> list[GazeSample]:
    """Read until `count` samples came."""
    samples: list[GazeSample] = []
    deadline = time.monotonic() + seconds
    while len(samples) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(samples)} of {count} samples within {seconds} s; {source.stats}")
        samples += source.read(0.1)
    return samples


def read_until_error(source: GazeSource, step: Callable[[], object] = lambda: None) -> None:
    """Do `step` and read, again and again, until reading raises; return when it never does."""
    deadline = time.monotonic() + 8.0
    while time.monotonic() < deadline:
        step()
        source.read(0.02)
        time.sleep(0.005)


class TcpFake:
    """A TCP server with one thread for each connection."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self.open: list[socket.socket] = []
        self.accepted = 0
        self.port = 0
        self.listen()

    def listen(self) -> None:
        """Listen (again) at the same port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            self.open.append(connection)
            thread = threading.Thread(target=self._guard, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _guard(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._serve(connection)
        connection.close()

    def drop(self) -> None:
        """Cut every connection."""
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.open.clear()

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.drop()
        for thread in self._threads:
            thread.join(2.0)
        self._threads.clear()


def receive_until(connection: socket.socket, mark: bytes, rest: bytes) -> tuple[bytes, bytes]:
    """Return what comes before `mark`, and what is left after it."""
    while mark not in rest:
        data = connection.recv(65536)
        if not data:
            raise OSError("closed")
        rest += data
    head, _, rest = rest.partition(mark)
    return head, rest
