"""Encodes messages to bytes and decodes them, protocol version 2. docs/reference/protocol.md is the specification.

Bytes from the network are not trusted: every length and every number is checked, and unused bytes must be zero.
Anything else raises a `ProtocolError` with the code that the server sends back.
"""

from __future__ import annotations

import struct
from typing import Any

from sam_edge.wire import client_codec, gaze_codec, object_codec, server_codec, webcam_codec
from sam_edge.wire.binary import Reader
from sam_edge.wire.errors import ProtocolError
from sam_edge.wire.kinds import (
    CLOSE_CODE_BASE,
    GAZE_SAMPLE_BYTES,
    MAX_SAMPLES,
    RAY_SAMPLE_BYTES,
    VERSION,
    MessageKind,
    Readers,
    Write,
)
from sam_edge.wire.messages import ClientMessage, ServerMessage

__all__ = [
    "CLOSE_CODE_BASE",
    "GAZE_SAMPLE_BYTES",
    "MAX_SAMPLES",
    "RAY_SAMPLE_BYTES",
    "VERSION",
    "MessageKind",
    "decode_client_message",
    "decode_server_message",
    "encode",
    "header_of",
]

HEADER = struct.Struct("<BBHI")
"""Kind, flags, 0, number: the first bytes of every message."""
_WRITERS: dict[type, Write] = {
    **client_codec.WRITERS,
    **gaze_codec.WRITERS,
    **server_codec.WRITERS,
    **webcam_codec.WRITERS,
    **object_codec.WRITERS,
}
_CLIENT_READERS: Readers = {
    **client_codec.READERS,
    **gaze_codec.READERS,
    **webcam_codec.CLIENT_READERS,
    **object_codec.CLIENT_READERS,
}
_SERVER_READERS: Readers = {
    **server_codec.READERS,
    **webcam_codec.SERVER_READERS,
    **object_codec.SERVER_READERS,
}


def encode(message: ClientMessage | ServerMessage) -> bytes:
    """Encode a message.

    Raises:
        InputError: a text is too long.
        struct.error: a number does not fit its field.
    """
    kind, flags, number, body = _WRITERS[type(message)](message)
    return HEADER.pack(kind, flags, 0, number) + body


def decode_client_message(data: bytes) -> ClientMessage:
    """Decode a message of a client.

    Raises:
        ProtocolError: the bytes are not a message of a client.
    """
    message: ClientMessage = _decode(data, _CLIENT_READERS, "client")
    return message


def decode_server_message(data: bytes) -> ServerMessage:
    """Decode a message of a server.

    Raises:
        ProtocolError: the bytes are not a message of a server.
    """
    message: ServerMessage = _decode(data, _SERVER_READERS, "server")
    return message


def header_of(data: bytes) -> tuple[int, int]:
    """Return kind and number of a message, 0 where bytes are missing: for errors about unreadable messages."""
    if len(data) < HEADER.size:
        return (data[0] if data else 0), 0
    return data[0], int.from_bytes(data[4:8], "little")


def _decode(data: bytes, readers: Readers, sender: str) -> Any:
    if len(data) < HEADER.size:
        raise ProtocolError(f"message: {len(data)} bytes; accepted: {HEADER.size} or more")
    number_of_kind, flags, unused, number = HEADER.unpack_from(data)
    if number_of_kind not in readers:
        raise ProtocolError(f"message: kind {number_of_kind:#04x}, which a {sender} does not send")
    kind = MessageKind(number_of_kind)
    known_flags, read = readers[kind]
    reader = Reader(data, kind.name.lower())
    reader.block(HEADER.size)
    if flags & ~known_flags or unused:
        raise reader.error(f"flags {flags:#04x} and {unused}; accepted: those of {known_flags:#04x}, and 0")
    message = read(reader, flags, number)
    reader.end()
    return message
