"""A profile as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sam_edge.profile.measure.cold_start import ColdRow
from sam_edge.profile.measure.session import SessionRow
from sam_edge.profile.measure.sustained import SustainedRow
from sam_edge.profile.measure.timing import TimedRow
from sam_edge.profile.operators.operator_table import FAMILIES, OperatorGroup, OperatorTable, grouped
from sam_edge.profile.operators.peak import Peak
from sam_edge.profile.report.report import Report

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
    for part in (
        cold_lines(report.cold),
        timed_lines(report.timed),
        *(session_lines(row) for row in report.sessions),
        *(sustained_lines(row) for row in report.sustained),
        *(peak_lines(peak) for peak in report.peaks),
        *(operator_lines(table) for table in report.operators),
    ):
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


def session_lines(row: SessionRow) -> list[str]:
    """Write a session's stages."""
    title = f"session, {row.mode}, {row.engine.label}"
    if row.failed:
        return [f"{title}: FAILED {row.failed}"[:WIDEST]]
    cells = [[f"{title}, ms", "frames", "median", "MAD", "p95", "p99"]]
    for name, summary in (*row.stages.items(), *([("age of the mask", row.age_ms)] if row.age_ms else [])):
        values = (summary.median_ms, summary.mad_ms, summary.p95_ms, summary.p99_ms)
        cells.append([name, str(summary.count), *(number(value) for value in values)])
    where = ", ".join(f"{count} {source}" for source, count in row.sources.items())
    return [*aligned(cells), f"{row.frames} frames at {row.fps:g}/s, {row.late} late; masks: {where}"]


def sustained_lines(row: SustainedRow) -> list[str]:
    """Write whether a machine throttles."""
    title = f"sustained, encode {row.size[1]}x{row.size[0]}, {row.engine.label}"
    if row.failed:
        return [f"{title}: FAILED {row.failed}"[:WIDEST]]
    if not row.seconds:
        return [f"{title}: not measured"]
    last = row.seconds[-1]
    facts = [f"{title}: {sum(one.calls for one in row.seconds)} calls in {last.at_s:.0f} s"]
    if row.slowdown is not None:
        facts.append(
            f"last third {row.slowdown.value:.3f} times the first ({row.slowdown.low:.3f}-{row.slowdown.high:.3f}): "
            + row.verdict
        )
    if row.usage is not None and row.usage.joules is not None:
        facts.append(f"{row.usage.joules / max(1, sum(one.calls for one in row.seconds)):.2f} J a call")
    return [", ".join(facts)]


def peak_lines(peak: Peak) -> list[str]:
    """Write what the machine can do at best."""
    best = [
        f"{engine} {dtype} {gflops:.0f} GFLOP/s"
        for engine, formats in peak.gflops.items()
        for dtype, gflops in formats.items()
    ]
    memory = [f"copying memory {peak.gb_s:.1f} GB/s"] if peak.gb_s is not None else []
    return [f"peak with {peak.threads} threads: {', '.join(best + memory)}"]


def operator_lines(table: OperatorTable) -> list[str]:
    """Write an inference by kind of work, and by part of the model."""
    title = f"operators, {table.role} {table.size[1]}x{table.size[0]}, {table.engine.label}"
    if table.failed:
        return [f"{title}: FAILED {table.failed}"[:WIDEST]]
    head = [title, "n", "ms", "time", "GFLOP", "MB", "GFLOP/s", "GB/s", "of roof", "bound by"]
    lines: list[str] = []
    for names, key in ((FAMILIES, "family"), ([one.stage for one in table.operators], "stage")):
        lines += aligned([head, *(group_cells(group) for group in grouped(table.operators, names, key))])
        head = ["by part of the model", *head[1:]]
    return lines


def group_cells(group: OperatorGroup) -> list[str]:
    """Write a group of operators."""
    values = (group.gflop, group.megabytes, group.gflops, group.gb_s)
    return [
        group.name,
        str(group.count),
        number(group.time_ms),
        percent(group.share_of_time),
        *(number(value) for value in values),
        percent(group.share_of_roof),
        group.bound or "-",
    ]


def percent(share: float | None) -> str:
    """Write a share; a dash where it is not known."""
    return "-" if share is None else f"{100 * share:.0f} %"


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
