"""Encodes and decodes messages about the objects that a session knows."""

from __future__ import annotations

import struct
from typing import get_args

from sam_edge.identity.events import EventKind, KnownObject, ObjectEvent
from sam_edge.wire.binary import Reader, text_bytes
from sam_edge.wire.kinds import Encoded, MessageKind, Readers, Write, require_no_number
from sam_edge.wire.object_messages import (
    ConfirmationRequest,
    ObjectAction,
    ObjectCommand,
    ObjectInfo,
    ObjectList,
    Unconfirmed,
)

EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
"""By their number on the wire, from 1."""
_PINNED = 0x01
_MOST = 0xFFFF
_LONGEST_DWELL_MS = 0xFFFF_FFFF


def _write_command(command: ObjectCommand) -> Encoded:
    body = struct.pack("<BBHII", command.action, 0, 0, command.object_id, command.other_id)
    return MessageKind.OBJECT_COMMAND, 0, command.command_id, body + _label_bytes(command.label)


def _read_command(reader: Reader, flags: int, number: int) -> ObjectCommand:
    (action_number,) = reader.integers("<B")
    reader.zeros(3)
    action = reader.choice(action_number, ObjectAction, "action")
    object_id, other_id = reader.integers("<II")
    label = _read_label(reader)
    expected = (action is not ObjectAction.LIST, action is ObjectAction.MERGE)
    if (object_id > 0, other_id > 0) != expected:
        raise reader.error(
            f"{action.name.lower()} with the objects {object_id} and {other_id}; accepted: numbers from 1, of two "
            "objects with merge, of one with rename and forget, else 0"
        )
    if label is not None and action is not ObjectAction.RENAME:
        raise reader.error(f"a label with {action.name.lower()}; accepted: with rename only")
    return ObjectCommand(number, action, object_id, other_id, label)


def _write_list(message: ObjectList) -> Encoded:
    objects = message.objects[:_MOST]
    head = struct.pack("<IHH", message.session, len(objects), 0)
    return MessageKind.OBJECT_LIST, 0, message.command_id, b"".join((head, *map(_object_bytes, objects)))


def _object_bytes(item: KnownObject) -> bytes:
    flags = _PINNED if item.pinned else 0
    fixed = struct.pack("<IBBHqq", item.object_id, flags, 0, 0, item.first_seen_ns, item.last_seen_ns)
    dwell_ms = min(round(item.dwell_ms), _LONGEST_DWELL_MS)
    return fixed + struct.pack("<II4f", dwell_ms, item.visits, *item.box) + _label_bytes(item.label)


def _read_list(reader: Reader, flags: int, number: int) -> ObjectList:
    session, count = reader.integers("<IH")
    reader.zeros(2)
    return ObjectList(number, session, tuple(_read_object(reader) for _ in range(count)))


def _read_object(reader: Reader) -> KnownObject:
    object_id, flags = reader.integers("<IB")
    reader.zeros(3)
    if flags & ~_PINNED:
        raise reader.error(f"flags {flags:#04x} of an object, which the protocol does not define")
    first_ns, last_ns, dwell_ms, visits = reader.integers("<qqII")
    x0, y0, x1, y1 = reader.numbers(4, "box")
    return KnownObject(
        object_id=object_id,
        label=_read_label(reader),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        dwell_ms=float(dwell_ms),
        visits=visits,
        pinned=bool(flags & _PINNED),
        box=(x0, y0, x1, y1),
    )


def _write_info(info: ObjectInfo) -> Encoded:
    labels, events = list(info.labels.items())[:_MOST], info.events[:_MOST]
    parts = [struct.pack("<HH", len(labels), len(events))]
    parts += [struct.pack("<I", object_id) + text_bytes(label) for object_id, label in labels]
    return MessageKind.OBJECT_INFO, 0, info.frame_id, b"".join((*parts, *map(_event_bytes, events)))


def _event_bytes(event: ObjectEvent) -> bytes:
    kind = EVENT_KINDS.index(event.kind) + 1
    fixed = struct.pack("<qBBHII", event.time_ns, kind, 0, 0, event.object_id, event.other_id or 0)
    return fixed + _label_bytes(event.label)


def _read_info(reader: Reader, flags: int, number: int) -> ObjectInfo:
    label_count, event_count = reader.integers("<HH")
    labels = {reader.integers("<I")[0]: reader.text() for _ in range(label_count)}
    return ObjectInfo(number, labels, tuple(_read_event(reader) for _ in range(event_count)))


def _read_event(reader: Reader) -> ObjectEvent:
    time_ns, kind_number = reader.integers("<qB")
    reader.zeros(3)
    object_id, other_id = reader.integers("<II")
    kind = reader.choice(kind_number, _event_kind, "kind of an event")
    return ObjectEvent(kind, time_ns, object_id, other_id or None, _read_label(reader))


def _event_kind(number: int) -> EventKind:
    if not 1 <= number <= len(EVENT_KINDS):
        raise ValueError(number)
    return EVENT_KINDS[number - 1]


def _label_bytes(label: str | None) -> bytes:
    return text_bytes(label or "")


def _read_label(reader: Reader) -> str | None:
    return reader.text() or None


def _write_request(request: ConfirmationRequest) -> Encoded:
    return MessageKind.CONFIRMATION, 0, 0, b""


def _read_request(reader: Reader, flags: int, number: int) -> ConfirmationRequest:
    require_no_number(reader, number)
    return ConfirmationRequest()


def _write_unconfirmed(message: Unconfirmed) -> Encoded:
    return MessageKind.UNCONFIRMED, 0, message.frame_id, struct.pack("<I", message.object_id)


def _read_unconfirmed(reader: Reader, flags: int, number: int) -> Unconfirmed:
    (object_id,) = reader.integers("<I")
    return Unconfirmed(number, object_id)


WRITERS: dict[type, Write] = {
    ObjectCommand: _write_command,
    ObjectList: _write_list,
    ObjectInfo: _write_info,
    ConfirmationRequest: _write_request,
    Unconfirmed: _write_unconfirmed,
}
CLIENT_READERS: Readers = {
    MessageKind.OBJECT_COMMAND: (0, _read_command),
    MessageKind.CONFIRMATION: (0, _read_request),
}
SERVER_READERS: Readers = {
    MessageKind.OBJECT_LIST: (0, _read_list),
    MessageKind.OBJECT_INFO: (0, _read_info),
    MessageKind.UNCONFIRMED: (0, _read_unconfirmed),
}
