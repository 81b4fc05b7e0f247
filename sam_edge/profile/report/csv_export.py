"""A profile's figures as CSV: a line a figure, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from sam_edge.profile.measure.statistics import Summary
from sam_edge.profile.plan import Engine
from sam_edge.profile.report.report import Report

COLUMNS = (
    "part",
    "bundle",
    "runtime",
    "precision",
    "threads",
    "ran_as",
    "width",
    "height",
    "what",
    "prompts",
    "count",
    "median",
    "p95",
    "p99",
    "mad",
    "unit",
    "failed",
)
"""Columns. Medians stand for single values too; what is not known is empty."""


def sheet(report: Report) -> str:
    """Write the CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows_of(report):
        writer.writerow({key: "" if value is None else value for key, value in row.items()})
    return text.getvalue()


def rows_of(report: Report) -> Iterator[dict[str, object]]:
    """Give every figure of the report that is a time or a size."""
    for one in report.cold:
        base = {
            **engine_cells(one.engine, one.size),
            "ran_as": one.ran_as,
            "failed": one.failed,
            "count": one.starts,
        }
        if one.failed:
            yield {"part": "cold", **base}
        for name, value in {**one.stages_ms, "total": one.total_ms}.items():
            yield {"part": "cold", **base, "what": name, "median": rounded(value), "unit": "ms"}
        for name, value in one.memory_mb.items():
            yield {"part": "memory", **base, "what": name, "median": rounded(value), "unit": "MB"}
    for timed in report.timed:
        case = timed.case
        base = {**engine_cells(case.engine, case.size), "ran_as": timed.ran_as, "failed": timed.failed}
        base |= {"prompts": case.prompts}
        yield {"part": "timing", **base, "what": case.what, **cells(timed.total)}
        yield {"part": "timing", **base, "what": f"{case.what}: engine", **cells(timed.engine)}
    for session in report.sessions:
        base = {**engine_cells(session.engine, session.frame_size), "failed": session.failed}
        for name, summary in session.stages.items():
            yield {"part": f"session: {session.mode}", **base, "what": name, **cells(summary)}
        if session.failed:
            yield {"part": f"session: {session.mode}", **base}
    for table in report.operators:
        base = {**engine_cells(table.engine, table.size), "failed": table.failed, "count": table.runs}
        for operator in table.operators:
            what = f"{table.role}: {operator.name}"
            yield {
                "part": "operator",
                **base,
                "what": what,
                "median": rounded(operator.time_us / 1e3),
                "unit": "ms",
            }


def engine_cells(engine: Engine, size: tuple[int, int]) -> dict[str, object]:
    """Write a model, its engine and a size (height, width)."""
    return {
        "bundle": engine.model or engine.bundle.name,
        "runtime": engine.runtime,
        "precision": engine.precision,
        "threads": engine.threads,
        "width": size[1],
        "height": size[0],
    }


def cells(summary: Summary | None) -> dict[str, object]:
    """Write a summary."""
    if summary is None:
        return {}
    return {
        "count": summary.count,
        "median": rounded(summary.median_ms),
        "p95": rounded(summary.p95_ms),
        "p99": rounded(summary.p99_ms),
        "mad": rounded(summary.mad_ms),
        "unit": "ms",
    }


def rounded(value: float | None) -> float | None:
    """Round to a microsecond, or to a kilobyte."""
    return None if value is None else round(value, 3)
