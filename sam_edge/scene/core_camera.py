"""The scene camera of Pupil Core: frames that Pupil Capture's plugin Frame Publisher sends over its data bus."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost
from sam_edge.gaze.adapters.fields import finite, nanoseconds
from sam_edge.gaze.adapters.optional import require
from sam_edge.gaze.adapters.pupil_core import PupilRemote, connect_capture
from sam_edge.gaze.clocks import ClockMap
from sam_edge.scene.camera import LiveFrame, SceneCamera

TOPIC = "frame.world"
PURPOSE = "Reading Pupil Core"
BURST = 10
SYNC_INTERVAL_S = 0.5
PLUGIN_AFTER_S = 1.0
"""Without a frame for this long, the plugin is started: it is off unless somebody switched it on."""
MOST_PX = 1 << 24


def decode_frame(facts: object, raw: bytes) -> NDArray[np.uint8]:
    """Decode the picture of a `frame.world` message to RGB (H, W, 3).

    Args:
        facts: its fields: `format` (`jpeg`, `bgr` or `gray`), `width`, `height`.
        raw: its raw data.

    Raises:
        GazeDataError: a field or the picture is not what the format says.
    """
    fields = facts if isinstance(facts, dict) else {}
    width, height = int(finite(fields.get("width"), "width")), int(finite(fields.get("height"), "height"))
    if width < 1 or height < 1 or width * height > MOST_PX:
        raise GazeDataError(f"a scene image of {width}x{height} pixels")
    kind = fields.get("format")
    if kind == "jpeg":
        picture = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
        if picture is None or picture.shape[:2] != (height, width):
            raise GazeDataError("a scene image is no JPEG of the stated size")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    channels = {"bgr": 3, "gray": 1}.get(str(kind))
    if channels is None:
        raise GazeDataError(f"a scene image has the format {kind!r}; read are jpeg, bgr and gray")
    if len(raw) != width * height * channels:
        raise GazeDataError(f"a scene image has {len(raw)} bytes, not {width * height * channels}")
    pixels = np.frombuffer(raw, np.uint8).reshape(height, width, channels)
    return np.ascontiguousarray(pixels[..., ::-1] if channels == 3 else np.repeat(pixels, 3, axis=2))


class CoreCamera(SceneCamera):
    """The scene camera of Pupil Capture."""

    to_check = "Pupil Capture runs with its plugin Network API (Pupil Remote)"

    def __init__(self, host: str, port: int = 50020, *, name: str, timeout_s: float = 5.0) -> None:
        """Describe the camera of the computer that runs Pupil Capture; `port` is that of Pupil Remote."""
        super().__init__(name, timeout_s=timeout_s)
        self._host = f"[{host}]" if ":" in host else host
        self._port = port
        self._clock = ClockMap()
        self._zmq: Any = None
        self._msgpack: Any = None

    def open(self) -> None:
        """Connect. Raises `MissingExtraError` without ZeroMQ or msgpack, and as `SceneCamera.open`."""
        self._zmq = require("zmq", library="pyzmq", purpose=PURPOSE)
        self._msgpack = require("msgpack", library="msgpack", purpose=PURPOSE)
        super().open()

    def _serve(self) -> None:
        address = f"{self._host}:{self._port}"
        with connect_capture(self._zmq, address, self.name, self._wait_for, backlog=8) as (remote, bus):
            for _ in range(BURST):
                remote.sync(self._clock)
            bus.subscribe(TOPIC)
            self._connected()
            self._follow(bus, remote)

    def _follow(self, bus: Any, remote: PupilRemote) -> None:
        sync_s = time.monotonic() + SYNC_INTERVAL_S
        frame_s, is_asked = time.monotonic(), False
        while not self._stopping.is_set():
            if bus.poll(round(POLL_S * 1000)):
                frame_s = time.monotonic()
                self._take(bus.recv_multipart())
            now_s = time.monotonic()
            if now_s >= sync_s:
                sync_s = now_s + SYNC_INTERVAL_S
                remote.sync(self._clock)
            if now_s - frame_s > PLUGIN_AFTER_S and not is_asked:
                is_asked = True
                remote.notify(
                    self._msgpack,
                    {"subject": "start_plugin", "name": "Frame_Publisher", "args": {"format": "jpeg"}},
                )
            if now_s - frame_s > self._timeout_s:
                raise ConnectionLost(
                    "Pupil Capture sends no scene images; switch on its plugin Frame Publisher, and check its world "
                    "camera"
                )

    def _take(self, parts: list[bytes]) -> None:
        try:
            if len(parts) < 3:
                raise GazeDataError("a scene image without data")
            facts = self._msgpack.unpackb(parts[1], raw=False, strict_map_key=False)
            device_ns = nanoseconds(facts.get("timestamp") if isinstance(facts, dict) else None, "timestamp")
            image = decode_frame(facts, parts[2])
        except (GazeDataError, ValueError, TypeError, RecursionError, self._msgpack.UnpackException):
            self._count("malformed")
            return
        mapped = self._clock.map(device_ns)
        self._deliver(LiveFrame(image, mapped.host_ns, mapped.uncertainty_ns))

    def _wait_for(self, waiting: Any, problem: str) -> None:
        deadline_s = time.monotonic() + min(2.0, self._timeout_s)
        while not waiting.poll(round(POLL_S * 1000)):
            if self._stopping.is_set() or time.monotonic() > deadline_s:
                raise ConnectionLost(problem)
