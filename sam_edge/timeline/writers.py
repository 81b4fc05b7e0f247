"""Write a table as CSV, JSON lines or Parquet, some thousand rows at once."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from sam_edge.timeline.columns import Cell, Column

Columns: TypeAlias = tuple[Column, ...]
Pieces: TypeAlias = Iterable[list[list[Cell]]]
"""Some rows at once: the values of each column."""


def write_csv(columns: Columns, pieces: Pieces, path: Path) -> None:
    """Write comma-separated values: a line of names, empty cells for what is missing, `true` and `false`."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        formats = [_csv_format(column) for column in columns]
        for piece in pieces:
            texts = [
                ["" if cell is None else to_text(cell) for cell in cells]
                for cells, to_text in zip(piece, formats, strict=True)
            ]
            writer.writerows(zip(*texts, strict=True))


def write_jsonl(columns: Columns, pieces: Pieces, path: Path) -> None:
    """Write a JSON object a line, with `null` for what is missing."""
    with path.open("w", encoding="utf-8") as handle:
        names = [column.name for column in columns]
        for piece in pieces:
            for row in zip(*piece, strict=True):
                entry = dict(zip(names, row, strict=True))
                handle.write(json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(columns: Columns, pieces: Pieces, path: Path) -> None:
    """Write Parquet through pyarrow; what is missing is null."""
    import pyarrow
    import pyarrow.parquet

    types = {
        "time": pyarrow.float64(),
        "float": pyarrow.float64(),
        "int": pyarrow.int64(),
        "bool": pyarrow.bool_(),
        "text": pyarrow.string(),
    }
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for piece in pieces:
            arrays: list[Any] = [
                pyarrow.array(cells, field.type) for cells, field in zip(piece, schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


WRITERS: dict[str, Callable[[Columns, Pieces, Path], None]] = {
    ".csv": write_csv,
    ".parquet": write_parquet,
    ".jsonl": write_jsonl,
}
"""The writer of each ending."""


def _csv_format(column: Column) -> Callable[[Cell], str]:
    if column.kind == "time":
        return "{:.9f}".format
    if column.kind == "float":
        return f"{{:.{column.decimals}f}}".format
    if column.kind == "bool":
        return lambda cell: "true" if cell else "false"
    return str
