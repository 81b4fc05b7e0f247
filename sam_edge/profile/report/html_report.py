"""A profile as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from sam_edge.profile.measure.session import SessionResult
from sam_edge.profile.measure.sustained import SustainedResult
from sam_edge.profile.measure.timing import TimingResult
from sam_edge.profile.report.html import (
    html_card,
    html_details,
    html_document,
    html_error,
    html_section,
    html_table,
)
from sam_edge.profile.report.html_operators import graph_name, operator_cards, slowest_operators
from sam_edge.profile.report.plots import Bar, draw_bars, draw_lines
from sam_edge.profile.report.report import ProfileReport
from sam_edge.profile.report.svg import svg_legend
from sam_edge.profile.report.text_format import format_number

TIMING_HELP = (
    "Median latency of a whole call as an app makes it, on a frame of 1280x720: the engine's part, and pre- and "
    "post-processing of images, prompts and masks. Whiskers are the 95 % confidence interval of the median. All cases "
    "were timed in interleaved rounds."
)
SESSION_HELP = (
    "Real sessions on a video with a gaze recording. Bars are the median of each stage of a step; whiskers end at the "
    "95th percentile. In live mode, encode and attend run in parallel to the steps and are not part of the total."
)
COLD_START_HELP = (
    "New processes, with the files in the system's cache: import, open and verify the model, compile, run the first "
    "inference."
)
SUSTAINED_HELP = (
    "One engine encodes without pause. A rising line means thermal throttling, or other load on the machine."
)
OPERATOR_HELP = (
    "Operators by kind of work and by part of the model. In the roofline plot every dot is an operator; larger dots "
    "take longer; lines are the measured peak of this machine. Dots near the slope are bound by memory, near a ceiling "
    "by compute, far below both by overhead or an inefficient kernel. Above the slope, the data was in a cache."
)


def to_html(report: ProfileReport) -> str:
    """Write the page."""
    parts = [
        header(report),
        key_figures(report),
        "".join(f'<p class="note bad">{escape(f"failed: {text}")}</p>' for text in report.errors),
        "".join(f'<p class="note">{escape(note)}</p>' for note in report.notes),
        html_section("Encode a frame, decode prompts", TIMING_HELP, timing_cards(report.timings)),
        html_section(
            "From gaze to mask",
            SESSION_HELP,
            [html_card(f"{row.mode}, {row.engine.label}", session_plot(row)) for row in report.sessions],
        ),
        html_section("Cold start and memory", COLD_START_HELP, cold_start_cards(report)),
        html_section(
            "Sustained load",
            SUSTAINED_HELP,
            [html_card(row.engine.label, sustained_plot(row)) for row in report.sustained],
        ),
        html_section("Operators of an inference", OPERATOR_HELP, operator_cards(report)),
        html_details("All timings", timing_table(report.timings)) if report.timings else "",
        *(
            html_details(f"Slowest operators: {graph_name(table)}", slowest_operators(table))
            for table in report.operators
            if table.operators
        ),
        html_details("Machine, versions, models", environment_table(report)),
    ]
    return html_document(f"sam-edge profile: {report.machine.cpu}", "".join(parts))


def header(report: ProfileReport) -> str:
    """Write the machine, the date, and whether the profile was interrupted."""
    machine = report.machine
    interrupted = (
        "" if report.complete else f'<p class="bad">Interrupted during {escape(str(report.interrupted))}.</p>'
    )
    started = report.started_at.replace("T", " ").replace("+00:00", " UTC")
    return (
        f"<h1>{escape(machine.cpu)}, {machine.cores} of {machine.cores_total} cores</h1>"
        f'<p class="soft">sam-edge {escape(machine.sam_edge)} profile, {escape(started)}, '
        f"duration {report.duration_s:.0f} s</p>{interrupted}"
    )


def key_figures(report: ProfileReport) -> str:
    """Write the figures that most readers look for."""
    figures = fastest_calls(report.timings)
    figures += [
        (f"{format_number(session.stages['total'].median_ms)} ms", f"session step, {session.mode}")
        for session in report.sessions
        if "total" in session.stages
    ]
    peaks = [row.memory_mb["peak"] for row in report.cold_starts if "peak" in row.memory_mb]
    if peaks:
        figures.append((f"{min(peaks):.0f} MB", "lowest peak memory of the engines"))
    sizes = [model.size_mb for model in report.models if model.size_mb is not None]
    if sizes:
        figures.append((f"{sizes[0]:.1f} MB", "model on disk"))
    cells = "".join(
        f'<div class="card fact"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for value, name in figures
    )
    return f'<div class="facts">{cells}</div>'


def fastest_calls(timings: Sequence[TimingResult]) -> list[tuple[str, str]]:
    """Return value and name of the fastest encoding and the fastest decoding, at the first size."""
    medians = [(row, row.total.median_ms) for row in timings if row.total is not None]
    figures = []
    for name, prompts in (("encode", 0), ("decode one prompt", 1)):
        rows = [
            (row, median_ms)
            for row, median_ms in medians
            if row.case.prompts == prompts and row.case.size == medians[0][0].case.size
        ]
        if rows:
            best, median_ms = min(rows, key=lambda pair: pair[1])
            label = f"{name}, {best.case.size_text}, {best.case.engine.label}"
            figures.append((f"{format_number(median_ms)} ms", label))
    return figures


def timing_cards(rows: Sequence[TimingResult]) -> list[str]:
    """Draw latencies, one plot for each operation, number of prompts and size."""
    groups: dict[tuple[int, str], list[TimingResult]] = {}
    for row in rows:
        groups.setdefault((row.case.prompts, row.case.size_text), []).append(row)
    cards = []
    for (prompts, size), group in groups.items():
        operation = "encode" if prompts == 0 else f"decode {prompts} prompt{'s' * (prompts > 1)}"
        plot = draw_bars([timing_bar(row) for row in group], unit="ms")
        cards.append(
            html_card(f"{operation}, {size}", plot + svg_legend(["engine", "pre- and post-processing"]))
        )
    return cards


def timing_bar(row: TimingResult) -> Bar:
    """Draw one latency."""
    name = row.case.engine.label + (f", {row.actual_precision}" if row.actual_precision else "")
    if row.error or row.total is None or row.inference is None:
        return Bar(name, (), error=row.error or "not measured")
    rest_ms = max(0.0, row.total.median_ms - row.inference.median_ms)
    return Bar(
        name,
        ((0, row.inference.median_ms, "engine"), (1, rest_ms, "pre- and post-processing")),
        low=row.total.median_low_ms,
        high=row.total.median_high_ms,
    )


def session_plot(row: SessionResult) -> str:
    """Draw the stages of a session."""
    if row.error:
        return html_error(row.error)
    bars = [
        Bar(
            name,
            ((4 if name == "total" else 0, summary.median_ms, name),),
            low=summary.median_ms,
            high=summary.p95_ms,
        )
        for name, summary in row.stages.items()
    ]
    origins = ", ".join(f"{count} {origin}" for origin, count in row.origins.items())
    age = f"; median mask age {format_number(row.mask_age_ms.median_ms)} ms" if row.mask_age_ms else ""
    size = f"{row.frame_size[1]}x{row.frame_size[0]}"
    text = f"{row.frames} frames of {size} at {row.fps:g}/s, {row.late} late; masks: {origins}{age}."
    return draw_bars(bars, unit="ms") + f'<p class="soft">{escape(text)}</p>'


def cold_start_cards(report: ProfileReport) -> list[str]:
    """Draw cold starts and memory."""
    rows = report.cold_starts
    if not rows:
        return []
    stages = list(dict.fromkeys(name for row in rows for name in row.stages_ms))
    durations = [
        Bar(
            row.engine.label,
            tuple((stages.index(name), value, name) for name, value in row.stages_ms.items()),
            error=row.error or "",
        )
        for row in rows
    ]
    steps = list(dict.fromkeys(name for row in rows for name in row.memory_mb if name != "peak"))
    memory = [
        Bar(row.engine.label, tuple(memory_increments(row.memory_mb, steps)), error=row.error or "")
        for row in rows
    ]
    return [
        html_card("from start to first mask", draw_bars(durations, unit="ms") + svg_legend(stages)),
        html_card(
            "resident memory, by stage that added it", draw_bars(memory, unit="MB") + svg_legend(steps)
        ),
    ]


def memory_increments(memory_mb: dict[str, float], stages: Sequence[str]) -> Iterable[tuple[int, float, str]]:
    """Yield colour, increase of the resident memory (MB) and name of each stage."""
    before = 0.0
    for index, name in enumerate(stages):
        if name in memory_mb:
            yield index, max(0.0, memory_mb[name] - before), name
            before = max(before, memory_mb[name])


def sustained_plot(row: SustainedResult) -> str:
    """Draw the median latency of every second, and temperature, clock and power where they are known."""
    if row.error:
        return html_error(row.error)
    text = ""
    if row.slowdown is not None:
        text = (
            f"The last third took {row.slowdown.value:.3f} times as long as the first "
            f"({row.slowdown.low:.3f} to {row.slowdown.high:.3f}): {row.verdict}."
        )
    latencies = [(second.at_s, second.median_ms) for second in row.seconds]
    plots = [draw_lines([("median", latencies)], x_unit="s", y_unit="ms per call")]
    for name, unit in (("celsius", "degrees Celsius"), ("clock_mhz", "MHz"), ("watts", "W")):
        values = [
            (second.at_s, value) for second in row.seconds if (value := getattr(second, name)) is not None
        ]
        if values:
            plots.append(draw_lines([(name, values)], x_unit="s", y_unit=unit, from_zero=False))
    return "".join(plots) + f'<p class="soft">{escape(text)}</p>'


def timing_table(rows: Sequence[TimingResult]) -> str:
    """List all latencies."""
    columns = [
        "calls",
        "median",
        "95 % CI",
        "MAD",
        "p95",
        "p99",
        "engine",
        "cores",
        "switches per call",
        "J per call",
    ]
    cells = [["ms", *columns]]
    for row in rows:
        total = row.total
        if row.error or total is None or row.inference is None:
            cells.append([f"{row.case.label}: {row.error or 'not measured'}", *("-" * len(columns))])
            continue
        switches, joules = row.usage.voluntary_switches, row.usage.joules
        values = (total.mad_ms, total.p95_ms, total.p99_ms, row.inference.median_ms, row.usage.cores)
        cells.append(
            [
                f"{row.case.label}, {row.actual_precision}",
                str(total.count),
                format_number(total.median_ms),
                f"{format_number(total.median_low_ms)} to {format_number(total.median_high_ms)}",
                *(format_number(value) for value in values),
                format_number(switches / total.count if switches is not None else None),
                format_number(joules / total.count if joules is not None else None),
            ]
        )
    return html_table(cells)


def environment_table(report: ProfileReport) -> str:
    """List the machine, the versions, and the models with their hashes."""
    machine = report.machine
    clock = machine.clock_mhz
    pairs = [
        ("processor", machine.cpu),
        ("cores", f"{machine.cores} of {machine.cores_total}"),
        ("features", " ".join(machine.cpu_features) or "unknown"),
        ("governor", machine.governor or "unknown"),
        ("clock", f"{clock[0]:.0f} to {clock[1]:.0f} MHz" if clock else "unknown"),
        ("memory", f"{machine.memory_mb:.0f} MB" if machine.memory_mb is not None else "unknown"),
        ("system", machine.platform),
        ("Python", machine.python),
        *machine.packages.items(),
        ("commit", machine.git_commit or "not a checkout"),
        *(
            (model.name, model.error or f"{model.model}, sha256 {model.manifest_sha256}")
            for model in report.models
        ),
    ]
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="wrap">{escape(text)}</td></tr>' for name, text in pairs
    )
    return f"<table>{rows}</table>"
