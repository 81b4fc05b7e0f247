"""TCP and HTTP with bounded sizes and times, which stop at once when the source is closed."""

from __future__ import annotations

import json
import os
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from sam_edge.closing import Closing
from sam_edge.errors import TrackerError
from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost

_BLOCK = 65536


class HasFileno(Protocol):
    """A socket, or an object that wraps one."""

    def fileno(self) -> int:
        """Return the file descriptor."""
        ...


def readable(sockets: Sequence[HasFileno], wait_s: float = POLL_S) -> list[HasFileno]:
    """Return the `sockets` that have data to read, waiting at most `wait_s` seconds for the first."""
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ, each)
        return [key.data for key, _ in selector.select(wait_s)]


class TcpStream(Closing):
    """A TCP connection whose waits end when `stopping` is set."""

    def __init__(self, host: str, port: int, *, stopping: threading.Event, timeout_s: float) -> None:
        """Connect.

        Raises:
            ConnectionLost: the host does not answer within `timeout_s`, or its name is unknown.
        """
        self.peer = f"{host}:{port}"
        self._stopping = stopping
        self._timeout_s = timeout_s
        self._socket = self._connect(host, port)

    def _connect(self, host: str, port: int) -> socket.socket:
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectionLost(f"the name {host!r} cannot be resolved: {error}") from error
        problem = "no address"
        for family, kind, protocol, _, address in addresses:
            candidate = socket.socket(family, kind, protocol)
            candidate.setblocking(False)
            try:
                self._finish_connecting(candidate, address)
            except OSError as error:
                candidate.close()
                problem = str(error)
                continue
            except TrackerError:
                candidate.close()
                raise
            candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return candidate
        raise ConnectionLost(f"{self.peer} does not accept the connection: {problem}")

    def _finish_connecting(self, candidate: socket.socket, address: object) -> None:
        try:
            candidate.connect(address)  # type: ignore[arg-type]
        except BlockingIOError:
            self._wait_writable(candidate)
        code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def fileno(self) -> int:
        """Return the file descriptor, for `readable`."""
        return self._socket.fileno()

    @property
    def local_host(self) -> str:
        """The address of this end."""
        return str(self._socket.getsockname()[0])

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return self._socket.family

    @property
    def peer_host(self) -> str:
        """The address of the other end."""
        return str(self._socket.getpeername()[0])

    def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            ConnectionLost: the peer closed the connection or accepts no data.
        """
        rest = memoryview(data)
        while rest:
            self._wait_writable(self._socket)
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ConnectionLost(f"{self.peer} closed the connection: {error}") from error

    def receive(self, wait_s: float = POLL_S) -> bytes:
        """Return the bytes received within `wait_s` seconds; empty when there were none.

        Raises:
            ConnectionLost: the peer closed the connection.
        """
        if not readable([self], wait_s):
            return b""
        try:
            data = self._socket.recv(_BLOCK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise ConnectionLost(f"{self.peer} broke the connection: {error}") from error
        if not data:
            raise ConnectionLost(f"{self.peer} closed the connection")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _wait_writable(self, waiting: socket.socket) -> None:
        deadline = time.monotonic() + self._timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(waiting, selectors.EVENT_WRITE)
            # Checked at least once, so that a last message is still sent after closing.
            while not selector.select(POLL_S):
                if self._stopping.is_set():
                    raise ConnectionLost(f"stopped while waiting for {self.peer}")
                if time.monotonic() > deadline:
                    raise ConnectionLost(f"{self.peer} does not answer within {self._timeout_s:g} s")


def http_get_json(
    host: str, port: int, path: str, *, stopping: threading.Event, timeout_s: float, limit: int = 1_000_000
) -> object:
    """Return the parsed JSON body of `GET http://host:port/path`.

    Raises:
        ConnectionLost: the server does not answer in time.
        TrackerError: the answer is not 200, too long, or not JSON.
    """
    with TcpStream(host, port, stopping=stopping, timeout_s=timeout_s) as stream:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        stream.send(request.encode("latin-1", "replace"))
        head, body = _http_answer(stream, stopping, timeout_s, limit)
    status = head.split(b"\r\n", 1)[0].split()
    if len(status) > 1 and status[1].startswith(b"5"):
        raise ConnectionLost(f"http://{stream.peer}{path} answers {head[:60]!r}")
    if len(status) < 2 or status[1] != b"200":
        raise TrackerError(
            f"http://{stream.peer}{path} answers {head[:60]!r}; accepted is status 200. Check that this is the "
            "device's address and port"
        )
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TrackerError(
            f"http://{stream.peer}{path} does not answer with JSON: {str(error)[:80]}"
        ) from error


def _http_answer(
    stream: TcpStream, stopping: threading.Event, timeout_s: float, limit: int
) -> tuple[bytes, bytes]:
    data = bytearray()
    deadline = time.monotonic() + timeout_s
    while not stopping.is_set():
        if time.monotonic() > deadline:
            raise ConnectionLost(f"http://{stream.peer} does not answer within {timeout_s:g} s")
        closed = False
        try:
            data += stream.receive()
        except ConnectionLost:
            closed = True
        if len(data) > limit:
            raise TrackerError(f"http://{stream.peer} answers with more than {limit} bytes")
        head, separator, body = bytes(data).partition(b"\r\n\r\n")
        if separator:
            whole = _http_body(head, body, closed=closed)
            if whole is not None:
                return head, whole
        if closed:
            raise ConnectionLost(f"http://{stream.peer} closed the connection in the middle of its answer")
    raise ConnectionLost(f"stopped while waiting for {stream.peer}")


def _http_body(head: bytes, body: bytes, *, closed: bool) -> bytes | None:
    headers = header_fields(head)
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _dechunk(body)
    length = headers.get("content-length", "")
    if length.isdigit():
        return body[: int(length)] if len(body) >= int(length) else None
    return body if closed else None


def _dechunk(body: bytes) -> bytes | None:
    whole = bytearray()
    while True:
        line, separator, body = body.partition(b"\r\n")
        if not separator:
            return None
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError as error:
            raise TrackerError("the answer's chunks are damaged") from error
        if size == 0:
            return bytes(whole)
        if size < 0 or len(body) < size + 2:
            return None
        whole += body[:size]
        body = body[size + 2 :]


def header_fields(head: bytes) -> dict[str, str]:
    """Return the header fields after the first line, names in lower case; several challenges joined by commas."""
    fields: dict[str, str] = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            key, text = name.decode("latin-1").strip().lower(), value.decode("latin-1").strip()
            fields[key] = f"{fields[key]}, {text}" if key == "www-authenticate" and key in fields else text
    return fields


class LineReader:
    """Splits a byte stream into lines, in whatever fragments it arrives; skips and counts overlong lines."""

    def __init__(self, *, separator: bytes = b"\n", limit: int = 4096) -> None:
        """Split at `separator`; lines longer than `limit` bytes are skipped."""
        self._separator = separator
        self._limit = limit
        self._rest = b""
        self._skipping = False
        self.skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without separators and without empty lines."""
        *lines, self._rest = (self._rest + data).split(self._separator)
        if lines and self._skipping:
            lines = lines[1:]
            self._skipping = False
        if len(self._rest) > self._limit or self._skipping:
            self.skipped += not self._skipping
            self._skipping = True
            self._rest = b""
        kept = [line for line in lines if len(line) <= self._limit]
        self.skipped += len(lines) - len(kept)
        return [stripped for line in kept if (stripped := line.strip())]
