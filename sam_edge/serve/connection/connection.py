"""One client's WebSocket, from its hello to its end. All of this runs in the event loop."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sam_edge.errors import SamEdgeError
from sam_edge.serve.connection.dispatcher import MessageDispatcher
from sam_edge.serve.connection.flow_control import WINDOW
from sam_edge.serve.connection.send_queue import SendQueue
from sam_edge.serve.connection.session_worker import SessionWorker
from sam_edge.serve.errors import error_code
from sam_edge.serve.models.engines import check_offered_size
from sam_edge.serve.state import ServerState
from sam_edge.version import __version__
from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.kinds import MessageKind
from sam_edge.wire.messages import ErrorReply, FrameSelection, Hello, Pong, ServerMessage, Welcome

NON_FATAL = {
    ErrorCode.OUT_OF_ORDER,
    ErrorCode.INVALID_IMAGE,
    ErrorCode.ENGINE_FAILED,
    ErrorCode.TOO_MANY_WEBCAMS,
}
"""Errors in messages that do not end the connection."""
IDLE_CHECK_S = 0.5
"""Seconds between two checks for an idle client."""
NORMAL_CLOSE = 1000
"""WebSocket close code (RFC 6455, 7.4.1)."""


class Connection:
    """One client."""

    def __init__(self, state: ServerState, websocket: WebSocket) -> None:
        """Prepare; the WebSocket is not accepted yet."""
        self._state = state
        self._limits = state.limits
        self._metrics = state.metrics
        self._websocket = websocket
        self._send_queue = SendQueue(asyncio.get_running_loop())
        self._last_received_s = time.monotonic()

    async def serve(self) -> None:
        """Accept the WebSocket, welcome the client, and serve it until one side closes."""
        await self._websocket.accept()
        sending = asyncio.create_task(self._send_all())
        try:
            hello = await self._receive_hello()
            if hello is not None:
                await self._serve_client(hello, sending)
        except (WebSocketDisconnect, asyncio.TimeoutError):
            self.close()
        except SamEdgeError as error:
            self._refuse(error, MessageKind.HELLO)
        finally:
            self.close()
            with suppress(asyncio.CancelledError):
                await sending

    def close(self, error: ErrorReply | None = None) -> None:
        """Send `error` as the last message, and close. Closing twice is allowed; the first error counts."""
        self._send_queue.close(error)

    async def _receive_hello(self) -> Hello | None:
        """Wait for the client's first message; None when the client has disconnected."""
        if self._state.closing:
            raise ProtocolError("server: it shuts down; connect again later", ErrorCode.SHUTTING_DOWN)
        try:
            data = await asyncio.wait_for(self._receive(), self._limits.hello_s)
        except asyncio.TimeoutError as error:
            raise ProtocolError(
                f"hello: none arrived within {self._limits.hello_s:g} s", ErrorCode.TIMEOUT
            ) from error
        if data is None:
            return None
        hello = protocol.decode_client_message(data)
        if not isinstance(hello, Hello):
            raise ProtocolError("hello: the first message has another kind; send hello first")
        if not self._state.access.accepts_token(hello.token):
            raise ProtocolError(
                "token: it is missing or wrong; give the one that the server was started with",
                ErrorCode.UNAUTHORIZED,
            )
        return hello

    async def _serve_client(self, hello: Hello, sending: asyncio.Task[None]) -> None:
        client_id = self._state.add_client()
        try:
            # Opening an engine takes seconds: not in the event loop.
            session = await asyncio.to_thread(self._open_session, hello, client_id)
            dispatcher = MessageDispatcher(self._state, session, send=self._send_queue.put)
            watching = asyncio.create_task(self._wait_until_idle())
            receiving = asyncio.create_task(self._receive_all(dispatcher))
            try:
                await asyncio.wait((sending, watching, receiving), return_when=asyncio.FIRST_COMPLETED)
                for task in (watching, receiving):
                    if task.done():
                        task.result()
            finally:
                for task in (watching, receiving):
                    task.cancel()
                session.stop()
                # A session that waits for room in the queue can only end after this.
                self.close()
                await asyncio.gather(watching, receiving, return_exceptions=True)
                await dispatcher.close()
                await asyncio.to_thread(session.join)
        finally:
            self._state.remove_client()

    def _open_session(self, hello: Hello, client_id: int) -> SessionWorker:
        """Open the client's engine, welcome the client, and start its session."""
        engines = self._state.engines
        size = check_offered_size(hello.size) or self._state.default_size
        models = engines.session_models(hello.engine)
        runtime = models.model.runtime
        self._send_queue.put(
            Welcome(
                client_id=client_id,
                version=protocol.VERSION,
                lowest=protocol.VERSION,
                highest=protocol.VERSION,
                now_ns=time.monotonic_ns(),
                frame_bytes=self._limits.frame_bytes,
                frame_pixels=self._limits.frame_pixels,
                frames_per_s=self._limits.frames_per_s,
                window=WINDOW,
                idle_s=self._limits.idle_s,
                size=size,
                server=f"sam-edge {__version__}",
                model=engines.bundle.manifest.name,
                engine=runtime.name,
                precision=runtime.precision,
            )
        )
        return SessionWorker(
            models,
            replace(hello, size=size),
            send=self._send_queue.put,
            warm_up=engines.warm_up,
            max_pixels=self._limits.frame_pixels,
            label_characters=self._limits.label_characters,
            metrics=self._metrics,
            load_shedder=self._state.load_shedder,
            name=f"sam-edge-client-{client_id}",
        )

    async def _receive(self) -> bytes | None:
        """Return the next message; None when the client has disconnected, or sent a text message."""
        event: dict[str, Any] = dict(await self._websocket.receive())
        if event["type"] != "websocket.receive":
            self.close()
            return None
        data = event.get("bytes")
        if data is None:
            self.close(
                ErrorReply(ErrorCode.MALFORMED, "message: a text one; accepted: binary ones", fatal=True)
            )
            return None
        self._last_received_s = time.monotonic()
        self._metrics.add("sam_edge_received_bytes_total", len(data))
        if len(data) > self._limits.frame_bytes:
            raise ProtocolError(
                f"message: {len(data)} bytes; accepted: {self._limits.frame_bytes}", ErrorCode.TOO_LARGE
            )
        return bytes(data)

    async def _receive_all(self, dispatcher: MessageDispatcher) -> None:
        kind, number = 0, 0
        try:
            while (data := await self._receive()) is not None:
                received_ns = time.monotonic_ns()
                kind, number = protocol.header_of(data)
                try:
                    dispatcher.dispatch(data, received_ns)
                except ProtocolError as error:
                    if error.code not in NON_FATAL:
                        raise
                    self._send_queue.put(ErrorReply(error.code, str(error), kind, number))
                if self._send_queue.overfull:
                    raise ProtocolError("client: it does not read what is sent", ErrorCode.TIMEOUT)
        except ProtocolError as error:
            self._refuse(error, kind, number)

    async def _wait_until_idle(self) -> None:
        """Return when the client has sent nothing for too long."""
        while time.monotonic() - self._last_received_s < self._limits.idle_s:
            await asyncio.sleep(min(IDLE_CHECK_S, self._limits.idle_s / 4))
        self._refuse(
            ProtocolError(f"client: it sent nothing for {self._limits.idle_s:g} s", ErrorCode.TIMEOUT)
        )

    def _refuse(self, error: SamEdgeError, kind: int = 0, number: int = 0) -> None:
        """End the connection with an error about a message."""
        code = error_code(error)
        self._metrics.add("sam_edge_refused_total", reason=code.name.lower())
        self.close(ErrorReply(code, str(error), kind, number, fatal=True))

    async def _send_all(self) -> None:
        """Send what the queue holds until it is closed, then close the WebSocket."""
        close_code = NORMAL_CLOSE
        try:
            while (message := await self._send_queue.take()) is not None:
                data = protocol.encode(_with_send_time(message))
                self._metrics.add("sam_edge_sent_bytes_total", len(data))
                await asyncio.wait_for(self._websocket.send_bytes(data), self._limits.send_s)
                if isinstance(message, ErrorReply) and message.fatal:
                    close_code = protocol.CLOSE_CODE_BASE + message.code
                    break
            self.close()
            if self._websocket.client_state is WebSocketState.CONNECTED:
                await asyncio.wait_for(self._websocket.close(close_code), self._limits.send_s)
        except asyncio.TimeoutError:
            # The client does not read, so it cannot receive an error either.
            self._metrics.add("sam_edge_refused_total", reason=ErrorCode.TIMEOUT.name.lower())
            self.close()
        except (WebSocketDisconnect, RuntimeError, OSError):
            # The client has disconnected.
            self.close()


def _with_send_time(message: ServerMessage) -> ServerMessage:
    """Fill in the time of sending, in messages that have it."""
    if isinstance(message, FrameSelection | Pong):
        return replace(message, sent_ns=time.monotonic_ns())
    return message
