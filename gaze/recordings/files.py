"""Reading and writing of recording files: bounded lines, clear errors, atomic writes."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO

from sam_edge.errors import GazeDataError, MediaError
from sam_edge.gaze.recordings import encodings
from sam_edge.media.atomic import write_atomically

CUT_OFF = "the file is cut off; its complete part was read"
_NS = Decimal(1_000_000_000)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Do as `write_atomically`; an error is a `GazeDataError`."""
    try:
        with write_atomically(path) as part:
            yield part
    except MediaError as error:
        raise GazeDataError(str(error)) from error


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, decompressed when it is gzip. Raises `GazeDataError`."""
    # Opening a pipe may block forever, and it cannot be read twice.
    if path.exists() and not path.is_file():
        raise GazeDataError(f"{path}: cannot be read (not a plain file)")
    try:
        with path.open("rb") as plain:
            if plain.read(2) == b"\x1f\x8b":
                plain.seek(0)
                with gzip.GzipFile(fileobj=plain) as packed:
                    yield packed  # type: ignore[misc]  # GzipFile is a binary stream in all but name
            else:
                plain.seek(0)
                yield plain
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GazeDataError(
            f"{path}: the gzip data is damaged or cut off ({error}); copy the file again"
        ) from error
    except OSError as error:
        raise GazeDataError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, decompressed when it is gzip; empty when it cannot be read."""
    if not path.is_file():
        return b""
    try:
        with open_binary(path) as handle:
            return handle.read(encodings.HEAD_BYTES)
    except GazeDataError:
        return b""


def unpacked_limit(path: Path) -> int:
    """Return the largest accepted decompressed size in bytes; gaze text compresses 5 to 30 times."""
    return (1 << 20) + 100 * path.stat().st_size


def lines(path: Path, handle: BinaryIO) -> Iterator[str]:
    """Yield the lines of a text; see `encodings.lines`. Raises `GazeDataError` when it unpacks to too much."""
    return encodings.lines(path, handle, max_characters=unpacked_limit(path))


def json_objects(path: Path, notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a log with one JSON object per line.

    A log that breaks off (its device lost power) is read up to its last complete line, with a remark in `notes`.
    Raises `GazeDataError` for a line within the log that is not a JSON object.
    """
    broken: GazeDataError | None = None
    with open_binary(path) as handle:
        try:
            for number, text in enumerate(lines(path, handle), 1):
                if broken is not None:
                    raise broken
                if not text.strip():
                    continue
                try:
                    entry = json.loads(text)
                except (ValueError, RecursionError) as error:
                    broken = GazeDataError(f"{path}, line {number}: not a JSON object ({error})")
                    continue
                if not isinstance(entry, dict):
                    raise GazeDataError(
                        f"{path}, line {number}: {text[:60]!r}; accepted: one JSON object per line"
                    )
                yield entry
        except EOFError:
            broken = GazeDataError(str(path))
    if broken is not None:
        notes.append(CUT_OFF)


def first_json_object(head: bytes) -> dict[str, Any]:
    """Return the first complete JSON object of a log with one on each line; empty where there is none."""
    for line in encodings.decode_head(head).splitlines()[:20]:
        if line.strip():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                return {}
            return entry if isinstance(entry, dict) else {}
    return {}


def json_object(path: Path) -> dict[str, Any]:
    """Return the object in a small JSON file. Raises `GazeDataError`."""
    try:
        if path.stat().st_size > 1 << 24:
            raise GazeDataError(f"{path}: larger than 16 MiB; this is not a description of a recording")
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GazeDataError(f"{path}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise GazeDataError(f"{path}: not readable JSON ({error})") from error
    if not isinstance(value, dict):
        raise GazeDataError(f"{path}: holds {type(value).__name__}; accepted: a JSON object")
    return value


def numbers(value: object, count: int) -> tuple[float, ...] | None:
    """Return `count` finite numbers from a JSON list, or None when the value is anything else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    if not all(type(item) in (int, float) for item in value):
        return None
    try:
        result = tuple(map(float, value))
    except OverflowError:
        return None
    return result if all(map(math.isfinite, result)) else None


def ns_from_seconds(text: str) -> int:
    """Return a decimal number of seconds as whole nanoseconds. Raises `ValueError` unless it is finite."""
    value = float(text)
    if abs(value) < 1e6:
        return round(value * 1e9)
    try:
        return int((Decimal(text.strip()) * _NS).to_integral_value())
    except (InvalidOperation, OverflowError) as error:
        raise ValueError(text) from error


def seconds_from_ns(time_ns: int) -> str:
    """Return nanoseconds as text in seconds with nine decimals, without rounding."""
    sign = "-" if time_ns < 0 else ""
    whole, rest = divmod(abs(time_ns), 1_000_000_000)
    return f"{sign}{whole}.{rest:09d}"
