"""Where a client looks: its samples and rays as gaze in pixels of its frames, until the session takes them."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.ray_projection import Axes, RayCamera, Space
from sam_edge.gaze.buffer import SampleBuffer
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.messages import CameraSetup, Gaze, Rays, RaySample, SceneFrame

SAMPLES_KEPT = 4096
"""Samples that wait for a frame, at most; the oldest go first."""
RADIANS_A_DEGREE = math.pi / 180


class GazeInbox:
    """Takes gaze as it comes and gives it when a frame is looked at. Thread-safe."""

    def __init__(self) -> None:
        """Begin without gaze and without a camera."""
        self._buffer = SampleBuffer(SAMPLES_KEPT)
        self._lock = threading.Lock()
        self._camera: CameraSetup | None = None
        self._frame_size: tuple[int, int] | None = None
        self._watched_px_per_deg: float | None = None

    def camera(self, camera: CameraSetup) -> None:
        """Project rays into this camera from here on."""
        with self._lock:
            self._camera = camera

    def frame(self, frame: SceneFrame) -> None:
        """Take a frame's size, and its intrinsics where it has some."""
        with self._lock:
            self._frame_size = frame.size
            lens = frame.intrinsics
            if lens is None:
                return
            known = self._camera or CameraSetup(RayCamera(frame.size[1], frame.size[0], 1, 1, 0, 0))
            self._camera = replace(
                known,
                camera=replace(
                    known.camera,
                    width_px=frame.size[1],
                    height_px=frame.size[0],
                    fx_px=lens.focal_px[0],
                    fy_px=lens.focal_px[1],
                    cx_px=lens.center_px[0],
                    cy_px=lens.center_px[1],
                    distortion=lens.distortion,
                ),
            )

    @property
    def px_per_deg(self) -> float | None:
        """Frame pixels in a degree of visual angle in the middle of the picture; None when nobody knows."""
        with self._lock:
            if self._watched_px_per_deg is not None:
                return self._watched_px_per_deg
            if self._camera is None:
                return None
            return self._camera.camera.fx_px * RADIANS_A_DEGREE * self._scale(self._camera.camera)[0]

    def gaze(self, gaze: Gaze) -> None:
        """Take samples in pixels."""
        for sample in gaze.samples:
            self._buffer.push(sample)

    def look(self, sample: GazeSample) -> None:
        """Take one sample in pixels."""
        self._buffer.push(sample)

    def watch(self, px_per_deg: float | None) -> None:
        """Note frame pixels in a degree where frames are shown on a screen; None when they are not."""
        with self._lock:
            self._watched_px_per_deg = px_per_deg

    def rays(self, rays: Rays) -> None:
        """Take lines of sight.

        Raises:
            ProtocolError: no camera is known, or its axes are others than the rays'.
        """
        for ray in rays.samples:
            self._buffer.push(self.sample(ray, rays.axes, rays.space))

    def sample(self, ray: RaySample, axes: Axes, space: Space) -> GazeSample:
        """Return a line of sight as gaze in pixels of the frames.

        Raises:
            ProtocolError: no camera is known, or its axes are others than the ray's.
        """
        with self._lock:
            known = self._camera
            if known is None:
                raise ProtocolError(
                    "rays: no camera is known; send a camera message, or frames with intrinsics, first",
                    ErrorCode.OUT_OF_ORDER,
                )
            lost = GazeSample(ray.time_ns, math.nan, math.nan, 0.0)
            if ray.confidence == 0:
                return lost
            try:
                sight = known.camera.ray(ray.origin_m, ray.direction, space=space, axes=axes, head=ray.head)
            except GazeDataError as error:
                raise ProtocolError(f"rays: {error}", ErrorCode.OUT_OF_ORDER) from error
            distance_m = ray.depth_m if ray.depth_m is not None else known.distance_m
            pixel = known.camera.project(sight, distance_m)
            if pixel is None:
                return lost
            spread = known.camera.depth_covariance(sight, distance_m) if ray.depth_m is None else None
            sx, sy = self._scale(known.camera)
        return GazeSample(
            ray.time_ns,
            pixel[0] * sx,
            pixel[1] * sy,
            ray.confidence,
            ray=sight,
            depth_m=ray.depth_m,
            covariance_px2=None
            if spread is None
            else (spread[0] * sx * sx, spread[1] * sx * sy, spread[2] * sy * sy),
        )

    def take(self) -> list[GazeSample]:
        """Return what came since the last call, in order of time."""
        return self._buffer.take()

    @property
    def stats(self) -> SourceStats:
        """Counts of what came, and of what came too late or twice."""
        return self._buffer.stats

    def _scale(self, camera: RayCamera) -> tuple[float, float]:
        """Return frame pixels a pixel of the camera's image: frames may be sent smaller."""
        if self._frame_size is None:
            return 1.0, 1.0
        return self._frame_size[1] / camera.width_px, self._frame_size[0] / camera.height_px
