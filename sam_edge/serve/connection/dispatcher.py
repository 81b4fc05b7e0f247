"""Hands each message of a client to its session or its webcam worker, within the server's rate limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sam_edge.serve.connection.session_worker import SessionWorker
from sam_edge.serve.connection.webcam_worker import WebcamWorker
from sam_edge.serve.limits import RateLimit
from sam_edge.serve.state import ServerState
from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.messages import (
    CameraSetup,
    Command,
    Configure,
    ConfirmationRequest,
    Gaze,
    ObjectCommand,
    Ping,
    Pong,
    Rays,
    SceneFrame,
    ServerMessage,
    WebcamRequest,
)
from sam_edge.wire.webcam_messages import FaceFrame, Webcam


class MessageDispatcher:
    """Decodes and dispatches one client's messages. Only the event loop's thread calls it."""

    def __init__(
        self, state: ServerState, session: SessionWorker, *, send: Callable[[ServerMessage], None]
    ) -> None:
        """Dispatch to `session`; `send` takes replies."""
        limits = state.limits
        self._state = state
        self._limits = limits
        self._session = session
        self._send = send
        self._message_rate = RateLimit(limits.messages_per_s)
        self._frame_rate = RateLimit(limits.frames_per_s)
        self._face_rate = RateLimit(limits.faces_per_s)
        self._object_rate = RateLimit(limits.object_commands_per_s)
        self._sample_rate = RateLimit(limits.samples_per_s, burst=2 * protocol.MAX_SAMPLES)
        self._webcam: WebcamWorker | None = None
        self._webcam_active = False

    def dispatch(self, data: bytes, received_ns: int) -> None:
        """Handle one message that arrived at a time of the server's clock.

        Raises:
            ProtocolError: the message is malformed, too large or comes too soon, or its order is wrong.
        """
        _limit(self._message_rate, 1, "messages")
        message = protocol.decode_client_message(data)
        session = self._session
        if isinstance(message, SceneFrame):
            _limit(self._frame_rate, 1, "frames")
            session.add_frame(message, received_ns)
        elif isinstance(message, Gaze):
            self._limit_samples(len(message.samples))
            session.gaze.add_samples(message.samples)
        elif isinstance(message, Rays):
            self._limit_samples(len(message.samples))
            session.gaze.add_rays(message)
        elif isinstance(message, CameraSetup):
            session.gaze.set_camera(message)
        elif isinstance(message, Command):
            session.add_command(message)
        elif isinstance(message, ObjectCommand):
            _limit(self._object_rate, 1, "commands about objects")
            session.add_command(message)
        elif isinstance(message, ConfirmationRequest):
            session.send_confirmation()
        elif isinstance(message, Ping):
            session.set_clock_offset(message)
            self._send(Pong(message.ping_id, message.sent_ns, received_ns, 0))
        elif isinstance(message, Configure):
            session.set_mask_options(message.masks)
        elif isinstance(message, WebcamRequest):
            self._dispatch_webcam(message, received_ns)
        else:
            raise ProtocolError("hello: it was already sent")

    async def close(self) -> None:
        """Stop the webcam worker, and wait until its thread has ended."""
        self._set_webcam_active(False)
        if self._webcam is not None:
            self._webcam.stop()
            await asyncio.to_thread(self._webcam.join)

    def _dispatch_webcam(self, message: WebcamRequest, received_ns: int) -> None:
        if isinstance(message, Webcam):
            self._set_webcam_active(message.screen is not None)
        elif isinstance(message, FaceFrame):
            _limit(self._face_rate, 1, "faces")
            if len(message.data) > self._limits.face_bytes:
                raise ProtocolError(
                    f"face_frame: {len(message.data)} bytes; accepted: {self._limits.face_bytes}",
                    ErrorCode.TOO_LARGE,
                )
        if self._webcam is None:
            if not self._webcam_active:
                raise ProtocolError(
                    "webcam: gaze is not active; send a webcam message first", ErrorCode.OUT_OF_ORDER
                )
            self._webcam = WebcamWorker(
                self._session.gaze,
                send=self._send,
                max_pixels=self._limits.face_pixels,
                metrics=self._state.metrics,
            )
        self._webcam.add_message(message, received_ns)

    def _set_webcam_active(self, active: bool) -> None:
        """Count this client's webcam in or out. Raises `ProtocolError` when there are too many."""
        if active and not self._webcam_active:
            self._state.add_webcam()
        elif self._webcam_active and not active:
            self._state.remove_webcam()
        self._webcam_active = active

    def _limit_samples(self, count: int) -> None:
        _limit(self._sample_rate, count, "gaze samples")
        self._state.metrics.add("sam_edge_gaze_samples_total", count)


def _limit(rate: RateLimit, amount: int, what: str) -> None:
    if not rate.allows(amount):
        raise ProtocolError(f"client: more {what} per second than accepted; send fewer", ErrorCode.RATE_LIMIT)
