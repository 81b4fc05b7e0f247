"""Numbers and bounds of the protocol, and what reads and writes of messages look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from sam_edge.wire.binary import Reader

VERSION = 1
"""What this module speaks."""
MAGIC = b"SEGE"
HELLO, FRAME, GAZE, RAYS, CAMERA, TRIGGER, PING, CONFIGURE = range(0x01, 0x09)
FACE, EYE, STAGE, CALIBRATE, TARGET, CLICKED = range(0x09, 0x0F)
WELCOME, SELECTION, GRANT, SKIPPED, TRIGGERED, PONG, ERROR = range(0x81, 0x88)
SIGHT, AIMED, CALIBRATED = range(0x88, 0x8B)
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
TARGETS = 64
"""Targets of one calibration have numbers below this."""
CALIBRATION_BYTES = 4096
"""Longest calibration that a client keeps."""
CLOSE_CODES_FROM = 4000
"""A connection that ends with an error is closed with this plus the error's code."""
GAZE_SAMPLE_BYTES, RAY_SAMPLE_BYTES = 32, 72
LARGEST_OTHER_BYTES = 8 + SAMPLES_A_MESSAGE * RAY_SAMPLE_BYTES
"""Longest message that is no frame."""
Written: TypeAlias = tuple[int, int, int, bytes]
"""Kind, flags, number, and what follows the head."""
Write: TypeAlias = Callable[[Any], Written]
"""Writes a message of one kind."""
Read: TypeAlias = Callable[[Reader, int, int], Any]
"""Reads what follows the head, given flags and number."""
Readers: TypeAlias = dict[int, tuple[str, int, Read]]
"""Name, flags and reader of each kind."""


def unnumbered(reader: Reader, number: int) -> None:
    """Refuse a number where there is none."""
    if number:
        raise reader.error(f"its number is {number}; accepted: 0")
