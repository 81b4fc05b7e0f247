"""The WebSocket: one client from its hello to its end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sam_edge.errors import InputError, SamEdgeError
from sam_edge.serve.connection.flow_control import WINDOW, LoadShedder
from sam_edge.serve.connection.send_queue import SendQueue
from sam_edge.serve.connection.session_worker import SessionWorker
from sam_edge.serve.connection.webcam_worker import WebcamWorker
from sam_edge.serve.limits import Limits, RateLimit
from sam_edge.serve.models.engines import Engines
from sam_edge.version import __version__
from sam_edge.web.access import AccessPolicy
from sam_edge.web.metrics import Metrics
from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.kinds import MessageKind
from sam_edge.wire.messages import (
    CameraSetup,
    Command,
    Configure,
    ErrorReply,
    FrameSelection,
    Gaze,
    Hello,
    Ping,
    Pong,
    Rays,
    SceneFrame,
    ServerMessage,
    WebcamRequest,
    Welcome,
)
from sam_edge.wire.webcam_messages import FaceFrame, Webcam

TEXT_CLOSES_WITH = 1003
"""The close code of a text message where only binary ones are accepted (RFC 6455, 7.4.1)."""
GOES_ON = {
    ErrorCode.OUT_OF_ORDER,
    ErrorCode.INVALID_IMAGE,
    ErrorCode.ENGINE_FAILED,
    ErrorCode.TOO_MANY_WEBCAMS,
}
"""Errors that do not end a connection."""
WATCH_S = 0.5
"""Silence is looked for this often."""


class ConnectionRegistry:
    """Every client that is connected, and what they share."""

    def __init__(
        self,
        engines: Engines,
        access: AccessPolicy,
        limits: Limits,
        metrics: Metrics,
        default_size: tuple[int, int] | None = None,
    ) -> None:
        """Begin with nobody. `default_size` is the encoder's input (height, width) for those who ask for none."""
        self.engines = engines
        self.access = access
        self.limits = limits
        self.metrics = metrics
        self.default_size = default_size
        self.crowd = LoadShedder()
        self.closing = False
        self.eyes = 0
        """Cameras that look at a person now."""
        self._all: set[Connection] = set()
        self._welcomed = 0
        self._numbered = 0

    @property
    def clients(self) -> int:
        """Clients that were welcomed and are still here."""
        return self._welcomed

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until it is gone."""
        stream = Connection(self, socket)
        self._all.add(stream)
        try:
            await stream.serve()
        finally:
            self._all.discard(stream)

    async def end(self, patience_s: float = 3.0) -> None:
        """Tell every client that the server closes, and wait a while until they are gone."""
        self.closing = True
        fault = ErrorReply(ErrorCode.SHUTTING_DOWN, "server: it shuts down; connect again later", fatal=True)
        for stream in list(self._all):
            stream.outbox.end(fault)
        until = time.monotonic() + patience_s
        while self._all and time.monotonic() < until:
            await asyncio.sleep(0.02)

    def enter(self) -> int:
        """Count a client in and return its number.

        Raises:
            ProtocolError: there are as many as accepted.
        """
        if self._welcomed >= self.limits.clients:
            raise ProtocolError(
                f"server: {self._welcomed} clients are connected, its limit; try again later",
                ErrorCode.TOO_MANY_CLIENTS,
            )
        self._welcomed += 1
        self.crowd.enter()
        self._numbered += 1
        self.metrics.add("sam_edge_clients_total")
        return self._numbered

    def leave(self) -> None:
        """Count a client out."""
        self._welcomed -= 1
        self.crowd.leave()


class Connection:
    """One client."""

    def __init__(self, streams: ConnectionRegistry, socket: WebSocket) -> None:
        """Begin before the upgrade."""
        self.outbox = SendQueue(asyncio.get_running_loop())
        self._all = streams
        self._limits = streams.limits
        self._metrics = streams.metrics
        self._socket = socket
        self._heard_s = time.monotonic()
        self._messages = RateLimit(self._limits.messages_per_s)
        self._frames = RateLimit(self._limits.frames_per_s)
        self._faces = RateLimit(self._limits.faces_per_s)
        self._eye: WebcamWorker | None = None
        self._watching = False
        self._samples = RateLimit(self._limits.samples_per_s, burst=2 * protocol.MAX_SAMPLES)

    async def serve(self) -> None:
        """Greet, serve, and close."""
        await self._socket.accept()
        sending = asyncio.create_task(self._send())
        try:
            hello = await self._hello()
            if hello is not None:
                await self._greeted(hello, sending)
        except (WebSocketDisconnect, asyncio.TimeoutError):
            self.outbox.end()
        except ProtocolError as error:
            self._refuse(error, MessageKind.HELLO)
        except InputError as error:
            self._refuse(ProtocolError(str(error), ErrorCode.INVALID_OPTION), MessageKind.HELLO)
        except SamEdgeError as error:
            self._refuse(ProtocolError(str(error), ErrorCode.ENGINE_FAILED), MessageKind.HELLO)
        finally:
            self.outbox.end()
            with suppress(asyncio.CancelledError):
                await sending

    async def _hello(self) -> Hello | None:
        """Wait for the client's first words; None when they were none."""
        if self._all.closing:
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
        if not self._all.access.knows(hello.token):
            raise ProtocolError(
                "token: it is missing or wrong; give the one that the server was started with",
                ErrorCode.UNAUTHORIZED,
            )
        return hello

    async def _greeted(self, hello: Hello, sending: asyncio.Task[None]) -> None:
        number = self._all.enter()
        try:
            viewer = await asyncio.to_thread(self._viewer, hello, number)
            watching = asyncio.create_task(self._watch())
            listening = asyncio.create_task(self._listen(viewer))
            try:
                await asyncio.wait((sending, watching, listening), return_when=asyncio.FIRST_COMPLETED)
                for task in (watching, listening):
                    if task.done():
                        task.result()
            finally:
                for task in (watching, listening):
                    task.cancel()
                viewer.stop()
                self.outbox.end()
                await asyncio.gather(watching, listening, return_exceptions=True)
                await self._end_eye()
                await asyncio.to_thread(viewer.join)
        finally:
            self._all.leave()

    def _viewer(self, hello: Hello, number: int) -> SessionWorker:
        engines = self._all.engines
        size = engines.check_size(hello.size) or self._all.default_size
        models = engines.session_models(hello.engine)
        self.outbox.put(
            Welcome(
                client_id=number,
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
                engine=models.model.runtime.name,
                precision=models.model.runtime.precision,
            )
        )
        return SessionWorker(
            models,
            replace(hello, size=size),
            say=self.outbox.put,
            warm_up=engines.warm_up,
            most_pixels=self._limits.frame_pixels,
            metrics=self._metrics,
            crowd=self._all.crowd,
            name=f"sam-edge-client-{number}",
        )

    async def _receive(self) -> bytes | None:
        """Return the next message; None when the client is gone, or sent what ends it."""
        event: dict[str, Any] = dict(await self._socket.receive())
        if event["type"] != "websocket.receive":
            self.outbox.end()
            return None
        data = event.get("bytes")
        if data is None:
            self.outbox.end(
                ErrorReply(ErrorCode.MALFORMED, "message: a text one; accepted: binary ones", fatal=True)
            )
            return None
        self._heard_s = time.monotonic()
        self._metrics.add("sam_edge_received_bytes_total", len(data))
        if len(data) > self._limits.frame_bytes:
            raise ProtocolError(
                f"message: {len(data)} bytes; accepted: {self._limits.frame_bytes}", ErrorCode.TOO_LARGE
            )
        return bytes(data)

    async def _listen(self, viewer: SessionWorker) -> None:
        kind, number = 0, 0
        try:
            while (data := await self._receive()) is not None:
                at_ns = time.monotonic_ns()
                kind, number = protocol.header_of(data)
                self._count(self._messages, 1, "messages")
                try:
                    self._take(protocol.decode_client_message(data), viewer, at_ns)
                except ProtocolError as error:
                    if error.code not in GOES_ON:
                        raise
                    self.outbox.put(ErrorReply(error.code, str(error), kind, number))
                if self.outbox.overfull:
                    raise ProtocolError("client: it does not read what is sent", ErrorCode.TIMEOUT)
        except ProtocolError as error:
            self._refuse(error, kind, number)

    async def _end_eye(self) -> None:
        self._watch_eye(False)
        if self._eye is not None:
            self._eye.stop()
            await asyncio.to_thread(self._eye.join)

    def _take(self, message: object, viewer: SessionWorker, at_ns: int) -> None:
        if isinstance(message, SceneFrame):
            self._count(self._frames, 1, "frames")
            viewer.frame(message, at_ns)
        elif isinstance(message, Gaze):
            self._count_samples(len(message.samples))
            viewer.sight.gaze(message)
        elif isinstance(message, Rays):
            self._count_samples(len(message.samples))
            viewer.sight.rays(message)
        elif isinstance(message, CameraSetup):
            viewer.sight.camera(message)
        elif isinstance(message, Command):
            viewer.trigger(message)
        elif isinstance(message, Ping):
            viewer.ping(message)
            self.outbox.put(Pong(message.ping_id, message.sent_ns, at_ns, 0))
        elif isinstance(message, Configure):
            viewer.configure(message.masks)
        elif isinstance(message, WebcamRequest):
            self._take_eye(message, viewer, at_ns)
        else:
            raise ProtocolError("hello: it was already sent")

    def _take_eye(self, message: WebcamRequest, viewer: SessionWorker, at_ns: int) -> None:
        if isinstance(message, Webcam):
            self._watch_eye(message.screen is not None)
        elif isinstance(message, FaceFrame):
            self._count(self._faces, 1, "faces")
            if len(message.data) > self._limits.face_bytes:
                raise ProtocolError(
                    f"face_frame: {len(message.data)} bytes; accepted: {self._limits.face_bytes}",
                    ErrorCode.TOO_LARGE,
                )
        if self._eye is None and not self._watching:
            raise ProtocolError(
                "webcam: gaze is not active; send a webcam message first", ErrorCode.OUT_OF_ORDER
            )
        if self._eye is None:
            self._eye = WebcamWorker(
                viewer.sight,
                say=self.outbox.put,
                most_pixels=self._limits.face_pixels,
                metrics=self._metrics,
            )
        self._eye.tell(message, at_ns)

    def _watch_eye(self, watching: bool) -> None:
        """Count this client's eye camera in or out.

        Raises:
            ProtocolError: there are as many as accepted.
        """
        if watching and not self._watching and self._all.eyes >= self._limits.eyes:
            raise ProtocolError(
                f"webcam: the server runs webcam gaze for {self._all.eyes} clients, its limit; try again later",
                ErrorCode.TOO_MANY_WEBCAMS,
            )
        self._all.eyes += watching - self._watching
        self._watching = watching

    def _count_samples(self, count: int) -> None:
        self._count(self._samples, count, "gaze samples")
        self._metrics.add("sam_edge_gaze_samples_total", count)

    def _count(self, limit: RateLimit, amount: int, what: str) -> None:
        if not limit.allows(amount):
            raise ProtocolError(
                f"client: more {what} a second than are accepted; send fewer", ErrorCode.RATE_LIMIT
            )

    async def _watch(self) -> None:
        """Return when nothing has come for too long."""
        while time.monotonic() - self._heard_s < self._limits.idle_s:
            await asyncio.sleep(min(WATCH_S, self._limits.idle_s / 4))
        self._refuse(
            ProtocolError(f"client: nothing came for {self._limits.idle_s:g} s", ErrorCode.TIMEOUT), 0, 0
        )

    def _refuse(self, error: ProtocolError, kind: int = 0, number: int = 0) -> None:
        self._metrics.add("sam_edge_refused_total", reason=error.code.name.lower())
        self.outbox.end(ErrorReply(error.code, str(error), kind, number, fatal=True))

    async def _send(self) -> None:
        """Send what the outbox holds until it ends, then close the connection."""
        code = 1000
        try:
            while (answer := await self.outbox.take()) is not None:
                data = protocol.encode(_stamped(answer))
                self._metrics.add("sam_edge_sent_bytes_total", len(data))
                await asyncio.wait_for(self._socket.send_bytes(data), self._limits.send_s)
                if isinstance(answer, ErrorReply) and answer.fatal:
                    code = protocol.CLOSE_CODE_BASE + answer.code
                    break
            self.outbox.end()
            if self._socket.client_state is WebSocketState.CONNECTED:
                await asyncio.wait_for(self._socket.close(code), self._limits.send_s)
        except asyncio.TimeoutError:
            # The client does not read: there is nobody to tell.
            self._metrics.add("sam_edge_refused_total", reason=ErrorCode.TIMEOUT.name.lower())
            self.outbox.end()
        except (WebSocketDisconnect, RuntimeError, OSError):
            # The client is gone.
            self.outbox.end()


def _stamped(answer: ServerMessage) -> ServerMessage:
    """Note the time at which an answer that tells it is sent."""
    return (
        replace(answer, sent_ns=time.monotonic_ns()) if isinstance(answer, (FrameSelection, Pong)) else answer
    )
