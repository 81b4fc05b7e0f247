"""What clients say, as bytes: greetings, frames, triggers, pings. Gaze has a file of its own."""

from __future__ import annotations

import struct

from sam_edge.wire.binary import Code, ProtocolError, Reader, text_bytes
from sam_edge.wire.gaze import CAMERA_AXES, SPACE, ray_bytes, ray_flags, ray_space, read_ray
from sam_edge.wire.kinds import (
    CONFIGURE,
    FRAME,
    HELLO,
    LARGEST_SIDE_PX,
    MAGIC,
    PING,
    SMALLEST_SIDE_PX,
    TRIGGER,
    VERSION,
    Readers,
    Write,
    Written,
    unnumbered,
)
from sam_edge.wire.messages import (
    Action,
    Frame,
    Hello,
    Intrinsics,
    MaskFormat,
    PictureFormat,
    Ping,
    Trigger,
    Wanted,
)

_INTRINSICS, _BOTTOM_UP = 0x01, 0x02
_AT, _POINT, _RAY = 0x08, 0x10, 0x20
_POLYGONS = 0x01


def _write_wanted(wanted: Wanted) -> tuple[int, int]:
    return int(wanted.mask), _POLYGONS if wanted.polygons else 0


def _read_wanted(reader: Reader, mask: int, also: int, tolerance_px: float) -> Wanted:
    if also & ~_POLYGONS:
        raise reader.error(f"also wanted is {also:#04x}; accepted: 0x01, polygons")
    if not 0 <= tolerance_px <= 64:
        raise reader.error(f"tolerance is {tolerance_px} px; accepted: 0 to 64")
    return Wanted(reader.choice(mask, MaskFormat, "mask format"), bool(also & _POLYGONS), tolerance_px)


def _write_hello(hello: Hello) -> Written:
    height, width = hello.size or (0, 0)
    mask, also = _write_wanted(hello.wanted)
    fixed = struct.pack("<4sBBBB", MAGIC, hello.lowest, hello.highest, mask, also)
    fixed += struct.pack("<ffHH", hello.wanted.tolerance_px, hello.px_per_deg, width, height)
    return HELLO, 0, 0, fixed + b"".join(map(text_bytes, (hello.token, hello.engine, hello.name)))


def _read_hello(reader: Reader, flags: int, number: int) -> Hello:
    unnumbered(reader, number)
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


def _write_configure(wanted: Wanted) -> Written:
    return CONFIGURE, 0, 0, struct.pack("<BBHf", *_write_wanted(wanted), 0, wanted.tolerance_px)


def _read_configure(reader: Reader, flags: int, number: int) -> Wanted:
    unnumbered(reader, number)
    mask, also = reader.integers("<BB")
    reader.zeros(2)
    return _read_wanted(reader, mask, also, reader.numbers(1, "tolerance")[0])


def _write_frame(frame: Frame) -> Written:
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


def _write_trigger(trigger: Trigger) -> Written:
    flags = _AT if trigger.at_ns is not None else 0
    flags |= _POINT if trigger.point_px is not None else 0
    x_px, y_px = trigger.point_px or (0.0, 0.0)
    body = struct.pack("<BBHI", trigger.action, 0, 0, trigger.object_id)
    body += struct.pack("<qff", trigger.at_ns or 0, x_px, y_px)
    if trigger.ray is not None:
        flags |= _RAY | ray_flags(trigger.axes, trigger.space)
        body += ray_bytes(trigger.ray)
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
    axes, space = ray_space(reader, flags)
    ray = read_ray(reader, space) if flags & _RAY else None
    if ray is None and flags & (CAMERA_AXES | SPACE):
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


def _write_ping(ping: Ping) -> Written:
    known = -1 if ping.uncertainty_ns is None else ping.uncertainty_ns
    return PING, 0, ping.number, struct.pack("<qqq", ping.sent_ns, ping.offset_ns, known)


def _read_ping(reader: Reader, flags: int, number: int) -> Ping:
    sent_ns, offset_ns, known = reader.integers("<qqq")
    if known < -1:
        raise reader.error(f"uncertainty is {known} ns; accepted: 0 or more, or -1")
    return Ping(number, sent_ns, offset_ns, None if known < 0 else known)


WRITERS: dict[type, Write] = {
    Hello: _write_hello,
    Wanted: _write_configure,
    Frame: _write_frame,
    Trigger: _write_trigger,
    Ping: _write_ping,
}
READERS: Readers = {
    HELLO: ("hello", 0, _read_hello),
    FRAME: ("frame", _INTRINSICS | _BOTTOM_UP, _read_frame),
    TRIGGER: ("trigger", CAMERA_AXES | SPACE | _AT | _POINT | _RAY, _read_trigger),
    PING: ("ping", 0, _read_ping),
    CONFIGURE: ("configure", 0, _read_configure),
}
