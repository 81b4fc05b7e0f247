"""The protocol's version, kinds of messages and limits, and the types of codec functions."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeAlias

from sam_edge.wire.binary import Reader

VERSION = 2
"""The only protocol version that this package speaks."""
MAGIC = b"SEGE"
MIN_SIDE_PX = 32
"""Smallest height and width of images."""
MAX_SIDE_PX = 16384
"""Largest height and width of images."""
MAX_SAMPLES = 1024
"""Most samples in one message."""
MAX_WINDOW = 8
"""Largest number of unanswered frames that a server grants."""
ERROR_TEXT_LIMIT = 1024
"""Longest text of an error message, bytes."""
MAX_TARGETS = 64
"""Numbers of calibration targets are below this."""
MAX_CALIBRATION_BYTES = 4096
"""Longest calibration that a client restores."""
CLOSE_CODE_BASE = 4000
"""The WebSocket's close code after an error is this plus the error's code."""
GAZE_SAMPLE_BYTES, RAY_SAMPLE_BYTES = 32, 72


class MessageKind(IntEnum):
    """The first byte of a message: below 0x80 to the server, above from it."""

    HELLO = 0x01
    FRAME = 0x02
    GAZE = 0x03
    RAYS = 0x04
    CAMERA = 0x05
    COMMAND = 0x06
    PING = 0x07
    CONFIGURE = 0x08
    FACE_FRAME = 0x09
    WEBCAM = 0x0A
    VIEWPORT = 0x0B
    CALIBRATE = 0x0C
    TARGET = 0x0D
    CLICK = 0x0E
    OBJECT_COMMAND = 0x0F
    CONFIRMATION = 0x10
    WELCOME = 0x81
    SELECTION = 0x82
    GRANT = 0x83
    SKIPPED = 0x84
    COMMAND_RESULT = 0x85
    PONG = 0x86
    ERROR = 0x87
    GAZE_ESTIMATE = 0x88
    TARGET_PROGRESS = 0x89
    CALIBRATION_RESULT = 0x8A
    OBJECT_LIST = 0x8B
    OBJECT_INFO = 0x8C
    UNCONFIRMED = 0x8D


Encoded: TypeAlias = tuple[MessageKind, int, int, bytes]
"""Kind, flags, number, and the bytes after the 8 bytes of the header."""
Write: TypeAlias = Callable[[Any], Encoded]
"""Writes a message of one kind."""
Read: TypeAlias = Callable[[Reader, int, int], Any]
"""Reads what follows the header; takes the reader, the flags and the number."""
Readers: TypeAlias = dict[MessageKind, tuple[int, Read]]
"""Known flags and reader of each kind."""


def require_no_number(reader: Reader, number: int) -> None:
    """Raise a `ProtocolError` unless the number in the header is 0."""
    if number:
        raise reader.error(f"its number is {number}; accepted: 0")
