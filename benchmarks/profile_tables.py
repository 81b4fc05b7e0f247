"""Writes the main tables of a profile as Markdown, and a screenshot of its page, into a document.

    sam-edge profile --out out/profile
    python benchmarks/bench_peers.py --markdown > out/peers.md
    python benchmarks/profile_tables.py out/profile --peers out/peers.md --into docs/experiments/profiling.md \\
        --picture docs/images/profile.png

Without `--into` the tables are printed. In a document they replace the text between the two marks.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from endings import run_script

from sam_edge.profile.operators.operator_table import Operator, group_operators
from sam_edge.profile.report.schema import read_report
from sam_edge.profile.report.text_format import format_number, format_percent

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
WIDTH, HEIGHT = 1180, 1080
"""Size of the screenshot, pixels."""
Content = dict[str, Any]


def tables(report: Content) -> Iterator[str]:
    """Write the main tables of a profile."""
    machine = report["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    yield (
        f"{machine['cpu']}, {machine['cores']} of {machine['cores_total']} cores; {machine['platform']}; "
        f"Python {machine['python']}, {packages}; {report['started_at'][:10]}, {report['duration_s']:.0f} s."
    )
    yield from (f"{note[0].upper()}{note[1:]}." for note in report["notes"])
    for title, rows in (
        ("Encode a frame of 1280x720, decode prompts on it", timing(report)),
        ("Cold start and memory", cold(report)),
        *((f"A session, {row['mode']}", session(row)) for row in report["sessions"]),
        *((f"Operators, {graph_label(row)}", operators(row)) for row in report["operators"][:2]),
    ):
        if len(rows) > 1:
            yield f"{title}:"
            yield "\n".join(markdown_rows(rows))
    for row in report["sustained"]:
        if row["slowdown"]:
            verdict = "throttling" if row["throttles"] else "no throttling"
            calls = sum(second["calls"] for second in row["seconds"])
            yield (
                f"Sustained load, {engine_label(row['engine'])}: {calls} calls in {row['seconds'][-1]['at_s']:.0f} s, "
                f"the last third {row['slowdown']['value']:.3f} times the first: {verdict}."
            )


def timing(report: Content) -> list[list[str]]:
    """List encoding at every size, and decoding at the first size."""
    rows = [["ms", "median", "95 % CI", "MAD", "p95", "p99", "engine", "cores"]]
    for row in report["timings"]:
        total, case, usage = row["total"], row["case"], row["usage"]
        if total is None or (case["prompts"] and case["size"] != report["timings"][0]["case"]["size"]):
            continue
        what = f"decode {case['prompts']}" if case["prompts"] else "encode"
        cores = usage["cpu_s"] / usage["wall_s"] if usage["wall_s"] else None
        rows.append(
            [
                f"{what} {case['size'][1]}x{case['size'][0]}, {case['engine']['runtime']} {row['actual_precision']}",
                format_number(total["median_ms"]),
                f"{format_number(total['median_low_ms'])}-{format_number(total['median_high_ms'])}",
                *(format_number(total[key]) for key in ("mad_ms", "p95_ms", "p99_ms")),
                format_number(row["inference"]["median_ms"]),
                format_number(cores),
            ]
        )
    return rows


def cold(report: Content) -> list[list[str]]:
    """List cold starts and peak memory."""
    good = [row for row in report["cold_starts"] if not row["error"]]
    stages = list(dict.fromkeys(name for row in good for name in row["stages_ms"]))
    rows = [["ms", *stages, "total", "peak MB"]]
    for row in good:
        values = [
            *(row["stages_ms"].get(name) for name in stages),
            row["total_ms"],
            row["memory_mb"].get("peak"),
        ]
        rows.append([engine_label(row["engine"]), *(format_number(value) for value in values)])
    return rows


def session(result: Content) -> list[list[str]]:
    """List a session's stages."""
    rows = [["ms", "frames", "median", "MAD", "p95", "p99"]]
    for name, stage in result["stages"].items():
        values = (stage[key] for key in ("median_ms", "mad_ms", "p95_ms", "p99_ms"))
        rows.append([name, str(stage["count"]), *(format_number(value) for value in values)])
    return rows


def operators(table: Content) -> list[list[str]]:
    """List the parts of the model, with their roofline fractions."""
    members = [Operator(**operator) for operator in table["operators"]]
    rows = [
        [
            "part of the model",
            "operators",
            "ms",
            "of time",
            "GFLOP",
            "MB",
            "GFLOP/s",
            "of roofline",
            "bound by",
        ]
    ]
    groups = group_operators(members, [member.stage for member in members], "stage")
    return rows + [
        [
            group.name,
            str(group.count),
            format_number(group.time_ms),
            format_percent(group.time_share),
            *(format_number(value) for value in (group.gflop, group.traffic_mb, group.gflops)),
            format_percent(group.roofline_fraction),
            group.bound or "-",
        ]
        for group in groups
    ]


def engine_label(engine: Content) -> str:
    """Name an engine."""
    return f"{engine['runtime']} {engine['precision'] or ''}".strip()


def graph_label(table: Content) -> str:
    """Name a graph: role, size and engine."""
    return f"{table['role']} {table['size'][1]}x{table['size'][0]}, {engine_label(table['engine'])}"


def markdown_rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write rows as Markdown; the first is the header, figures are right-aligned."""
    yield f"| {' | '.join(rows[0])} |"
    yield "| --- |" + " ---: |" * (len(rows[0]) - 1)
    yield from (f"| {' | '.join(row)} |" for row in rows[1:])


def replace_figures(document: Path, text: str) -> None:
    """Replace the text between the marks.

    Raises:
        SystemExit: the document has no marks.
    """
    content = document.read_text(encoding="utf-8")
    if BEGIN not in content or END not in content:
        raise SystemExit(f"{document} has no {BEGIN} and {END}")
    before, after = content.partition(BEGIN)[0], content.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def take_screenshot(page: Path, picture: Path) -> None:
    """Take a screenshot of the top of a page in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=str(picture))
        browser.close()


def main() -> None:
    """Write tables and screenshot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="what `sam-edge profile --out` wrote")
    parser.add_argument("--peers", type=Path, metavar="FILE", help="what `bench_peers.py --markdown` printed")
    parser.add_argument("--into", type=Path, metavar="DOCUMENT")
    parser.add_argument("--picture", type=Path, metavar="PNG")
    args = parser.parse_args()
    parts = [args.peers.read_text(encoding="utf-8").strip()] if args.peers else []
    parts += tables(read_report(args.folder / "profile.json"))
    text = "\n\n".join(parts)
    if args.into:
        replace_figures(args.into, text)
    else:
        print(text)
    if args.picture:
        take_screenshot(args.folder / "profile.html", args.picture)


if __name__ == "__main__":
    run_script(main)
