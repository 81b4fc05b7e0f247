"""A client of `sam-edge serve`.

    with connect("ws://127.0.0.1:8765/api/stream") as client:
        for image, time_ns in camera:
            client.send_gaze(samples_since_the_last_frame)
            client.send_frame(image, time_ns)
            selection = client.receive(timeout_s=0)

A background thread receives and synchronizes the clocks. Every method may be called from any thread.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.client.clock import ClockOffset, ClockSync
from sam_edge.client.credit_window import CreditWindow
from sam_edge.client.pending_replies import PendingReplies
from sam_edge.client.transport import RefusedError, Transport
from sam_edge.closing import Closing
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.adapters.ray_projection import RayCamera
from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import KnownObject
from sam_edge.segmenter import check_frame
from sam_edge.wire.binary import text_bytes
from sam_edge.wire.kinds import MAX_SAMPLES, MessageKind
from sam_edge.wire.messages import (
    CameraSetup,
    ClientMessage,
    Command,
    CommandAction,
    CommandResult,
    Configure,
    ConfirmationRequest,
    ErrorReply,
    FrameSelection,
    Gaze,
    Grant,
    Hello,
    ImageFormat,
    Intrinsics,
    MaskOptions,
    ObjectAction,
    ObjectCommand,
    ObjectInfo,
    ObjectList,
    Pong,
    Rays,
    RaySample,
    SceneFrame,
    ServerMessage,
    SkippedFrame,
    Unconfirmed,
    WebcamReply,
    Welcome,
)

__all__ = ["Client", "connect", "jpeg_of"]

WEBCAM_KINDS = range(MessageKind.FACE_FRAME, MessageKind.CLICK + 1)
"""Kinds of the client's messages about webcam gaze."""
MAX_WAITING = 256
"""Most selections, and most webcam replies, that wait to be received; older ones are dropped."""
RECEIVE_S = 0.1
JPEG_QUALITY = 85


class Client(Closing):
    """A connection to a server. A context manager."""

    def __init__(self, transport: Transport, welcome: Welcome) -> None:
        """Use a transport on which the server has sent its welcome; see `connect`."""
        self._transport = transport
        self._lock = threading.Lock()
        self._selections: queue.Queue[FrameSelection | SessionError] = queue.Queue()
        self._webcam_replies: queue.Queue[WebcamReply | SessionError] = queue.Queue()
        self._pending = PendingReplies()
        self._parts: list[ObjectInfo | Unconfirmed] = []
        self._clock_sync = ClockSync()
        self._credit = CreditWindow(welcome.window, welcome.frames_per_s)
        self._last_frame_id = 0
        self._error: SessionError | None = None
        self._closed = False
        self.skipped = 0
        """Number of frames that the server skipped."""
        self.welcome = welcome
        """The server's first message: limits, engine, sizes."""
        self._thread = threading.Thread(target=self._receive_all, name="sam-edge-client", daemon=True)
        self._thread.start()

    @property
    def window(self) -> int:
        """Most unanswered frames that the server accepts now."""
        return self._credit.window

    @property
    def frames_per_s(self) -> float:
        """Frame rate that the server asks for; 0: no limit."""
        return self._credit.frames_per_s

    @property
    def in_flight(self) -> int:
        """Frames sent and not yet answered."""
        return self._credit.in_flight

    @property
    def clock(self) -> ClockOffset | None:
        """Offset of the server's clock, from the shortest of the last round trips; None before the first."""
        return self._clock_sync.offset

    def send_frame(
        self,
        image: NDArray[np.uint8],
        time_ns: int,
        *,
        image_format: ImageFormat = ImageFormat.JPEG,
        quality: int = JPEG_QUALITY,
        intrinsics: Intrinsics | None = None,
    ) -> int | None:
        """Send a frame, unless the server accepts none now.

        Args:
            image: RGB uint8 (H, W, 3).
            time_ns: capture time on the clock of the gaze; later than that of the previous frame.
            image_format: `JPEG`, or `RGB`, which takes no time to encode and more bytes to send.
            quality: quality of the JPEG, 1 to 100.
            intrinsics: the camera's intrinsic parameters, if they change from frame to frame.

        Returns:
            The frame's number; None if it was not sent: keep the newest frame and try again.

        Raises:
            InputError: the image or the format is not accepted.
            SessionError: the connection has ended; `RefusedError` if the server ended it.
        """
        check_frame(image)
        self._check()
        if not self.can_send:
            return None
        if image_format is ImageFormat.JPEG:
            data = jpeg_of(image, quality)
        elif image_format is ImageFormat.RGB:
            data = np.ascontiguousarray(image).tobytes()
        else:
            raise InputError(
                f"image_format: {image_format.name}; accepted: JPEG and RGB. Use send_encoded for the others"
            )
        return self.send_encoded(data, (image.shape[0], image.shape[1]), time_ns, image_format, intrinsics)

    def send_encoded(
        self,
        data: bytes,
        size: tuple[int, int],
        time_ns: int,
        image_format: ImageFormat = ImageFormat.JPEG,
        intrinsics: Intrinsics | None = None,
    ) -> int | None:
        """Send a frame of `size` (height, width) that is already encoded. Otherwise as `send_frame`."""
        self._check()
        with self._lock:
            frame_id = (self._last_frame_id + 1) % (1 << 32)
            if not self._credit.take(frame_id):
                return None
            self._last_frame_id = frame_id
        self._send(SceneFrame(frame_id, time_ns, image_format, size, data, intrinsics))
        return frame_id

    @property
    def can_send(self) -> bool:
        """Whether the server accepts another frame now."""
        return self._credit.open

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until the server accepts another frame. Returns False after `timeout_s`."""
        return self._credit.wait(timeout_s)

    def send_gaze(self, samples: Iterable[GazeSample]) -> None:
        """Send gaze samples in frame pixels, in order of time, on the clock of the frames."""
        for part in _split(list(samples)):
            self._send(Gaze(tuple(part)))

    def send_rays(self, rays: Rays) -> None:
        """Send gaze rays in order of time. Call `set_camera` first."""
        for part in _split(list(rays.samples)):
            self._send(Rays(tuple(part), rays.axes, rays.space))

    def set_camera(self, camera: RayCamera, *, distance_m: float = 2.0) -> None:
        """Set the camera into which rays are projected; `distance_m` is the depth of rays that have none."""
        self._send(CameraSetup(camera, distance_m))

    def configure(self, masks: MaskOptions) -> None:
        """Change what selections contain."""
        self._send(Configure(masks))

    def pin(
        self,
        at_ns: int | None = None,
        *,
        point_px: tuple[float, float] | None = None,
        ray: RaySample | None = None,
    ) -> Future[int]:
        """Pin the gaze target, that of an earlier time, or the object at a point or on a ray (in head space).

        With a point or a ray, keep sending frames until the result comes.

        Returns:
            A future of the pinned object's number; 0 if there was no object.
        """
        return self._command(CommandAction.PIN, at_ns=at_ns, point_px=point_px, ray=ray)

    def unpin(self, object_id: int = 0) -> Future[int]:
        """Unpin one object, or all of them (0)."""
        return self._command(CommandAction.UNPIN, object_id=object_id)

    def reset(self) -> Future[int]:
        """Start a new session: forget all objects."""
        return self._command(CommandAction.RESET)

    def list_objects(self) -> Future[tuple[KnownObject, ...]]:
        """Ask for the objects that the session knows, by their number.

        From the first call of this method, `rename`, `merge` or `forget` on, selections have labels and events. Servers
        that know these commands have the key `objects` in `/api/info`; others end the connection.
        """
        return self._object_command(ObjectAction.LIST)

    def rename(self, object_id: int, label: str | None) -> Future[tuple[KnownObject, ...]]:
        """Give an object a label; None takes it away.

        Returns:
            A future of the objects that the session knows then; `RefusedError` if the object is not known, or the label
            is longer than the server accepts.

        Raises:
            InputError: the label has more than 256 bytes of UTF-8.
        """
        return self._object_command(ObjectAction.RENAME, object_id, label=label)

    def merge(self, keep_id: int, other_id: int) -> Future[tuple[KnownObject, ...]]:
        """Make one object of two; `keep_id` is its number from now on. Returns as `rename`."""
        return self._object_command(ObjectAction.MERGE, keep_id, other_id)

    def forget(self, object_id: int) -> Future[tuple[KnownObject, ...]]:
        """Forget an object, and unpin it. Returns as `rename`."""
        return self._object_command(ObjectAction.FORGET, object_id)

    def ask_for_confirmation(self) -> None:
        """Ask the server to say which selections are not confirmed: `FrameSelection.confirmed` is False for these.

        Servers that know this have the key `confirmation` in `/api/info`; others end the connection.
        """
        self._send(ConfirmationRequest())

    def send(self, message: ClientMessage) -> None:
        """Send any message of the protocol. `sam_edge.client.webcam` sends those about webcam gaze.

        Raises:
            SessionError: the connection has ended.
        """
        self._send(message)

    def receive_webcam(self, timeout_s: float = 0.0) -> WebcamReply | None:
        """Return the oldest webcam reply that was not received yet; None after `timeout_s`. Raises as `receive`."""
        reply: WebcamReply | None = self._next_of(self._webcam_replies, timeout_s)
        return reply

    def receive(self, timeout_s: float = 0.0) -> FrameSelection | None:
        """Return the oldest selection that was not received yet; None after `timeout_s`.

        Raises:
            RefusedError: the server could not use a frame, or ended the connection.
            SessionError: the connection was lost.
        """
        selection: FrameSelection | None = self._next_of(self._selections, timeout_s)
        return selection

    def _next_of(self, waiting: queue.Queue[Any], timeout_s: float) -> Any:
        try:
            item = waiting.get(timeout=timeout_s) if timeout_s > 0 else waiting.get_nowait()
        except queue.Empty:
            self._check()
            return None
        if isinstance(item, SessionError):
            raise item
        return item

    def newest(self, timeout_s: float = 0.0) -> FrameSelection | None:
        """Return the newest selection and drop older ones; None after `timeout_s`. Raises as `receive`."""
        selection = self.receive(timeout_s)
        while (newer := self.receive() if selection is not None else None) is not None:
            selection = newer
        return selection

    def close(self) -> None:
        """End the connection. Closing twice is allowed."""
        self._closed = True
        self._transport.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _command(
        self,
        action: CommandAction,
        *,
        object_id: int = 0,
        at_ns: int | None = None,
        point_px: tuple[float, float] | None = None,
        ray: RaySample | None = None,
    ) -> Future[int]:
        if point_px is not None and ray is not None:
            raise InputError("point_px and ray: both were given; give one of them")
        command_id, result = self._pending.add(MessageKind.COMMAND)
        self._send(Command(command_id, action, object_id, at_ns, point_px, ray))
        return result

    def _object_command(
        self, action: ObjectAction, object_id: int = 0, other_id: int = 0, *, label: str | None = None
    ) -> Future[tuple[KnownObject, ...]]:
        text_bytes(label or "")
        command_id, result = self._pending.add(MessageKind.OBJECT_COMMAND)
        self._send(ObjectCommand(command_id, action, object_id, other_id, label))
        return result

    def _send(self, message: ClientMessage) -> None:
        self._check()
        try:
            self._transport.send(message)
        except SessionError as error:
            # The receiving thread knows the reason, and sets `_error` when it ends.
            self._wait_for_reason()
            raise self._error or error from error

    def _wait_for_reason(self) -> None:
        if self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._closed:
            raise SessionError("client: it is closed; connect again")

    def _receive_all(self) -> None:
        try:
            while not self._closed:
                ping = self._clock_sync.due()
                if ping is not None:
                    self._send(ping)
                message = self._transport.receive(RECEIVE_S)
                if message is not None:
                    self._handle(message, time.monotonic_ns())
        except SessionError as error:
            self._fail(error)

    def _handle(self, message: ServerMessage, now_ns: int) -> None:
        if isinstance(message, FrameSelection):
            self._credit.answered(message.frame_id)
            parts, self._parts = self._parts, []
            for part in parts:
                message = part.add_to(message)
            _put(self._selections, message)
        elif isinstance(message, SkippedFrame):
            self.skipped += 1
            self._credit.answered(message.frame_id)
        elif isinstance(message, Grant):
            self._credit.grant(message.window, message.frames_per_s)
        elif isinstance(message, CommandResult):
            self._pending.resolve(MessageKind.COMMAND, message.command_id, message.object_id)
        elif isinstance(message, ObjectList):
            self._pending.resolve(MessageKind.OBJECT_COMMAND, message.command_id, message.objects)
        elif isinstance(message, ObjectInfo | Unconfirmed):
            self._parts.append(message)
        elif isinstance(message, Pong):
            self._clock_sync.answered(message, now_ns)
        elif isinstance(message, ErrorReply):
            self._handle_error(message)
        elif isinstance(message, WebcamReply):
            _put(self._webcam_replies, message)

    def _handle_error(self, reply: ErrorReply) -> None:
        error = RefusedError(reply)
        if reply.fatal:
            raise error
        if self._pending.fail(reply.about_kind, reply.about_id, error):
            return
        if reply.about_kind == MessageKind.FRAME:
            self._credit.answered(reply.about_id)
        _put(self._webcam_replies if reply.about_kind in WEBCAM_KINDS else self._selections, error)

    def _fail(self, error: SessionError) -> None:
        with self._lock:
            if not self._closed:
                self._error = error
        self._credit.end()
        # Wake every thread that waits in `receive` or `receive_webcam`.
        _put(self._selections, error)
        _put(self._webcam_replies, error)
        self._pending.fail_all(error)


def connect(
    url: str,
    *,
    token: str = "",
    masks: MaskOptions | None = None,
    engine: str = "",
    size: tuple[int, int] | None = None,
    px_per_deg: float = 0.0,
    name: str = "sam-edge python",
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
) -> Client:
    """Connect to a server.

    Args:
        url: `ws://HOST:PORT/api/stream`; the path may be omitted.
        token: the server's access token.
        masks: what selections contain; default: masks as run lengths.
        engine: name of an engine of the server; empty: its default.
        size: encoder input (height, width) for whole frames; None: the server decides.
        px_per_deg: frame pixels per degree of visual angle; 0: the server decides.
        name: the name of this program, for the server's logs.
        tls: context that trusts the server's certificate, for `wss://`; None: the system's certificates.
        timeout_s: longest time until the server's welcome.

    Raises:
        InputError: the URL is not valid.
        RefusedError: the server refuses this client; `reply.code` has the reason. `VersionError` if it does not speak
            this client's protocol version.
        SessionError: no server answers, or it is not a sam-edge server.
        MissingExtraError: the library `websockets` is not installed.
    """
    hello = Hello(masks or MaskOptions(), token, engine, name, px_per_deg, size)
    transport = Transport(url, tls=tls, timeout_s=timeout_s)
    try:
        welcome = transport.greet(hello, timeout_s)
    except BaseException:
        transport.close()
        raise
    return Client(transport, welcome)


def jpeg_of(image: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """Encode an RGB image, uint8 (H, W, 3), as JPEG.

    Raises:
        InputError: OpenCV cannot encode it.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise InputError(f"image: shape {image.shape} cannot be encoded as JPEG")
    return data.tobytes()


def _put(waiting: queue.Queue[Any], item: ServerMessage | SessionError) -> None:
    if waiting.qsize() >= MAX_WAITING:
        # Another thread may take the last item meanwhile.
        with suppress(queue.Empty):
            waiting.get_nowait()
    waiting.put(item)


def _split(samples: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(samples), MAX_SAMPLES):
        yield samples[start : start + MAX_SAMPLES]
