"""Pupil Labs Neon and Invisible: the Companion app's HTTP status, RTSP gaze stream and Time Echo.

Wire format: https://pupil-labs.github.io/pl-realtime-api/dev/guides/under-the-hood/ (facts only). Gaze is in pixels
of the distorted scene image, origin top-left: Neon 1600x1200, Invisible 1088x1080.
"""

from __future__ import annotations

import math
import struct

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.base import LiveSource
from sam_edge.gaze.adapters.companion_status import read_status
from sam_edge.gaze.adapters.net import http_get_json
from sam_edge.gaze.adapters.rtsp import RtpDatum, RtspStream, SdpMedia
from sam_edge.gaze.adapters.time_echo import TimeEcho
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.clocks import ArrivalClock, ClockMap
from sam_edge.gaze.samples import GazeSample

_POINT = struct.Struct("!ffB")
_TWO_FLOATS = struct.Struct("!ff")
_COMBINED_LENGTHS = (9, 25, 65, 89, 105)
"""Payloads that begin with x, y, worn for both eyes together."""
_DUAL_LENGTH = 17
"""Left x, y, worn, right x, y."""
_EYES_AT = {25: 9, 105: 89}
"""Offset of left x, y, right x, y in payloads that hold them after the combined point, bytes."""
_WORN = 255


def parse_gaze(payload: bytes) -> tuple[float, float, bool, bool | None, bool | None]:
    """Parse the payload of one gaze packet.

    Returns:
        x_px, y_px, whether the glasses are worn, and whether the left and the right eye has a point of its own
        (None when the payload does not report it).

    Raises:
        GazeDataError: no known payload has this length, or a coordinate is infinite.
    """
    left: tuple[float, float] | None = None
    right: tuple[float, float] | None = None
    if len(payload) in _COMBINED_LENGTHS:
        x, y, worn = _POINT.unpack_from(payload)
        if len(payload) in _EYES_AT:
            start = _EYES_AT[len(payload)]
            left = _TWO_FLOATS.unpack_from(payload, start)
            right = _TWO_FLOATS.unpack_from(payload, start + 8)
    elif len(payload) == _DUAL_LENGTH:
        left_x, left_y, worn = _POINT.unpack_from(payload)
        left = (left_x, left_y)
        right = _TWO_FLOATS.unpack_from(payload, _POINT.size)
        points = [point for point in (left, right) if all(map(math.isfinite, point))]
        x, y = (
            (sum(values) / len(points) for values in zip(*points, strict=True))
            if points
            else (math.nan, math.nan)
        )
    else:
        raise GazeDataError(
            f"a gaze packet holds {len(payload)} bytes; accepted are {_DUAL_LENGTH}, {_COMBINED_LENGTHS}"
        )
    if math.isinf(x) or math.isinf(y):
        raise GazeDataError("a gaze packet holds an infinite coordinate")
    return x, y, worn == _WORN, _has_point(left), _has_point(right)


def _has_point(point: tuple[float, float] | None) -> bool | None:
    return None if point is None else math.isfinite(point[0]) and math.isfinite(point[1])


class CompanionSource(LiveSource):
    """Gaze of a Neon or an Invisible, from its Companion app in the local network."""

    def __init__(
        self,
        host: str,
        port: int = 8080,
        *,
        generation: str = "neon",
        name: str | None = None,
        timeout_s: float = 5.0,
        buffer_samples: int = 8192,
    ) -> None:
        """Describe the source.

        Args:
            host: name or address of the phone.
            port: port of its HTTP interface.
            generation: `neon` or `invisible`; the other one at that address is an error.
            name: name of the source in messages.
            timeout_s: see `LiveSource`.
            buffer_samples: see `LiveSource`.
        """
        super().__init__(
            name or f"{generation}://{host}:{port}", timeout_s=timeout_s, buffer_samples=buffer_samples
        )
        self._host = host
        self._port = port
        self._generation = generation
        self._phone_clock = ClockMap()
        self._arrival_clock = ArrivalClock()
        self._wall_epoch = 0

    def _serve(self) -> None:
        status = http_get_json(
            self._host, self._port, "/api/status", stopping=self._stopping, timeout_s=self._timeout_s
        )
        sensor = read_status(
            status, sensor="gaze", host=self._host, name=self.name, generation=self._generation
        )
        echo = self._time_echo(sensor.echo_port) if sensor.echo_port else None
        try:
            if echo is not None:
                echo.burst()
            stream = RtspStream(
                sensor.url,
                choose=_is_gaze,
                stopping=self._stopping,
                timeout_s=self._timeout_s,
                count=self._count,
                first_epoch=self._wall_epoch,
            )
            try:
                self._connected()
                self._follow(stream, echo)
            finally:
                stream.close()
        finally:
            if echo is not None:
                echo.close()

    def _time_echo(self, port: int) -> TimeEcho:
        return TimeEcho(
            self._host,
            port,
            clock=self._phone_clock,
            stopping=self._stopping,
            timeout_s=self._timeout_s,
            count=self._count,
        )

    def _follow(self, stream: RtspStream, echo: TimeEcho | None) -> None:
        while not self._stopping.is_set():
            link = echo.stream if echo is not None else None
            data, ready = stream.poll([link] if link is not None else [])
            if echo is not None and stream.epoch != self._wall_epoch:
                # The phone's wall clock was set, or another sender took over: the old mapping is invalid.
                self._wall_epoch = stream.epoch
                echo.burst()
            for datum in data:
                self._take(datum, synced=echo is not None)
            if echo is not None and echo.turn(readable=bool(ready)):
                stream.forget_wall_clock()
            self._check_silence("no gaze packet came")

    def _take(self, datum: RtpDatum, *, synced: bool) -> None:
        try:
            x, y, worn, left, right = parse_gaze(datum.payload)
        except GazeDataError:
            self._count("malformed")
            return
        mapped = datum.host_time(self._phone_clock if synced else None, self._arrival_clock)
        seen = worn and math.isfinite(x) and math.isfinite(y)
        sample = GazeSample(
            time_ns=mapped.host_ns,
            x_px=x if seen else math.nan,
            y_px=y if seen else math.nan,
            confidence=1.0 if seen else 0.0,
            device_time_ns=datum.wall.host_ns,
            offset_uncertainty_ns=mapped.uncertainty_ns,
            left_valid=left if left is None else left and worn,
            right_valid=right if right is None else right and worn,
        )
        self._deliver(sample, arrival_ns=datum.arrival_ns, epoch=mapped.epoch)


def _is_gaze(media: SdpMedia) -> bool:
    return media.encoding.startswith("com.pupillabs.gaze")


def from_address(address: SourceAddress) -> CompanionSource:
    """Return the source of a `neon://` or `invisible://` URL."""
    return CompanionSource(
        address.need_host(),
        address.port or 8080,
        generation=address.scheme,
        name=address.url,
        timeout_s=address.timeout_s(),
        buffer_samples=address.buffer_samples(),
    )
