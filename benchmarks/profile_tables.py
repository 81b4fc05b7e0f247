"""The main tables of a profile as Markdown, its picture, and both in a document.

    sam-edge profile --out out/profile
    python benchmarks/bench_peers.py --markdown > out/peers.md
    python benchmarks/profile_tables.py out/profile --peers out/peers.md --into docs/profiling.md \\
        --picture docs/images/profile.png

Without `--into` the tables are printed. In a document they replace what stands between the two marks.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sam_edge.profile.operators.operator_table import Operator, grouped
from sam_edge.profile.report.report import read_report
from sam_edge.profile.report.terminal import number, percent

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
WIDTH, HEIGHT = 1180, 1080
"""Of the picture, pixels."""
Content = dict[str, Any]


def tables(report: Content) -> Iterator[str]:
    """Write a profile's main tables."""
    machine = report["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    yield (
        f"{machine['cpu']}, {machine['cores']} of {machine['cores_all']} cores; {machine['platform']}; "
        f"Python {machine['python']}, {packages}; {report['made_at'][:10]}, {report['took_s']:.0f} s in all."
    )
    yield from (f"{note[0].upper()}{note[1:]}." for note in report["notes"])
    for title, rows in (
        ("Encode a frame of 1280x720, decode prompts on it", timing(report)),
        ("Cold start and memory", cold(report)),
        *((f"A session, {one['mode']}", session(one)) for one in report["sessions"]),
        *((f"Operators, {name_of(one)}", operators(one)) for one in report["operators"][:2]),
    ):
        if len(rows) > 1:
            yield f"{title}:"
            yield "\n".join(aligned(rows))
    for one in report["sustained"]:
        if one["slowdown"]:
            verdict = "it throttles" if one["throttles"] else "no throttling"
            calls = sum(second["calls"] for second in one["seconds"])
            yield (
                f"Sustained load, {engine_of(one['engine'])}: {calls} calls in {one['seconds'][-1]['at_s']:.0f} s, the "
                f"last third {one['slowdown']['value']:.3f} times the first: {verdict}."
            )


def timing(report: Content) -> list[list[str]]:
    """List encoding at every size, and decoding at the first one."""
    rows = [["ms", "median", "95 %", "MAD", "p95", "p99", "engine", "cores"]]
    for one in report["timed"]:
        total, case, usage = one["total"], one["case"], one["usage"]
        if total is None or (case["prompts"] and case["size"] != report["timed"][0]["case"]["size"]):
            continue
        what = f"decode {case['prompts']}" if case["prompts"] else "encode"
        cores = usage["cpu_s"] / usage["wall_s"] if usage["wall_s"] else None
        rows.append(
            [
                f"{what} {case['size'][1]}x{case['size'][0]}, {case['engine']['runtime']} {one['ran_as']}",
                number(total["median_ms"]),
                f"{number(total['median_low_ms'])}-{number(total['median_high_ms'])}",
                *(number(total[key]) for key in ("mad_ms", "p95_ms", "p99_ms")),
                number(one["engine"]["median_ms"]),
                number(cores),
            ]
        )
    return rows


def cold(report: Content) -> list[list[str]]:
    """List cold starts, and the memory that is held."""
    good = [one for one in report["cold"] if not one["failed"]]
    stages = list(dict.fromkeys(name for one in good for name in one["stages_ms"]))
    rows = [["ms", *stages, "total", "MB at most"]]
    for one in good:
        values = [
            *(one["stages_ms"].get(name) for name in stages),
            one["total_ms"],
            one["memory_mb"].get("peak"),
        ]
        rows.append([engine_of(one["engine"]), *(number(value) for value in values)])
    return rows


def session(one: Content) -> list[list[str]]:
    """List a session's stages."""
    rows = [["ms", "frames", "median", "MAD", "p95", "p99"]]
    for name, stage in one["stages"].items():
        values = (stage[key] for key in ("median_ms", "mad_ms", "p95_ms", "p99_ms"))
        rows.append([name, str(stage["count"]), *(number(value) for value in values)])
    return rows


def operators(one: Content) -> list[list[str]]:
    """List the parts of the model against the machine's roof."""
    members = [Operator(**operator) for operator in one["operators"]]
    rows = [
        [
            "part of the model",
            "operators",
            "ms",
            "of the time",
            "GFLOP",
            "MB",
            "GFLOP/s",
            "of roof",
            "bound by",
        ]
    ]
    groups = grouped(members, [member.stage for member in members], "stage")
    return rows + [
        [
            group.name,
            str(group.count),
            number(group.time_ms),
            percent(group.share_of_time),
            *(number(value) for value in (group.gflop, group.megabytes, group.gflops)),
            percent(group.share_of_roof),
            group.bound or "-",
        ]
        for group in groups
    ]


def engine_of(engine: Content) -> str:
    """Name an engine."""
    return f"{engine['runtime']} {engine['precision'] or ''}".strip()


def name_of(one: Content) -> str:
    """Name a graph."""
    return f"{one['role']} {one['size'][1]}x{one['size'][0]}, {engine_of(one['engine'])}"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write rows as Markdown, the first as the head, figures to the right."""
    yield f"| {' | '.join(rows[0])} |"
    yield "| --- |" + " ---: |" * (len(rows[0]) - 1)
    yield from (f"| {' | '.join(row)} |" for row in rows[1:])


def put_into(document: Path, text: str) -> None:
    """Replace what stands between the marks.

    Raises:
        SystemExit: the document has no marks.
    """
    content = document.read_text(encoding="utf-8")
    if BEGIN not in content or END not in content:
        raise SystemExit(f"{document} has no {BEGIN} and {END}")
    before, after = content.partition(BEGIN)[0], content.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def photograph(page: Path, picture: Path) -> None:
    """Take a picture of the top of a page in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        opened.goto(page.resolve().as_uri())
        opened.screenshot(path=str(picture))
        browser.close()


def main() -> None:
    """Write tables and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="what `sam-edge profile --out` wrote")
    parser.add_argument("--peers", type=Path, metavar="FILE", help="what `bench_peers.py --markdown` printed")
    parser.add_argument("--into", type=Path, metavar="DOCUMENT")
    parser.add_argument("--picture", type=Path, metavar="PNG")
    given = parser.parse_args()
    parts = [given.peers.read_text(encoding="utf-8").strip()] if given.peers else []
    parts += tables(read_report(given.folder / "profile.json"))
    text = "\n\n".join(parts)
    if given.into:
        put_into(given.into, text)
    else:
        print(text)
    if given.picture:
        photograph(given.folder / "profile.html", given.picture)


if __name__ == "__main__":
    main()
