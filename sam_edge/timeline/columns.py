"""Columns of a table: names, kinds, and how a missing value is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

EMPTY = -1
"""An integer cell without a value. No column holds negative numbers."""

Kind: TypeAlias = Literal["time", "float", "int", "bool", "text"]
"""`time`: int64 nanoseconds, shown in seconds. Empty are NaN in `float`, `EMPTY` in `int`, and None in `text`."""
Cell: TypeAlias = "float | int | bool | str | None"
"""A value; None is empty."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind
    decimals: int = 0
    """Digits after the decimal point, of `float`."""
