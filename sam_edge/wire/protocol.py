"""The messages between client and server as bytes, version 1. docs/protocol.md is the specification.

Nothing that comes in is trusted: every length and every number is checked, what is not used must be zero, and what does
not fit is a `ProtocolError` with the code that the other side is told.
"""

from __future__ import annotations

import struct
from typing import Any

from sam_edge.wire import answers, gaze, requests, webcam
from sam_edge.wire.binary import ProtocolError, Reader
from sam_edge.wire.kinds import (
    AIMED,
    CALIBRATE,
    CALIBRATED,
    CALIBRATION_BYTES,
    CAMERA,
    CLICKED,
    CLOSE_CODES_FROM,
    CONFIGURE,
    ERROR,
    EYE,
    FACE,
    FRAME,
    GAZE,
    GAZE_SAMPLE_BYTES,
    GRANT,
    HELLO,
    LARGEST_OTHER_BYTES,
    LARGEST_SIDE_PX,
    MAGIC,
    MESSAGE_TEXT_LIMIT,
    PING,
    PONG,
    RAY_SAMPLE_BYTES,
    RAYS,
    SAMPLES_A_MESSAGE,
    SELECTION,
    SIGHT,
    SKIPPED,
    SMALLEST_SIDE_PX,
    STAGE,
    TARGET,
    TARGETS,
    TRIGGER,
    TRIGGERED,
    VERSION,
    WELCOME,
    WINDOW_LIMIT,
    Readers,
    Write,
)
from sam_edge.wire.messages import Answer, Request

__all__ = [
    "AIMED",
    "CALIBRATE",
    "CALIBRATED",
    "CALIBRATION_BYTES",
    "CAMERA",
    "CLICKED",
    "CLOSE_CODES_FROM",
    "CONFIGURE",
    "ERROR",
    "EYE",
    "FACE",
    "FRAME",
    "GAZE",
    "GAZE_SAMPLE_BYTES",
    "GRANT",
    "HELLO",
    "LARGEST_OTHER_BYTES",
    "LARGEST_SIDE_PX",
    "MAGIC",
    "MESSAGE_TEXT_LIMIT",
    "PING",
    "PONG",
    "RAYS",
    "RAY_SAMPLE_BYTES",
    "SAMPLES_A_MESSAGE",
    "SELECTION",
    "SIGHT",
    "SKIPPED",
    "SMALLEST_SIDE_PX",
    "STAGE",
    "TARGET",
    "TARGETS",
    "TRIGGER",
    "TRIGGERED",
    "VERSION",
    "WELCOME",
    "WINDOW_LIMIT",
    "decode_answer",
    "decode_request",
    "encode",
    "head_of",
]

_WRITERS: dict[type, Write] = {
    **requests.WRITERS,
    **gaze.WRITERS,
    **answers.WRITERS,
    **webcam.WRITERS,
}
_REQUESTS: Readers = {**requests.READERS, **gaze.READERS, **webcam.REQUESTS}
_ANSWERS: Readers = {**answers.READERS, **webcam.ANSWERS}


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


def _decode(data: bytes, readers: Readers, whose: str) -> Any:
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
