"""Reads little-endian values from untrusted bytes, and writes texts."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import TypeVar

from sam_edge.errors import InputError
from sam_edge.wire.errors import ProtocolError

TEXT_LIMIT = 256
"""Longest text in a message, bytes."""
LARGEST_NUMBER = 1e7
"""Largest absolute value of a coordinate."""
T = TypeVar("T")


class Reader:
    """Reads one value after the other, and never beyond the end."""

    def __init__(self, data: bytes | memoryview, name: str) -> None:
        """Start at the first byte. `name` is the message's name in errors."""
        self._data = memoryview(data)
        self._at = 0
        self.name = name

    def integers(self, layout: str) -> tuple[int, ...]:
        """Read integers, for example `"<qI"`."""
        return struct.unpack(layout, self.block(struct.calcsize(layout)))

    def numbers(self, count: int, name: str, *, nan: bool = False) -> tuple[float, ...]:
        """Read f32 values between plus and minus `LARGEST_NUMBER`; `nan` accepts NaN too."""
        values = struct.unpack(f"<{count}f", self.block(4 * count))
        for value in values:
            if not (abs(value) <= LARGEST_NUMBER or (nan and math.isnan(value))):
                raise self.error(f"{name} is {value}; accepted: finite numbers{' or NaN' if nan else ''}")
        return values

    def block(self, size: int) -> memoryview:
        """Read `size` bytes."""
        if size > len(self._data) - self._at:
            raise self.error(f"it has only {len(self._data)} bytes: it was cut off")
        block = self._data[self._at : self._at + size]
        self._at += size
        return block

    def text(self, limit: int = TEXT_LIMIT) -> str:
        """Read a text of at most `limit` bytes."""
        (size,) = self.integers("<H")
        if size > limit:
            raise self.error(f"a text of {size} bytes; accepted: at most {limit}")
        try:
            return str(self.block(size), "utf-8")
        except UnicodeDecodeError as error:
            raise self.error("a text is not UTF-8") from error

    def zeros(self, size: int) -> None:
        """Read unused bytes, which must be zero."""
        if any(self.block(size)):
            raise self.error(f"the {size} unused bytes before byte {self._at} are not all zero")

    def choice(self, value: int, convert: Callable[[int], T], name: str) -> T:
        """Return `convert(value)`; a `ValueError` of it becomes a `ProtocolError`."""
        try:
            return convert(value)
        except ValueError as error:
            raise self.error(f"{name} is {value}, which the protocol does not define") from error

    def rest(self) -> memoryview:
        """Read all remaining bytes."""
        return self.block(len(self._data) - self._at)

    def end(self) -> None:
        """Check that no bytes remain."""
        if self._at != len(self._data):
            raise self.error(f"it has {len(self._data)} bytes; accepted: {self._at}")

    def error(self, message: str) -> ProtocolError:
        """Return an error that names this message."""
        return ProtocolError(f"{self.name}: {message}")


def text_bytes(text: str, limit: int = TEXT_LIMIT) -> bytes:
    """Write a text as its length (u16) and its UTF-8 bytes.

    Raises:
        InputError: the text has more than `limit` bytes, or is no Unicode text: it has lone surrogates.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"text: {text[:40]!r} is not Unicode text: {error.reason}") from error
    if len(data) > limit:
        raise InputError(f"text: {text[:40]!r}... has {len(data)} bytes; accepted: at most {limit}")
    return struct.pack("<H", len(data)) + data


def clip_text(text: str, limit: int) -> str:
    """Shorten a text to at most `limit` bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
