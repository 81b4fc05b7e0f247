"""A profile as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from sam_edge.profile.measure.cold_start import ColdStartResult
from sam_edge.profile.measure.session import SessionResult
from sam_edge.profile.measure.sustained import SustainedResult
from sam_edge.profile.measure.timing import TimingResult
from sam_edge.profile.operators.operator_table import (
    FAMILIES,
    OperatorGroup,
    OperatorTable,
    group_operators,
)
from sam_edge.profile.operators.peak import PeakPerformance
from sam_edge.profile.report.report import ProfileReport
from sam_edge.profile.report.text_format import align_columns, format_number, format_percent

MAX_ERROR_LINE = 110
"""Maximum characters of a line that reports a failure."""


def format_report(report: ProfileReport) -> str:
    """Write a profile as text."""
    lines = header_lines(report)
    for part in (
        cold_start_lines(report.cold_starts),
        timing_lines(report.timings),
        *(session_lines(row) for row in report.sessions),
        *(sustained_lines(row) for row in report.sustained),
        *(peak_lines(peak) for peak in report.peaks),
        *(operator_lines(table) for table in report.operators),
    ):
        lines += ["", *part] if part else []
    if report.notes:
        lines += ["", *(f"note: {note}" for note in report.notes)]
    lines.append(f"duration: {report.duration_s:.0f} s")
    return "\n".join(lines)


def header_lines(report: ProfileReport) -> list[str]:
    """Write the machine, the versions, the models, and whether the profile was interrupted."""
    machine = report.machine
    lines = [
        f"{machine.cpu}, {machine.cores} of {machine.cores_total} cores; {machine.platform}",
        f"sam-edge {machine.sam_edge}, Python {machine.python}, "
        + ", ".join(f"{name} {version}" for name, version in machine.packages.items()),
    ]
    lines += [
        f"{model.name}: {model.error}"
        if model.error
        else f"{model.name}: {model.model or 'checkpoint'}, {model.size_mb:.1f} MB, {model.manifest_sha256}"
        for model in report.models
    ]
    if not report.complete:
        lines.append(f"INTERRUPTED during {report.interrupted}: later parts are missing")
    return lines


def cold_start_lines(rows: Sequence[ColdStartResult]) -> list[str]:
    """Write cold starts: the stages of the process, milliseconds, and memory."""
    if not rows:
        return []
    stages = list(dict.fromkeys(name for row in rows for name in row.stages_ms))
    header = ["cold start, ms", *stages, "total", "peak MB"]
    cells = [
        [
            row.engine.label,
            *(format_number(row.stages_ms.get(name)) for name in stages),
            format_number(row.total_ms),
            format_number(row.memory_mb.get("peak")),
        ]
        for row in rows
        if row.error is None
    ]
    return [
        *align_columns([header, *cells]),
        *(error_line(row.engine.label, row.error) for row in rows if row.error),
    ]


def timing_lines(rows: Sequence[TimingResult]) -> list[str]:
    """Write the latency of encoding and decoding."""
    if not rows:
        return []
    cells = [["ms", "calls", "median", "95 % CI", "MAD", "p95", "p99", "engine", "cores"]]
    errors = []
    for row in rows:
        if row.error or row.total is None or row.inference is None:
            errors.append(
                error_line(row.case.label, row.error) if row.error else f"{row.case.label}: not measured"
            )
            continue
        total = row.total
        cells.append(
            [
                f"{row.case.label}, {row.actual_precision}",
                str(total.count),
                format_number(total.median_ms),
                f"{format_number(total.median_low_ms)}-{format_number(total.median_high_ms)}",
                format_number(total.mad_ms),
                format_number(total.p95_ms),
                format_number(total.p99_ms),
                format_number(row.inference.median_ms),
                format_number(row.usage.cores),
            ]
        )
    return [*align_columns(cells), *errors]


def session_lines(row: SessionResult) -> list[str]:
    """Write the stages of a session."""
    title = f"session, {row.mode}, {row.engine.label}"
    if row.error:
        return [error_line(title, row.error)]
    cells = [[f"{title}, ms", "frames", "median", "MAD", "p95", "p99"]]
    mask_age = [("mask age", row.mask_age_ms)] if row.mask_age_ms else []
    for name, summary in (*row.stages.items(), *mask_age):
        values = (summary.median_ms, summary.mad_ms, summary.p95_ms, summary.p99_ms)
        cells.append([name, str(summary.count), *(format_number(value) for value in values)])
    origins = ", ".join(f"{count} {origin}" for origin, count in row.origins.items())
    return [*align_columns(cells), f"{row.frames} frames at {row.fps:g}/s, {row.late} late; masks: {origins}"]


def sustained_lines(row: SustainedResult) -> list[str]:
    """Write the result of the sustained load."""
    title = f"sustained load, encode {row.size[1]}x{row.size[0]}, {row.engine.label}"
    if row.error:
        return [error_line(title, row.error)]
    if not row.seconds:
        return [f"{title}: not measured"]
    calls = sum(second.calls for second in row.seconds)
    facts = [f"{title}: {calls} calls in {row.seconds[-1].at_s:.0f} s"]
    if row.slowdown is not None:
        facts.append(
            f"last third {row.slowdown.value:.3f} times the first ({row.slowdown.low:.3f}-{row.slowdown.high:.3f}): "
            + row.verdict
        )
    if row.usage is not None and row.usage.joules is not None:
        facts.append(f"{row.usage.joules / max(1, calls):.2f} J per call")
    return [", ".join(facts)]


def peak_lines(peak: PeakPerformance) -> list[str]:
    """Write the peak performance of the machine."""
    products = [
        f"{runtime} {dtype} {gflops:.0f} GFLOP/s"
        for runtime, formats in peak.gflops.items()
        for dtype, gflops in formats.items()
    ]
    copy = [f"memory copy {peak.gb_s:.1f} GB/s"] if peak.gb_s is not None else []
    return [f"peak with {peak.threads} threads: {', '.join(products + copy)}"]


def operator_lines(table: OperatorTable) -> list[str]:
    """Write the operators of a graph, by kind of work and by part of the model."""
    title = f"operators, {table.role} {table.size[1]}x{table.size[0]}, {table.engine.label}"
    if table.error:
        return [error_line(title, table.error)]
    columns = ["n", "ms", "time", "GFLOP", "MB", "GFLOP/s", "GB/s", "of roofline", "bound by"]
    stages = [operator.stage for operator in table.operators]
    lines: list[str] = []
    for header, names, key in ((title, FAMILIES, "family"), ("by part of the model", stages, "stage")):
        groups = group_operators(table.operators, names, key)
        lines += align_columns([[header, *columns], *(group_cells(group) for group in groups)])
    return lines


def group_cells(group: OperatorGroup) -> list[str]:
    """Write the totals of a group of operators."""
    values = (group.gflop, group.traffic_mb, group.gflops, group.gb_s)
    return [
        group.name,
        str(group.count),
        format_number(group.time_ms),
        format_percent(group.time_share),
        *(format_number(value) for value in values),
        format_percent(group.roofline_fraction),
        group.bound or "-",
    ]


def error_line(title: str, error: str | None) -> str:
    """Write a failure on one line."""
    return f"{title}: FAILED {error}"[:MAX_ERROR_LINE]
