"""The HTTP server process: its port, its settings, connection limits, and an orderly shutdown (uvicorn)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sam_edge.errors import InputError

BACKLOG = 128
"""Connections that wait to be accepted, at most."""
UNSENT_MS = 20_000
"""Drop clients that stop reading for this long (TCP_USER_TIMEOUT)."""
HEADER_BYTES = 16384
"""Longest head of a request."""
SHUTDOWN_S = 5
"""Seconds that open requests have to finish at shutdown."""


class LimitedProtocol(H11Protocol):
    """HTTP/1.1 with two limits: the number of connections, and the time in which each request must arrive."""

    request_timeout_s = 5.0
    """A connection is closed when its first, or next begun, request takes longer than this to arrive."""
    max_connections = 64
    """Further connections are closed at once."""
    _timeout: asyncio.TimerHandle | None = None
    _is_websocket = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.close()
            return
        self._start_timeout()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        # Part of a request's head has arrived. The rest must follow in time, even if it arrives byte by byte.
        incomplete = self.cycle is before and (before is None or before.response_complete)
        if not incomplete or self._is_websocket:
            self._cancel_timeout()
        elif self._timeout is None:
            self._start_timeout()

    def handle_websocket_upgrade(self, event: Any) -> None:
        # The WebSocket has its own timeouts; this protocol sees none of its data.
        self._is_websocket = True
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timeout()
        super().connection_lost(exc)

    def _start_timeout(self) -> None:
        self._timeout = self.loop.call_later(self.request_timeout_s, self.transport.close)

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None


class HttpServer(uvicorn.Server):
    """Calls `on_shutdown` before it closes connections, and returns normally after SIGINT and SIGTERM."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_shutdown: Callable[[], Awaitable[None]],
        started: threading.Event | None = None,
    ) -> None:
        """Prepare the server.

        Args:
            config: from `http_config`.
            on_shutdown: awaited after the last connection was accepted and before open ones are closed.
            started: set when the server accepts connections.
        """
        super().__init__(config)
        self._on_shutdown = on_shutdown
        self._started_event = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._started_event is not None:
            self._started_event.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await self._on_shutdown()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def request_exit(number: int, frame: FrameType | None) -> None:
            # A second signal skips the orderly shutdown.
            self.force_exit = self.should_exit
            self.should_exit = True

        before = {number: signal.signal(number, request_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def http_config(
    app: Any, *, protocol: type[LimitedProtocol] = LimitedProtocol, **settings: Any
) -> uvicorn.Config:
    """Return uvicorn's settings for an app of this package; `settings` adds to them (WebSocket, TLS)."""
    return uvicorn.Config(
        app,
        http=protocol,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        h11_max_incomplete_event_size=HEADER_BYTES,
        **settings,
    )


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening socket. Clients that connect before the server runs wait in the backlog.

    Raises:
        InputError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_MS)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"host and port: {host}:{port} cannot be listened at ({reason}); choose others"
        ) from error
    return listener
