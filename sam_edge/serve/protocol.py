"""The messages between client and server as bytes, version 1. docs/protocol.md is the specification.

Nothing that comes in is trusted: every length and every number is checked, what is not used must be zero, and what does
not fit is a `ProtocolError` with the code that the other side is told.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.ray_projection import Axes, Pose, RayCamera, Space
from sam_edge.gaze.samples import GazeSample
from sam_edge.serve.messages import (
    Action,
    Answer,
    Camera,
    Fault,
    Frame,
    Gaze,
    Grant,
    Hello,
    Intrinsics,
    MaskFormat,
    PictureFormat,
    Ping,
    Pong,
    Rays,
    RaySample,
    Request,
    Selected,
    Skipped,
    SkipReason,
    Thing,
    Trigger,
    Triggered,
    Wanted,
    Welcome,
)
from sam_edge.serve.wire import Code, ProtocolError, Reader, clipped_text, text_bytes
from sam_edge.stream.selection import State

VERSION = 1
"""What this module speaks."""
MAGIC = b"SEGE"
HELLO, FRAME, GAZE, RAYS, CAMERA, TRIGGER, PING, CONFIGURE = range(0x01, 0x09)
WELCOME, SELECTION, GRANT, SKIPPED, TRIGGERED, PONG, ERROR = range(0x81, 0x88)
SMALLEST_SIDE_PX = 32
"""Frames are at least this high and wide."""
LARGEST_SIDE_PX = 16384
"""Frames are at most this high and wide."""
SAMPLES_A_MESSAGE = 1024
"""Most samples of one message."""
WINDOW_LIMIT = 8
"""Most frames that a client ever has unanswered."""
MESSAGE_TEXT_LIMIT = 1024
"""Longest text of an error, bytes."""
CLOSE_CODES_FROM = 4000
"""A connection that ends with an error is closed with this plus the error's code."""
GAZE_SAMPLE_BYTES, RAY_SAMPLE_BYTES = 32, 72
LARGEST_OTHER_BYTES = 8 + SAMPLES_A_MESSAGE * RAY_SAMPLE_BYTES
"""Longest message that is no frame."""
_SOURCES = ("none", "encoded", "reused", "propagated")
_STATES = (State.NONE, State.HOVER, State.SELECTED, State.HELD, State.LOST)
_SPACES: tuple[Space, ...] = ("head", "world", "camera")
_INTRINSICS, _BOTTOM_UP = 0x01, 0x02
_CAMERA_AXES, _SPACE, _SPACE_SHIFT = 0x01, 0x06, 1
_AT, _POINT, _RAY = 0x08, 0x10, 0x20
_POLYGONS, _FATAL = 0x01, 0x01
_MEANT, _KEPT = 0x01, 0x02
_STAGE_BYTES, _THING = 12, struct.Struct("<IBBH5f4HIII")


def encode(message: Request | Answer) -> bytes:
    """Write a message.

    Raises:
        InputError: a text is too long.
        struct.error: a number does not fit its field; what this package makes always does.
    """
    kind, flags, number, body = _WRITERS[type(message)](message)
    return struct.pack("<BBHI", kind, flags, 0, number) + body


def decode_request(data: bytes) -> Request:
    """Read what a client says.

    Raises:
        ProtocolError: it is no message of a client.
    """
    message: Request = _decode(data, _REQUESTS, "a client")
    return message


def decode_answer(data: bytes) -> Answer:
    """Read what a server says.

    Raises:
        ProtocolError: it is no message of a server.
    """
    message: Answer = _decode(data, _ANSWERS, "a server")
    return message


def head_of(data: bytes) -> tuple[int, int]:
    """Return kind and number of a message, as far as it goes: for errors about one that cannot be read."""
    if len(data) < 8:
        return (data[0] if data else 0), 0
    return data[0], int.from_bytes(data[4:8], "little")


def _decode(data: bytes, readers: dict[int, tuple[str, int, _Read]], whose: str) -> Any:
    if len(data) < 8:
        raise ProtocolError(f"message: {len(data)} bytes; accepted: 8 or more")
    kind, flags, unused, number = struct.unpack_from("<BBHI", data)
    if kind not in readers:
        raise ProtocolError(f"message: kind {kind:#04x} is none that {whose} sends")
    name, known, read = readers[kind]
    reader = Reader(data, name)
    reader.block(8)
    if flags & ~known or unused:
        raise reader.error(f"flags {flags:#04x} and {unused}; accepted: those of {known:#04x}, and 0")
    message = read(reader, flags, number)
    reader.end()
    return message


# What clients say.


def _write_wanted(wanted: Wanted) -> tuple[int, int]:
    return int(wanted.mask), _POLYGONS if wanted.polygons else 0


def _read_wanted(reader: Reader, mask: int, also: int, tolerance_px: float) -> Wanted:
    if also & ~_POLYGONS:
        raise reader.error(f"also wanted is {also:#04x}; accepted: 0x01, polygons")
    if not 0 <= tolerance_px <= 64:
        raise reader.error(f"tolerance is {tolerance_px} px; accepted: 0 to 64")
    return Wanted(reader.choice(mask, MaskFormat, "mask format"), bool(also & _POLYGONS), tolerance_px)


def _write_hello(hello: Hello) -> _Written:
    height, width = hello.size or (0, 0)
    mask, also = _write_wanted(hello.wanted)
    fixed = struct.pack("<4sBBBB", MAGIC, hello.lowest, hello.highest, mask, also)
    fixed += struct.pack("<ffHH", hello.wanted.tolerance_px, hello.px_per_deg, width, height)
    return HELLO, 0, 0, fixed + b"".join(map(text_bytes, (hello.token, hello.engine, hello.name)))


def _read_hello(reader: Reader, flags: int, number: int) -> Hello:
    _unnumbered(reader, number)
    if bytes(reader.block(4)) != MAGIC:
        raise reader.error(f"it does not begin with {MAGIC.decode()}")
    lowest, highest, mask, also = reader.integers("<4B")
    if not 1 <= lowest <= highest:
        raise reader.error(f"versions {lowest} to {highest}; accepted: 1 or more, the lower one first")
    if not lowest <= VERSION <= highest:
        # What follows may look otherwise in that version: nothing more is read.
        raise ProtocolError(
            f"version: the client speaks {lowest} to {highest}, this server {VERSION}; update the older one",
            Code.VERSION,
        )
    tolerance_px, px_per_deg = reader.numbers(2, "tolerance or pixels a degree")
    if not 0 <= px_per_deg <= 1000:
        raise reader.error(f"pixels a degree are {px_per_deg}; accepted: 0 to 1000")
    wanted = _read_wanted(reader, mask, also, tolerance_px)
    width, height = reader.integers("<HH")
    if (width == 0) != (height == 0):
        raise reader.error(f"encoder's input {width}x{height}; accepted: both 0, or neither")
    size = (height, width) if height else None
    token, engine, name = reader.text(), reader.text(), reader.text()
    return Hello(wanted, token, engine, name, px_per_deg, size, lowest, highest)


def _write_configure(wanted: Wanted) -> _Written:
    return CONFIGURE, 0, 0, struct.pack("<BBHf", *_write_wanted(wanted), 0, wanted.tolerance_px)


def _read_configure(reader: Reader, flags: int, number: int) -> Wanted:
    _unnumbered(reader, number)
    mask, also = reader.integers("<BB")
    reader.zeros(2)
    return _read_wanted(reader, mask, also, reader.numbers(1, "tolerance")[0])


def _write_frame(frame: Frame) -> _Written:
    flags = _BOTTOM_UP if frame.bottom_up else 0
    height, width = frame.size
    body = struct.pack("<qBBHHH", frame.time_ns, frame.format, 0, 0, width, height)
    if frame.intrinsics is not None:
        flags |= _INTRINSICS
        lens = frame.intrinsics
        body += struct.pack("<9f", *lens.focal_px, *lens.center_px, *lens.distortion)
    return FRAME, flags, frame.frame_id, b"".join((body, frame.data))


def _read_frame(reader: Reader, flags: int, number: int) -> Frame:
    (time_ns,) = reader.integers("<q")
    (kind,) = reader.integers("<B")
    reader.zeros(3)
    width, height = reader.integers("<HH")
    if not all(SMALLEST_SIDE_PX <= side <= LARGEST_SIDE_PX for side in (width, height)):
        raise reader.error(
            f"{width}x{height} pixels; accepted: sides of {SMALLEST_SIDE_PX} to {LARGEST_SIDE_PX}"
        )
    form = reader.choice(kind, PictureFormat, "format")
    intrinsics = None
    if flags & _INTRINSICS:
        fx, fy, cx, cy = reader.numbers(4, "intrinsics")
        k1, k2, p1, p2, k3 = reader.numbers(5, "distortion")
        if fx <= 0 or fy <= 0:
            raise reader.error(f"focal length is {fx}, {fy}; accepted: more than 0 pixels")
        intrinsics = Intrinsics((fx, fy), (cx, cy), (k1, k2, p1, p2, k3))
    bottom_up = bool(flags & _BOTTOM_UP)
    if bottom_up and form not in (PictureFormat.RGB, PictureFormat.RGBA):
        raise reader.error(f"{form.name} with the lowest row first; accepted: RGB and RGBA")
    data = reader.rest()
    expected = {
        PictureFormat.RGB: 3 * width * height,
        PictureFormat.RGBA: 4 * width * height,
        PictureFormat.NV12: 3 * width * height // 2,
    }.get(form)
    if form is PictureFormat.NV12 and (width % 2 or height % 2):
        raise reader.error(f"NV12 of {width}x{height}; accepted: even width and height")
    if expected is not None and len(data) != expected:
        raise reader.error(
            f"{form.name} of {width}x{height} has {len(data)} bytes of pixels; accepted: {expected}"
        )
    return Frame(number, time_ns, form, (height, width), data, intrinsics, bottom_up)


def _write_gaze(gaze: Gaze) -> _Written:
    nothing = (math.nan, math.nan, math.nan)
    body = b"".join(
        struct.pack("<q6f", one.time_ns, one.x_px, one.y_px, one.confidence, *(one.covariance_px2 or nothing))
        for one in gaze.samples
    )
    return GAZE, 0, len(gaze.samples), body


def _read_gaze(reader: Reader, flags: int, number: int) -> Gaze:
    return Gaze(tuple(_read_gaze_sample(reader) for _ in range(_samples(reader, number, GAZE_SAMPLE_BYTES))))


def _read_gaze_sample(reader: Reader) -> GazeSample:
    (time_ns,) = reader.integers("<q")
    x_px, y_px = reader.numbers(2, "gaze", nan=True)
    confidence = _confidence(reader)
    xx, xy, yy = reader.numbers(3, "covariance", nan=True)
    told = not (math.isnan(xx) or math.isnan(xy) or math.isnan(yy))
    if told and (xx < 0 or yy < 0):
        raise reader.error(f"covariance is {xx}, {xy}, {yy}; accepted: xx and yy of 0 or more")
    if math.isnan(x_px) or math.isnan(y_px):
        return GazeSample(time_ns, math.nan, math.nan, 0.0)
    return GazeSample(time_ns, x_px, y_px, confidence, covariance_px2=(xx, xy, yy) if told else None)


def _write_rays(rays: Rays) -> _Written:
    flags = _ray_flags(rays.axes, rays.space)
    return RAYS, flags, len(rays.samples), b"".join(map(_ray_bytes, rays.samples))


def _read_rays(reader: Reader, flags: int, number: int) -> Rays:
    axes, space = _ray_space(reader, flags)
    count = _samples(reader, number, RAY_SAMPLE_BYTES)
    return Rays(tuple(_read_ray(reader, space) for _ in range(count)), axes, space)


def _ray_flags(axes: Axes, space: Space) -> int:
    return (_CAMERA_AXES if axes == "camera" else 0) | _SPACES.index(space) << _SPACE_SHIFT


def _ray_space(reader: Reader, flags: int) -> tuple[Axes, Space]:
    space = (flags & _SPACE) >> _SPACE_SHIFT
    if space >= len(_SPACES):
        raise reader.error(f"flags {flags:#04x}: space {space}; accepted: 0 to {len(_SPACES) - 1}")
    return ("camera" if flags & _CAMERA_AXES else "openxr"), _SPACES[space]


def _ray_bytes(ray: RaySample) -> bytes:
    head = ray.head or Pose()
    depth_m = math.nan if ray.depth_m is None else ray.depth_m
    fixed = struct.pack("<qff", ray.time_ns, ray.confidence, depth_m)
    return fixed + struct.pack(
        "<13fI", *ray.origin_m, *ray.direction, *head.position_m, *head.orientation_xyzw, 0
    )


def _read_ray(reader: Reader, space: Space) -> RaySample:
    (time_ns,) = reader.integers("<q")
    confidence = _confidence(reader)
    (depth_m,) = reader.numbers(1, "depth", nan=True)
    if depth_m <= 0:
        raise reader.error(f"depth is {depth_m} m; accepted: more than 0, or NaN")
    x, y, z, dx, dy, dz = reader.numbers(6, "ray", nan=confidence == 0)
    pose = reader.block(28)
    head = _pose(Reader(pose, reader.what)) if space == "world" else None
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


def _write_camera(message: Camera) -> _Written:
    camera = message.camera
    body = struct.pack("<HH", camera.width_px, camera.height_px)
    body += struct.pack("<4f", camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
    body += struct.pack("<5f", *camera.distortion)
    body += struct.pack("<8f", *camera.pose.position_m, *camera.pose.orientation_xyzw, message.distance_m)
    return CAMERA, _CAMERA_AXES if camera.axes == "camera" else 0, 0, body


def _read_camera(reader: Reader, flags: int, number: int) -> Camera:
    _unnumbered(reader, number)
    width, height = reader.integers("<HH")
    fx, fy, cx, cy = reader.numbers(4, "intrinsics")
    k1, k2, p1, p2, k3 = reader.numbers(5, "distortion")
    pose = _pose(reader)
    (distance_m,) = reader.numbers(1, "distance")
    if not 0.05 <= distance_m <= 1000:
        raise reader.error(f"distance is {distance_m} m; accepted: 0.05 to 1000")
    axes: Axes = "camera" if flags & _CAMERA_AXES else "openxr"
    try:
        camera = RayCamera(width, height, fx, fy, cx, cy, (k1, k2, p1, p2, k3), pose, axes)
    except GazeDataError as error:
        raise reader.error(str(error)) from error
    return Camera(camera, distance_m)


def _write_trigger(trigger: Trigger) -> _Written:
    flags = _AT if trigger.at_ns is not None else 0
    flags |= _POINT if trigger.point_px is not None else 0
    x_px, y_px = trigger.point_px or (0.0, 0.0)
    body = struct.pack("<BBHI", trigger.action, 0, 0, trigger.object_id)
    body += struct.pack("<qff", trigger.at_ns or 0, x_px, y_px)
    if trigger.ray is not None:
        flags |= _RAY | _ray_flags(trigger.axes, trigger.space)
        body += _ray_bytes(trigger.ray)
    return TRIGGER, flags, trigger.trigger_id, body


def _read_trigger(reader: Reader, flags: int, number: int) -> Trigger:
    (action,) = reader.integers("<B")
    reader.zeros(3)
    object_id, at_ns = reader.integers("<Iq")
    x_px, y_px = reader.numbers(2, "point")
    asked = reader.choice(action, Action, "action")
    if flags & _POINT and flags & _RAY:
        raise reader.error("a point and a ray; accepted: one of them")
    if asked is not Action.SELECT and flags:
        raise reader.error(f"flags {flags:#04x} with {asked.name.lower()}; accepted: 0")
    axes, space = _ray_space(reader, flags)
    ray = _read_ray(reader, space) if flags & _RAY else None
    if ray is None and flags & (_CAMERA_AXES | _SPACE):
        raise reader.error(f"flags {flags:#04x}: axes or space without a ray")
    return Trigger(
        number,
        asked,
        object_id,
        at_ns if flags & _AT else None,
        (x_px, y_px) if flags & _POINT else None,
        ray,
        axes,
        space,
    )


def _write_ping(ping: Ping) -> _Written:
    known = -1 if ping.uncertainty_ns is None else ping.uncertainty_ns
    return PING, 0, ping.number, struct.pack("<qqq", ping.sent_ns, ping.offset_ns, known)


def _read_ping(reader: Reader, flags: int, number: int) -> Ping:
    sent_ns, offset_ns, known = reader.integers("<qqq")
    if known < -1:
        raise reader.error(f"uncertainty is {known} ns; accepted: 0 or more, or -1")
    return Ping(number, sent_ns, offset_ns, None if known < 0 else known)


def _unnumbered(reader: Reader, number: int) -> None:
    if number:
        raise reader.error(f"its number is {number}; accepted: 0")


def _samples(reader: Reader, number: int, size: int) -> int:
    if not 1 <= number <= SAMPLES_A_MESSAGE:
        raise reader.error(f"{number} samples; accepted: 1 to {SAMPLES_A_MESSAGE}, of {size} bytes each")
    return number


def _confidence(reader: Reader) -> float:
    (value,) = reader.numbers(1, "confidence")
    if not 0 <= value <= 1:
        raise reader.error(f"confidence is {value}; accepted: 0 to 1")
    return value


# What servers say.


def _write_welcome(welcome: Welcome) -> _Written:
    height, width = welcome.size or (0, 0)
    body = struct.pack("<4sBBBB", MAGIC, welcome.version, welcome.lowest, welcome.highest, 0)
    body += struct.pack(
        "<qIIf", welcome.now_ns, welcome.frame_bytes, welcome.frame_pixels, welcome.frames_per_s
    )
    body += struct.pack("<HHfHH", welcome.window, 0, welcome.idle_s, width, height)
    texts = (welcome.server, welcome.model, welcome.engine, welcome.precision)
    return WELCOME, 0, welcome.client_id, body + b"".join(map(text_bytes, texts))


def _read_welcome(reader: Reader, flags: int, number: int) -> Welcome:
    if bytes(reader.block(4)) != MAGIC:
        raise reader.error(f"it does not begin with {MAGIC.decode()}")
    version, lowest, highest = reader.integers("<3B")
    reader.zeros(1)
    now_ns, frame_bytes, frame_pixels = reader.integers("<qII")
    (frames_per_s,) = reader.numbers(1, "frames a second")
    (window,) = reader.integers("<H")
    reader.zeros(2)
    (idle_s,) = reader.numbers(1, "silence")
    width, height = reader.integers("<HH")
    size = (height, width) if height and width else None
    server, model, engine, precision = (reader.text() for _ in range(4))
    return Welcome(
        number, version, lowest, highest, now_ns, frame_bytes, frame_pixels, frames_per_s, _window(reader, window),
        idle_s, size, server, model, engine, precision,
    )  # fmt: skip


def _write_selected(selected: Selected) -> _Written:
    height, width = selected.frame_size
    stages = list(selected.stages_ms.items())[:255]
    things = selected.things[:255]
    body = struct.pack(
        "<qqqI", selected.frame_time_ns, selected.received_ns, selected.sent_ns, selected.session
    )
    body += struct.pack(
        "<HHBB", width, height, _STATES.index(selected.state), _SOURCES.index(selected.source)
    )
    body += struct.pack("<BBf", len(stages), len(things), selected.age_ms)
    body += struct.pack("<3f", *(selected.fixation or (math.nan, math.nan, math.nan)))
    for name, took_ms in stages:
        body += struct.pack("<12sf", name.encode("ascii", "replace")[:_STAGE_BYTES], took_ms)
    return SELECTION, 0, selected.frame_id, b"".join((body, *map(_thing_bytes, things)))


def _thing_bytes(thing: Thing) -> bytes:
    polygons = b"".join(
        struct.pack("<I", len(polygon)) + np.ascontiguousarray(polygon, "<f4").tobytes()
        for polygon in thing.polygons
    )
    roles = (_MEANT if thing.meant else 0) | (_KEPT if thing.kept else 0)
    fixed = _THING.pack(
        thing.object_id,
        roles,
        thing.format,
        len(thing.polygons),
        thing.score,
        *thing.box,
        *thing.rectangle,
        thing.area_px,
        len(thing.mask_data),
        len(polygons),
    )
    return b"".join((fixed, thing.mask_data, bytes(-len(thing.mask_data) % 4), polygons))


def _read_selected(reader: Reader, flags: int, number: int) -> Selected:
    time_ns, received_ns, sent_ns, session = reader.integers("<qqqI")
    width, height, state, source, stages, things = reader.integers("<HHBBBB")
    if state >= len(_STATES) or source >= len(_SOURCES):
        raise reader.error(f"state {state} and source {source} are none of the protocol's")
    (age_ms,) = reader.numbers(1, "age")
    x_px, y_px, spread_px = reader.numbers(3, "fixation", nan=True)
    stages_ms = {}
    for _ in range(stages):
        name = bytes(reader.block(_STAGE_BYTES)).rstrip(b"\0").decode("ascii", "replace")
        stages_ms[name] = reader.numbers(1, "stage")[0]
    return Selected(
        number,
        time_ns,
        received_ns,
        sent_ns,
        session,
        (height, width),
        _STATES[state],
        _SOURCES[source],
        age_ms,
        None if math.isnan(x_px) else (x_px, y_px, spread_px),
        tuple(_read_thing(reader, width, height) for _ in range(things)),
        stages_ms,
    )


def _read_thing(reader: Reader, width: int, height: int) -> Thing:
    object_id, roles, form, count = reader.integers("<IBBH")
    score, x0, y0, x1, y1 = reader.numbers(5, "score or box")
    x, y, columns, rows, area_px, mask_bytes, polygon_bytes = reader.integers("<4HIII")
    if roles & ~(_MEANT | _KEPT):
        raise reader.error(f"roles {roles:#04x} are none of the protocol's")
    if x + columns > width or y + rows > height:
        raise reader.error(f"a rectangle {x}, {y}, {columns}x{rows} leaves the frame of {width}x{height}")
    mask = bytes(reader.block(mask_bytes))
    reader.zeros(-mask_bytes % 4)
    inner = Reader(reader.block(polygon_bytes), reader.what)
    polygons = tuple(_read_polygon(inner) for _ in range(count))
    inner.end()
    return Thing(
        object_id,
        bool(roles & _MEANT),
        bool(roles & _KEPT),
        score,
        (x0, y0, x1, y1),
        area_px,
        (x, y, columns, rows),
        reader.choice(form, MaskFormat, "mask format"),
        mask,
        polygons,
    )


def _read_polygon(reader: Reader) -> NDArray[np.float32]:
    (count,) = reader.integers("<I")
    values = np.frombuffer(reader.block(8 * count), "<f4").reshape(count, 2)
    if count < 3 or not np.isfinite(values).all():
        raise reader.error(f"a polygon of {count} vertices; accepted: 3 or more, finite")
    return values.astype(np.float32)


def _write_grant(grant: Grant) -> _Written:
    return GRANT, 0, grant.window, struct.pack("<f", grant.frames_per_s)


def _read_grant(reader: Reader, flags: int, number: int) -> Grant:
    return Grant(_window(reader, number), reader.numbers(1, "frames a second")[0])


def _window(reader: Reader, window: int) -> int:
    if not 1 <= window <= WINDOW_LIMIT:
        raise reader.error(f"window is {window}; accepted: 1 to {WINDOW_LIMIT}")
    return window


def _write_skipped(skipped: Skipped) -> _Written:
    return SKIPPED, 0, skipped.frame_id, struct.pack("<I", skipped.reason)


def _read_skipped(reader: Reader, flags: int, number: int) -> Skipped:
    (reason,) = reader.integers("<I")
    return Skipped(number, reader.choice(reason, SkipReason, "reason"))


def _write_triggered(triggered: Triggered) -> _Written:
    return TRIGGERED, 0, triggered.trigger_id, struct.pack("<II", triggered.action, triggered.object_id)


def _read_triggered(reader: Reader, flags: int, number: int) -> Triggered:
    action, object_id = reader.integers("<II")
    return Triggered(number, reader.choice(action, Action, "action"), object_id)


def _write_pong(pong: Pong) -> _Written:
    return PONG, 0, pong.number, struct.pack("<qqq", pong.asked_ns, pong.received_ns, pong.sent_ns)


def _read_pong(reader: Reader, flags: int, number: int) -> Pong:
    asked_ns, received_ns, sent_ns = reader.integers("<qqq")
    return Pong(number, asked_ns, received_ns, sent_ns)


def _write_fault(fault: Fault) -> _Written:
    text = text_bytes(clipped_text(fault.message, MESSAGE_TEXT_LIMIT), MESSAGE_TEXT_LIMIT)
    body = struct.pack("<HBB", fault.code, fault.about, 0) + text
    return ERROR, _FATAL if fault.fatal else 0, fault.related_id, body


def _read_fault(reader: Reader, flags: int, number: int) -> Fault:
    code, about = reader.integers("<HB")
    reader.zeros(1)
    message = reader.text(MESSAGE_TEXT_LIMIT)
    known = Code(code) if code in set(Code) else Code.UNKNOWN
    return Fault(known, message, about, number, bool(flags & _FATAL))


_Written: TypeAlias = tuple[int, int, int, bytes]
_Read: TypeAlias = Callable[[Reader, int, int], Any]
_WRITERS: dict[type, Callable[[Any], _Written]] = {
    Hello: _write_hello,
    Wanted: _write_configure,
    Frame: _write_frame,
    Gaze: _write_gaze,
    Rays: _write_rays,
    Camera: _write_camera,
    Trigger: _write_trigger,
    Ping: _write_ping,
    Welcome: _write_welcome,
    Selected: _write_selected,
    Grant: _write_grant,
    Skipped: _write_skipped,
    Triggered: _write_triggered,
    Pong: _write_pong,
    Fault: _write_fault,
}
_REQUESTS: dict[int, tuple[str, int, _Read]] = {
    HELLO: ("hello", 0, _read_hello),
    FRAME: ("frame", _INTRINSICS | _BOTTOM_UP, _read_frame),
    GAZE: ("gaze", 0, _read_gaze),
    RAYS: ("rays", _CAMERA_AXES | _SPACE, _read_rays),
    CAMERA: ("camera", _CAMERA_AXES, _read_camera),
    TRIGGER: ("trigger", _CAMERA_AXES | _SPACE | _AT | _POINT | _RAY, _read_trigger),
    PING: ("ping", 0, _read_ping),
    CONFIGURE: ("configure", 0, _read_configure),
}
"""Name, flags and reader of each kind."""
_ANSWERS: dict[int, tuple[str, int, _Read]] = {
    WELCOME: ("welcome", 0, _read_welcome),
    SELECTION: ("selection", 0, _read_selected),
    GRANT: ("grant", 0, _read_grant),
    SKIPPED: ("skipped", 0, _read_skipped),
    TRIGGERED: ("triggered", 0, _read_triggered),
    PONG: ("pong", 0, _read_pong),
    ERROR: ("error", _FATAL, _read_fault),
}
