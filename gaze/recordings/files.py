"""Reading and writing of recording files: bounded lines, clear errors, atomic writes."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO

from sam_edge.errors import GazeDataError, MediaError
from sam_edge.media.atomic import write_atomically

MAX_LINE_BYTES = 1 << 20
"""Longest line that is read; no gaze format has lines near this long."""
HEAD_BYTES = 16_384
"""Bytes of a file that are read to recognise its format."""
CUT_OFF = "the file is cut off; its complete part was read"
_MAX_TIME_NS = 2**63 - 1
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
            return handle.read(HEAD_BYTES)
    except GazeDataError:
        return b""


def unpacked_limit(path: Path) -> int:
    """Return the largest accepted decompressed size in bytes; gaze text compresses 5 to 30 times."""
    return (1 << 20) + 100 * path.stat().st_size


def lines(path: Path, handle: BinaryIO, *, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a text without byte order mark. Raises `GazeDataError` for overlong or undecodable lines."""
    number = total = 0
    most = unpacked_limit(path)
    while raw := handle.readline(MAX_LINE_BYTES + 1):
        number += 1
        total += len(raw)
        if total > most:
            raise GazeDataError(f"{path}: unpacks to more than {most} bytes; this is not a gaze recording")
        if len(raw) > MAX_LINE_BYTES:
            raise GazeDataError(
                f"{path}, line {number}: longer than {MAX_LINE_BYTES} bytes; this is not a gaze recording"
            )
        try:
            yield raw.removeprefix(codecs.BOM_UTF8).decode(encoding) if number == 1 else raw.decode(encoding)
        except UnicodeDecodeError as error:
            raise GazeDataError(
                f"{path}, line {number}: not {encoding.upper()} text ({error.reason}); save it as {encoding.upper()}"
            ) from error


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


def json_object(path: Path) -> dict[str, Any]:
    """Return the object in a small JSON file. Raises `GazeDataError`."""
    try:
        if path.stat().st_size > 1 << 24:
            raise GazeDataError(f"{path}: larger than 16 MiB; this is not a description of a recording")
        value = json.loads(path.read_text(encoding="utf-8"))
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


class Table:
    """Rows of a delimited text file with a header line."""

    def __init__(self, path: Path, text: Iterator[str], *, delimiter: str = ",", first_line: int = 1) -> None:
        """Read the header from `text`, whose next line has the number `first_line`.

        Quotes are interpreted only in comma-separated files; tab-separated vendor files never quote.
        """
        self.path = path
        self._before = first_line - 1
        if delimiter == ",":
            self._reader = csv.reader(text)
        else:
            self._reader = csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        self.columns: tuple[str, ...] = ()
        for row in self._rows():
            self.columns = tuple(name.strip() for name in row)
            break
        if not self.columns:
            raise GazeDataError(f"{path}: empty; expected a line that names the columns")

    @property
    def line(self) -> int:
        """Number of the line read last, from 1."""
        return self._before + self._reader.line_num

    def index(self, *names: str) -> int:
        """Return the index of the first of `names` that is a column. Raises `GazeDataError` when none is."""
        column = self.find(*names)
        if column is None:
            accepted = " or ".join(repr(name) for name in names)
            raise GazeDataError(
                f"{self.path}: no column {accepted}; the columns are {', '.join(self.columns)}"
            )
        return column

    def find(self, *names: str) -> int | None:
        """Return the index of the first of `names` that is a column, or None. Raises `GazeDataError` for duplicates."""
        for name in names:
            count = self.columns.count(name)
            if count > 1:
                raise GazeDataError(f"{self.path}: the column {name!r} occurs {count} times; name it once")
            if count:
                return self.columns.index(name)
        return None

    def rows(self, needed: Sequence[int]) -> Iterator[list[str]]:
        """Yield rows that have all `needed` columns. Blank lines are skipped; a short row raises `GazeDataError`."""
        width = max(needed) + 1
        for row in self._rows():
            if len(row) < width:
                raise GazeDataError(
                    f"{self.path}, line {self.line}: {len(row)} cells where {len(self.columns)} columns "
                    "are named; the line may be cut off: write the file again, or delete the line"
                )
            yield row

    def number(self, text: str, column: int) -> float:
        """Return the finite number in a cell, or NaN for an empty cell. Raises `GazeDataError`."""
        try:
            value = float(text)
        except ValueError:
            value = math.inf if text.strip() else math.nan
        if value in (math.inf, -math.inf):
            raise self.error(column, text, "a finite number, or nothing for an invalid sample")
        return value

    def whole(
        self,
        text: str,
        column: int,
        accepted: str = "a whole number",
        bounded: str = "a whole number below 2**63",
    ) -> int:
        """Return the whole number in a cell; messages say what is `accepted`. Raises `GazeDataError`."""
        try:
            value = int(text)
        except ValueError:
            raise self.error(column, text, accepted) from None
        if abs(value) > _MAX_TIME_NS:
            raise self.error(column, text, bounded)
        return value

    def time_ns(self, text: str, column: int) -> int:
        """Return a cell of seconds in nanoseconds. Raises `GazeDataError`."""
        try:
            time_ns = ns_from_seconds(text)
        except (ValueError, OverflowError):
            raise self.error(column, text, "a finite number of seconds") from None
        if abs(time_ns) > _MAX_TIME_NS:
            raise self.error(column, text, "seconds, less than 292 years; is the unit right?")
        return time_ns

    def whole_ns(self, text: str, column: int) -> int:
        """Return a cell of whole nanoseconds. Raises `GazeDataError`."""
        return self.whole(text, column, "a whole number of nanoseconds", "nanoseconds below 2**63")

    def error(self, column: int, value: str, accepted: str) -> GazeDataError:
        """Return an error that names file, line, column, value and the accepted values."""
        return GazeDataError(
            f"{self.path}, line {self.line}: {self.columns[column]} is {value[:60]!r}; accepted: {accepted}"
        )

    def _rows(self) -> Iterator[list[str]]:
        try:
            for row in self._reader:
                if row and not (len(row) == 1 and not row[0].strip()):
                    yield row
        except csv.Error as error:
            raise GazeDataError(f"{self.path}, line {self.line}: not a readable table ({error})") from error


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
