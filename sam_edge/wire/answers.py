"""What servers say, as bytes."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.selection import State
from sam_edge.wire.binary import Code, Reader, clipped_text, text_bytes
from sam_edge.wire.kinds import (
    ERROR,
    GRANT,
    MAGIC,
    MESSAGE_TEXT_LIMIT,
    PONG,
    SELECTION,
    SKIPPED,
    TRIGGERED,
    WELCOME,
    WINDOW_LIMIT,
    Readers,
    Write,
    Written,
)
from sam_edge.wire.messages import (
    Action,
    Fault,
    Grant,
    MaskFormat,
    Pong,
    Selected,
    Skipped,
    SkipReason,
    Thing,
    Triggered,
    Welcome,
)

_SOURCES = ("none", "encoded", "reused", "propagated")
_STATES = (State.NONE, State.HOVER, State.FOCUSED, State.HELD, State.LOST)
_FATAL = 0x01
_MEANT, _KEPT = 0x01, 0x02
_STAGE_BYTES, _THING = 12, struct.Struct("<IBBH5f4HIII")


def _write_welcome(welcome: Welcome) -> Written:
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


def _write_selected(selected: Selected) -> Written:
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


def _write_grant(grant: Grant) -> Written:
    return GRANT, 0, grant.window, struct.pack("<f", grant.frames_per_s)


def _read_grant(reader: Reader, flags: int, number: int) -> Grant:
    return Grant(_window(reader, number), reader.numbers(1, "frames a second")[0])


def _window(reader: Reader, window: int) -> int:
    if not 1 <= window <= WINDOW_LIMIT:
        raise reader.error(f"window is {window}; accepted: 1 to {WINDOW_LIMIT}")
    return window


def _write_skipped(skipped: Skipped) -> Written:
    return SKIPPED, 0, skipped.frame_id, struct.pack("<I", skipped.reason)


def _read_skipped(reader: Reader, flags: int, number: int) -> Skipped:
    (reason,) = reader.integers("<I")
    return Skipped(number, reader.choice(reason, SkipReason, "reason"))


def _write_triggered(triggered: Triggered) -> Written:
    return TRIGGERED, 0, triggered.trigger_id, struct.pack("<II", triggered.action, triggered.object_id)


def _read_triggered(reader: Reader, flags: int, number: int) -> Triggered:
    action, object_id = reader.integers("<II")
    return Triggered(number, reader.choice(action, Action, "action"), object_id)


def _write_pong(pong: Pong) -> Written:
    return PONG, 0, pong.number, struct.pack("<qqq", pong.asked_ns, pong.received_ns, pong.sent_ns)


def _read_pong(reader: Reader, flags: int, number: int) -> Pong:
    asked_ns, received_ns, sent_ns = reader.integers("<qqq")
    return Pong(number, asked_ns, received_ns, sent_ns)


def _write_fault(fault: Fault) -> Written:
    text = text_bytes(clipped_text(fault.message, MESSAGE_TEXT_LIMIT), MESSAGE_TEXT_LIMIT)
    body = struct.pack("<HBB", fault.code, fault.about, 0) + text
    return ERROR, _FATAL if fault.fatal else 0, fault.related_id, body


def _read_fault(reader: Reader, flags: int, number: int) -> Fault:
    code, about = reader.integers("<HB")
    reader.zeros(1)
    message = reader.text(MESSAGE_TEXT_LIMIT)
    known = Code(code) if code in set(Code) else Code.UNKNOWN
    return Fault(known, message, about, number, bool(flags & _FATAL))


WRITERS: dict[type, Write] = {
    Welcome: _write_welcome,
    Selected: _write_selected,
    Grant: _write_grant,
    Skipped: _write_skipped,
    Triggered: _write_triggered,
    Pong: _write_pong,
    Fault: _write_fault,
}
READERS: Readers = {
    WELCOME: ("welcome", 0, _read_welcome),
    SELECTION: ("selection", 0, _read_selected),
    GRANT: ("grant", 0, _read_grant),
    SKIPPED: ("skipped", 0, _read_skipped),
    TRIGGERED: ("triggered", 0, _read_triggered),
    PONG: ("pong", 0, _read_pong),
    ERROR: ("error", _FATAL, _read_fault),
}
