"""Text of recordings in the encodings that programs write: UTF-8, UTF-16, UTF-32 and Windows' own.

A byte order mark says which; without one, UTF-16 is known by its zero bytes, and what is not UTF-8 is Windows-1252.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sam_edge.errors import GazeDataError

MAX_LINE_CHARACTERS = 1 << 20
"""Longest line that is read; no gaze format has lines near this long."""
HEAD_BYTES = 16_384
"""Bytes of a file that are read to recognise its encoding and its format."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MANY_ZEROS, _FEW_ZEROS = 0.4, 0.1
"""Shares of zero bytes at every second place, and at the places between, of UTF-16 text in Latin letters."""
_OTHERWISE = "sam-edge-windows-1252"


def _decode_windows(error: UnicodeError) -> tuple[str, int]:
    """Decode bytes that the encoding has not as Windows-1252, and what that has not as Latin-1."""
    if not isinstance(error, UnicodeDecodeError) or error.encoding.lower().startswith(("utf-16", "utf-32")):
        raise error
    wrong = error.object[error.start : error.end]
    try:
        return wrong.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return wrong.decode("latin-1"), error.end


codecs.register_error(_OTHERWISE, _decode_windows)


def detect_encoding(head: bytes) -> str:
    """Return the encoding, by Python's name, of a text that begins with these bytes."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    odd, even = head[1::2], head[::2]
    zeros_odd, zeros_even = odd.count(0) / max(1, len(odd)), even.count(0) / max(1, len(even))
    if zeros_odd > _MANY_ZEROS and zeros_even < _FEW_ZEROS:
        return "utf-16-le"
    if zeros_even > _MANY_ZEROS and zeros_odd < _FEW_ZEROS:
        return "utf-16-be"
    try:
        # The head may end in the middle of a character.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def decode_head(head: bytes) -> str:
    """Return the first bytes of a file as text, with `\\n` at the end of lines; what is no text is replaced."""
    encoding = detect_encoding(head)
    errors = "replace" if encoding.startswith(("utf-16", "utf-32")) else _OTHERWISE
    return head.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def lines(path: Path, handle: BinaryIO, *, max_characters: int) -> Iterator[str]:
    """Yield the lines of a text, of any encoding and any kind of line end, with `\\n` at their end.

    Args:
        path: the file, for messages.
        handle: the file, opened as bytes and decompressed.
        max_characters: most characters in all.

    Raises:
        GazeDataError: a line or the whole text is too long, or UTF-16 text is damaged.
    """
    encoding = detect_encoding(_peek(handle))
    text = io.TextIOWrapper(handle, encoding=encoding, errors=_OTHERWISE, newline=None)
    number = total = 0
    try:
        while line := text.readline(MAX_LINE_CHARACTERS + 1):
            number += 1
            total += len(line)
            if total > max_characters:
                raise GazeDataError(
                    f"{path}: unpacks to more than {max_characters} bytes; this is not a gaze recording"
                )
            if len(line) > MAX_LINE_CHARACTERS:
                raise GazeDataError(
                    f"{path}, line {number}: longer than {MAX_LINE_CHARACTERS} bytes; this is not a gaze recording"
                )
            yield line
    except UnicodeError as error:
        raise GazeDataError(
            f"{path}, line {number + 1}: not {encoding.upper()} text ({error}); save it as UTF-8"
        ) from error
    finally:
        # The reader may have closed the file before this generator ends.
        if not handle.closed:
            text.detach()


def _peek(handle: BinaryIO) -> bytes:
    """Return the first bytes of a file, and go back to its beginning."""
    try:
        head = handle.read(HEAD_BYTES)
    except (EOFError, zlib.error):
        # A packed file that breaks off early: what comes before that is enough.
        handle.seek(0)
        head = getattr(handle, "read1", handle.read)(64)
    handle.seek(0)
    return head
