"""A table of few kinds of columns, kept compactly, and written as CSV, Parquet or JSON lines."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError, MissingExtraError
from sam_edge.media.atomic import write_atomically
from sam_edge.timeline.columns import EMPTY, Cell, Column
from sam_edge.timeline.writers import WRITERS

if TYPE_CHECKING:
    import pandas

TABLE_ENDINGS = tuple(WRITERS)
"""Endings of a table's file name; each chooses its format."""
ROWS_AT_ONCE = 16_384
"""Rows that are turned into Python values, or written, at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows under named columns. Iterating yields a dict of plain values for each row; empty cells are None.

    Example:
        >>> for row in result.tables.fixations:
        ...     print(row["start_s"], row["object"])
    """

    columns: tuple[Column, ...]
    """The columns, in order."""
    values: Mapping[str, NDArray[Any]]
    """(N,) values of each column by its name, as `Kind` says."""

    @classmethod
    def from_values(cls, columns: tuple[Column, ...], values: Mapping[str, NDArray[Any]]) -> Table:
        """Round the values to the decimals of their columns, so that every format holds the same numbers."""
        rounded = {
            column.name: np.round(values[column.name], column.decimals)
            if column.kind == "float"
            else values[column.name]
            for column in columns
        }
        return cls(columns, rounded)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values[self.columns[0].name])

    def __iter__(self) -> Iterator[dict[str, Cell]]:
        """Yield the rows."""
        for piece in self.pieces():
            for row in zip(*piece, strict=True):
                yield dict(zip(self.names, row, strict=True))

    def numbers(self, name: str) -> list[int | None]:
        """Return the values of a column of whole numbers; None where it is empty."""
        return [None if value == EMPTY else value for value in self.values[name].tolist()]

    def pieces(self) -> Iterator[list[list[Cell]]]:
        """Yield the columns' values as lists, of so few rows at once that memory stays flat."""
        for begin in range(0, len(self), ROWS_AT_ONCE):
            yield [
                _to_cells(self.values[column.name][begin : begin + ROWS_AT_ONCE], column)
                for column in self.columns
            ]

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame: numbers that may be missing are `Int64` or NaN.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        _need("pandas", extra="tables", purpose="a table as a DataFrame")
        import pandas

        return pandas.DataFrame({column.name: self._to_series(column) for column in self.columns})

    def write(self, path: str | Path) -> None:
        """Write the table; the ending chooses CSV, Parquet or JSON lines. Missing folders are made.

        Raises:
            MediaError: the ending is another one, or the file cannot be written; nothing half-written is left.
            MissingExtraError: Parquet is asked for, and pyarrow is not installed.
        """
        path = Path(path)
        if path.suffix.lower() not in WRITERS:
            raise MediaError(f"{path}: ends in {path.suffix!r}; accepted: {', '.join(TABLE_ENDINGS)}")
        require_writer(path)
        with write_atomically(path) as part:
            WRITERS[path.suffix.lower()](self.columns, self.pieces(), part)

    def _to_series(self, column: Column) -> Any:
        values = self.values[column.name]
        if column.kind == "time":
            return values / 1e9
        if column.kind == "int":
            import pandas

            return pandas.array(_to_cells(values, column), dtype="Int64")
        return values


def require_writer(path: Path) -> None:
    """Check before the work that the library that writes a table of this name is installed.

    Raises:
        MissingExtraError: the table is Parquet, and pyarrow is not installed.
    """
    if path.suffix.lower() == ".parquet":
        _need("pyarrow", extra="tables", purpose=f"writing {path.name}")


def text_values(texts: Sequence[str | None]) -> NDArray[np.object_]:
    """Return the values of a text column."""
    values = np.empty(len(texts), object)
    values[:] = texts
    return values


def _to_cells(values: NDArray[Any], column: Column) -> list[Cell]:
    if column.kind == "time":
        cells: list[Cell] = (values / 1e9).tolist()
        return cells
    cells = values.tolist()
    if column.kind == "float":
        return [None if cell != cell else cell for cell in cells]
    if column.kind == "int":
        return [None if cell == EMPTY else cell for cell in cells]
    return cells


def _need(module: str, *, extra: str, purpose: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module, extra=extra, purpose=purpose) from error
