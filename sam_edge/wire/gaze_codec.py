"""Encodes and decodes gaze samples, gaze rays, and the camera into which rays are projected."""

from __future__ import annotations

import math
import struct

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.ray_projection import Axes, Pose, RayCamera, Space
from sam_edge.gaze.samples import GazeSample
from sam_edge.wire.binary import Reader
from sam_edge.wire.client_messages import CameraSetup, Gaze, Rays, RaySample
from sam_edge.wire.kinds import (
    GAZE_SAMPLE_BYTES,
    MAX_SAMPLES,
    RAY_SAMPLE_BYTES,
    Encoded,
    MessageKind,
    Readers,
    Write,
    require_no_number,
)

CAMERA_AXES, SPACE = 0x01, 0x06
_SPACE_SHIFT = 1
_SPACES: tuple[Space, ...] = ("head", "world", "camera")


def _write_gaze(gaze: Gaze) -> Encoded:
    unknown = (math.nan, math.nan, math.nan)
    body = b"".join(
        struct.pack(
            "<q6f",
            sample.time_ns,
            sample.x_px,
            sample.y_px,
            sample.confidence,
            *(sample.covariance_px2 or unknown),
        )
        for sample in gaze.samples
    )
    return MessageKind.GAZE, 0, len(gaze.samples), body


def _read_gaze(reader: Reader, flags: int, number: int) -> Gaze:
    count = _sample_count(reader, number, GAZE_SAMPLE_BYTES)
    return Gaze(tuple(_read_gaze_sample(reader) for _ in range(count)))


def _read_gaze_sample(reader: Reader) -> GazeSample:
    (time_ns,) = reader.integers("<q")
    x_px, y_px = reader.numbers(2, "gaze", nan=True)
    confidence = _confidence(reader)
    xx, xy, yy = reader.numbers(3, "covariance", nan=True)
    known = not (math.isnan(xx) or math.isnan(xy) or math.isnan(yy))
    if known and (xx < 0 or yy < 0):
        raise reader.error(f"covariance is {xx}, {xy}, {yy}; accepted: xx and yy of 0 or more")
    if math.isnan(x_px) or math.isnan(y_px):
        return GazeSample(time_ns, math.nan, math.nan, 0.0)
    return GazeSample(time_ns, x_px, y_px, confidence, covariance_px2=(xx, xy, yy) if known else None)


def _write_rays(rays: Rays) -> Encoded:
    flags = ray_flags(rays.axes, rays.space)
    return MessageKind.RAYS, flags, len(rays.samples), b"".join(map(ray_bytes, rays.samples))


def _read_rays(reader: Reader, flags: int, number: int) -> Rays:
    axes, space = ray_space(reader, flags)
    count = _sample_count(reader, number, RAY_SAMPLE_BYTES)
    return Rays(tuple(read_ray(reader, space) for _ in range(count)), axes, space)


def ray_flags(axes: Axes, space: Space) -> int:
    return (CAMERA_AXES if axes == "camera" else 0) | _SPACES.index(space) << _SPACE_SHIFT


def ray_space(reader: Reader, flags: int) -> tuple[Axes, Space]:
    space = (flags & SPACE) >> _SPACE_SHIFT
    if space >= len(_SPACES):
        raise reader.error(f"flags {flags:#04x}: space {space}; accepted: 0 to {len(_SPACES) - 1}")
    return ("camera" if flags & CAMERA_AXES else "openxr"), _SPACES[space]


def ray_bytes(ray: RaySample) -> bytes:
    head = ray.head or Pose()
    depth_m = math.nan if ray.depth_m is None else ray.depth_m
    fixed = struct.pack("<qff", ray.time_ns, ray.confidence, depth_m)
    return fixed + struct.pack(
        "<13fI", *ray.origin_m, *ray.direction, *head.position_m, *head.orientation_xyzw, 0
    )


def read_ray(reader: Reader, space: Space) -> RaySample:
    (time_ns,) = reader.integers("<q")
    confidence = _confidence(reader)
    (depth_m,) = reader.numbers(1, "depth", nan=True)
    if depth_m <= 0:
        raise reader.error(f"depth is {depth_m} m; accepted: more than 0, or NaN")
    x, y, z, dx, dy, dz = reader.numbers(6, "ray", nan=confidence == 0)
    pose = reader.block(28)
    head = _pose(Reader(pose, reader.name)) if space == "world" else None
    reader.zeros(4)
    return RaySample(
        time_ns, (x, y, z), (dx, dy, dz), confidence, None if math.isnan(depth_m) else depth_m, head
    )


def _pose(reader: Reader) -> Pose:
    x, y, z, qx, qy, qz, qw = reader.numbers(7, "pose")
    try:
        return Pose((x, y, z), (qx, qy, qz, qw))
    except GazeDataError as error:
        raise reader.error(str(error)) from error


def _write_camera(message: CameraSetup) -> Encoded:
    camera = message.camera
    body = struct.pack("<HH", camera.width_px, camera.height_px)
    body += struct.pack("<4f", camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
    body += struct.pack("<5f", *camera.distortion)
    body += struct.pack("<8f", *camera.pose.position_m, *camera.pose.orientation_xyzw, message.distance_m)
    return MessageKind.CAMERA, CAMERA_AXES if camera.axes == "camera" else 0, 0, body


def _read_camera(reader: Reader, flags: int, number: int) -> CameraSetup:
    require_no_number(reader, number)
    width, height = reader.integers("<HH")
    fx, fy, cx, cy = reader.numbers(4, "intrinsics")
    k1, k2, p1, p2, k3 = reader.numbers(5, "distortion")
    pose = _pose(reader)
    (distance_m,) = reader.numbers(1, "distance")
    if not 0.05 <= distance_m <= 1000:
        raise reader.error(f"distance is {distance_m} m; accepted: 0.05 to 1000")
    axes: Axes = "camera" if flags & CAMERA_AXES else "openxr"
    try:
        camera = RayCamera(width, height, fx, fy, cx, cy, (k1, k2, p1, p2, k3), pose, axes)
    except GazeDataError as error:
        raise reader.error(str(error)) from error
    return CameraSetup(camera, distance_m)


def _sample_count(reader: Reader, number: int, size: int) -> int:
    if not 1 <= number <= MAX_SAMPLES:
        raise reader.error(f"{number} samples; accepted: 1 to {MAX_SAMPLES}, of {size} bytes each")
    return number


def _confidence(reader: Reader) -> float:
    (value,) = reader.numbers(1, "confidence")
    if not 0 <= value <= 1:
        raise reader.error(f"confidence is {value}; accepted: 0 to 1")
    return value


WRITERS: dict[type, Write] = {Gaze: _write_gaze, Rays: _write_rays, CameraSetup: _write_camera}
READERS: Readers = {
    MessageKind.GAZE: (0, _read_gaze),
    MessageKind.RAYS: (CAMERA_AXES | SPACE, _read_rays),
    MessageKind.CAMERA: (CAMERA_AXES, _read_camera),
}
