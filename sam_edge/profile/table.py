"""A profile as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sam_edge.profile.cold import ColdRow
from sam_edge.profile.report import Report
from sam_edge.profile.timing import TimedRow

WIDEST = 110
"""Columns of a line that says why something failed."""


def tables(report: Report) -> str:
    """Write a profile as text."""
    machine = report.machine
    lines = [
        f"{machine.cpu}, {machine.cores} of {machine.cores_all} cores; {machine.platform}",
        f"sam-edge {machine.sam_edge}, Python {machine.python}, "
        + ", ".join(f"{name} {version}" for name, version in machine.packages.items()),
    ]
    lines += [
        f"{model.name}: {model.failed}"
        if model.failed
        else f"{model.name}: {model.model or 'checkpoint'}, {model.megabytes:.1f} MB, {model.manifest_sha256}"
        for model in report.models
    ]
    if not report.complete:
        lines.append(f"INTERRUPTED during {report.interrupted}: what follows is what was measured until then")
    for part in (cold_lines(report.cold), timed_lines(report.timed)):
        lines += ["", *part] if part else []
    if report.notes:
        lines += ["", *(f"note: {note}" for note in report.notes)]
    lines.append(f"took {report.took_s:.0f} s")
    return "\n".join(lines)


def cold_lines(rows: Sequence[ColdRow]) -> list[str]:
    """Write cold starts: the stages of the process, milliseconds, and memory."""
    if not rows:
        return []
    stages = list(dict.fromkeys(name for row in rows for name in row.stages_ms))
    head = ["cold start, ms", *stages, "total", "peak MB"]
    cells = [
        [
            row.engine.label,
            *(number(row.stages_ms.get(name)) for name in stages),
            number(row.total_ms),
            number(row.memory_mb.get("peak")),
        ]
        for row in rows
        if row.failed is None
    ]
    failed = [f"{row.engine.label}: FAILED {row.failed}"[:WIDEST] for row in rows if row.failed]
    return [*aligned([head, *cells]), *failed]


def timed_lines(rows: Sequence[TimedRow]) -> list[str]:
    """Write encoding and decoding."""
    if not rows:
        return []
    head = ["ms", "calls", "median", "95 %", "MAD", "p95", "p99", "engine", "cores"]
    cells = [head]
    failed = []
    for row in rows:
        if row.failed or row.total is None or row.engine is None:
            failed.append(
                f"{row.case.label}: {'FAILED ' + row.failed if row.failed else 'not measured'}"[:WIDEST]
            )
            continue
        total = row.total
        cells.append(
            [
                f"{row.case.label}, {row.ran_as}",
                str(total.count),
                number(total.median_ms),
                f"{number(total.median_low_ms)}-{number(total.median_high_ms)}",
                number(total.mad_ms),
                number(total.p95_ms),
                number(total.p99_ms),
                number(row.engine.median_ms),
                number(row.usage.cores),
            ]
        )
    return [*aligned(cells), *failed]


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write rows in columns, the first to the left, the others to the right, with a line under the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for index, row in enumerate(rows):
        yield row[0].ljust(widths[0]) + "".join(
            f"  {cell.rjust(width)}" for cell, width in zip(row[1:], widths[1:], strict=True)
        )
        if index == 0:
            yield "-" * (sum(widths) + 2 * (len(widths) - 1))


def number(value: float | None) -> str:
    """Write a figure with three digits that count; a dash where it is not known."""
    if value is None:
        return "-"
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
