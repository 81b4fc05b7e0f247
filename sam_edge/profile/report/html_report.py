"""A profile as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from sam_edge.profile.measure.session import SessionRow
from sam_edge.profile.measure.sustained import SustainedRow
from sam_edge.profile.measure.timing import TimedRow
from sam_edge.profile.operators.operator_table import FAMILIES, Operator, OperatorTable, grouped
from sam_edge.profile.operators.peak import Peak
from sam_edge.profile.report.plots import Bar, Dot, bars, dots, legend, lines
from sam_edge.profile.report.report import Report
from sam_edge.profile.report.stylesheet import STYLE
from sam_edge.profile.report.terminal import number, percent

LONGEST = 25
"""Operators that are listed, of each graph."""
DOTS = 60
"""Operators in a roofline: those that take the most time."""


def page(report: Report) -> str:
    """Write the page."""
    parts = [
        head(report),
        facts(report),
        "".join(f'<p class="note bad">{escape(f"failed: {text}")}</p>' for text in report.failed),
        "".join(f'<p class="note">{escape(note)}</p>' for note in report.notes),
        section("Encode a frame, decode prompts", TIMED_HELP, timed_cards(report.timed)),
        section(
            "From gaze to mask",
            SESSION_HELP,
            [card(title_of(row), session_plot(row)) for row in report.sessions],
        ),
        section("Cold start and memory", COLD_HELP, cold_cards(report)),
        section(
            "Sustained load",
            SUSTAINED_HELP,
            [card(row.engine.label, sustained_plot(row)) for row in report.sustained],
        ),
        section("Where an inference goes", OPERATOR_HELP, operator_cards(report)),
        details("Every figure", timed_table(report.timed)) if report.timed else "",
        *(
            details(f"Operators that take longest: {name_of(table)}", operator_table(table))
            for table in report.operators
            if table.operators
        ),
        details("Machine, versions, models", environment(report)),
    ]
    return document(f"sam-edge profile: {report.machine.cpu}", "".join(parts))


def document(title: str, body: str) -> str:
    """Write a page that needs nothing but itself."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


TIMED_HELP = (
    "Medians of a whole call as an app makes it, on a frame of 1280x720: the engine's part, and what prepares pictures "
    "and prompts and scales masks. Whiskers are the 95 % interval of the median. Everything took turns."
)
SESSION_HELP = (
    "A real session on a video with a gaze recording. Stages of a step: medians, with the 95th percentile as the "
    "whisker's end. On a clock, encode and attend run beside the steps, and are no part of the total."
)
COLD_HELP = (
    "Fresh processes, files in the system's cache: import, open and check the model, compile, infer once."
)
SUSTAINED_HELP = (
    "One engine without a pause. A line that rises is a machine that throttles, or one that others use too."
)
OPERATOR_HELP = (
    "Operators by kind of work and by part of the model. In the roofline every dot is an operator, the larger the "
    "longer it takes; lines are this machine's measured best. Near the slope memory bounds it, near a ceiling "
    "arithmetic, far below both neither does: small work, or a poor kernel. Above the slope its data was in a cache."
)


def head(report: Report) -> str:
    """Write what it is."""
    machine = report.machine
    whole = (
        "" if report.complete else f'<p class="bad">Interrupted during {escape(str(report.interrupted))}.</p>'
    )
    return (
        f"<h1>{escape(machine.cpu)}, {machine.cores} of {machine.cores_all} cores</h1>"
        f'<p class="soft">sam-edge {escape(machine.sam_edge)} profile, {escape(readable(report.made_at))}, '
        f"took {report.took_s:.0f} s</p>{whole}"
    )


def readable(made_at: str) -> str:
    """Write a moment of ISO 8601 in UTC for people."""
    return made_at.replace("T", " ").replace("+00:00", " UTC")


def facts(report: Report) -> str:
    """Write the figures that most people come for."""
    found: list[tuple[str, str]] = []
    good = [row for row in report.timed if row.total is not None]
    for what, prompts in (("encode", 0), ("decode one prompt", 1)):
        rows = [row for row in good if row.case.prompts == prompts and row.case.size == good[0].case.size]
        if rows:
            best = min(rows, key=lambda row: row.total.median_ms if row.total else 0.0)
            if best.total is not None:
                value = f"{number(best.total.median_ms)} ms"
                found.append((value, f"{what}, {best.case.size_text}, {best.case.engine.label}"))
    found += [
        (f"{number(session.stages['total'].median_ms)} ms", f"a step of a session, {session.mode}")
        for session in report.sessions
        if "total" in session.stages
    ]
    peaks = [row.memory_mb["peak"] for row in report.cold if "peak" in row.memory_mb]
    if peaks:
        found.append((f"{min(peaks):.0f} MB", "memory at most, the engine with the least"))
    sizes = [model.megabytes for model in report.models if model.megabytes is not None]
    if sizes:
        found.append((f"{sizes[0]:.1f} MB", "the model on disk"))
    cells = "".join(
        f'<div class="card fact"><b>{escape(a)}</b><span>{escape(b)}</span></div>' for a, b in found
    )
    return f'<div class="facts">{cells}</div>'


def timed_cards(rows: Sequence[TimedRow]) -> list[str]:
    """Draw encoding and decoding, a plot for each number of prompts and size."""
    groups: dict[tuple[int, str], list[TimedRow]] = {}
    for row in rows:
        groups.setdefault((row.case.prompts, row.case.size_text), []).append(row)
    cards = []
    for (prompts, size), group in groups.items():
        what = "encode" if prompts == 0 else f"decode {prompts} prompt{'s' * (prompts > 1)}"
        cards.append(
            card(
                f"{what}, {size}",
                bars([timed_bar(row) for row in group], unit="ms") + legend(["engine", "around it"]),
            )
        )
    return cards


def timed_bar(row: TimedRow) -> Bar:
    """Draw one row."""
    name = row.case.engine.label + (f", {row.ran_as}" if row.ran_as else "")
    if row.failed or row.total is None or row.engine is None:
        return Bar(name, (), note=row.failed or "not measured")
    around = max(0.0, row.total.median_ms - row.engine.median_ms)
    return Bar(
        name,
        ((0, row.engine.median_ms, "engine"), (1, around, "around it")),
        low=row.total.median_low_ms,
        high=row.total.median_high_ms,
    )


def title_of(row: SessionRow) -> str:
    """Name a session."""
    return f"{row.mode}, {row.engine.label}"


def session_plot(row: SessionRow) -> str:
    """Draw a session's stages."""
    if row.failed:
        return failure(row.failed)
    drawn = [
        Bar(name, ((4 if name == "total" else 0, one.median_ms, name),), low=one.median_ms, high=one.p95_ms)
        for name, one in row.stages.items()
    ]
    where = ", ".join(f"{count} {source}" for source, count in row.sources.items())
    age = f"; the mask's frame is {number(row.age_ms.median_ms)} ms old (median)" if row.age_ms else ""
    size = f"{row.frame_size[1]}x{row.frame_size[0]}"
    said = f"{row.frames} frames of {size} at {row.fps:g}/s, {row.late} late; masks: {where}{age}."
    return bars(drawn, unit="ms") + f'<p class="soft">{escape(said)}</p>'


def cold_cards(report: Report) -> list[str]:
    """Draw cold starts and memory."""
    rows = report.cold
    if not rows:
        return []
    stages = list(dict.fromkeys(name for row in rows for name in row.stages_ms))
    start = [
        Bar(
            row.engine.label,
            tuple((stages.index(name), value, name) for name, value in row.stages_ms.items()),
            note=row.failed or "",
        )
        for row in rows
    ]
    held = list(dict.fromkeys(name for row in rows for name in row.memory_mb if name != "peak"))
    memory = [Bar(row.engine.label, tuple(steps(row.memory_mb, held)), note=row.failed or "") for row in rows]
    return [
        card("from start to first mask", bars(start, unit="ms") + legend(stages)),
        card("memory held, by what added it", bars(memory, unit="MB") + legend(held)),
    ]


def steps(memory_mb: dict[str, float], names: Sequence[str]) -> Iterable[tuple[int, float, str]]:
    """Say what each stage added to the memory that is held."""
    before = 0.0
    for index, name in enumerate(names):
        if name in memory_mb:
            yield index, max(0.0, memory_mb[name] - before), name
            before = max(before, memory_mb[name])


def sustained_plot(row: SustainedRow) -> str:
    """Draw the median of every second."""
    if row.failed:
        return failure(row.failed)
    said = []
    if row.slowdown is not None:
        said.append(
            f"The last third took {row.slowdown.value:.3f} times as long as the first "
            f"({row.slowdown.low:.3f} to {row.slowdown.high:.3f}): {row.verdict}."
        )
    plots = [
        lines(
            [("median", [(one.at_s, one.median_ms) for one in row.seconds])], x_unit="s", y_unit="ms a call"
        )
    ]
    for name, unit in (("celsius", "degrees Celsius"), ("clock_mhz", "MHz"), ("watts", "W")):
        values = [(one.at_s, value) for one in row.seconds if (value := getattr(one, name)) is not None]
        if values:
            plots.append(lines([(name, values)], x_unit="s", y_unit=unit, from_zero=False))
    return "".join(plots) + f'<p class="soft">{escape(" ".join(said))}</p>'


def operator_cards(report: Report) -> list[str]:
    """Draw each graph by kind of work, by part of the model, and against the roof."""
    peaks = {peak.threads: peak for peak in report.peaks}
    cards = []
    for role in ("encode", "decode"):
        tables = [table for table in report.operators if table.role == role and table.operators]
        if not tables:
            continue
        cards.append(card(f"{role}: kinds of work", shares(tables, FAMILIES, "family")))
        names = list(dict.fromkeys(one.stage for table in tables for one in table.operators))
        cards.append(card(f"{role}: parts of the model", shares(tables, names, "stage")))
    cards += [card(name_of(table), failure(table.failed)) for table in report.operators if table.failed]
    for table in report.operators[:2]:
        peak = peaks.get(table.engine.threads or 0)
        if peak is not None and table.operators:
            cards.append(card(f"roofline: {name_of(table)}", roofline(table, peak)))
    return cards


def shares(tables: Sequence[OperatorTable], names: Sequence[str], key: str) -> str:
    """Draw the time of every group, a bar for each engine."""
    order = list(names)
    rows = [
        Bar(
            table.engine.label,
            tuple(
                (
                    order.index(group.name),
                    group.time_ms,
                    f"{group.name}, {percent(group.share_of_roof)} of its roof",
                )
                for group in grouped(table.operators, names, key)
            ),
        )
        for table in tables
    ]
    return bars(rows, unit="ms") + legend(order)


def roofline(table: OperatorTable, peak: Peak) -> str:
    """Draw operators against what the machine can do."""
    shown = sorted(
        (one for one in table.operators if one.flops > 0 and one.bytes > 0), key=lambda one: -one.time_us
    )
    points = [roof_dot(one, table) for one in shown[:DOTS]]
    if not points or peak.gb_s is None:
        return ""
    least, most = min(dot.x for dot in points), max(dot.x for dot in points)
    ceilings = peak.gflops.get(table.engine.runtime, {})
    used = {one.dtype for one in shown}
    roofs = []
    for dtype, gflops in ceilings.items():
        if dtype in used or dtype == "fp32":
            knee = gflops / peak.gb_s
            far = max(most, knee) * 2
            roofs.append((dtype, [(least / 2, least / 2 * peak.gb_s), (knee, gflops), (far, gflops)]))
    return dots(
        points, x_unit="floating-point operations a byte", y_unit="GFLOP/s", log=True, roofs=roofs
    ) + legend(FAMILIES)


def roof_dot(one: Operator, table: OperatorTable) -> Dot:
    """Draw an operator; its area is its share of the time."""
    seconds = one.time_us * 1e-6
    share = one.time_us / 1e3 / table.sum_ms
    return Dot(
        x=one.flops / one.bytes,
        y=one.flops / seconds / 1e9,
        colour=FAMILIES.index(one.family),
        radius=2 + 30 * share**0.5 * 0.6,
        title=f"{one.name} ({one.kind}, {one.dtype}): {one.time_us:.0f} us, {percent(one.share)} of its roof",
    )


def name_of(table: OperatorTable) -> str:
    """Name a graph."""
    return f"{table.role} {table.size[1]}x{table.size[0]}, {table.engine.label}"


def operator_table(table: OperatorTable) -> str:
    """List the operators that take longest."""
    rows = [["operator", "type", "part", "format", "us", "GFLOP/s", "GB/s", "of roof", "bound by"]]
    for one in sorted(table.operators, key=lambda one: -one.time_us)[:LONGEST]:
        seconds = one.time_us * 1e-6
        rows.append(
            [
                one.name,
                one.kind,
                one.stage,
                one.dtype,
                f"{one.time_us:.0f}",
                number(one.flops / seconds / 1e9),
                number(one.bytes / seconds / 1e9),
                percent(one.share),
                one.bound or "-",
            ]
        )
    return tabled(rows)


def timed_table(rows: Sequence[TimedRow]) -> str:
    """List encoding and decoding."""
    cells = [
        [
            "ms",
            "calls",
            "median",
            "95 %",
            "MAD",
            "p95",
            "p99",
            "engine",
            "cores",
            "switches a call",
            "J a call",
        ]
    ]
    for row in rows:
        total, name = row.total, f"{row.case.label}, {row.ran_as}"
        if row.failed or total is None or row.engine is None:
            cells.append([f"{row.case.label}: {row.failed or 'not measured'}", *("-" * (len(cells[0]) - 1))])
            continue
        waited, joules = row.usage.waited, row.usage.joules
        values = (total.mad_ms, total.p95_ms, total.p99_ms, row.engine.median_ms, row.usage.cores)
        cells.append(
            [
                name,
                str(total.count),
                number(total.median_ms),
                f"{number(total.median_low_ms)} to {number(total.median_high_ms)}",
                *(number(value) for value in values),
                number(waited / total.count if waited is not None else None),
                number(joules / total.count if joules is not None else None),
            ]
        )
    return tabled(cells)


def environment(report: Report) -> str:
    """List the machine, the versions and the models with their hashes."""
    machine = report.machine
    pairs = [
        ("processor", machine.cpu),
        ("cores", f"{machine.cores} of {machine.cores_all}"),
        ("features", " ".join(machine.features) or "not known"),
        ("governor", machine.governor or "not known"),
        (
            "clock",
            f"{machine.clock_mhz[0]:.0f} to {machine.clock_mhz[1]:.0f} MHz"
            if machine.clock_mhz
            else "not known",
        ),
        ("memory", f"{machine.memory_mb:.0f} MB" if machine.memory_mb is not None else "not known"),
        ("system", machine.platform),
        ("Python", machine.python),
        *machine.packages.items(),
        ("commit", machine.git or "not a checkout"),
        *(
            (model.name, model.failed or f"{model.model}, sha256 {model.manifest_sha256}")
            for model in report.models
        ),
    ]
    rows = "".join(f'<tr><td>{escape(a)}</td><td class="wrap">{escape(b)}</td></tr>' for a, b in pairs)
    return f"<table>{rows}</table>"


def section(title: str, said: str, cards: Sequence[str]) -> str:
    """Put cards under a title; nothing where there are none."""
    if not cards:
        return ""
    return (
        f'<h2>{escape(title)}</h2><p class="soft">{escape(said)}</p><div class="grid2">{"".join(cards)}</div>'
    )


def card(title: str, content: str) -> str:
    """Frame a plot."""
    return f'<div class="card"><h3>{escape(title)}</h3>{content}</div>'


def details(title: str, content: str) -> str:
    """Hide what few will want."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def failure(text: str) -> str:
    """Say that something failed."""
    return f'<p class="bad">{escape(text)}</p>'


def tabled(rows: Sequence[Sequence[str]]) -> str:
    """Write a table, its first row as the head."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'
