"""Gaze that a client has sent, in pixels of its frames, until the session takes it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import replace

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.ray_projection import Axes, RayCamera, Space
from sam_edge.gaze.buffer import SampleBuffer
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.messages import CameraSetup, Rays, RaySample, SceneFrame

MAX_SAMPLES = 4096
"""Samples that wait for a frame, at most; the oldest are discarded."""
RADIANS_PER_DEG = math.pi / 180


class GazeInbox:
    """Collects gaze samples and rays, and projects rays into the frames. Thread-safe."""

    def __init__(self) -> None:
        """Start without gaze and without a camera."""
        self._buffer = SampleBuffer(MAX_SAMPLES)
        self._lock = threading.Lock()
        self._camera: CameraSetup | None = None
        self._frame_size: tuple[int, int] | None = None
        self._screen_px_per_deg: float | None = None

    def set_camera(self, camera: CameraSetup) -> None:
        """Project rays into this camera from now on."""
        with self._lock:
            self._camera = camera

    def set_frame(self, frame: SceneFrame) -> None:
        """Store a frame's size, and its intrinsics if it has them."""
        with self._lock:
            self._frame_size = frame.size
            intrinsics = frame.intrinsics
            if intrinsics is None:
                return
            setup = self._camera or CameraSetup(RayCamera(frame.size[1], frame.size[0], 1, 1, 0, 0))
            self._camera = replace(
                setup,
                camera=replace(
                    setup.camera,
                    width_px=frame.size[1],
                    height_px=frame.size[0],
                    fx_px=intrinsics.focal_px[0],
                    fy_px=intrinsics.focal_px[1],
                    cx_px=intrinsics.center_px[0],
                    cy_px=intrinsics.center_px[1],
                    distortion=intrinsics.distortion,
                ),
            )

    @property
    def px_per_deg(self) -> float | None:
        """Frame pixels in a degree of visual angle at the centre of the frame; None if unknown."""
        with self._lock:
            if self._screen_px_per_deg is not None:
                return self._screen_px_per_deg
            if self._camera is None:
                return None
            return self._camera.camera.fx_px * RADIANS_PER_DEG * self._scale(self._camera.camera)[0]

    def add_samples(self, samples: Iterable[GazeSample]) -> None:
        """Add samples in frame pixels."""
        for sample in samples:
            self._buffer.push(sample)

    def set_screen_px_per_deg(self, px_per_deg: float | None) -> None:
        """Set the frame pixels in a degree, for frames that are shown on a screen; None: they are not."""
        with self._lock:
            self._screen_px_per_deg = px_per_deg

    def add_rays(self, rays: Rays) -> None:
        """Project gaze rays into the frames, and add them.

        Raises:
            ProtocolError: no camera is known, or its axes differ from the rays'.
        """
        for ray in rays.samples:
            self._buffer.push(self.project_ray(ray, rays.axes, rays.space))

    def project_ray(self, ray: RaySample, axes: Axes, space: Space) -> GazeSample:
        """Return a gaze ray as a sample in frame pixels; invalid if it does not meet the image plane.

        Raises:
            ProtocolError: no camera is known, or its axes differ from the ray's.
        """
        with self._lock:
            setup = self._camera
            if setup is None:
                raise ProtocolError(
                    "rays: no camera is known; send a camera message, or frames with intrinsics, first",
                    ErrorCode.OUT_OF_ORDER,
                )
            invalid = GazeSample(ray.time_ns, math.nan, math.nan, 0.0)
            if ray.confidence == 0:
                return invalid
            try:
                camera_ray = setup.camera.ray(
                    ray.origin_m, ray.direction, space=space, axes=axes, head=ray.head
                )
            except GazeDataError as error:
                raise ProtocolError(f"rays: {error}", ErrorCode.OUT_OF_ORDER) from error
            distance_m = ray.depth_m if ray.depth_m is not None else setup.distance_m
            pixel = setup.camera.project(camera_ray, distance_m)
            if pixel is None:
                return invalid
            covariance = (
                setup.camera.depth_covariance(camera_ray, distance_m) if ray.depth_m is None else None
            )
            sx, sy = self._scale(setup.camera)
        return GazeSample(
            ray.time_ns,
            pixel[0] * sx,
            pixel[1] * sy,
            ray.confidence,
            ray=camera_ray,
            depth_m=ray.depth_m,
            covariance_px2=None
            if covariance is None
            else (covariance[0] * sx * sx, covariance[1] * sx * sy, covariance[2] * sy * sy),
        )

    def take(self) -> list[GazeSample]:
        """Return the samples added since the last call, in order of time."""
        return self._buffer.take()

    @property
    def stats(self) -> SourceStats:
        """Counts of added, late and reordered samples."""
        return self._buffer.stats

    def _scale(self, camera: RayCamera) -> tuple[float, float]:
        """Return frame pixels per camera pixel, x and y: clients may send smaller frames."""
        if self._frame_size is None:
            return 1.0, 1.0
        return self._frame_size[1] / camera.width_px, self._frame_size[0] / camera.height_px
