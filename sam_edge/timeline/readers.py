"""Read a table that `Table.write` wrote."""

from __future__ import annotations

import csv
import importlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError, MissingExtraError
from sam_edge.timeline.columns import EMPTY, Cell, Column
from sam_edge.timeline.table import TABLE_ENDINGS, Table, text_values

Cells: TypeAlias = dict[str, Sequence[Any]]
"""Values of each column by its name; None is empty."""


def read_table(path: str | Path, columns: tuple[Column, ...]) -> Table:
    """Read CSV, Parquet or JSON lines, by the ending; further columns are left out.

    Raises:
        MediaError: the file is missing or damaged, lacks a column, or has another ending.
        MissingExtraError: it is Parquet, and pyarrow is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in _READERS:
        raise MediaError(f"{path}: ends in {path.suffix!r}; accepted: {', '.join(TABLE_ENDINGS)}")
    try:
        cells = _READERS[path.suffix.lower()](path, columns)
        return Table(columns, {column.name: to_values(cells[column.name], column) for column in columns})
    except KeyError as error:
        raise MediaError(f"{path}: has no column {error}") from error
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError) as error:
        raise MediaError(f"{path}: is damaged ({error})") from error


def _read_csv(path: Path, columns: tuple[Column, ...]) -> Cells:
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.reader(handle)
        names = next(reader, [])
        texts: dict[str, list[str]] = {name: [] for name in names}
        for row in reader:
            for name, text in zip(names, row, strict=True):
                texts[name].append(text)
    return {column.name: [_from_text(text, column) for text in texts[column.name]] for column in columns}


def _read_jsonl(path: Path, columns: tuple[Column, ...]) -> Cells:
    cells: dict[str, list[Cell]] = {column.name: [] for column in columns}
    with path.open(encoding="utf-8") as handle:
        for line in handle:
            entry = json.loads(line)
            for name, column in cells.items():
                column.append(entry[name])
    return dict(cells)


def _read_parquet(path: Path, columns: tuple[Column, ...]) -> Cells:
    try:
        importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra="tables", purpose=f"reading {path.name}") from error
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    return {column.name: table.column(column.name).to_pylist() for column in columns}


_READERS: dict[str, Callable[[Path, tuple[Column, ...]], Cells]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
}


def _from_text(text: str, column: Column) -> Cell:
    if not text:
        return None
    if column.kind == "text":
        return text
    if column.kind == "bool":
        return {"true": True, "false": False}[text]
    return int(text) if column.kind == "int" else float(text)


def to_values(cells: Sequence[Any], column: Column) -> NDArray[Any]:
    """Return the values of a column as `Table` keeps them; None is an empty cell."""
    if column.kind == "text":
        return text_values(list(cells))
    if column.kind == "bool":
        return np.array(cells, np.bool_)
    if column.kind == "int":
        return np.array([EMPTY if cell is None else cell for cell in cells], np.int64)
    numbers = np.array([math.nan if cell is None else cell for cell in cells], np.float64)
    return np.rint(numbers * 1e9).astype(np.int64) if column.kind == "time" else numbers
