"""The client's end of the WebSocket: opened, greeted, and what it receives as messages or as errors.

The socket lives in an event loop, in a thread of its own: two threads must not be inside one TLS socket of Python's at
a time (https://github.com/python/cpython/issues/124984), and here one receives while others send.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sam_edge.errors import InputError, MissingExtraError, SessionError
from sam_edge.wire import protocol
from sam_edge.wire.binary import ProtocolError
from sam_edge.wire.messages import Answer, Fault, Hello, Request, Welcome

T = TypeVar("T")
STREAM_PATH = "/api/stream"
LONGEST_BYTES = 64 << 20
"""Longest answer that is taken."""
CLOSE_S = 2.0


class RefusedError(SessionError):
    """The server refused something, or ended the connection."""

    def __init__(self, fault: Fault) -> None:
        """Say what it said."""
        super().__init__(f"server: {fault.message} ({fault.code.name.lower()})")
        self.fault = fault


class Connection:
    """An open WebSocket over which messages go. Several threads may send, one receives."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        """Connect.

        Args:
            url: `ws://HOST:PORT/api/stream`; the path may be left out.
            tls: trusts the server's certificate, for `wss://`.
            timeout_s: longest time until the server answers.

        Raises:
            InputError: the URL is none, or `tls` was given for one without TLS.
            SessionError: nobody answers there.
            MissingExtraError: the library `websockets` is not installed.
        """
        try:
            import anyio
            from anyio.from_thread import start_blocking_portal
            from websockets.asyncio.client import connect
            from websockets.exceptions import WebSocketException
        except ImportError as error:
            raise MissingExtraError("websockets", extra="serve", purpose="the client") from error
        self._lost: tuple[type[BaseException], ...] = (WebSocketException, OSError)
        self._waiting = anyio.move_on_after
        self._lock = threading.Lock()
        self._closed = False
        secured: dict[str, Any] = {} if tls is None else {"ssl": tls}
        try:
            if urlsplit(url).path in ("", "/"):
                url = url.rstrip("/") + STREAM_PATH
            opening = connect(
                url,
                # Named, so that nobody sends us, and the token, to another host.
                host=urlsplit(url).hostname,
                open_timeout=timeout_s,
                close_timeout=CLOSE_S,
                max_size=LONGEST_BYTES,
                compression=None,
                ping_interval=None,
                proxy=None,
                **secured,
            )
        except (ValueError, WebSocketException) as error:
            raise InputError(
                f"url: {url!r} is not accepted ({error}); give ws://HOST:PORT, or wss://HOST:PORT with TLS"
            ) from error
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal(name="sam-edge-socket"))
            try:
                self._socket = stack.enter_context(self._portal.wrap_async_context_manager(opening))
            except (OSError, ValueError, WebSocketException) as error:
                raise SessionError(f"server: {url} does not take the connection ({error})") from error
            self._end = stack.pop_all()

    def greet(self, hello: Hello, timeout_s: float) -> Welcome:
        """Say hello and return the server's answer.

        Raises:
            RefusedError: the server does not take this client.
            SessionError: it is no sam-edge server, or the connection was lost.
        """
        self.send(hello)
        answer = self.receive(timeout_s)
        if isinstance(answer, Fault):
            raise RefusedError(answer)
        if not isinstance(answer, Welcome):
            raise SessionError("server: it did not greet within the time-out; is it a sam-edge server?")
        return answer

    def send(self, message: Request) -> None:
        """Send a message.

        Raises:
            SessionError: the connection was lost.
        """
        self._run(self._socket.send, protocol.encode(message))

    def receive(self, timeout_s: float) -> Answer | None:
        """Return the next message; None when none comes in time.

        Raises:
            SessionError: the connection was lost, or what came is none of the protocol.
        """
        data = self._run(self._next, timeout_s)
        if data is None:
            return None
        if not isinstance(data, bytes):
            raise SessionError("server: it sent text; is it a sam-edge server?")
        try:
            return protocol.decode_answer(data)
        except ProtocolError as error:
            raise SessionError(f"server: {error}") from error

    def close(self) -> None:
        """End the connection. Closing twice is allowed."""
        with self._lock:
            # From here on nobody starts anything in the loop, which is about to end.
            self._closed = True
        self._end.close()

    async def _next(self, timeout_s: float) -> bytes | str | None:
        with self._waiting(timeout_s):
            return await self._socket.recv()
        return None

    def _run(self, work: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        with self._lock:
            if self._closed:
                raise SessionError("server: the connection is closed")
            running = self._portal.start_task_soon(work, *arguments)
        try:
            return running.result()
        except self._lost as error:
            raise SessionError(f"server: the connection was lost ({error})") from error
