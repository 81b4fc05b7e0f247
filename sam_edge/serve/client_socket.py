"""The client's end of the WebSocket: opened, greeted, and what it receives as messages or as errors."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from sam_edge.errors import InputError, MissingExtraError, SessionError
from sam_edge.serve import protocol
from sam_edge.serve.messages import Answer, Fault, Hello, Request, Welcome
from sam_edge.serve.wire import ProtocolError

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
            InputError: the URL is none.
            SessionError: nobody answers there.
            MissingExtraError: the library `websockets` is not installed.
        """
        try:
            from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException
            from websockets.sync.client import connect
        except ImportError as error:
            raise MissingExtraError("websockets", extra="serve", purpose="the client") from error
        self._lost: tuple[type[BaseException], ...] = (WebSocketException, OSError)
        if urlsplit(url).path in ("", "/"):
            url = url.rstrip("/") + STREAM_PATH
        with ExitStack() as stack:
            try:
                self._socket: Any = stack.enter_context(
                    connect(
                        url,
                        open_timeout=timeout_s,
                        close_timeout=CLOSE_S,
                        max_size=LONGEST_BYTES,
                        compression=None,
                        ping_interval=None,
                        proxy=None,
                        ssl=tls,
                    )
                )
            except InvalidURI as error:
                raise InputError(f"url: {url!r} is none of a WebSocket; give ws://HOST:PORT") from error
            except (OSError, InvalidHandshake, TimeoutError) as error:
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
        try:
            self._socket.send(protocol.encode(message))
        except self._lost as error:
            raise SessionError(f"server: the connection was lost ({error})") from error

    def receive(self, timeout_s: float) -> Answer | None:
        """Return the next message; None when none comes in time.

        Raises:
            SessionError: the connection was lost, or what came is none of the protocol.
        """
        try:
            data = self._socket.recv(timeout=timeout_s)
        except TimeoutError:
            return None
        except self._lost as error:
            raise SessionError(f"server: the connection was lost ({error})") from error
        if not isinstance(data, bytes):
            raise SessionError("server: it sent text; is it a sam-edge server?")
        try:
            return protocol.decode_answer(data)
        except ProtocolError as error:
            raise SessionError(f"server: {error}") from error

    def close(self) -> None:
        """End the connection. Closing twice is allowed."""
        self._end.close()
