"""Little-endian values out of untrusted bytes, and into them."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

from sam_edge.errors import InputError

TEXT_LIMIT = 256
"""Longest text in a message, bytes."""
FARTHEST = 1e7
"""Largest number that a coordinate may have."""
Made = TypeVar("Made")


class Code(IntEnum):
    """What was wrong: the codes of docs/protocol.md."""

    UNKNOWN = 0
    """A code that a later server knows, never sent."""
    MALFORMED = 1
    VERSION = 2
    UNAUTHORIZED = 3
    TOO_LARGE = 4
    PICTURE = 5
    ORDER = 6
    SETTING = 7
    RATE = 8
    FULL = 9
    SILENCE = 10
    ENGINE = 11
    CLOSING = 12
    BUSY = 13


class ProtocolError(InputError):
    """A message is none of the protocol, or asks for something that is not accepted."""

    def __init__(self, message: str, code: Code = Code.MALFORMED) -> None:
        """Say what was wrong, in words and as a code."""
        super().__init__(message)
        self.code = code


class Reader:
    """Reads values one after the other; nothing is read beyond the end."""

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        """Begin at the first byte. `what` names the message in errors."""
        self._data = memoryview(data)
        self._at = 0
        self.what = what

    def integers(self, layout: str) -> tuple[int, ...]:
        """Read whole numbers, for example `"<qI"`."""
        return struct.unpack(layout, self.block(struct.calcsize(layout)))

    def numbers(self, count: int, name: str, *, nan: bool = False) -> tuple[float, ...]:
        """Read f32 that are finite and of a sensible size, or NaN where that is accepted."""
        values = struct.unpack(f"<{count}f", self.block(4 * count))
        for value in values:
            if not (abs(value) <= FARTHEST or (nan and math.isnan(value))):
                raise self.error(f"{name} is {value}; accepted: finite numbers{' or NaN' if nan else ''}")
        return values

    def block(self, size: int) -> memoryview:
        """Read that many bytes."""
        if size > len(self._data) - self._at:
            raise self.error(f"it is {len(self._data)} bytes long and was cut off")
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def text(self, limit: int = TEXT_LIMIT) -> str:
        """Read a text of at most `limit` bytes."""
        (size,) = self.integers("<H")
        if size > limit:
            raise self.error(f"a text of {size} bytes; accepted: at most {limit}")
        try:
            return str(self.block(size), "utf-8")
        except UnicodeDecodeError as error:
            raise self.error("a text is no UTF-8") from error

    def zeros(self, size: int) -> None:
        """Read unused bytes."""
        if any(self.block(size)):
            raise self.error(f"the {size} unused bytes before byte {self._at} are not all zero")

    def choice(self, value: int, accepted: Callable[[int], Made], name: str) -> Made:
        """Return `accepted(value)`, or say that it is none."""
        try:
            return accepted(value)
        except ValueError as error:
            raise self.error(f"{name} is {value}, which is none of the protocol's") from error

    def rest(self) -> memoryview:
        """Read everything that is left."""
        return self.block(len(self._data) - self._at)

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._data):
            raise self.error(f"it is {len(self._data)} bytes long; accepted: {self._at}")

    def error(self, message: str) -> ProtocolError:
        """Build the error of this message."""
        return ProtocolError(f"{self.what}: {message}")


def text_bytes(text: str, limit: int = TEXT_LIMIT) -> bytes:
    """Write a text. What is too long is refused.

    Raises:
        InputError: it has more than `limit` bytes.
    """
    data = text.encode("utf-8")
    if len(data) > limit:
        raise InputError(f"text: {text[:40]!r}... has {len(data)} bytes; accepted: at most {limit}")
    return struct.pack("<H", len(data)) + data


def clipped_text(text: str, limit: int) -> str:
    """Shorten a text to at most `limit` bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
