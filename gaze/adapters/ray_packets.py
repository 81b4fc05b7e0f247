"""The ray packet: how headsets send gaze to `ray+udp://` and `ray+ws://`.

docs/reference/ray_packets.md is its specification.

Two forms have the same content and differ in the first byte: JSON (`{`) and binary (`S`).
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import TypeAlias

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.fields import clamp01, finite, int64, json_object, number, numbers, xyz
from sam_edge.gaze.adapters.ray_projection import Axes, Pose, RayCamera, Space, Vector

VERSION = 1
PACKET_LIMIT = 4096
"""Longest packet that is accepted, bytes."""
_MAGIC = b"SEGZ"
_HEADER = struct.Struct("!4sBBHIqq")
_RAY = struct.Struct("!2f3f3f3f4f")
_POINT = struct.Struct("!4f")
_CAMERA = struct.Struct("!HH4f5f3f4f")
_KIND_RAY, _KIND_POINT, _KIND_CAMERA = 1, 2, 3
_TRACKED, _LEFT_KNOWN, _LEFT, _RIGHT_KNOWN, _RIGHT, _HEAD, _CAMERA_AXES = (1 << bit for bit in range(7))
_SPACE_SHIFT = 8
_SPACES: tuple[Space, ...] = ("head", "world", "camera")
_AXES: tuple[Axes, ...] = ("openxr", "camera")
_KNOWN_FLAGS = 0x7F | 3 << _SPACE_SHIFT


@dataclass(frozen=True, slots=True)
class PacketHead:
    """Fields that every packet begins with."""

    sequence: int
    """Number of the packet, modulo 2**32."""
    time_ns: int
    """Sampling instant on the device's clock, nanoseconds; may lie in the future for predicted gaze."""
    sent_ns: int | None = None
    """The device's clock at sending, nanoseconds; None when not stated."""


@dataclass(frozen=True, slots=True)
class EyeState:
    """Validity and confidence of one gaze measurement."""

    tracked: bool = True
    """Whether gaze was measured."""
    confidence: float = 1.0
    """0..1."""
    left_valid: bool | None = None
    """Whether the left eye was seen; None when not stated."""
    right_valid: bool | None = None
    """Whether the right eye was seen; None when not stated."""


@dataclass(frozen=True, slots=True)
class RayPacket:
    """A line of sight."""

    head: PacketHead
    """Sequence number and times."""
    state: EyeState
    """Validity and confidence."""
    origin_m: Vector
    """Origin of the ray, metres."""
    direction: Vector
    """Direction of the line of sight, of any length."""
    depth_m: float | None = None
    """Distance of the point of regard from the origin; None when unknown."""
    axes: Axes = "openxr"
    """Axes of all vectors in the packet."""
    space: Space = "head"
    """Space of origin and direction."""
    head_pose: Pose | None = None
    """The head in world space; needed when `space` is `world`."""


@dataclass(frozen=True, slots=True)
class PointPacket:
    """A gaze point that the device has projected itself."""

    head: PacketHead
    """Sequence number and times."""
    state: EyeState
    """Validity and confidence."""
    x_px: float
    """Scene pixels, origin top-left."""
    y_px: float
    """Scene pixels, origin top-left."""
    depth_m: float | None = None
    """Distance of the point of regard; None when unknown."""


@dataclass(frozen=True, slots=True)
class CameraPacket:
    """The camera that the following rays are projected into."""

    head: PacketHead
    """Sequence number and times."""
    camera: RayCamera
    """Intrinsics and pose."""


Packet: TypeAlias = RayPacket | PointPacket | CameraPacket


def decode(data: bytes | str) -> Packet:
    """Parse a packet of either form.

    Raises:
        GazeDataError: it is too long, truncated, of another version, or a field is not what it must be.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    if len(data) > PACKET_LIMIT:
        raise GazeDataError(f"a packet is {len(data)} bytes long; at most {PACKET_LIMIT} are accepted")
    return _decode_binary(data) if data[:4] == _MAGIC else _decode_json(data)


def encode_binary(packet: Packet) -> bytes:
    """Return a packet in binary form."""
    head = packet.head
    kind = {RayPacket: _KIND_RAY, PointPacket: _KIND_POINT, CameraPacket: _KIND_CAMERA}[type(packet)]
    if isinstance(packet, CameraPacket):
        camera = packet.camera
        flags = _CAMERA_AXES if camera.axes == "camera" else 0
        body = _CAMERA.pack(
            camera.width_px,
            camera.height_px,
            camera.fx_px,
            camera.fy_px,
            camera.cx_px,
            camera.cy_px,
            *camera.distortion,
            *camera.pose.position_m,
            *camera.pose.orientation_xyzw,
        )
    else:
        flags = _state_flags(packet.state)
        depth = math.nan if packet.depth_m is None else packet.depth_m
        if isinstance(packet, RayPacket):
            flags |= _CAMERA_AXES if packet.axes == "camera" else 0
            flags |= _SPACES.index(packet.space) << _SPACE_SHIFT | (
                _HEAD if packet.head_pose is not None else 0
            )
            pose = packet.head_pose or Pose()
            body = _RAY.pack(
                packet.state.confidence,
                depth,
                *packet.origin_m,
                *packet.direction,
                *pose.position_m,
                *pose.orientation_xyzw,
            )
        else:
            body = _POINT.pack(packet.state.confidence, packet.x_px, packet.y_px, depth)
    return _HEADER.pack(_MAGIC, VERSION, kind, flags, head.sequence, head.time_ns, head.sent_ns or 0) + body


def encode_json(packet: Packet) -> str:
    """Return a packet in JSON form."""
    head = packet.head
    fields: dict[str, object] = {"sam_edge_ray": VERSION, "seq": head.sequence, "time_ns": head.time_ns}
    if head.sent_ns is not None:
        fields["sent_ns"] = head.sent_ns
    if isinstance(packet, CameraPacket):
        camera = packet.camera
        fields |= {
            "kind": "camera",
            "size": [camera.width_px, camera.height_px],
            "focal_px": [camera.fx_px, camera.fy_px],
            "center_px": [camera.cx_px, camera.cy_px],
            "distortion": list(camera.distortion),
            "pose": _pose_fields(camera.pose),
            "axes": camera.axes,
        }
        return json.dumps(fields)
    state = packet.state
    fields |= {"tracked": state.tracked, "confidence": state.confidence}
    for name, value in (
        ("left_valid", state.left_valid),
        ("right_valid", state.right_valid),
        ("depth_m", packet.depth_m),
    ):
        if value is not None:
            fields[name] = value
    if isinstance(packet, PointPacket):
        return json.dumps(fields | {"kind": "point", "point_px": [packet.x_px, packet.y_px]})
    if packet.head_pose is not None:
        fields["head"] = _pose_fields(packet.head_pose)
    ray = {"kind": "ray", "origin_m": packet.origin_m, "direction": packet.direction}
    return json.dumps(fields | ray | {"axes": packet.axes, "space": packet.space})


def _pose_fields(pose: Pose) -> dict[str, object]:
    return {"position_m": list(pose.position_m), "orientation_xyzw": list(pose.orientation_xyzw)}


def _state_flags(state: EyeState) -> int:
    flags = _TRACKED if state.tracked else 0
    if state.left_valid is not None:
        flags |= _LEFT_KNOWN | (_LEFT if state.left_valid else 0)
    if state.right_valid is not None:
        flags |= _RIGHT_KNOWN | (_RIGHT if state.right_valid else 0)
    return flags


def _check_version(version: object) -> None:
    if version != VERSION or isinstance(version, bool):
        raise GazeDataError(f"a ray packet has version {str(version)[:20]}; accepted is {VERSION}")


def _decode_binary(data: bytes) -> Packet:
    if len(data) < _HEADER.size:
        raise GazeDataError(
            f"a binary packet of {len(data)} bytes is shorter than its header of {_HEADER.size}"
        )
    _, version, kind, flags, sequence, time_ns, sent_ns = _HEADER.unpack_from(data)
    _check_version(version)
    layouts = {_KIND_RAY: _RAY, _KIND_POINT: _POINT, _KIND_CAMERA: _CAMERA}
    if kind not in layouts:
        raise GazeDataError(f"a binary packet is of kind {kind}; accepted are {sorted(layouts)}")
    if len(data) != _HEADER.size + layouts[kind].size:
        raise GazeDataError(
            f"a binary packet of kind {kind} is {len(data)} bytes long; accepted is {_HEADER.size + layouts[kind].size}"
        )
    space = flags >> _SPACE_SHIFT & 3
    if flags & ~_KNOWN_FLAGS or space >= len(_SPACES):
        raise GazeDataError(f"a binary packet has the flags {flags:#06x}, some of which are unknown")
    head = PacketHead(sequence, time_ns, sent_ns or None)
    values = [number(value, "a value") for value in layouts[kind].unpack_from(data, _HEADER.size)]
    axes: Axes = "camera" if flags & _CAMERA_AXES else "openxr"
    if kind == _KIND_CAMERA:
        pose = Pose((values[11], values[12], values[13]), (values[14], values[15], values[16], values[17]))
        distortion = (values[6], values[7], values[8], values[9], values[10])
        camera = RayCamera(
            int(values[0]), int(values[1]), values[2], values[3], values[4], values[5], distortion, pose, axes
        )
        return CameraPacket(head, camera)
    state = EyeState(
        tracked=bool(flags & _TRACKED),
        confidence=clamp01(values[0]),
        left_valid=bool(flags & _LEFT) if flags & _LEFT_KNOWN else None,
        right_valid=bool(flags & _RIGHT) if flags & _RIGHT_KNOWN else None,
    )
    if kind == _KIND_POINT:
        return PointPacket(head, state, values[1], values[2], _depth(values[3]))
    pose_values = values[8:15]
    return RayPacket(
        head,
        state,
        origin_m=(values[2], values[3], values[4]),
        direction=(values[5], values[6], values[7]),
        depth_m=_depth(values[1]),
        axes=axes,
        space=_SPACES[space],
        head_pose=_pose(pose_values[:3], pose_values[3:]) if flags & _HEAD else None,
    )


def _decode_json(data: bytes) -> Packet:
    fields = json_object(data, limit=PACKET_LIMIT, what="a packet")
    _check_version(fields.get("sam_edge_ray"))
    sequence = int64(fields.get("seq"), "seq") % (1 << 32)
    sent = fields.get("sent_ns")
    head = PacketHead(
        sequence, int64(fields.get("time_ns"), "time_ns"), None if sent is None else int64(sent, "sent_ns")
    )
    kind = fields.get("kind")
    if kind == "camera":
        width, height = numbers(fields.get("size"), 2, "size")
        fx, fy = numbers(fields.get("focal_px"), 2, "focal_px")
        cx, cy = numbers(fields.get("center_px"), 2, "center_px")
        k1, k2, p1, p2, k3 = numbers(fields.get("distortion", [0, 0, 0, 0, 0]), 5, "distortion")
        pose = _pose_object(fields.get("pose"), "pose") or Pose()
        size = int(finite(width, "width")), int(finite(height, "height"))
        return CameraPacket(head, RayCamera(*size, fx, fy, cx, cy, (k1, k2, p1, p2, k3), pose, _axes(fields)))
    state = EyeState(
        tracked=_flag(fields, "tracked") is not False,
        confidence=clamp01(number(fields.get("confidence", 1.0), "confidence")),
        left_valid=_flag(fields, "left_valid"),
        right_valid=_flag(fields, "right_valid"),
    )
    depth = fields.get("depth_m")
    depth_m = None if depth is None else _depth(number(depth, "depth_m"))
    if kind == "point":
        x, y = numbers(fields.get("point_px"), 2, "point_px")
        return PointPacket(head, state, x, y, depth_m)
    if kind != "ray":
        raise GazeDataError(
            f"a packet is of kind {str(kind)[:20]!r}; accepted are 'ray', 'point' and 'camera'"
        )
    space = fields.get("space", "head")
    if space not in _SPACES:
        raise GazeDataError(f"a ray is in the space {str(space)[:20]!r}; accepted are {_SPACES}")
    return RayPacket(
        head,
        state,
        origin_m=xyz(fields.get("origin_m"), "origin_m"),
        direction=xyz(fields.get("direction"), "direction"),
        depth_m=depth_m,
        axes=_axes(fields),
        space=_SPACES[_SPACES.index(space)],
        head_pose=_pose_object(fields.get("head"), "head"),
    )


def _depth(value: float) -> float | None:
    """Return a depth in metres, or None for NaN, zero and negative values (unknown)."""
    return value if value > 0.0 else None


def _flag(fields: dict[str, object], name: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise GazeDataError(f"{name} is a {type(value).__name__}; true, false or nothing is accepted")
    return value


def _axes(fields: dict[str, object]) -> Axes:
    axes = fields.get("axes", "openxr")
    if axes not in _AXES:
        raise GazeDataError(f"axes are {str(axes)[:20]!r}; accepted are {_AXES}")
    return _AXES[_AXES.index(axes)]


def _pose_object(value: object, name: str) -> Pose | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise GazeDataError(f"{name} is not an object with position_m and orientation_xyzw")
    return _pose(
        xyz(value.get("position_m"), f"{name}.position_m"),
        numbers(value.get("orientation_xyzw"), 4, f"{name}.orientation_xyzw"),
    )


def _pose(position: list[float] | Vector, turn: list[float] | tuple[float, ...]) -> Pose:
    return Pose((position[0], position[1], position[2]), (turn[0], turn[1], turn[2], turn[3]))
