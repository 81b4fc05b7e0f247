"""Tables of recordings: delimited text in the dialects that programs and spreadsheets write.

Cells are separated by commas, semicolons, tabs or bars. Before the line that names the columns there may be Excel's
`sep=` line, comments (`#`, `%`) and other lines; below it a line of units. Decimal points may be commas. Names of
columns are found in any case, quoted or not, and with any signs between their words.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.encodings import decode_head, detect_encoding
from sam_edge.gaze.recordings.files import lines, ns_from_seconds, open_binary, read_head

DELIMITERS = (",", ";", "\t", "|")
DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MAX_LINES_BEFORE = 100
"""The line that names the columns is looked for in this number of lines."""
MISSING = frozenset(
    {"", "na", "n/a", "nan", "null", "none", ".", "-", "--", "#n/a", "<na>", "missing", "#nv"}
)
"""Words for a missing number, in lower case: of R, pandas, MATLAB, Excel in several languages, EyeLink and BIDS."""
MAX_SHOWN = 300
"""Most characters of column names that an error shows."""
_UNIT = re.compile(
    r"[\[(]?(s|sec|secs|seconds?|ms|milliseconds?|us|\u00b5s|\u03bcs|ns|px|pixels?|deg|degrees?|mm|cm|m|0\.\.1|0-1|norm)[\])]?"
)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_MAX_TIME_NS = 2**63 - 1

IsHeader = Callable[[list[str]], bool]
"""Says whether the cells of a line are the names of a format's columns."""


class Table:
    """Rows of a delimited text with a line that names the columns."""

    def __init__(
        self,
        path: Path,
        text: Iterator[str],
        *,
        is_header: IsHeader | None = None,
        delimiter: str | None = None,
        first_line: int = 1,
    ) -> None:
        """Find the line that names the columns.

        Args:
            path: the file, for messages.
            text: its lines; the next one has the number `first_line`.
            is_header: recognises the line by its cells; None: the first line that is no comment.
            delimiter: what separates cells; None finds it.
            first_line: number of the first line.

        Raises:
            GazeDataError: there is no line.
        """
        self.path = path
        header = _find_header(text, is_header or bool, DELIMITERS if delimiter is None else (delimiter,))
        if header is None:
            raise GazeDataError(f"{path}: empty; expected a line that names the columns")
        line, self.delimiter, number, waiting = header
        self._before = first_line - 1 + number
        self.columns: tuple[str, ...] = tuple(_clean_name(name) for name in _cells(line, self.delimiter))
        self._plain = [plain_name(name) for name in self.columns]
        # Vendors do not quote in files with tabs, where a lone quote may begin a message.
        quoted = self.delimiter != "\t" or f'"{self.delimiter}' in line
        self._reader = csv.reader(
            chain(waiting, text),
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        )
        self._first: list[list[str]] = []
        self.units: dict[int, str] = {}
        """Units that the line below the names states, by column."""
        self._read_units()

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
                f"{self.path}: no column {accepted}; the columns are {', '.join(self.columns)[:MAX_SHOWN]}, with "
                f"{DELIMITER_NAMES[self.delimiter]} between them"
            )
        return column

    def find(self, *names: str) -> int | None:
        """Return the index of the first of `names` that is a column, or None. Raises `GazeDataError` for duplicates."""
        for name in names:
            for wanted, columns in ((name, self.columns), (plain_name(name), self._plain)):
                count = columns.count(wanted)
                if count > 1:
                    raise GazeDataError(
                        f"{self.path}: the column {name!r} occurs {count} times; name it once"
                    )
                if count:
                    return columns.index(wanted)
        return None

    def check_unit(self, column: int, accepted: Sequence[str]) -> None:
        """Check the unit that the line below the names states. Raises `GazeDataError` for one that is not accepted."""
        unit = self.units.get(column, accepted[0])
        if unit not in accepted:
            raise GazeDataError(
                f"{self.path}: the unit of {self.columns[column]} is {unit!r}; accepted: {', '.join(accepted)}"
            )

    def rows(self, needed: Sequence[int]) -> Iterator[list[str]]:
        """Yield rows that have all `needed` columns. Blank lines and comments are skipped.

        Raises:
            GazeDataError: a row is shorter than that, or longer than the names.
        """
        width, names = max(needed) + 1, len(self.columns)
        for row in chain(self._first, self._rows()):
            if len(row) < width:
                raise GazeDataError(
                    f"{self.path}, line {self.line}: {len(row)} cells where {names} columns "
                    "are named; the line may be cut off: write the file again, or delete the line"
                )
            if len(row) > names and self.delimiter == "," and any(cell.strip() for cell in row[names:]):
                raise GazeDataError(
                    f"{self.path}, line {self.line}: {len(row)} cells where {names} columns are named; numbers "
                    "with a decimal comma need quotes, or semicolons between the cells"
                )
            yield row

    def number(self, text: str, column: int) -> float:
        """Return the finite number in a cell, or NaN for a missing one. Raises `GazeDataError`."""
        try:
            value = float(text)
        except ValueError:
            value = self._other_number(text)
        if value in (math.inf, -math.inf) or "_" in text:
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
            value = int(text.strip().strip('"'))
        except ValueError:
            raise self.error(column, text, accepted) from None
        if abs(value) > _MAX_TIME_NS:
            raise self.error(column, text, bounded)
        return value

    def time_ns(self, text: str, column: int) -> int:
        """Return a cell of seconds in nanoseconds. Raises `GazeDataError`."""
        try:
            time_ns = ns_from_seconds(self.point(text))
        except (ValueError, OverflowError):
            raise self.error(column, text, "a finite number of seconds") from None
        if abs(time_ns) > _MAX_TIME_NS:
            raise self.error(column, text, "seconds, less than 292 years; is the unit right?")
        return time_ns

    def whole_ns(self, text: str, column: int) -> int:
        """Return a cell of whole nanoseconds. Raises `GazeDataError`."""
        return self.whole(text, column, "a whole number of nanoseconds", "nanoseconds below 2**63")

    def point(self, text: str) -> str:
        """Return a number's text without quotes and with a decimal point."""
        text = text.strip().strip('"')
        thousands = self.delimiter == "," and _THOUSANDS.fullmatch(text)
        return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) and not thousands else text

    def error(self, column: int, value: str, accepted: str) -> GazeDataError:
        """Return an error that names file, line, column, value and the accepted values."""
        return GazeDataError(
            f"{self.path}, line {self.line}: {self.columns[column]} is {value[:60]!r}; accepted: {accepted}"
        )

    def _other_number(self, text: str) -> float:
        """Return the number in a cell that Python does not read; infinity where it is none."""
        if text.strip().strip('"').lower() in MISSING:
            return math.nan
        try:
            return float(self.point(text))
        except ValueError:
            return math.inf

    def _read_units(self) -> None:
        for row in self._rows():
            cells = {at: cell.strip().lower() for at, cell in enumerate(row) if cell.strip()}
            if cells and all(_UNIT.fullmatch(cell) for cell in cells.values()):
                self.units = {at: cell.strip("[]()") for at, cell in cells.items()}
            else:
                self._first = [row]
            break

    def _rows(self) -> Iterator[list[str]]:
        try:
            for row in self._reader:
                if row and not (len(row) == 1 and not row[0].strip()) and not _is_comment(row[0]):
                    yield row
        except csv.Error as error:
            raise GazeDataError(f"{self.path}, line {self.line}: not a readable table ({error})") from error


@contextmanager
def open_table(path: Path, is_header: IsHeader | None = None) -> Iterator[Table]:
    """Open a file as a table; `is_header` is that of `Table`. Raises `GazeDataError`."""
    with open_binary(path) as handle:
        yield Table(path, lines(path, handle), is_header=is_header)


def names_header(*names: str) -> IsHeader:
    """Return a function that says whether the cells of a line name all these columns."""
    wanted = {plain_name(name) for name in names}
    return lambda cells: wanted <= {plain_name(cell) for cell in cells}


def has_header(path: Path, is_header: IsHeader) -> bool:
    """Return whether a file begins with lines of which one names a format's columns. Raises nothing."""
    text = iter(decode_head(read_head(path)).splitlines(keepends=True)[:MAX_LINES_BEFORE])
    found = _find_header(text, is_header, DELIMITERS)
    return found is not None and is_header(_cells(found[0], found[1]))


def describe_table(path: Path) -> str:
    """Return how a file was read as a table: encoding, what separates cells, and its columns; empty for no text."""
    head = read_head(path)
    text = decode_head(head)
    found = _find_header(iter(text.splitlines(keepends=True)), bool, DELIMITERS)
    if found is None:
        return ""
    line, delimiter, *_ = found
    cells = [_clean_name(cell) for cell in _cells(line, delimiter)]
    if len(cells) < 2 or not "".join(cells).isprintable():
        return ""
    columns = ", ".join(cells)
    columns = columns if len(columns) <= MAX_SHOWN else f"{columns[:MAX_SHOWN]} ..."
    encoding = detect_encoding(head).removesuffix("-sig").upper().replace("CP1252", "Windows-1252")
    between = DELIMITER_NAMES[delimiter]
    return f"It was read as {encoding} text with {between} between the cells. Its columns are {columns}"


def plain_name(name: str) -> str:
    """Return the name of a column in lower case, with `_` for everything between its words."""
    name = name.replace("\u00b5", "u").replace("\u03bc", "u").casefold()
    return re.sub(r"[^\w%]+|_+", "_", name).strip("_")


_Found = tuple[str, str, int, list[str]]
"""The line that names the columns, what separates cells, how many lines were read to its end, and lines after it."""


def _find_header(text: Iterator[str], is_header: IsHeader, delimiters: Sequence[str]) -> _Found | None:
    """Return the first line that `is_header` accepts, else the first that is neither blank nor a comment."""
    read: list[str] = []
    stated = ""
    other: tuple[int, str] | None = None
    for line in text:
        read.append(line)
        hint = re.fullmatch(r'"?sep=(.)"?\s*', line.lstrip("\ufeff"), re.IGNORECASE)
        if hint is not None and len(read) == 1:
            stated = hint[1]
            continue
        if not line.strip():
            continue
        for delimiter in sorted(delimiters, key=lambda each: (each != stated, -len(_cells(line, each)))):
            cells = _cells(line, delimiter)
            if cells and is_header(cells) and not (is_header is bool and _is_comment(cells[0])):
                return line, delimiter, len(read), []
            if other is None and len(cells) > 0 and not _is_comment(cells[0]):
                other = len(read), delimiter
        if len(read) >= MAX_LINES_BEFORE:
            break
    if other is None:
        return None
    number, delimiter = other
    return read[number - 1], delimiter, number, read[number:]


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.lstrip("\ufeff").rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _clean_name(name: str) -> str:
    return name.strip().strip('"').strip()


def _is_comment(cell: str) -> bool:
    return cell.lstrip().startswith(("#", "%", "//")) and cell.strip().lower() not in MISSING
