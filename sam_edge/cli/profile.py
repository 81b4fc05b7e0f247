"""`sam-edge profile`: what this device can do, and where the time goes."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from sam_edge.cli.options import parse_sizes
from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically
from sam_edge.media.progress import ProgressBar
from sam_edge.precision import check_precision
from sam_edge.profile.budget.search import LABELLED, SIZES_TRIED, Advisor, advise
from sam_edge.profile.measure.environment import gather_machine
from sam_edge.profile.plan import CLIP, GAZE, PARTS, Engine, Plan, choose_engines
from sam_edge.profile.report.budget_report import advice_json, advice_page, advice_table
from sam_edge.profile.report.comparison import REGRESSION, compare
from sam_edge.profile.report.csv_export import sheet
from sam_edge.profile.report.html_report import page
from sam_edge.profile.report.terminal import tables
from sam_edge.profile.run import profile

Value = TypeVar("Value")
FAILED, INTERRUPTED = 1, 130
"""Status when something that was to be measured failed or became slower, and when ctrl-C ended it."""
REPORT, PAGE, SHEET = "profile.json", "profile.html", "profile.csv"
BUDGET, BUDGET_PAGE, CONFIG = "budget.json", "budget.html", "config.json"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `profile`."""
    parser = subparsers.add_parser(
        "profile",
        help="what this device can do, and where the time goes",
        description="Measure models and engines on this machine. Status 1 when one of them failed; with --compare when "
        "something became slower; with --budget-ms when nothing keeps to it.",
    )
    parser.add_argument(
        "bundles", type=Path, nargs="*", metavar="BUNDLE", help="folders (default: the package's own model)"
    )
    add_what(parser)
    add_how(parser)
    other = parser.add_argument_group("instead of a whole profile")
    other.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("A.json", "B.json"),
        help="measure nothing: compare two profiles",
    )
    other.add_argument(
        "--regression",
        type=float,
        default=REGRESSION,
        metavar="RATIO",
        help=f"slower than so many times is a regression (default: {REGRESSION})",
    )
    other.add_argument(
        "--budget-ms",
        type=float,
        metavar="MS",
        help="find the best engine, precision, size and schedule within so much time a frame",
    )
    other.add_argument(
        "--labelled",
        type=Path,
        metavar="DIR",
        help="images/ and labels/ to judge by (default: the package's own)",
    )
    other.add_argument("--pictures", type=int, metavar="N", help="at most so many of them")
    other.add_argument(
        "--config", type=Path, metavar="FILE", help="write what was found for `sam_edge.load` there"
    )
    parser.set_defaults(run=run)


def add_what(parser: argparse.ArgumentParser) -> None:
    """Add what is measured."""
    what = parser.add_argument_group("what is measured")
    what.add_argument(
        "--runtime", metavar="NAME,...", help="engines (default: every installed one that opens the bundle)"
    )
    what.add_argument(
        "--precision",
        metavar="P,...",
        help="for what the model leaves in floating point (default: what is apt)",
    )
    what.add_argument("--threads", metavar="N,...", help="threads of one inference (default: every core)")
    what.add_argument("--sizes", metavar="WxH,...", help="the encoder's inputs (default: three)")
    what.add_argument(
        "--prompts",
        metavar="N,...",
        help="prompts decoded in one call (default: 1, and 16 at the first size)",
    )
    what.add_argument(
        "--video", type=Path, metavar="V", help="what the session sees (default: the demo's clip)"
    )
    what.add_argument("--gaze", type=Path, metavar="G", help="where the person looks in it")
    what.add_argument("--only", metavar="PART,...", help=f"only these parts: {', '.join(PARTS)}")
    what.add_argument("--without", metavar="PART,...", help="everything but these parts")


def add_how(parser: argparse.ArgumentParser) -> None:
    """Add how it is measured, and what is written."""
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help="how often everything has its turn (default: 6, fewer on a slow machine, 4 at least)",
    )
    parser.add_argument(
        "--sustained",
        type=float,
        metavar="SECONDS",
        help="encode without a pause so long (default: 60; 0: not)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write report, page, sheet and traces there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="no progress, no tables")


def run(given: argparse.Namespace) -> int:
    """Measure, compare or advise."""
    if given.compare is not None:
        found = compare(*given.compare, allowed=given.regression)
        print(found.table())
        return FAILED if found.regressed else 0
    if given.budget_ms is not None:
        return run_budget(given)
    return run_profile(given)


def run_profile(given: argparse.Namespace) -> int:
    """Measure, write what was asked for, and print tables."""
    plan = plan_of(given)
    with progress(given) as bar:
        report = profile(plan, lambda text: bar.advance(note=text))
    if given.out is not None:
        report.write(given.out / REPORT)
        write(given.out / PAGE, page(report))
        write(given.out / SHEET, sheet(report))
        for name, trace in report.traces.items():
            trace.write(given.out / name)
    if given.json:
        print(json.dumps(report.to_json(), indent=1))
    elif not given.quiet:
        print(tables(report))
    if not report.complete:
        return INTERRUPTED
    return FAILED if report.failed else 0


def run_budget(given: argparse.Namespace) -> int:
    """Advise, write what was asked for, and print a table."""
    video, gaze = clip_of(given)
    advisor = Advisor(
        engines_of(given),
        given.budget_ms,
        sizes=parse_sizes("--sizes", given.sizes) or SIZES_TRIED,
        labelled=given.labelled or LABELLED,
        pictures=given.pictures,
        video=video,
        gaze=gaze,
    )
    with progress(given) as bar:
        advice, complete = advise(advisor, lambda text: bar.advance(note=text))
    machine = gather_machine()
    content = advice_json(advice, machine, complete=complete)
    if given.out is not None:
        write(given.out / BUDGET, json.dumps(content, indent=1) + "\n")
        write(given.out / BUDGET_PAGE, advice_page(advice, machine))
    for path in (given.config, given.out / CONFIG if given.out is not None else None):
        config = advice.config(path.parent) if path is not None else None
        if config is not None and path is not None:
            config.write(path)
    if given.json:
        print(json.dumps(content, indent=1))
    elif not given.quiet:
        print(advice_table(advice))
    if not complete:
        return INTERRUPTED
    return FAILED if advice.chosen is None else 0


def progress(given: argparse.Namespace) -> ProgressBar:
    """Make a progress line, on a terminal only."""
    return ProgressBar(None, label="profile", unit="steps", silent=given.quiet or not sys.stderr.isatty())


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with write_atomically(path) as part:
        part.write_text(text, encoding="utf-8")


def plan_of(given: argparse.Namespace) -> Plan:
    """Build the plan that was asked for.

    Raises:
        InputError: an option is not accepted.
    """
    only, without = listed("--only", given.only, str), listed("--without", given.without, str)
    unknown = [part for part in (*only, *without) if part not in PARTS]
    if unknown:
        raise InputError(f"parts: {', '.join(unknown)}; accepted: {', '.join(PARTS)}")
    standard = Plan(engines_of(given))
    video, gaze = clip_of(given)
    return Plan(
        standard.engines,
        sizes=tuple(parse_sizes("--sizes", given.sizes)) or standard.sizes,
        prompts=tuple(listed("--prompts", given.prompts, int)) or standard.prompts,
        many=() if given.prompts else standard.many,
        rounds=standard.rounds if given.rounds is None else given.rounds,
        rounds_s=standard.rounds_s if given.rounds is None else math.inf,
        sustained_s=standard.sustained_s if given.sustained is None else given.sustained,
        video=video,
        gaze=gaze,
        parts=tuple(part for part in only or PARTS if part not in without),
    )


def engines_of(given: argparse.Namespace) -> tuple[Engine, ...]:
    """List the models and engines that were asked for."""
    return choose_engines(
        given.bundles,
        runtimes=listed("--runtime", given.runtime, str),
        precisions=[
            check_precision(name, argument="--precision")
            for name in listed("--precision", given.precision, str)
        ],
        threads=listed("--threads", given.threads, int),
    )


def clip_of(given: argparse.Namespace) -> tuple[Path, Path]:
    """Return the video and the gaze of the session.

    Raises:
        InputError: one is given without the other.
    """
    if (given.video is None) != (given.gaze is None):
        raise InputError("--video, --gaze: one without the other; give both, or none for the demo's")
    return given.video or CLIP, given.gaze or GAZE


def listed(option: str, text: str | None, kind: Callable[[str], Value]) -> Sequence[Value]:
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
