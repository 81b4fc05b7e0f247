"""Tobii Pro Glasses 3: gaze over RTSP or over the WebSocket API, times by the WebSocket API.

Facts from the Glasses 3 developer guide's vocabulary: `g3api` messages are JSON objects with `path`, `method` and
`id`; a property is `component.name`, an action `component!name`, a signal `component:name`. Gaze is a JSON object in
each RTP packet of the stream's first `application` media, or in each `rudimentary:gaze` signal. `gaze2d` is a
fraction of the distorted scene image, origin top-left; `gaze3d` and the eyes' origins are millimetres in the head
unit's space (+x left, +y up, +z forward from the scene camera; checked by sign against `gaze2d` in recordings of the
Glasses 2, which use the same axes).
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sam_edge.closing import Closing
from sam_edge.errors import GazeDataError, InputError, TrackerError
from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost, LiveSource
from sam_edge.gaze.adapters.fields import json_object, nanoseconds, numbers, unit_vector, xyz
from sam_edge.gaze.adapters.optional import require
from sam_edge.gaze.adapters.rtsp import RtpDatum, RtspStream, SdpMedia
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.buffer import StatName
from sam_edge.gaze.clocks import ArrivalClock, ClockMap, MappedTime, host_now_ns
from sam_edge.gaze.samples import GazeRay, GazeSample

SCENE_SIZE = (1080, 1920)
"""(height, width) of the scene camera's video, pixels."""
_MESSAGE_LIMIT = 65536
_BURST = 10
_SYNC_INTERVAL_S = 2.0
_KEEPALIVE_INTERVAL_S = 4.0
_MM = 1e-3
_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z?")


@dataclass(frozen=True, slots=True)
class GlassesGaze:
    """One gaze message, before the size of the scene is applied."""

    x: float
    """0 left to 1 right of the scene image; NaN when there is no gaze."""
    y: float
    """0 top to 1 bottom of the scene image; NaN when there is no gaze."""
    left_valid: bool
    """Whether the left eye has a direction."""
    right_valid: bool
    """Whether the right eye has a direction."""
    ray: GazeRay | None
    """From the middle of the valid eyes to the gaze point, scene camera space."""
    depth_m: float | None
    """Distance of the gaze point from the ray's origin, metres."""


def parse_gaze(message: dict[str, object]) -> GlassesGaze:
    """Parse the content of one gaze message; an absent field was not measured.

    Raises:
        GazeDataError: a field has an unexpected type or value.
    """
    x, y = numbers(message["gaze2d"], 2, "gaze2d") if "gaze2d" in message else (math.nan, math.nan)
    left, right = _eye(message.get("eyeleft"), "eyeleft"), _eye(message.get("eyeright"), "eyeright")
    ray, depth_m = None, None
    origins = [origin for origin in (left, right) if origin is not None]
    if "gaze3d" in message and origins:
        point = _camera_space(xyz(message["gaze3d"], "gaze3d"))
        start = [sum(values) / len(origins) for values in zip(*origins, strict=True)]
        towards = (point[0] - start[0], point[1] - start[1], point[2] - start[2])
        direction = unit_vector(towards)
        if direction is not None:
            ray = GazeRay((start[0], start[1], start[2]), direction)
            depth_m = math.hypot(*towards)
    return GlassesGaze(x, y, left is not None, right is not None, ray, depth_m)


def _eye(eye: object, name: str) -> tuple[float, float, float] | None:
    """Return the origin of an eye that has a direction, metres in scene camera space."""
    if eye is None:
        return None
    if not isinstance(eye, dict):
        raise GazeDataError(f"{name} is not an object")
    if "gazeorigin" not in eye or "gazedirection" not in eye:
        return None
    origin, direction = xyz(eye["gazeorigin"], "gazeorigin"), xyz(eye["gazedirection"], "gazedirection")
    return _camera_space(origin) if all(map(math.isfinite, (*origin, *direction))) else None


def _camera_space(head_unit_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    return -head_unit_mm[0] * _MM, -head_unit_mm[1] * _MM, head_unit_mm[2] * _MM


def parse_time(text: object) -> tuple[int, int]:
    """Parse the glasses' time, such as `2024-05-01T12:30:00.123456Z`, into nanoseconds since 1970 and resolution.

    Raises:
        TrackerError: the text has another form.
    """
    matched = _ISO_TIME.fullmatch(text) if isinstance(text, str) else None
    if matched is None:
        raise TrackerError(
            f"the glasses report their time as {str(text)[:40]!r}; accepted is 2024-05-01T12:30:00.123Z"
        )
    try:
        seconds = (
            datetime.fromisoformat(f"{matched[1]}T{matched[2]}").replace(tzinfo=timezone.utc).timestamp()
        )
    except ValueError as error:
        raise TrackerError(f"the glasses report the impossible time {matched[0]!r}") from error
    digits = matched[3] or ""
    return int(seconds) * 1_000_000_000 + int(digits.ljust(9, "0")), 10 ** (9 - len(digits))


class TobiiGlassesSource(LiveSource):
    """Gaze of Tobii Pro Glasses 3."""

    def __init__(
        self,
        host: str,
        port: int = 80,
        *,
        rtsp_port: int = 8554,
        via: str = "rtsp",
        clock: str = "system",
        size: tuple[int, int] = SCENE_SIZE,
        name: str | None = None,
        timeout_s: float = 5.0,
        buffer_samples: int = 8192,
    ) -> None:
        """Describe the source.

        Args:
            host: name or address of the recording unit.
            port: port of its WebSocket API.
            rtsp_port: port of its RTSP server.
            via: `rtsp` (every sample) or `websocket` (the rudimentary stream, at a lower rate on old firmware).
            clock: for `rtsp`, `system` requests the glasses' time over the WebSocket API; `arrival` needs no WebSocket,
                and the latency remains unknown. Over `websocket` times are always mapped by arrival, because the
                signals' clock cannot be requested.
            size: (height, width) of the scene video in pixels.
            name: name of the source in messages.
            timeout_s: see `LiveSource`.
            buffer_samples: see `LiveSource`.
        """
        super().__init__(
            name or f"tobii-g3://{host}:{port}", timeout_s=timeout_s, buffer_samples=buffer_samples
        )
        if via not in ("rtsp", "websocket"):
            raise InputError(f"via is {via!r}; accepted are 'rtsp' and 'websocket'")
        if clock not in ("system", "arrival"):
            raise InputError(f"clock is {clock!r}; accepted are 'system' and 'arrival'")
        self._host = f"[{host}]" if ":" in host else host
        self._port = port
        self._rtsp_port = rtsp_port
        self._via = via
        self._ask_time = via == "rtsp" and clock == "system"
        self._size = size
        self._system_clock = ClockMap()
        self._arrival_clock = ArrivalClock()
        self._wall_epoch = 0
        self._websockets: Any = None

    def _prepare(self) -> None:
        if self._ask_time or self._via == "websocket":
            self._websockets = require_websockets()

    def _serve(self) -> None:
        api = self._open_api() if self._websockets is not None else None
        try:
            if self._via == "rtsp":
                self._serve_rtsp(api)
            elif api is not None:
                self._serve_signals(api)
        finally:
            if api is not None:
                api.close()

    def _open_api(self) -> GlassesApi:
        return GlassesApi(
            self._websockets,
            address=f"{self._host}:{self._port}",
            name=self.name,
            timeout_s=self._timeout_s,
            stopping=self._stopping,
            count=self._count,
        )

    def _serve_rtsp(self, api: GlassesApi | None) -> None:
        if api is not None:
            for _ in range(_BURST):
                api.sync(self._system_clock)
        stream = RtspStream(
            f"rtsp://{self._host}:{self._rtsp_port}/live/all?gaze-overlay=False",
            choose=_is_gaze,
            stopping=self._stopping,
            timeout_s=self._timeout_s,
            count=self._count,
            first_epoch=self._wall_epoch,
        )
        try:
            self._connected()
            sync_at = time.monotonic() + _SYNC_INTERVAL_S
            while not self._stopping.is_set():
                data, _ = stream.poll()
                if api is not None and stream.epoch != self._wall_epoch:
                    for _ in range(_BURST):
                        api.sync(self._system_clock)
                self._wall_epoch = stream.epoch
                for datum in data:
                    self._take_datum(datum, synced=api is not None)
                if api is not None and time.monotonic() >= sync_at:
                    sync_at = time.monotonic() + _SYNC_INTERVAL_S
                    if api.sync(self._system_clock):
                        stream.forget_wall_clock()
                self._check_silence("no gaze packet came; are the glasses worn and calibrated?")
        finally:
            stream.close()

    def _serve_signals(self, api: GlassesApi) -> None:
        signal = api.request("rudimentary:gaze", "POST", None)
        if isinstance(signal, bool) or not isinstance(signal, (int, str)):
            raise TrackerError(f"{self.name} refuses its gaze signal with {str(signal)[:40]!r}")
        api.request("rudimentary!keepalive", "POST", [])
        self._connected()
        keep_at = time.monotonic() + _KEEPALIVE_INTERVAL_S
        while not self._stopping.is_set():
            if time.monotonic() >= keep_at:
                keep_at = time.monotonic() + _KEEPALIVE_INTERVAL_S
                api.send("rudimentary!keepalive", "POST", [])
            message = api.receive(POLL_S)
            if message is not None and message.get("signal") == signal:
                self._take_signal(message.get("body"), host_now_ns())
            self._check_silence("no gaze signal came; are the glasses worn and calibrated?")

    def _take_datum(self, datum: RtpDatum, *, synced: bool) -> None:
        try:
            gaze = parse_gaze(json_object(datum.payload, limit=_MESSAGE_LIMIT, what="a gaze packet"))
        except GazeDataError:
            self._count("malformed")
            return
        mapped = datum.host_time(self._system_clock if synced else None, self._arrival_clock)
        self._hand_over(gaze, datum.wall.host_ns, mapped, datum.arrival_ns)

    def _take_signal(self, body: object, arrival_ns: int) -> None:
        try:
            if not isinstance(body, list) or len(body) != 2 or not isinstance(body[1], dict):
                raise GazeDataError("a gaze signal holds no time and object")
            device_ns = nanoseconds(body[0], "the time of a gaze signal")
            gaze = parse_gaze(body[1])
        except GazeDataError:
            self._count("malformed")
            return
        self._hand_over(gaze, device_ns, self._arrival_clock.observe(device_ns, arrival_ns), arrival_ns)

    def _hand_over(self, gaze: GlassesGaze, device_ns: int, mapped: MappedTime, arrival_ns: int) -> None:
        height, width = self._size
        seen = math.isfinite(gaze.x) and math.isfinite(gaze.y)
        sample = GazeSample(
            time_ns=mapped.host_ns,
            x_px=gaze.x * width if seen else math.nan,
            y_px=gaze.y * height if seen else math.nan,
            confidence=1.0 if seen else 0.0,
            device_time_ns=device_ns,
            offset_uncertainty_ns=mapped.uncertainty_ns,
            left_valid=gaze.left_valid,
            right_valid=gaze.right_valid,
            ray=gaze.ray,
            depth_m=gaze.depth_m,
        )
        self._deliver(sample, arrival_ns=arrival_ns, epoch=mapped.epoch)


def require_websockets() -> Any:
    """Return the library of the WebSocket API. Raises `MissingExtraError`."""
    purpose = "The WebSocket API of Tobii Pro Glasses 3"
    require("websockets.sync.client", library="websockets", purpose=purpose)
    return require("websockets", library="websockets", purpose=purpose)


class GlassesApi(Closing):
    """Requests and signals of the glasses' WebSocket API."""

    def __init__(
        self,
        websockets: Any,
        *,
        address: str,
        name: str,
        timeout_s: float,
        stopping: threading.Event,
        count: Callable[[StatName, int], None],
    ) -> None:
        """Connect.

        Args:
            websockets: the library.
            address: `HOST:PORT` of the recording unit.
            name: the source, for messages.
            timeout_s: longest wait for an answer.
            stopping: set to end every wait.
            count: receives counts for the source's stats.

        Raises:
            ConnectionLost: no Glasses 3 answers.
        """
        self._name, self._timeout_s = name, timeout_s
        self._stopping, self._count = stopping, count
        self._closed_error = websockets.exceptions.ConnectionClosed
        self._number = 0
        self._stack = ExitStack()
        try:
            self._socket = self._stack.enter_context(
                websockets.sync.client.connect(
                    f"ws://{address}/websocket",
                    subprotocols=["g3api"],
                    open_timeout=min(2.0, timeout_s),
                    close_timeout=0.2,
                    max_size=_MESSAGE_LIMIT,
                    max_queue=1024,
                    proxy=None,
                )
            )
        except (OSError, websockets.exceptions.WebSocketException) as error:
            raise ConnectionLost(f"the WebSocket API does not answer: {error}") from error

    def send(self, path: str, method: str, body: object) -> int:
        """Send a request and return its number."""
        self._number += 1
        message: dict[str, object] = {"path": path, "id": self._number, "method": method}
        if method == "POST":
            message["body"] = body
        try:
            self._socket.send(json.dumps(message))
        except self._closed_error as error:
            raise ConnectionLost(f"the WebSocket API closed the connection: {error}") from error
        return self._number

    def receive(self, wait_s: float) -> dict[str, object] | None:
        """Return the next message, or None when none arrived in time or it was malformed."""
        try:
            data = self._socket.recv(timeout=wait_s)
        except TimeoutError:
            return None
        except self._closed_error as error:
            raise ConnectionLost(f"the WebSocket API closed the connection: {error}") from error
        try:
            return json_object(data, limit=_MESSAGE_LIMIT, what="a message")
        except GazeDataError:
            self._count("malformed", 1)
            return None

    def request(self, path: str, method: str, body: object) -> object:
        """Send a request and return the body of its answer.

        Raises:
            ConnectionLost: no answer arrived in time.
            TrackerError: the glasses refuse.
        """
        number = self.send(path, method, body)
        deadline = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline and not self._stopping.is_set():
            message = self.receive(POLL_S)
            if message is None or message.get("id") != number:
                continue
            if "error" in message:
                raise TrackerError(f"{self._name} refuses {path}: {str(message.get('message'))[:80]}")
            return message.get("body")
        raise ConnectionLost(f"the WebSocket API does not answer {path}")

    def sync(self, clock: ClockMap) -> bool:
        """Request the glasses' time for a mapping; return whether their clock jumped."""
        before_ns = host_now_ns()
        answer = self.request("system.time", "GET", None)
        after_ns = host_now_ns()
        wall_ns, resolution_ns = parse_time(answer)
        half_ns = (after_ns - before_ns) // 2
        # The time is truncated to its resolution: the true time is half a step later, within half a step.
        return clock.observe(wall_ns + resolution_ns // 2, before_ns + half_ns, half_ns + resolution_ns // 2)

    def close(self) -> None:
        """Close the connection."""
        self._stack.close()


def _is_gaze(media: SdpMedia) -> bool:
    return media.kind == "application"


def from_address(address: SourceAddress) -> TobiiGlassesSource:
    """Return the source of a `tobii-g3://` URL."""
    return TobiiGlassesSource(
        address.need_host(),
        address.port or 80,
        rtsp_port=address.integer("rtsp_port", 8554, least=1, most=65535),
        via=address.text("via", "rtsp", choices=("rtsp", "websocket")) or "rtsp",
        clock=address.text("clock", "system", choices=("system", "arrival")) or "system",
        size=address.size() or SCENE_SIZE,
        name=address.url,
        timeout_s=address.timeout_s(),
        buffer_samples=address.buffer_samples(),
    )
