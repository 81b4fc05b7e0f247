"""The figures of a profile as CSV, one figure per line, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from sam_edge.profile.measure.cold_start import ColdStartResult
from sam_edge.profile.measure.session import SessionResult
from sam_edge.profile.measure.statistics import LatencySummary
from sam_edge.profile.measure.timing import TimingResult
from sam_edge.profile.operators.operator_table import OperatorTable
from sam_edge.profile.plan import EngineConfig
from sam_edge.profile.report.report import ProfileReport

COLUMNS = (
    "part",
    "bundle",
    "runtime",
    "precision",
    "threads",
    "actual_precision",
    "width",
    "height",
    "metric",
    "prompts",
    "count",
    "median",
    "p95",
    "p99",
    "mad",
    "unit",
    "error",
)
"""Columns. Single values are in `median`; unknown values are empty."""
Cells = dict[str, object]


def to_csv(report: ProfileReport) -> str:
    """Write the CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in report_rows(report):
        writer.writerow({key: "" if value is None else value for key, value in row.items()})
    return text.getvalue()


def report_rows(report: ProfileReport) -> Iterator[Cells]:
    """Yield every figure of the report that is a duration or a size."""
    for start in report.cold_starts:
        yield from cold_start_rows(start)
    for timing in report.timings:
        yield from timing_rows(timing)
    for session in report.sessions:
        yield from session_rows(session)
    for table in report.operators:
        yield from operator_rows(table)


def cold_start_rows(start: ColdStartResult) -> Iterator[Cells]:
    """Yield the stages and the memory of a cold start."""
    base = {
        **engine_cells(start.engine, start.size),
        "actual_precision": start.actual_precision,
        "error": start.error,
        "count": start.processes,
    }
    if start.error:
        yield {"part": "cold", **base}
    for name, value in {**start.stages_ms, "total": start.total_ms}.items():
        yield {"part": "cold", **base, "metric": name, "median": round_known(value), "unit": "ms"}
    for name, value in start.memory_mb.items():
        yield {"part": "memory", **base, "metric": name, "median": round_known(value), "unit": "MB"}


def timing_rows(timing: TimingResult) -> Iterator[Cells]:
    """Yield the latency of a case and of the engine within it."""
    case = timing.case
    base = {
        "part": "timing",
        **engine_cells(case.engine, case.size),
        "actual_precision": timing.actual_precision,
        "error": timing.error,
        "prompts": case.prompts,
    }
    yield {**base, "metric": case.operation, **summary_cells(timing.total)}
    yield {**base, "metric": f"{case.operation}: engine", **summary_cells(timing.inference)}


def session_rows(session: SessionResult) -> Iterator[Cells]:
    """Yield the stages of a session."""
    base = {
        "part": f"session: {session.mode}",
        **engine_cells(session.engine, session.frame_size),
        "error": session.error,
    }
    for name, summary in session.stages.items():
        yield {**base, "metric": name, **summary_cells(summary)}
    if session.error:
        yield base


def operator_rows(table: OperatorTable) -> Iterator[Cells]:
    """Yield the duration of each operator of a graph."""
    base = {
        "part": "operator",
        **engine_cells(table.engine, table.size),
        "error": table.error,
        "count": table.iterations,
    }
    for operator in table.operators:
        duration_ms = round_known(operator.time_us / 1e3)
        yield {**base, "metric": f"{table.role}: {operator.name}", "median": duration_ms, "unit": "ms"}


def engine_cells(engine: EngineConfig, size: tuple[int, int]) -> Cells:
    """Write an engine and a size (height, width)."""
    return {
        "bundle": engine.model or engine.bundle.name,
        "runtime": engine.runtime,
        "precision": engine.precision,
        "threads": engine.threads,
        "width": size[1],
        "height": size[0],
    }


def summary_cells(summary: LatencySummary | None) -> Cells:
    """Write a latency summary."""
    if summary is None:
        return {}
    return {
        "count": summary.count,
        "median": round_known(summary.median_ms),
        "p95": round_known(summary.p95_ms),
        "p99": round_known(summary.p99_ms),
        "mad": round_known(summary.mad_ms),
        "unit": "ms",
    }


def round_known(value: float | None) -> float | None:
    """Round to a microsecond, or to a kilobyte; None stays None."""
    return None if value is None else round(value, 3)
