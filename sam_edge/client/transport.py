"""The client's WebSocket: sends and receives messages, and raises what goes wrong.

The socket belongs to an event loop in its own thread. Python's TLS sockets must not be used by two threads at a time
(https://github.com/python/cpython/issues/124984), and a client receives in one thread and sends in others.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sam_edge.errors import InputError, MissingExtraError, SessionError
from sam_edge.version import __version__
from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.kinds import VERSION, MessageKind
from sam_edge.wire.messages import ClientMessage, ErrorReply, Hello, ServerMessage, Welcome

T = TypeVar("T")
STREAM_PATH = "/api/stream"
MAX_BYTES = 64 << 20
"""Longest message that is accepted."""
CLOSE_S = 2.0


class RefusedError(SessionError):
    """The server refused something, or ended the connection."""

    def __init__(self, reply: ErrorReply) -> None:
        """Store the server's error message."""
        super().__init__(f"server: {reply.message} ({reply.code.name.lower()})")
        self.reply = reply


class VersionError(RefusedError):
    """Server and client speak different versions of the protocol."""

    def __init__(self, reply: ErrorReply) -> None:
        """Name the version of this client and what to do."""
        advice = (
            f"This client is sam-edge {__version__} and speaks protocol version {VERSION}; "
            "install the same release of sam-edge on both sides"
        )
        super().__init__(replace(reply, message=f"{reply.message}. {advice}"))


class Transport:
    """An open WebSocket. Several threads may send; one thread receives."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        """Connect.

        Args:
            url: `ws://HOST:PORT/api/stream`; the path may be omitted.
            tls: context that trusts the server's certificate, for `wss://`.
            timeout_s: longest time until the connection is open.

        Raises:
            InputError: the URL is not valid, or `tls` was given for a URL without TLS.
            SessionError: no server answers.
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
                # The explicit host prevents redirects, which would send the token to another host.
                host=urlsplit(url).hostname,
                open_timeout=timeout_s,
                close_timeout=CLOSE_S,
                max_size=MAX_BYTES,
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
                raise SessionError(f"server: {url} does not accept the connection ({error})") from error
            self._end = stack.pop_all()

    def greet(self, hello: Hello, timeout_s: float) -> Welcome:
        """Send the hello and return the server's welcome.

        Raises:
            VersionError: the server does not speak this client's protocol version.
            RefusedError: the server refuses this client.
            SessionError: it is not a sam-edge server, or the connection was lost.
        """
        self.send(hello)
        message = self.receive(timeout_s)
        if isinstance(message, ErrorReply):
            unsupported = message.code is ErrorCode.UNSUPPORTED_VERSION
            raise VersionError(message) if unsupported else RefusedError(message)
        if not isinstance(message, Welcome):
            raise SessionError("server: no welcome within the time-out; is it a sam-edge server?")
        if message.version != VERSION:
            text = f"welcome: {message.server} answers in protocol version {message.version}"
            raise VersionError(ErrorReply(ErrorCode.UNSUPPORTED_VERSION, text, MessageKind.HELLO, fatal=True))
        return message

    def send(self, message: ClientMessage) -> None:
        """Send a message.

        Raises:
            SessionError: the connection was lost.
        """
        self._run(self._socket.send, protocol.encode(message))

    def receive(self, timeout_s: float) -> ServerMessage | None:
        """Return the next message; None after `timeout_s`.

        Raises:
            SessionError: the connection was lost, or the message does not follow the protocol.
        """
        data = self._run(self._next, timeout_s)
        if data is None:
            return None
        if not isinstance(data, bytes):
            raise SessionError("server: it sent text; is it a sam-edge server?")
        try:
            return protocol.decode_server_message(data)
        except ProtocolError as error:
            raise SessionError(f"server: {error}") from error

    def close(self) -> None:
        """End the connection. Closing twice is allowed."""
        with self._lock:
            # No thread starts new work in the event loop, which is about to end.
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
