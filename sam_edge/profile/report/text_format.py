"""Figures and columns as text, for terminals and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def format_number(value: float | None) -> str:
    """Write a figure with three significant digits; a dash when it is unknown."""
    if value is None:
        return "-"
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def format_percent(share: float | None) -> str:
    """Write a share as a percentage; a dash when it is unknown."""
    return "-" if share is None else f"{100 * share:.0f} %"


def align_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align rows in columns, the first to the left, the others to the right, with a line under the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for index, row in enumerate(rows):
        yield row[0].ljust(widths[0]) + "".join(
            f"  {cell.rjust(width)}" for cell, width in zip(row[1:], widths[1:], strict=True)
        )
        if index == 0:
            yield "-" * (sum(widths) + 2 * (len(widths) - 1))
