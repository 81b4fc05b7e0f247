"""A client of `sam-edge serve`, in Python.

    with connect("ws://127.0.0.1:8765/api/stream") as client:
        for image, time_ns in camera:
            client.send_gaze(samples_since_the_last_frame)
            client.send_frame(image, time_ns)
            selected = client.receive(timeout_s=0)

One thread of its own listens and keeps the clocks related; every method may be called from any thread.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.client.clock import ClockOffset, RelatedClocks
from sam_edge.client.credit_window import Room
from sam_edge.client.transport import Connection, RefusedError
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.adapters.ray_projection import RayCamera
from sam_edge.gaze.samples import GazeSample
from sam_edge.segmenter import check_frame
from sam_edge.wire import protocol
from sam_edge.wire.messages import (
    Action,
    Answer,
    Camera,
    EyeAnswer,
    Fault,
    Frame,
    Gaze,
    Grant,
    Hello,
    Intrinsics,
    PictureFormat,
    Pong,
    Rays,
    RaySample,
    Request,
    Selected,
    Skipped,
    Trigger,
    Triggered,
    Wanted,
    Welcome,
)

__all__ = ["Client", "ClockOffset", "RefusedError", "connect", "jpeg_of"]

KEPT = 256
"""Selections, and answers about eyes, that wait to be received, at most; the oldest go first."""
LISTEN_S = 0.1
JPEG_QUALITY = 85


class Client:
    """A connection to a server. A context manager."""

    def __init__(self, connection: Connection, welcome: Welcome) -> None:
        """Take over a connection over which the server has greeted; see `connect`."""
        self._connection = connection
        self._lock = threading.Lock()
        self._selections: queue.Queue[Selected | SessionError] = queue.Queue()
        self._eye_answers: queue.Queue[EyeAnswer | SessionError] = queue.Queue()
        self._triggers: dict[int, Future[int]] = {}
        self._clocks = RelatedClocks()
        self._room = Room(welcome.window, welcome.frames_per_s)
        self._next_frame = self._next_trigger = 0
        self._error: SessionError | None = None
        self._closed = False
        self.skipped = 0
        """Frames that the server did not look at, because newer ones came."""
        self.welcome = welcome
        """What the server said first: limits, engine, sizes."""
        self._thread = threading.Thread(target=self._listen, name="sam-edge-client", daemon=True)
        self._thread.start()

    @property
    def window(self) -> int:
        """Most frames unanswered, as the server wants it now."""
        return self._room.window

    @property
    def frames_per_s(self) -> float:
        """Frames a second that make sense now; 0 while the server gives no advice."""
        return self._room.frames_per_s

    @property
    def in_flight(self) -> int:
        """Frames sent and not answered yet."""
        return self._room.in_flight

    @property
    def clock(self) -> ClockOffset | None:
        """How the clocks relate, from the shortest of the last round trips; None before the first."""
        return self._clocks.offset

    def send_frame(
        self,
        image: NDArray[np.uint8],
        time_ns: int,
        *,
        picture: PictureFormat = PictureFormat.JPEG,
        quality: int = JPEG_QUALITY,
        intrinsics: Intrinsics | None = None,
    ) -> int | None:
        """Send a frame, unless as many are on the way as the server wants.

        Args:
            image: RGB uint8 (H, W, 3).
            time_ns: when it was taken, on the clock of the gaze; later than the frame before.
            picture: `JPEG`, or `RGB`, which costs no time here and more on the way.
            quality: of the JPEG, 1 to 100.
            intrinsics: the camera's, where they change from frame to frame.

        Returns:
            The frame's number; None when it was not sent: keep the newest one, and try again.

        Raises:
            InputError: the image or the format is not accepted.
            SessionError: the connection has ended; `RefusedError` when the server ended it.
        """
        check_frame(image)
        self._check()
        if not self.has_room:
            return None
        if picture is PictureFormat.JPEG:
            data = jpeg_of(image, quality)
        elif picture is PictureFormat.RGB:
            data = np.ascontiguousarray(image).tobytes()
        else:
            raise InputError(
                f"picture: {picture.name}; accepted: JPEG and RGB; send_picture takes the others"
            )
        return self.send_picture(data, (image.shape[0], image.shape[1]), time_ns, picture, intrinsics)

    def send_picture(
        self,
        data: bytes,
        size: tuple[int, int],
        time_ns: int,
        picture: PictureFormat = PictureFormat.JPEG,
        intrinsics: Intrinsics | None = None,
    ) -> int | None:
        """Send a frame that is encoded already, of `size` (height, width). Otherwise as `send_frame`."""
        self._check()
        with self._lock:
            number = (self._next_frame + 1) % (1 << 32)
            if not self._room.take(number):
                return None
            self._next_frame = number
        self._send(Frame(number, time_ns, picture, size, data, intrinsics))
        return number

    @property
    def has_room(self) -> bool:
        """Whether the server wants another frame now."""
        return self._room.open

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until the server wants another frame; say whether that came true in time."""
        return self._room.wait(timeout_s)

    def send_gaze(self, samples: Iterable[GazeSample]) -> None:
        """Send gaze in pixels of the frames, in order of time, on the clock of the frames."""
        for several in _parts(list(samples)):
            self._send(Gaze(tuple(several)))

    def send_rays(self, rays: Rays) -> None:
        """Send lines of sight, in order of time. The camera must be known."""
        for several in _parts(list(rays.samples)):
            self._send(Rays(tuple(several), rays.axes, rays.space))

    def set_camera(self, camera: RayCamera, *, distance_m: float = 2.0) -> None:
        """Say what rays are projected into; `distance_m` is where those without a depth meet the picture."""
        self._send(Camera(camera, distance_m))

    def configure(self, wanted: Wanted) -> None:
        """Change what selections hold."""
        self._send(wanted)

    def select(
        self,
        at_ns: int | None = None,
        *,
        point_px: tuple[float, float] | None = None,
        ray: RaySample | None = None,
    ) -> Future[int]:
        """Keep what gaze means, or meant at a time, or what is at a point or on a ray (in head space).

        With a point or a ray, frames have to be sent on until the answer comes.

        Returns:
            The number of the thing that is kept from now on, in the future; 0 when there is none.
        """
        return self._trigger(Action.SELECT, at_ns=at_ns, point_px=point_px, ray=ray)

    def release(self, object_id: int = 0) -> Future[int]:
        """Let go of one thing that was kept, or of everything."""
        return self._trigger(Action.RELEASE, object_id=object_id)

    def restart(self) -> Future[int]:
        """Forget everything."""
        return self._trigger(Action.RESTART)

    def send(self, message: Request) -> None:
        """Send any message of the protocol: `sam_edge.client.webcam` says those about a camera on the person.

        Raises:
            SessionError: the connection has ended.
        """
        self._send(message)

    def receive_eye(self, timeout_s: float = 0.0) -> EyeAnswer | None:
        """Return the oldest answer about the person's eyes that was not received yet. Errors as `receive`."""
        answer: EyeAnswer | None = self._next_of(self._eye_answers, timeout_s)
        return answer

    def receive(self, timeout_s: float = 0.0) -> Selected | None:
        """Return the oldest selection that was not received yet; None when none comes in time.

        Raises:
            RefusedError: the server could not use a frame, or ended the connection.
            SessionError: the connection was lost.
        """
        selected: Selected | None = self._next_of(self._selections, timeout_s)
        return selected

    def _next_of(self, waiting: queue.Queue[Any], timeout_s: float) -> Any:
        try:
            found = waiting.get(timeout=timeout_s) if timeout_s > 0 else waiting.get_nowait()
        except queue.Empty:
            self._check()
            return None
        if isinstance(found, SessionError):
            raise found
        return found

    def newest(self, timeout_s: float = 0.0) -> Selected | None:
        """Return the newest selection and let go of older ones; None when none comes in time. Errors as `receive`."""
        found = self.receive(timeout_s)
        while (newer := self.receive() if found is not None else None) is not None:
            found = newer
        return found

    def close(self) -> None:
        """End the connection. Closing twice is allowed."""
        self._closed = True
        self._connection.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Client:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _trigger(
        self,
        action: Action,
        *,
        object_id: int = 0,
        at_ns: int | None = None,
        point_px: tuple[float, float] | None = None,
        ray: RaySample | None = None,
    ) -> Future[int]:
        if point_px is not None and ray is not None:
            raise InputError("point_px and ray: both were given; give one of them")
        answer: Future[int] = Future()
        with self._lock:
            number = self._next_trigger = (self._next_trigger + 1) % (1 << 32)
            self._triggers[number] = answer
        self._send(Trigger(number, action, object_id, at_ns, point_px, ray))
        return answer

    def _send(self, message: Request) -> None:
        self._check()
        try:
            self._connection.send(message)
        except SessionError as error:
            # Why it ended is known to the thread that listens, which is about to say so.
            self._wait_for_reason()
            raise self._error or error from error

    def _wait_for_reason(self) -> None:
        if self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise SessionError("client: it is closed; connect again")

    def _listen(self) -> None:
        try:
            while not self._closed:
                ping = self._clocks.due()
                if ping is not None:
                    self._send(ping)
                answer = self._connection.receive(LISTEN_S)
                if answer is not None:
                    self._take(answer, time.monotonic_ns())
        except SessionError as error:
            self._fail(error)

    def _take(self, answer: Answer, now_ns: int) -> None:
        if isinstance(answer, Selected):
            self._room.answered(answer.frame_id)
            _put(self._selections, answer)
        elif isinstance(answer, Skipped):
            self.skipped += 1
            self._room.answered(answer.frame_id)
        elif isinstance(answer, Grant):
            self._room.grant(answer.window, answer.frames_per_s)
        elif isinstance(answer, Triggered):
            waiting = self._triggers.pop(answer.trigger_id, None)
            if waiting is not None:
                waiting.set_result(answer.object_id)
        elif isinstance(answer, Pong):
            self._clocks.answered(answer, now_ns)
        elif isinstance(answer, Fault):
            self._refused(answer)
        elif isinstance(answer, EyeAnswer):
            _put(self._eye_answers, answer)

    def _refused(self, fault: Fault) -> None:
        error = RefusedError(fault)
        if fault.fatal:
            raise error
        waiting = self._triggers.pop(fault.related_id, None) if fault.about == protocol.TRIGGER else None
        if waiting is not None:
            waiting.set_exception(error)
            return
        if fault.about == protocol.FRAME:
            self._room.answered(fault.related_id)
        of_eye = protocol.FACE <= fault.about <= protocol.CLICKED
        _put(self._eye_answers if of_eye else self._selections, error)

    def _fail(self, error: SessionError) -> None:
        with self._lock:
            if not self._closed:
                self._error = error
            waiting, self._triggers = self._triggers, {}
        self._room.end()
        # Wakes who waits for a selection, or for what the eyes do.
        _put(self._selections, error)
        _put(self._eye_answers, error)
        for one in waiting.values():
            one.set_exception(error)


def connect(
    url: str,
    *,
    token: str = "",
    wanted: Wanted | None = None,
    engine: str = "",
    size: tuple[int, int] | None = None,
    px_per_deg: float = 0.0,
    name: str = "sam-edge python",
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
) -> Client:
    """Connect to a server.

    Args:
        url: `ws://HOST:PORT/api/stream`; the path may be left out.
        token: what the server was started with.
        wanted: what selections hold; run lengths of masks unless given.
        engine: one of the server's; empty is its own choice.
        size: the encoder's input (height, width) for whole frames; None is by the frame.
        px_per_deg: frame pixels in a degree of visual angle; 0 leaves it to the server.
        name: what this program calls itself, for people.
        tls: trusts the server's certificate, for `wss://`; None is what this machine trusts.
        timeout_s: longest time until the server greets.

    Raises:
        InputError: the URL is none.
        RefusedError: the server does not take this client; `fault.code` says why.
        SessionError: nobody answers there, or no sam-edge server.
        MissingExtraError: the library `websockets` is not installed.
    """
    hello = Hello(wanted or Wanted(), token, engine, name, px_per_deg, size)
    connection = Connection(url, tls=tls, timeout_s=timeout_s)
    try:
        welcome = connection.greet(hello, timeout_s)
    except BaseException:
        connection.close()
        raise
    return Client(connection, welcome)


def jpeg_of(image: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """Write an RGB image (H, W, 3) as JPEG.

    Raises:
        InputError: OpenCV cannot write it.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise InputError(f"image: {image.shape} cannot be written as JPEG")
    return data.tobytes()


def _put(waiting: queue.Queue[Any], found: Answer | SessionError) -> None:
    if waiting.qsize() >= KEPT:
        # Somebody may take the last one meanwhile.
        with suppress(queue.Empty):
            waiting.get_nowait()
    waiting.put(found)


def _parts(samples: list[Any]) -> Iterator[list[Any]]:
    for begin in range(0, len(samples), protocol.SAMPLES_A_MESSAGE):
        yield samples[begin : begin + protocol.SAMPLES_A_MESSAGE]
