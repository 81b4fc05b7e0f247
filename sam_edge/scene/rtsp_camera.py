"""Cameras that stream H.264 by RTSP: any network camera, Neon and Invisible, Tobii Pro Glasses 3."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Sequence
from typing import Any

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.base import ConnectionLost
from sam_edge.gaze.adapters.companion_status import read_status
from sam_edge.gaze.adapters.net import HasFileno, http_get_json
from sam_edge.gaze.adapters.rtsp import RtpDatum, RtspStream, SdpMedia
from sam_edge.gaze.adapters.rtsp_login import RtspLogin
from sam_edge.gaze.adapters.time_echo import TimeEcho
from sam_edge.gaze.adapters.tobii_g3 import GlassesApi, require_websockets
from sam_edge.gaze.clocks import ArrivalClock, ClockMap, MappedTime, host_now_ns
from sam_edge.scene.camera import LiveFrame, SceneCamera
from sam_edge.scene.h264 import Decoder, Depacketizer, parameter_sets

BURST = 10
"""Requests of the sender's clock when the connection is made."""
SYNC_INTERVAL_S = 2.0
TIMES_KEPT = 64
"""Pictures whose time is kept while they are decoded."""


def is_h264(media: SdpMedia) -> bool:
    """Return whether a media section is video that can be decoded here."""
    return media.kind == "video" and media.encoding == "h264"


class RtspCamera(SceneCamera):
    """An RTSP camera whose clock is known by the arrival of its packets alone: the network's delay stays unknown."""

    def __init__(
        self, url: str, *, login: RtspLogin | None = None, name: str | None = None, timeout_s: float = 5.0
    ) -> None:
        """Describe a camera at `rtsp://HOST:PORT/PATH`, with the user and password that it asks for."""
        super().__init__(name or url, timeout_s=timeout_s)
        self._url, self._login = url, login
        self._arrival = ArrivalClock()
        self._epoch = 0

    def _serve(self) -> None:
        self._play(self._url, self._arrival_time)

    def _arrival_time(self, datum: RtpDatum) -> MappedTime:
        mapped = self._arrival.observe(datum.wall.host_ns, datum.arrival_ns)
        return MappedTime(mapped.host_ns, -1, mapped.epoch)

    def _play(
        self,
        url: str,
        host_time: Callable[[RtpDatum], MappedTime],
        turn: Callable[[RtspStream, Sequence[HasFileno]], None] | None = None,
        others: Callable[[], Sequence[HasFileno]] = tuple,
    ) -> None:
        """Deliver the frames of a stream.

        Args:
            url: its RTSP address.
            host_time: maps a packet's time to the host's clock; a negative uncertainty means that it is not known.
            turn: called between two waits, with the connections of `others` that have something to read.
            others: connections to wait for as well.
        """
        stream = RtspStream(
            url,
            choose=is_h264,
            stopping=self._stopping,
            timeout_s=self._timeout_s,
            count=self._count,
            first_epoch=self._epoch,
            wanted="H.264 video, which is what is read here; switch the camera to H.264",
            login=self._login,
        )
        pictures = _Pictures(Decoder(parameter_sets(stream.media.format_parameters)))
        received_ns = host_now_ns()
        try:
            self._connected()
            while not self._stopping.is_set():
                data, ready = stream.poll(others())
                self._epoch = stream.epoch
                if turn is not None:
                    turn(stream, ready)
                for datum in data:
                    received_ns = host_now_ns()
                    self._take(pictures, datum, host_time)
                if host_now_ns() - received_ns > self._timeout_s * 1e9:
                    raise ConnectionLost(f"no video packet came for {self._timeout_s:g} s")
        finally:
            stream.close()

    def _take(
        self, pictures: _Pictures, datum: RtpDatum, host_time: Callable[[RtpDatum], MappedTime]
    ) -> None:
        damaged = pictures.damaged
        try:
            for frame in pictures.add(datum, host_time):
                self._deliver(frame)
        except GazeDataError:
            self._count("malformed")
        self._count("damaged", pictures.damaged - damaged)


class _Pictures:
    """From packets to frames with their times on the host's clock."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._depacketizer = Depacketizer()
        self._times: dict[int, MappedTime] = {}

    @property
    def damaged(self) -> int:
        return self._depacketizer.damaged

    def add(self, datum: RtpDatum, host_time: Callable[[RtpDatum], MappedTime]) -> list[LiveFrame]:
        if datum.missing > 0:
            self._depacketizer.lose()
        if datum.timestamp not in self._times:
            self._times[datum.timestamp] = host_time(datum)
            while len(self._times) > TIMES_KEPT:
                del self._times[next(iter(self._times))]
        frames = []
        for unit in self._depacketizer.add(datum.payload, datum.timestamp, marker=datum.marker):
            for timestamp, image in self._decoder.decode(unit):
                mapped = self._times.get(timestamp)
                if mapped is not None:
                    uncertainty_ns = None if mapped.uncertainty_ns < 0 else mapped.uncertainty_ns
                    frames.append(LiveFrame(image, mapped.host_ns, uncertainty_ns))
        return frames


class SyncedCamera(RtspCamera, abc.ABC):
    """A camera whose clock is asked for: round trips bound the error of its frames' times."""

    def __init__(self, name: str, *, timeout_s: float = 5.0) -> None:
        """Describe the camera."""
        super().__init__("", name=name, timeout_s=timeout_s)
        self._clock = ClockMap()

    def _synced_time(self, datum: RtpDatum) -> MappedTime:
        host = self._clock.map(datum.wall.host_ns)
        return MappedTime(host.host_ns, host.uncertainty_ns + datum.wall.uncertainty_ns, host.epoch)


class CompanionCamera(SyncedCamera):
    """The scene camera of a Neon or an Invisible, from its Companion app."""

    to_check = (
        "the Companion app is open with the glasses plugged in, and phone and computer are in one network"
    )

    def __init__(
        self, host: str, port: int = 8080, *, generation: str = "neon", name: str, timeout_s: float = 5.0
    ) -> None:
        """Describe the camera of the glasses that are connected to a phone."""
        super().__init__(name, timeout_s=timeout_s)
        self._host, self._port, self._generation = host, port, generation

    def _serve(self) -> None:
        status = http_get_json(
            self._host, self._port, "/api/status", stopping=self._stopping, timeout_s=self._timeout_s
        )
        sensor = read_status(
            status, sensor="world", host=self._host, name=self.name, generation=self._generation
        )
        if sensor.echo_port is None:
            self._play(sensor.url, self._arrival_time)
            return
        with TimeEcho(
            self._host,
            sensor.echo_port,
            clock=self._clock,
            stopping=self._stopping,
            timeout_s=self._timeout_s,
            count=self._count,
        ) as echo:
            echo.burst()
            synced_epoch = self._epoch

            def turn(stream: RtspStream, ready: Sequence[HasFileno]) -> None:
                nonlocal synced_epoch
                if stream.epoch != synced_epoch:
                    # The phone's clock was set, or another sender took over: the old mapping is invalid.
                    synced_epoch = stream.epoch
                    echo.burst()
                if echo.turn(readable=bool(ready)):
                    stream.forget_wall_clock()

            self._play(
                sensor.url,
                self._synced_time,
                turn,
                lambda: [echo.stream] if echo.stream is not None else [],
            )


class GlassesCamera(SyncedCamera):
    """The scene camera of Tobii Pro Glasses 3."""

    to_check = "the recording unit is switched on and in the computer's network"

    def __init__(
        self, host: str, port: int = 80, *, rtsp_port: int = 8554, name: str, timeout_s: float = 5.0
    ) -> None:
        """Describe the camera of the glasses whose recording unit is at `host`."""
        super().__init__(name, timeout_s=timeout_s)
        self._host = f"[{host}]" if ":" in host else host
        self._port, self._rtsp_port = port, rtsp_port
        self._websockets: Any = None

    def open(self) -> None:
        """Connect. Raises `MissingExtraError` without the library of the WebSocket API, and as `SceneCamera.open`."""
        self._websockets = require_websockets()
        super().open()

    def _serve(self) -> None:
        with GlassesApi(
            self._websockets,
            address=f"{self._host}:{self._port}",
            name=self.name,
            timeout_s=self._timeout_s,
            stopping=self._stopping,
            count=self._count,
        ) as api:
            for _ in range(BURST):
                api.sync(self._clock)
            due_s = time.monotonic() + SYNC_INTERVAL_S

            def turn(stream: RtspStream, ready: Sequence[HasFileno]) -> None:
                nonlocal due_s
                if time.monotonic() >= due_s:
                    due_s = time.monotonic() + SYNC_INTERVAL_S
                    if api.sync(self._clock):
                        stream.forget_wall_clock()

            url = f"rtsp://{self._host}:{self._rtsp_port}/live/all?gaze-overlay=False"
            self._play(url, self._synced_time, turn)
