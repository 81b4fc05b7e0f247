"""The operators of a profile as HTML: time by kind of work and by part of the model, rooflines, tables."""

from __future__ import annotations

from collections.abc import Sequence

from sam_edge.profile.operators.operator_table import FAMILIES, Operator, OperatorTable, group_operators
from sam_edge.profile.operators.peak import PeakPerformance
from sam_edge.profile.report.html import html_card, html_error, html_table
from sam_edge.profile.report.plots import Bar, Dot, draw_bars, draw_scatter
from sam_edge.profile.report.report import ProfileReport
from sam_edge.profile.report.svg import svg_legend
from sam_edge.profile.report.text_format import format_number, format_percent

MAX_LISTED = 25
"""Operators listed for each graph: the slowest ones."""
MAX_DOTS = 60
"""Operators in a roofline plot: the slowest ones."""
MAX_ROOFLINES = 2
"""Graphs with a roofline plot: the first ones, of the fastest engine."""


def operator_cards(report: ProfileReport) -> list[str]:
    """Draw each graph by kind of work, by part of the model, and as a roofline."""
    cards = []
    for role in ("encode", "decode"):
        tables = [table for table in report.operators if table.role == role and table.operators]
        if not tables:
            continue
        cards.append(html_card(f"{role}: kinds of work", draw_groups(tables, FAMILIES, "family")))
        stages = list(dict.fromkeys(operator.stage for table in tables for operator in table.operators))
        cards.append(html_card(f"{role}: parts of the model", draw_groups(tables, stages, "stage")))
    cards += [
        html_card(graph_name(table), html_error(table.error)) for table in report.operators if table.error
    ]
    peaks = {peak.threads: peak for peak in report.peaks}
    for table in report.operators[:MAX_ROOFLINES]:
        peak = peaks.get(table.engine.threads or 0)
        if peak is not None and table.operators:
            cards.append(html_card(f"roofline: {graph_name(table)}", draw_roofline(table, peak)))
    return cards


def draw_groups(tables: Sequence[OperatorTable], names: Sequence[str], key: str) -> str:
    """Draw the duration of every group, one bar for each engine; `key` is `family` or `stage`."""
    order = list(names)
    bars = [
        Bar(
            table.engine.label,
            tuple(
                (
                    order.index(group.name),
                    group.time_ms,
                    f"{group.name}, {format_percent(group.roofline_fraction)} of its roofline",
                )
                for group in group_operators(table.operators, names, key)
            ),
        )
        for table in tables
    ]
    return draw_bars(bars, unit="ms") + svg_legend(order)


def draw_roofline(table: OperatorTable, peak: PeakPerformance) -> str:
    """Draw the operators of a graph below the roofline of the machine."""
    operators = sorted(
        (operator for operator in table.operators if operator.flops > 0 and operator.bytes > 0),
        key=lambda operator: -operator.time_us,
    )
    dots = [roofline_dot(operator, table) for operator in operators[:MAX_DOTS]]
    if not dots or peak.gb_s is None:
        return ""
    x_min, x_max = min(dot.x for dot in dots), max(dot.x for dot in dots)
    used = {operator.dtype for operator in operators}
    ceilings = []
    for dtype, gflops in peak.gflops.get(table.engine.runtime, {}).items():
        if dtype in used or dtype == "fp32":
            ridge, end = gflops / peak.gb_s, max(x_max, gflops / peak.gb_s) * 2
            ceilings.append((dtype, [(x_min / 2, x_min / 2 * peak.gb_s), (ridge, gflops), (end, gflops)]))
    return draw_scatter(
        dots, x_unit="FLOP per byte", y_unit="GFLOP/s", log=True, ceilings=ceilings
    ) + svg_legend(FAMILIES)


def roofline_dot(operator: Operator, table: OperatorTable) -> Dot:
    """Draw an operator; its area grows with its share of the time."""
    seconds = operator.time_us * 1e-6
    time_share = operator.time_us / 1e3 / table.sum_ms
    return Dot(
        x=operator.flops / operator.bytes,
        y=operator.flops / seconds / 1e9,
        colour=FAMILIES.index(operator.family),
        radius=2 + 30 * time_share**0.5 * 0.6,
        title=f"{operator.name} ({operator.op_type}, {operator.dtype}): {operator.time_us:.0f} us, "
        f"{format_percent(operator.roofline_fraction)} of its roofline",
    )


def graph_name(table: OperatorTable) -> str:
    """Name a graph."""
    return f"{table.role} {table.size[1]}x{table.size[0]}, {table.engine.label}"


def slowest_operators(table: OperatorTable) -> str:
    """List the slowest operators of a graph."""
    rows = [["operator", "type", "part", "format", "us", "GFLOP/s", "GB/s", "of roofline", "bound by"]]
    for operator in sorted(table.operators, key=lambda operator: -operator.time_us)[:MAX_LISTED]:
        seconds = operator.time_us * 1e-6
        rows.append(
            [
                operator.name,
                operator.op_type,
                operator.stage,
                operator.dtype,
                f"{operator.time_us:.0f}",
                format_number(operator.flops / seconds / 1e9),
                format_number(operator.bytes / seconds / 1e9),
                format_percent(operator.roofline_fraction),
                operator.bound or "-",
            ]
        )
    return html_table(rows)
