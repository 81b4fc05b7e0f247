"""Pupil Labs Core: Pupil Capture or Pupil Service over ZeroMQ and msgpack.

Pupil Remote (REQ, port 50020) answers with the time and the port of the data bus; the bus (SUB) sends gaze. Facts from
https://docs.pupil-labs.com/core/developer/network-api/ and from the topics that Pupil Capture 3.5 publishes.
Normalised positions have their origin at the bottom left of the distorted scene image; they are flipped here.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sam_edge.closing import Closing
from sam_edge.errors import GazeDataError, TrackerError
from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost, LiveSource
from sam_edge.gaze.adapters.fields import clamp01, finite, nanoseconds, number, numbers, unit_vector, xyz
from sam_edge.gaze.adapters.optional import require
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.clocks import ClockMap, host_now_ns
from sam_edge.gaze.samples import GazeRay, GazeSample

_PURPOSE = "Reading Pupil Core"
_MESSAGE_LIMIT = 1 << 20
_BUS_MESSAGE_LIMIT = 1 << 26
_HELD_LIMIT = 8192
_BURST = 10
_FIRST_SYNCS = 10
_FIRST_SYNC_INTERVAL_S = 0.1
_SYNC_INTERVAL_S = 0.5
_PAIR_WINDOW_NS = 1_000_000
"""Largest difference, by rounding, between the times of monocular and binocular data of one instant."""
_MM = 1e-3


@dataclass(frozen=True, slots=True)
class CoreDatum:
    """One gaze datum, before frame size and clock are applied."""

    device_ns: int
    """Pupil time, nanoseconds; its zero is arbitrary."""
    x: float
    """Horizontal position, 0 left to 1 right of the scene image; may lie outside."""
    y: float
    """Vertical position, 0 bottom to 1 top of the scene image; may lie outside."""
    confidence: float
    """0..1."""
    eyes: frozenset[int]
    """Eyes that it was computed from: 0 is the right eye, 1 the left eye."""
    parts: frozenset[tuple[int, int]]
    """Eye and time (ns) of the pupil data that it was computed from."""
    ray: GazeRay | None
    """Line of sight; None without the 3-D pipeline."""
    depth_m: float | None
    """Distance to the point where the lines of sight meet, metres; None for monocular data."""


def parse_gaze(topic: str, datum: object) -> CoreDatum:
    """Parse an unpacked gaze datum.

    Raises:
        GazeDataError: a field is missing or has an unexpected type or value.
    """
    if not isinstance(datum, dict):
        raise GazeDataError("a gaze message does not hold a map")
    x, y = numbers(datum.get("norm_pos"), 2, "norm_pos")
    eyes = (
        frozenset(int(letter) for letter in topic.split(".")[2] if letter in "01")
        if topic.count(".") >= 2
        else ()
    )
    ray, depth_m = _ray(datum)
    return CoreDatum(
        device_ns=nanoseconds(datum.get("timestamp"), "timestamp"),
        x=x,
        y=y,
        confidence=clamp01(number(datum.get("confidence"), "confidence")),
        eyes=frozenset(eyes),
        parts=_parts(datum.get("base_data")),
        ray=ray,
        depth_m=depth_m,
    )


def _parts(base: object) -> frozenset[tuple[int, int]]:
    parts = []
    for entry in base[:8] if isinstance(base, (list, tuple)) else ():
        if isinstance(entry, dict):
            topic, seconds = entry.get("topic"), entry.get("timestamp")
        elif isinstance(entry, (list, tuple)) and len(entry) == 2:
            topic, seconds = entry
        else:
            continue
        eye = next((int(word) for word in str(topic)[:32].split(".") if word in ("0", "1")), None)
        if eye is not None:
            parts.append((eye, nanoseconds(seconds, "base_data timestamp")))
    return frozenset(parts)


def _ray(datum: dict[object, object]) -> tuple[GazeRay | None, float | None]:
    if "gaze_point_3d" not in datum:
        return None, None
    centers, normals = datum.get("eye_centers_3d"), datum.get("gaze_normals_3d")
    if isinstance(centers, dict) and isinstance(normals, dict):
        eyes = [xyz(center, "eye_centers_3d") for center in list(centers.values())[:2]]
        if not eyes:
            return None, None
        point = xyz(datum["gaze_point_3d"], "gaze_point_3d")
        origin = [sum(values) / len(eyes) for values in zip(*eyes, strict=True)]
        towards = (point[0] - origin[0], point[1] - origin[1], point[2] - origin[2])
        direction = unit_vector(towards)
        depth_m = math.hypot(*towards) * _MM
    else:
        origin = list(xyz(datum.get("eye_center_3d"), "eye_center_3d"))
        direction = unit_vector(xyz(datum.get("gaze_normal_3d"), "gaze_normal_3d"))
        # A single eye measures no distance: its gaze_point_3d lies at a fixed one.
        depth_m = math.nan
    if direction is None or not all(map(math.isfinite, origin)):
        return None, None
    ray = GazeRay((origin[0] * _MM, origin[1] * _MM, origin[2] * _MM), direction)
    return ray, depth_m if math.isfinite(depth_m) else None


class PupilCoreSource(LiveSource):
    """Gaze of Pupil Capture or Pupil Service."""

    def __init__(
        self,
        host: str,
        port: int = 50020,
        *,
        size: tuple[int, int] | None = None,
        name: str | None = None,
        timeout_s: float = 5.0,
        buffer_samples: int = 8192,
    ) -> None:
        """Describe the source.

        Args:
            host: name or address of the computer that runs Pupil Capture.
            port: port of Pupil Remote.
            size: (height, width) of the scene image in pixels; None waits for a `frame.world` message, which only
                the Frame Publisher plugin sends.
            name: name of the source in messages.
            timeout_s: see `LiveSource`.
            buffer_samples: see `LiveSource`.
        """
        super().__init__(
            name or f"pupil-core://{host}:{port}", timeout_s=timeout_s, buffer_samples=buffer_samples
        )
        self._host = f"[{host}]" if ":" in host else host
        self._port = port
        self._size = size
        self._clock = ClockMap()
        self._held: deque[tuple[CoreDatum, int]] = deque()
        self._used: deque[frozenset[tuple[int, int]]] = deque(maxlen=64)
        self._binocular_ns: deque[int] = deque(maxlen=64)
        self._zmq: Any = None
        self._msgpack: Any = None

    def _prepare(self) -> None:
        self._zmq = require("zmq", library="pyzmq", purpose=_PURPOSE)
        self._msgpack = require("msgpack", library="msgpack", purpose=_PURPOSE)

    def _serve(self) -> None:
        address = f"{self._host}:{self._port}"
        with connect_capture(self._zmq, address, self.name, self._wait_for, backlog=10_000) as (remote, bus):
            for _ in range(_BURST):
                remote.sync(self._clock)
            self._follow(bus, remote)

    def _follow(self, bus: Any, remote: PupilRemote) -> None:
        bus.subscribe("gaze.")
        if self._size is None:
            bus.subscribe("frame.world")
        self._connected()
        sync_at = time.monotonic() + _FIRST_SYNC_INTERVAL_S
        syncs = 0
        while not self._stopping.is_set():
            if bus.poll(round(POLL_S * 1000)):
                arrival_ns = host_now_ns()
                for _ in range(256):
                    self._take(bus, bus.recv_multipart(), arrival_ns, remote)
                    if not bus.poll(0):
                        break
            if time.monotonic() >= sync_at:
                syncs += 1
                often = syncs < _FIRST_SYNCS
                sync_at = time.monotonic() + (_FIRST_SYNC_INTERVAL_S if often else _SYNC_INTERVAL_S)
                remote.sync(self._clock)
            if self._held and self._size is None:
                self._check_silence(
                    "the size of the scene image is unknown: open it with ?size=1280x720, or start the Frame "
                    "Publisher plugin in Pupil Capture"
                )
            self._check_silence("no gaze came over the data bus")

    def _wait_for(self, waiting: Any, problem: str) -> None:
        deadline = time.monotonic() + min(2.0, self._timeout_s)
        while not waiting.poll(round(POLL_S * 1000)):
            if self._stopping.is_set() or time.monotonic() > deadline:
                raise ConnectionLost(problem)

    def _take(self, bus: Any, frames: list[bytes], arrival_ns: int, remote: PupilRemote) -> None:
        try:
            topic = frames[0].decode("utf-8")
            if len(frames) < 2 or len(frames[1]) > _MESSAGE_LIMIT:
                raise GazeDataError("a message without data, or with too much")
            content = self._unpack(frames[1])
            if topic.startswith("frame.world"):
                self._learn_size(bus, content)
                return
            datum = parse_gaze(topic, content)
        except (GazeDataError, UnicodeDecodeError):
            self._count("malformed")
            return
        if self._repeats(datum):
            self._count("duplicates")
            return
        if self._size is None:
            if len(self._held) == _HELD_LIMIT:
                self._held.popleft()
                self._count("dropped")
            self._held.append((datum, arrival_ns))
            return
        self._hand_over(datum, arrival_ns, self._size, remote)

    def _unpack(self, data: bytes) -> object:
        try:
            return self._msgpack.unpackb(data, raw=False, strict_map_key=False)
        except (ValueError, TypeError, RecursionError, self._msgpack.UnpackException) as error:
            raise GazeDataError(f"a message is not msgpack: {str(error)[:80]}") from error

    def _learn_size(self, bus: Any, content: object) -> None:
        if self._size is not None:
            return
        fields = content if isinstance(content, dict) else {}
        height, width = finite(fields.get("height"), "height"), finite(fields.get("width"), "width")
        if not (1 <= height <= 65536 and 1 <= width <= 65536):
            raise GazeDataError("a scene image of impossible size")
        self._size = (int(height), int(width))
        bus.unsubscribe("frame.world")
        while self._held:
            datum, arrival_ns = self._held.popleft()
            self._hand_over(datum, arrival_ns, self._size, None)

    def _repeats(self, datum: CoreDatum) -> bool:
        """Return whether a monocular datum repeats the data of a binocular one."""
        if len(datum.eyes) >= 2:
            self._used.append(datum.parts)
            self._binocular_ns.append(datum.device_ns)
            return False
        if datum.parts:
            return any(datum.parts <= used for used in self._used)
        return any(abs(datum.device_ns - other_ns) < _PAIR_WINDOW_NS for other_ns in self._binocular_ns)

    def _hand_over(
        self, datum: CoreDatum, arrival_ns: int, size: tuple[int, int], remote: PupilRemote | None
    ) -> None:
        mapped = self._clock.map(datum.device_ns)
        if abs(mapped.host_ns - arrival_ns) > 2_000_000_000 and remote is not None:
            # Capture was restarted or its clock was set since the last round trip.
            remote.sync(self._clock)
            mapped = self._clock.map(datum.device_ns)
        height, width = size
        seen = datum.confidence > 0.0 and math.isfinite(datum.x) and math.isfinite(datum.y)
        sample = GazeSample(
            time_ns=mapped.host_ns,
            x_px=datum.x * width if seen else math.nan,
            y_px=(1.0 - datum.y) * height if seen else math.nan,
            confidence=datum.confidence if seen else 0.0,
            device_time_ns=datum.device_ns,
            offset_uncertainty_ns=mapped.uncertainty_ns,
            left_valid=(1 in datum.eyes and seen) if datum.eyes else None,
            right_valid=(0 in datum.eyes and seen) if datum.eyes else None,
            ray=datum.ray if seen else None,
            depth_m=datum.depth_m if seen else None,
        )
        self._deliver(sample, arrival_ns=arrival_ns, epoch=mapped.epoch)


@contextmanager
def connect_capture(
    zmq: Any, address: str, name: str, wait_for: Callable[[Any, str], None], *, backlog: int
) -> Iterator[tuple[PupilRemote, Any]]:
    """Connect to Pupil Remote and to the data bus; both are closed at the end of the block.

    Args:
        zmq: the library.
        address: `HOST:PORT` of Pupil Remote.
        name: the source, for messages.
        wait_for: waits for a socket's answer, and raises `ConnectionLost` with the given words.
        backlog: messages of the bus that wait to be read.

    Yields:
        The connection to Pupil Remote, and a SUB socket of the bus without subscriptions.

    Raises:
        ConnectionLost: nothing answers, or the connection broke.
        TrackerError: it is not Pupil Remote.
    """
    context = zmq.Context()
    host = address.rpartition(":")[0]
    try:
        with PupilRemote(zmq, context, f"tcp://{address}", wait_for) as remote:
            port = remote.request("SUB_PORT")
            if not port.isdecimal() or not 0 < int(port) < 65536:
                raise TrackerError(f"{name} answers SUB_PORT with {port[:40]!r}; is this Pupil Remote?")
            bus = context.socket(zmq.SUB)
            bus.setsockopt(zmq.LINGER, 0)
            bus.setsockopt(zmq.RCVHWM, backlog)
            bus.setsockopt(zmq.MAXMSGSIZE, _BUS_MESSAGE_LIMIT)
            bus.setsockopt(zmq.IPV6, ":" in host)
            try:
                bus.connect(f"tcp://{host}:{int(port)}")
                yield remote, bus
            finally:
                bus.close()
    except zmq.ZMQError as error:
        raise ConnectionLost(f"ZeroMQ: {error}") from error
    finally:
        context.destroy(linger=0)


class PupilRemote(Closing):
    """A connection to Pupil Remote: requests, each with its reply."""

    def __init__(self, zmq: Any, context: Any, address: str, wait_for: Callable[[Any, str], None]) -> None:
        self._zmq = zmq
        self._wait_for = wait_for
        self._socket = context.socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 65536)
        self._socket.setsockopt(zmq.IPV6, "[" in address)
        self._socket.connect(address)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def request(self, command: str) -> str:
        """Send a command and return the reply."""
        self._socket.send_string(command, self._zmq.NOBLOCK)
        self._wait_for(self._socket, f"Pupil Remote does not answer {command!r}")
        return str(self._socket.recv().decode("utf-8", "replace"))

    def sync(self, clock: ClockMap) -> None:
        """Request Capture's time for a mapping.

        Raises:
            TrackerError: the answer is no time.
        """
        before_ns = host_now_ns()
        answer = self.request("t")
        after_ns = host_now_ns()
        try:
            device_ns = nanoseconds(float(answer), "the time of Pupil Remote")
        except ValueError as error:
            raise TrackerError(f"Pupil Remote answers a request of its time with {answer[:40]!r}") from error
        half_ns = (after_ns - before_ns) // 2
        clock.observe(device_ns, before_ns + half_ns, half_ns)

    def notify(self, msgpack: Any, notification: dict[str, object]) -> str:
        """Send a notification to all of Pupil Capture's plugins and return the reply."""
        topic = f"notify.{notification['subject']}"
        self._socket.send_multipart([topic.encode(), msgpack.packb(notification)], self._zmq.NOBLOCK)
        self._wait_for(self._socket, f"Pupil Remote does not answer the notification {topic!r}")
        return str(self._socket.recv().decode("utf-8", "replace"))


def from_address(address: SourceAddress) -> PupilCoreSource:
    """Return the source of a `pupil-core://` URL."""
    return PupilCoreSource(
        address.need_host(),
        address.port or 50020,
        size=address.size(),
        name=address.url,
        timeout_s=address.timeout_s(),
        buffer_samples=address.buffer_samples(),
    )
