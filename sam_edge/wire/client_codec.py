"""Encodes and decodes hello, configure, frame, command and ping messages."""

from __future__ import annotations

import struct

from sam_edge.wire.binary import Reader, text_bytes
from sam_edge.wire.client_messages import (
    Command,
    CommandAction,
    Configure,
    Hello,
    ImageFormat,
    Intrinsics,
    MaskFormat,
    MaskOptions,
    Ping,
    SceneFrame,
)
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.gaze_codec import CAMERA_AXES, SPACE, ray_bytes, ray_flags, ray_space, read_ray
from sam_edge.wire.kinds import (
    MAGIC,
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    VERSION,
    Encoded,
    MessageKind,
    Readers,
    Write,
    require_no_number,
)

_INTRINSICS, _BOTTOM_UP = 0x01, 0x02
_AT, _POINT, _RAY = 0x08, 0x10, 0x20
_POLYGONS = 0x01


def _write_options(options: MaskOptions) -> tuple[int, int]:
    return int(options.format), _POLYGONS if options.polygons else 0


def _read_options(reader: Reader, mask_format: int, extras: int, tolerance_px: float) -> MaskOptions:
    if extras & ~_POLYGONS:
        raise reader.error(f"extras are {extras:#04x}; accepted: 0x01, polygons")
    if not 0 <= tolerance_px <= 64:
        raise reader.error(f"tolerance is {tolerance_px} px; accepted: 0 to 64")
    return MaskOptions(
        reader.choice(mask_format, MaskFormat, "mask format"), bool(extras & _POLYGONS), tolerance_px
    )


def _write_hello(hello: Hello) -> Encoded:
    height, width = hello.size or (0, 0)
    mask_format, extras = _write_options(hello.masks)
    fixed = struct.pack("<4sBBBB", MAGIC, hello.lowest, hello.highest, mask_format, extras)
    fixed += struct.pack("<ffHH", hello.masks.tolerance_px, hello.px_per_deg, width, height)
    return MessageKind.HELLO, 0, 0, fixed + b"".join(map(text_bytes, (hello.token, hello.engine, hello.name)))


def _read_hello(reader: Reader, flags: int, number: int) -> Hello:
    require_no_number(reader, number)
    if bytes(reader.block(4)) != MAGIC:
        raise reader.error(f"it does not begin with {MAGIC.decode()}")
    lowest, highest, mask_format, extras = reader.integers("<4B")
    if not 1 <= lowest <= highest:
        raise reader.error(f"versions {lowest} to {highest}; accepted: 1 or more, the lower one first")
    if not lowest <= VERSION <= highest:
        # The rest of the message may have another layout in that version, so it is not read.
        raise ProtocolError(_version_message(lowest, highest), ErrorCode.UNSUPPORTED_VERSION)
    tolerance_px, px_per_deg = reader.numbers(2, "tolerance or pixels per degree")
    if not 0 <= px_per_deg <= 1000:
        raise reader.error(f"pixels per degree are {px_per_deg}; accepted: 0 to 1000")
    masks = _read_options(reader, mask_format, extras, tolerance_px)
    width, height = reader.integers("<HH")
    if (width == 0) != (height == 0):
        raise reader.error(f"encoder input {width}x{height}; accepted: both 0, or neither")
    size = (height, width) if height else None
    token, engine, name = reader.text(), reader.text(), reader.text()
    return Hello(masks, token, engine, name, px_per_deg, size, lowest, highest)


def _version_message(lowest: int, highest: int) -> str:
    client = f"version {lowest}" if lowest == highest else f"versions {lowest} to {highest}"
    older, newer = ("client", "server") if highest < VERSION else ("server", "client")
    return (
        f"hello: the client speaks protocol {client}; accepted: version {VERSION}. Update the {older} to the "
        f"release of the {newer} (docs/reference/protocol.md lists the changes)"
    )


def _write_configure(message: Configure) -> Encoded:
    body = struct.pack("<BBHf", *_write_options(message.masks), 0, message.masks.tolerance_px)
    return MessageKind.CONFIGURE, 0, 0, body


def _read_configure(reader: Reader, flags: int, number: int) -> Configure:
    require_no_number(reader, number)
    mask_format, extras = reader.integers("<BB")
    reader.zeros(2)
    return Configure(_read_options(reader, mask_format, extras, reader.numbers(1, "tolerance")[0]))


def _write_frame(frame: SceneFrame) -> Encoded:
    flags = _BOTTOM_UP if frame.bottom_up else 0
    height, width = frame.size
    body = struct.pack("<qBBHHH", frame.time_ns, frame.format, 0, 0, width, height)
    if frame.intrinsics is not None:
        flags |= _INTRINSICS
        camera = frame.intrinsics
        body += struct.pack("<9f", *camera.focal_px, *camera.center_px, *camera.distortion)
    return MessageKind.FRAME, flags, frame.frame_id, b"".join((body, frame.data))


def _read_frame(reader: Reader, flags: int, number: int) -> SceneFrame:
    (time_ns,) = reader.integers("<q")
    (format_number,) = reader.integers("<B")
    reader.zeros(3)
    width, height = reader.integers("<HH")
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (width, height)):
        raise reader.error(f"{width}x{height} pixels; accepted: sides of {MIN_SIDE_PX} to {MAX_SIDE_PX}")
    image_format = reader.choice(format_number, ImageFormat, "format")
    intrinsics = None
    if flags & _INTRINSICS:
        fx, fy, cx, cy = reader.numbers(4, "intrinsics")
        k1, k2, p1, p2, k3 = reader.numbers(5, "distortion")
        if fx <= 0 or fy <= 0:
            raise reader.error(f"focal length is {fx}, {fy}; accepted: more than 0 pixels")
        intrinsics = Intrinsics((fx, fy), (cx, cy), (k1, k2, p1, p2, k3))
    bottom_up = bool(flags & _BOTTOM_UP)
    if bottom_up and image_format not in (ImageFormat.RGB, ImageFormat.RGBA):
        raise reader.error(f"{image_format.name} with the lowest row first; accepted: RGB and RGBA")
    data = reader.rest()
    expected = {
        ImageFormat.RGB: 3 * width * height,
        ImageFormat.RGBA: 4 * width * height,
        ImageFormat.NV12: 3 * width * height // 2,
    }.get(image_format)
    if image_format is ImageFormat.NV12 and (width % 2 or height % 2):
        raise reader.error(f"NV12 of {width}x{height}; accepted: even width and height")
    if expected is not None and len(data) != expected:
        raise reader.error(
            f"{image_format.name} of {width}x{height} has {len(data)} bytes of pixels; accepted: {expected}"
        )
    return SceneFrame(number, time_ns, image_format, (height, width), data, intrinsics, bottom_up)


def _write_command(command: Command) -> Encoded:
    flags = _AT if command.at_ns is not None else 0
    flags |= _POINT if command.point_px is not None else 0
    x_px, y_px = command.point_px or (0.0, 0.0)
    body = struct.pack("<BBHI", command.action, 0, 0, command.object_id)
    body += struct.pack("<qff", command.at_ns or 0, x_px, y_px)
    if command.ray is not None:
        flags |= _RAY | ray_flags(command.axes, command.space)
        body += ray_bytes(command.ray)
    return MessageKind.COMMAND, flags, command.command_id, body


def _read_command(reader: Reader, flags: int, number: int) -> Command:
    (action_number,) = reader.integers("<B")
    reader.zeros(3)
    object_id, at_ns = reader.integers("<Iq")
    x_px, y_px = reader.numbers(2, "point")
    action = reader.choice(action_number, CommandAction, "action")
    if flags & _POINT and flags & _RAY:
        raise reader.error("a point and a ray; accepted: one of them")
    if action is not CommandAction.PIN and flags:
        raise reader.error(f"flags {flags:#04x} with {action.name.lower()}; accepted: 0")
    axes, space = ray_space(reader, flags)
    ray = read_ray(reader, space) if flags & _RAY else None
    if ray is None and flags & (CAMERA_AXES | SPACE):
        raise reader.error(f"flags {flags:#04x}: axes or space without a ray")
    return Command(
        number,
        action,
        object_id,
        at_ns if flags & _AT else None,
        (x_px, y_px) if flags & _POINT else None,
        ray,
        axes,
        space,
    )


def _write_ping(ping: Ping) -> Encoded:
    known = -1 if ping.uncertainty_ns is None else ping.uncertainty_ns
    return MessageKind.PING, 0, ping.ping_id, struct.pack("<qqq", ping.sent_ns, ping.offset_ns, known)


def _read_ping(reader: Reader, flags: int, number: int) -> Ping:
    sent_ns, offset_ns, known = reader.integers("<qqq")
    if known < -1:
        raise reader.error(f"uncertainty is {known} ns; accepted: 0 or more, or -1")
    return Ping(number, sent_ns, offset_ns, None if known < 0 else known)


WRITERS: dict[type, Write] = {
    Hello: _write_hello,
    Configure: _write_configure,
    SceneFrame: _write_frame,
    Command: _write_command,
    Ping: _write_ping,
}
READERS: Readers = {
    MessageKind.HELLO: (0, _read_hello),
    MessageKind.FRAME: (_INTRINSICS | _BOTTOM_UP, _read_frame),
    MessageKind.COMMAND: (CAMERA_AXES | SPACE | _AT | _POINT | _RAY, _read_command),
    MessageKind.PING: (0, _read_ping),
    MessageKind.CONFIGURE: (0, _read_configure),
}
