"""Gaze of OpenXR, WebXR and other headsets as ray and point packets, over UDP or a WebSocket server of this process.

docs/reference/ray_packets.md specifies the packets and the bridge on the headset.
"""

from __future__ import annotations

import math
import socket
import threading
from typing import Any

from sam_edge.errors import GazeDataError, InputError, SamEdgeError, TrackerError
from sam_edge.gaze.adapters.base import POLL_S, LiveSource
from sam_edge.gaze.adapters.net import readable
from sam_edge.gaze.adapters.optional import require
from sam_edge.gaze.adapters.ray_packets import PACKET_LIMIT, CameraPacket, PointPacket, RayPacket, decode
from sam_edge.gaze.adapters.ray_projection import RayCamera
from sam_edge.gaze.adapters.rtp import SequenceTracker
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.clocks import ArrivalClock, MappedTime, host_now_ns
from sam_edge.gaze.samples import GazeRay, GazeSample

UDP_PORT = 9750
"""Port of `ray+udp://` when the URL names none."""
WEBSOCKET_PORT = 9751
"""Port of `ray+ws://` when the URL names none."""
_DATAGRAMS_A_TURN = 512
_PREDICTION_LIMIT_NS = 10_000_000_000


class RaySource(LiveSource):
    """Base of both transports: converts packets to samples."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        camera: RayCamera | None = None,
        distance_m: float = 2.0,
        name: str,
        timeout_s: float = 5.0,
        buffer_samples: int = 8192,
    ) -> None:
        """Describe the source.

        Args:
            host: address to listen at; `0.0.0.0` for every network, `127.0.0.1` for this computer only.
            port: port to listen at; 0 lets the system choose (see `port`).
            camera: the camera that rays are projected into, until a camera packet replaces it.
            distance_m: distance at which a ray without depth is projected.
            name: name of the source in messages.
            timeout_s: see `LiveSource`; also the silence after which another sender may take over.
            buffer_samples: see `LiveSource`.
        """
        super().__init__(name, timeout_s=timeout_s, buffer_samples=buffer_samples)
        if not 0.05 <= distance_m <= 1000.0:
            raise InputError(f"distance_m is {distance_m}; accepted are 0.05 to 1000 metres")
        self._host = host
        self._port = port
        self._camera = camera
        self._distance_m = distance_m
        self._clock = ArrivalClock()
        self._numbering = SequenceTracker(bits=32)

    @property
    def port(self) -> int:
        """Port that packets are received on; final once the source is open."""
        return self._port

    @property
    def camera(self) -> RayCamera | None:
        """The camera that rays are projected into; None before the first camera packet."""
        return self._camera

    def _new_sender(self) -> None:
        self._numbering = SequenceTracker(bits=32)

    def _take(self, data: bytes | str, arrival_ns: int) -> None:
        try:
            packet = decode(data)
            if isinstance(packet, CameraPacket):
                self._camera = packet.camera
                self._count("lost", self._numbering.add(packet.head.sequence))
                return
            sample = self._sample(packet)
            mapped = self._map_time(packet, arrival_ns)
        except GazeDataError:
            self._count("malformed")
            return
        self._count("lost", self._numbering.add(packet.head.sequence))
        if sample is None:
            self._problem = TrackerError(
                "rays arrive, but no camera packet, so they have no pixels; send a camera packet, or open "
                "the source with camera="
            )
            self._count("dropped")
            return
        x_px, y_px, ray, covariance = sample
        state = packet.state
        seen = state.tracked and state.confidence > 0.0 and math.isfinite(x_px) and math.isfinite(y_px)
        gaze = GazeSample(
            time_ns=mapped.host_ns,
            x_px=x_px if seen else math.nan,
            y_px=y_px if seen else math.nan,
            confidence=state.confidence if seen else 0.0,
            device_time_ns=packet.head.time_ns,
            offset_uncertainty_ns=mapped.uncertainty_ns,
            left_valid=state.left_valid,
            right_valid=state.right_valid,
            ray=ray if state.tracked else None,
            depth_m=packet.depth_m if state.tracked else None,
            covariance_px2=covariance if seen else None,
        )
        self._deliver(gaze, arrival_ns=arrival_ns, epoch=mapped.epoch)

    def _sample(
        self, packet: RayPacket | PointPacket
    ) -> tuple[float, float, GazeRay | None, tuple[float, float, float] | None] | None:
        """Return pixel, ray and covariance; None when there is no camera to project into."""
        if isinstance(packet, PointPacket):
            return packet.x_px, packet.y_px, None, None
        if not packet.state.tracked:
            return math.nan, math.nan, None, None
        camera = self._camera
        if camera is None:
            return None
        ray = camera.ray(
            packet.origin_m, packet.direction, space=packet.space, axes=packet.axes, head=packet.head_pose
        )
        distance_m = packet.depth_m or self._distance_m
        pixel = camera.project(ray, distance_m) or (math.nan, math.nan)
        covariance = camera.depth_covariance(ray, distance_m) if packet.depth_m is None else None
        return *pixel, ray, covariance

    def _map_time(self, packet: RayPacket | PointPacket, arrival_ns: int) -> MappedTime:
        """Return the host time of the sampling instant; predicted gaze may be later than the time of sending."""
        sent_ns = packet.head.time_ns if packet.head.sent_ns is None else packet.head.sent_ns
        ahead_ns = packet.head.time_ns - sent_ns
        if abs(ahead_ns) > _PREDICTION_LIMIT_NS:
            raise GazeDataError(f"time_ns and sent_ns lie {ahead_ns / 1e9:.3f} s apart; accepted are 10 s")
        mapped = self._clock.observe(sent_ns, arrival_ns)
        return MappedTime(mapped.host_ns + ahead_ns, mapped.uncertainty_ns, mapped.epoch)


class RayUdpSource(RaySource):
    """Ray packets over UDP: one packet per datagram, one sender at a time."""

    def _serve(self) -> None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            receiver.setblocking(False)
            receiver.bind((self._host, self._port))
            self._port = receiver.getsockname()[1]
            self._connected()
            self._listen(receiver)

    def _listen(self, receiver: socket.socket) -> None:
        sender: tuple[object, ...] | None = None
        received_ns = 0
        while not self._stopping.is_set():
            if not readable([receiver], POLL_S):
                continue
            for _ in range(_DATAGRAMS_A_TURN):
                try:
                    data, address = receiver.recvfrom(65536)
                except BlockingIOError:
                    break
                now_ns = host_now_ns()
                if address != sender:
                    if sender is not None and now_ns - received_ns < self._timeout_s * 1e9:
                        self._count("foreign")
                        continue
                    if sender is not None:
                        self._count("reconnects")
                    sender = address
                    self._new_sender()
                received_ns = now_ns
                self._take(data, now_ns)


class RayWebSocketSource(RaySource):
    """Ray packets over a WebSocket server; one headset app or page is connected at a time."""

    _websockets: Any = None
    _server: Any = None

    def _prepare(self) -> None:
        purpose = "Receiving ray packets over a WebSocket"
        require("websockets.sync.server", library="websockets", purpose=purpose)
        self._websockets = require("websockets", library="websockets", purpose=purpose)
        self._serving = threading.Lock()
        self._clients = 0

    def _serve(self) -> None:
        server = self._websockets.sync.server.serve(
            self._serve_client,
            self._host,
            self._port,
            open_timeout=2.0,
            close_timeout=0.2,
            max_size=PACKET_LIMIT,
            max_queue=1024,
        )
        with server:
            self._server = server
            self._port = server.socket.getsockname()[1]
            self._connected()
            if not self._stopping.is_set():
                server.serve_forever()

    def _interrupt(self) -> None:
        if self._server is not None:
            self._server.shutdown()

    def _serve_client(self, client: Any) -> None:
        if not self._serving.acquire(blocking=False):
            self._count("foreign")
            client.close(1013, "another headset is connected")
            return
        try:
            self._clients += 1
            if self._clients > 1:
                self._count("reconnects")
            self._new_sender()
            self._listen(client)
        except self._websockets.exceptions.ConnectionClosed as closed:
            self._problem = TrackerError(f"the headset closed the connection: {closed}")
        except SamEdgeError as error:
            self._buffer.fail(error)
        finally:
            self._serving.release()

    def _listen(self, client: Any) -> None:
        while not self._stopping.is_set():
            try:
                data = client.recv(timeout=POLL_S)
            except TimeoutError:
                continue
            self._take(data, host_now_ns())


def from_address(address: SourceAddress) -> RaySource:
    """Return the source of a `ray+udp://` or `ray+ws://` URL."""
    camera = address.take("camera")
    if camera is not None and not isinstance(camera, RayCamera):
        raise InputError(f"option 'camera' is a {type(camera).__name__}; accepted is a RayCamera")
    udp = address.scheme == "ray+udp"
    source_type: type[RaySource] = RayUdpSource if udp else RayWebSocketSource
    port = address.port if address.port is not None else (UDP_PORT if udp else WEBSOCKET_PORT)
    return source_type(
        address.need_host(),
        port,
        camera=camera,
        distance_m=address.number("distance_m", 2.0, least=0.05, most=1000.0),
        name=address.url,
        timeout_s=address.timeout_s(),
        buffer_samples=address.buffer_samples(),
    )
