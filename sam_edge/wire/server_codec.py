"""Encodes and decodes messages of the server, except those about webcam gaze."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.selection import State
from sam_edge.wire.binary import Reader, clip_text, text_bytes
from sam_edge.wire.client_messages import CommandAction, MaskFormat
from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.kinds import (
    ERROR_TEXT_LIMIT,
    MAGIC,
    MAX_WINDOW,
    Encoded,
    MessageKind,
    Readers,
    Write,
)
from sam_edge.wire.server_messages import (
    CommandResult,
    ErrorReply,
    FrameSelection,
    Grant,
    Pong,
    SelectedObject,
    SkippedFrame,
    SkipReason,
    Welcome,
)

_ORIGINS = ("none", "encoded", "reused", "propagated", "followed")
_STATES = (State.NONE, State.HOVER, State.FOCUSED, State.HELD, State.LOST)
_FATAL = 0x01
_GAZE_TARGET, _PINNED = 0x01, 0x02
_STAGE_NAME_BYTES, _OBJECT = 12, struct.Struct("<IBBH5f4HIII")


def _write_welcome(welcome: Welcome) -> Encoded:
    height, width = welcome.size or (0, 0)
    body = struct.pack("<4sBBBB", MAGIC, welcome.version, welcome.lowest, welcome.highest, 0)
    body += struct.pack(
        "<qIIf", welcome.now_ns, welcome.frame_bytes, welcome.frame_pixels, welcome.frames_per_s
    )
    body += struct.pack("<HHfHH", welcome.window, 0, welcome.idle_s, width, height)
    texts = (welcome.server, welcome.model, welcome.engine, welcome.precision)
    return MessageKind.WELCOME, 0, welcome.client_id, body + b"".join(map(text_bytes, texts))


def _read_welcome(reader: Reader, flags: int, number: int) -> Welcome:
    if bytes(reader.block(4)) != MAGIC:
        raise reader.error(f"it does not begin with {MAGIC.decode()}")
    version, lowest, highest = reader.integers("<3B")
    reader.zeros(1)
    now_ns, frame_bytes, frame_pixels = reader.integers("<qII")
    (frames_per_s,) = reader.numbers(1, "frames per second")
    (window,) = reader.integers("<H")
    reader.zeros(2)
    (idle_s,) = reader.numbers(1, "idle timeout")
    width, height = reader.integers("<HH")
    size = (height, width) if height and width else None
    server, model, engine, precision = (reader.text() for _ in range(4))
    return Welcome(
        number, version, lowest, highest, now_ns, frame_bytes, frame_pixels, frames_per_s, _window(reader, window),
        idle_s, size, server, model, engine, precision,
    )  # fmt: skip


def _write_selection(selection: FrameSelection) -> Encoded:
    height, width = selection.frame_size
    stages = list(selection.stages_ms.items())[:255]
    objects = selection.objects[:255]
    body = struct.pack(
        "<qqqI", selection.frame_time_ns, selection.received_ns, selection.sent_ns, selection.session
    )
    body += struct.pack(
        "<HHBB", width, height, _STATES.index(selection.state), _ORIGINS.index(selection.origin)
    )
    body += struct.pack("<BBf", len(stages), len(objects), selection.age_ms)
    body += struct.pack("<3f", *(selection.fixation or (math.nan, math.nan, math.nan)))
    for name, duration_ms in stages:
        body += struct.pack("<12sf", name.encode("ascii", "replace")[:_STAGE_NAME_BYTES], duration_ms)
    return MessageKind.SELECTION, 0, selection.frame_id, b"".join((body, *map(_object_bytes, objects)))


def _object_bytes(item: SelectedObject) -> bytes:
    polygons = b"".join(
        struct.pack("<I", len(polygon)) + np.ascontiguousarray(polygon, "<f4").tobytes()
        for polygon in item.polygons
    )
    flags = (_GAZE_TARGET if item.gaze_target else 0) | (_PINNED if item.pinned else 0)
    fixed = _OBJECT.pack(
        item.object_id,
        flags,
        item.format,
        len(item.polygons),
        item.score,
        *item.box,
        *item.rectangle,
        item.area_px,
        len(item.mask_data),
        len(polygons),
    )
    return b"".join((fixed, item.mask_data, bytes(-len(item.mask_data) % 4), polygons))


def _read_selection(reader: Reader, flags: int, number: int) -> FrameSelection:
    time_ns, received_ns, sent_ns, session = reader.integers("<qqqI")
    width, height, state, origin, stage_count, object_count = reader.integers("<HHBBBB")
    if state >= len(_STATES) or origin >= len(_ORIGINS):
        raise reader.error(f"state {state} and origin {origin}, which the protocol does not define")
    (age_ms,) = reader.numbers(1, "age")
    x_px, y_px, spread_px = reader.numbers(3, "fixation", nan=True)
    stages_ms = {}
    for _ in range(stage_count):
        name = bytes(reader.block(_STAGE_NAME_BYTES)).rstrip(b"\0").decode("ascii", "replace")
        stages_ms[name] = reader.numbers(1, "stage")[0]
    return FrameSelection(
        number,
        time_ns,
        received_ns,
        sent_ns,
        session,
        (height, width),
        _STATES[state],
        _ORIGINS[origin],
        age_ms,
        None if math.isnan(x_px) else (x_px, y_px, spread_px),
        tuple(_read_object(reader, width, height) for _ in range(object_count)),
        stages_ms,
    )


def _read_object(reader: Reader, width: int, height: int) -> SelectedObject:
    object_id, flags, mask_format, polygon_count = reader.integers("<IBBH")
    score, x0, y0, x1, y1 = reader.numbers(5, "score or box")
    x, y, columns, rows, area_px, mask_bytes, polygon_bytes = reader.integers("<4HIII")
    if flags & ~(_GAZE_TARGET | _PINNED):
        raise reader.error(f"flags {flags:#04x} of an object, which the protocol does not define")
    if x + columns > width or y + rows > height:
        raise reader.error(f"a rectangle {x}, {y}, {columns}x{rows} leaves the frame of {width}x{height}")
    mask = bytes(reader.block(mask_bytes))
    reader.zeros(-mask_bytes % 4)
    inner = Reader(reader.block(polygon_bytes), reader.name)
    polygons = tuple(_read_polygon(inner) for _ in range(polygon_count))
    inner.end()
    return SelectedObject(
        object_id,
        bool(flags & _GAZE_TARGET),
        bool(flags & _PINNED),
        score,
        (x0, y0, x1, y1),
        area_px,
        (x, y, columns, rows),
        reader.choice(mask_format, MaskFormat, "mask format"),
        mask,
        polygons,
    )


def _read_polygon(reader: Reader) -> NDArray[np.float32]:
    (count,) = reader.integers("<I")
    values = np.frombuffer(reader.block(8 * count), "<f4").reshape(count, 2)
    if count < 3 or not np.isfinite(values).all():
        raise reader.error(f"a polygon of {count} vertices; accepted: 3 or more, finite")
    return values.astype(np.float32)


def _write_grant(grant: Grant) -> Encoded:
    return MessageKind.GRANT, 0, grant.window, struct.pack("<f", grant.frames_per_s)


def _read_grant(reader: Reader, flags: int, number: int) -> Grant:
    return Grant(_window(reader, number), reader.numbers(1, "frames per second")[0])


def _window(reader: Reader, window: int) -> int:
    if not 1 <= window <= MAX_WINDOW:
        raise reader.error(f"window is {window}; accepted: 1 to {MAX_WINDOW}")
    return window


def _write_skipped(skipped: SkippedFrame) -> Encoded:
    return MessageKind.SKIPPED, 0, skipped.frame_id, struct.pack("<I", skipped.reason)


def _read_skipped(reader: Reader, flags: int, number: int) -> SkippedFrame:
    (reason,) = reader.integers("<I")
    return SkippedFrame(number, reader.choice(reason, SkipReason, "reason"))


def _write_command_result(result: CommandResult) -> Encoded:
    body = struct.pack("<II", result.action, result.object_id)
    return MessageKind.COMMAND_RESULT, 0, result.command_id, body


def _read_command_result(reader: Reader, flags: int, number: int) -> CommandResult:
    action, object_id = reader.integers("<II")
    return CommandResult(number, reader.choice(action, CommandAction, "action"), object_id)


def _write_pong(pong: Pong) -> Encoded:
    body = struct.pack("<qqq", pong.client_sent_ns, pong.received_ns, pong.sent_ns)
    return MessageKind.PONG, 0, pong.ping_id, body


def _read_pong(reader: Reader, flags: int, number: int) -> Pong:
    client_sent_ns, received_ns, sent_ns = reader.integers("<qqq")
    return Pong(number, client_sent_ns, received_ns, sent_ns)


def _write_error(error: ErrorReply) -> Encoded:
    text = text_bytes(clip_text(error.message, ERROR_TEXT_LIMIT), ERROR_TEXT_LIMIT)
    body = struct.pack("<HBB", error.code, error.about_kind, 0) + text
    return MessageKind.ERROR, _FATAL if error.fatal else 0, error.about_id, body


def _read_error(reader: Reader, flags: int, number: int) -> ErrorReply:
    code, about_kind = reader.integers("<HB")
    reader.zeros(1)
    message = reader.text(ERROR_TEXT_LIMIT)
    known = ErrorCode(code) if code in set(ErrorCode) else ErrorCode.UNKNOWN
    return ErrorReply(known, message, about_kind, number, bool(flags & _FATAL))


WRITERS: dict[type, Write] = {
    Welcome: _write_welcome,
    FrameSelection: _write_selection,
    Grant: _write_grant,
    SkippedFrame: _write_skipped,
    CommandResult: _write_command_result,
    Pong: _write_pong,
    ErrorReply: _write_error,
}
READERS: Readers = {
    MessageKind.WELCOME: (0, _read_welcome),
    MessageKind.SELECTION: (0, _read_selection),
    MessageKind.GRANT: (0, _read_grant),
    MessageKind.SKIPPED: (0, _read_skipped),
    MessageKind.COMMAND_RESULT: (0, _read_command_result),
    MessageKind.PONG: (0, _read_pong),
    MessageKind.ERROR: (_FATAL, _read_error),
}
