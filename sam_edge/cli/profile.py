"""`sam-edge profile`: what this device can do, and where the time goes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sam_edge.cli.options import sizes_of
from sam_edge.errors import InputError
from sam_edge.media.atomic import replacing
from sam_edge.media.progress import Progress
from sam_edge.profile.compare import REGRESSION, compare
from sam_edge.profile.page import page
from sam_edge.profile.plan import PARTS, Plan, choose_engines
from sam_edge.profile.run import profile
from sam_edge.profile.sheet import sheet
from sam_edge.profile.table import tables

Value = TypeVar("Value")
INTERRUPTED = 130
FAILED = 1
"""Status when something that was to be measured failed."""
REPORT, PAGE, SHEET = "profile.json", "profile.html", "profile.csv"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `profile`."""
    parser = subparsers.add_parser(
        "profile",
        help="what this device can do, and where the time goes",
        description="Measure models and engines on this machine. Status 1 when one of them failed.",
    )
    parser.add_argument(
        "bundles", type=Path, nargs="*", metavar="BUNDLE", help="folders (default: the package's own model)"
    )
    parser.add_argument(
        "--runtime", metavar="NAME,...", help="engines (default: every installed one that opens the bundle)"
    )
    parser.add_argument(
        "--precision",
        metavar="P,...",
        help="for what the model leaves in floating point (default: what is apt)",
    )
    parser.add_argument("--threads", metavar="N,...", help="threads of one inference (default: every core)")
    parser.add_argument("--sizes", metavar="WxH,...", help="the encoder's inputs (default: three)")
    parser.add_argument("--prompts", metavar="N,...", help="prompts decoded in one call (default: 1,16)")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="how often everything has its turn (default: 8)"
    )
    parser.add_argument(
        "--sustained",
        type=float,
        metavar="SECONDS",
        help="encode without a pause so long (default: 60; 0: not)",
    )
    parser.add_argument(
        "--video", type=Path, metavar="V", help="what the session sees (default: the demo's clip)"
    )
    parser.add_argument("--gaze", type=Path, metavar="G", help="where the person looks in it")
    parser.add_argument("--only", metavar="PART,...", help=f"measure only these parts: {', '.join(PARTS)}")
    parser.add_argument("--without", metavar="PART,...", help="measure everything but these parts")
    parser.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("A.json", "B.json"),
        help="measure nothing: compare two profiles, status 1 when something became slower",
    )
    parser.add_argument(
        "--regression",
        type=float,
        default=REGRESSION,
        metavar="RATIO",
        help=f"slower than this is a regression (default: {REGRESSION})",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the report there")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="no progress, no tables")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Measure or compare, write what was asked for, and print tables."""
    if given.compare is not None:
        found = compare(*given.compare, allowed=given.regression)
        print(found.table())
        return FAILED if found.regressed else 0
    plan = plan_of(given)
    with Progress(None, label="profile", unit="steps", silent=given.quiet or not sys.stderr.isatty()) as bar:
        report = profile(plan, lambda text: bar.advance(note=text))
    if given.out is not None:
        report.write(given.out / REPORT)
        for name, text in ((PAGE, page(report)), (SHEET, sheet(report))):
            with replacing(given.out / name) as part:
                part.write_text(text, encoding="utf-8")
        for name, trace in report.traces.items():
            trace.write(given.out / name)
    if given.json:
        print(json.dumps(report.to_json(), indent=1))
    elif not given.quiet:
        print(tables(report))
    if not report.complete:
        return INTERRUPTED
    return FAILED if report.failed else 0


def plan_of(given: argparse.Namespace) -> Plan:
    """Build the plan that was asked for.

    Raises:
        InputError: an option is not accepted.
    """
    threads = listed("--threads", given.threads, int)
    engines = choose_engines(
        given.bundles,
        runtimes=listed("--runtime", given.runtime, str),
        precisions=listed("--precision", given.precision, str),
        threads=threads,
    )
    only, without = listed("--only", given.only, str), listed("--without", given.without, str)
    unknown = [part for part in (*only, *without) if part not in PARTS]
    if unknown:
        raise InputError(f"parts: {', '.join(unknown)}; accepted: {', '.join(PARTS)}")
    if (given.video is None) != (given.gaze is None):
        raise InputError("--video, --gaze: one without the other; give both, or none for the demo's")
    standard = Plan(engines)
    return Plan(
        engines,
        sizes=tuple(sizes_of("--sizes", given.sizes)) or standard.sizes,
        prompts=tuple(listed("--prompts", given.prompts, int)) or standard.prompts,
        rounds=standard.rounds if given.rounds is None else given.rounds,
        sustained_s=standard.sustained_s if given.sustained is None else given.sustained,
        video=given.video or standard.video,
        gaze=given.gaze or standard.gaze,
        parts=tuple(part for part in only or PARTS if part not in without),
    )


def listed(option: str, text: str | None, kind: Callable[[str], Value]) -> list[Value]:
    """Read values with commas between them; none where the option is left out.

    Raises:
        InputError: one is not of its kind.
    """
    try:
        return [kind(word.strip()) for word in text.split(",")] if text is not None else []
    except ValueError as error:
        raise InputError(
            f"{option}: {text!r} is not accepted; give numbers with commas between them"
        ) from error
