"""`sam-edge profile`: measure speed on this device, and where the time goes."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from sam_edge.cli.options import add_fps, parse_sizes
from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically, write_folder_atomically
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.media.progress import ProgressBar
from sam_edge.precision import check_precision
from sam_edge.profile.budget.search import BUDGET_SIZES, DEFAULT_DATASET, BudgetSearch, run_search
from sam_edge.profile.measure.environment import gather_machine
from sam_edge.profile.plan import (
    DEMO_GAZE,
    DEMO_VIDEO,
    PARTS,
    EngineConfig,
    ProfilePlan,
    choose_engines,
)
from sam_edge.profile.report.budget_report import (
    format_recommendation,
    recommendation_html,
    recommendation_json,
)
from sam_edge.profile.report.comparison import REGRESSION_RATIO, compare_profiles
from sam_edge.profile.report.csv_export import to_csv
from sam_edge.profile.report.html_report import to_html
from sam_edge.profile.report.terminal import format_report
from sam_edge.profile.run import run_plan

Value = TypeVar("Value")
FAILED, INTERRUPTED = 1, 130
"""Exit status when a measurement failed or became slower, and when Ctrl+C ended the command."""
REPORT, PAGE, SHEET = "profile.json", "profile.html", "profile.csv"
BUDGET, BUDGET_PAGE, CONFIG = "budget.json", "budget.html", "config.json"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `profile`."""
    parser = subparsers.add_parser(
        "profile",
        help="measure speed on this device, and where the time goes",
        description="Measure models and engines on this machine. Exit status 1 when a measurement failed; with "
        "--compare when something became slower; with --budget-ms when no configuration meets the budget.",
    )
    parser.add_argument(
        "bundles",
        type=Path,
        nargs="*",
        metavar="BUNDLE",
        help="folders of bundles (default: the model in the package)",
    )
    add_subjects(parser)
    add_procedure(parser)
    other = parser.add_argument_group("instead of a whole profile")
    other.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("A.json", "B.json"),
        help="compare two profiles, without measuring",
    )
    other.add_argument(
        "--regression",
        type=float,
        default=REGRESSION_RATIO,
        metavar="RATIO",
        help=f"times slower that counts as a regression, for --compare (default: {REGRESSION_RATIO})",
    )
    other.add_argument(
        "--budget-ms",
        type=float,
        metavar="MS",
        help="find the best engine, precision, size and schedule within MS milliseconds a frame",
    )
    other.add_argument(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="folder with images/ and labels/ to measure accuracy on (default: the dataset in the package)",
    )
    other.add_argument("--limit", type=int, metavar="N", help="use at most N images of the dataset")
    other.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="write the configuration that was chosen, for `GazeSession(config=...)`",
    )
    parser.set_defaults(run=run)


def add_subjects(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose what is measured."""
    group = parser.add_argument_group("what is measured")
    group.add_argument(
        "--runtime", metavar="NAME,...", help="engines (default: all installed ones that open the bundle)"
    )
    group.add_argument(
        "--precision",
        metavar="P,...",
        help="precisions of the layers that are not quantized (default: those that suit the machine)",
    )
    group.add_argument("--threads", metavar="N,...", help="threads of one inference (default: all cores)")
    group.add_argument("--sizes", metavar="WxH,...", help="input sizes of the encoder (default: three)")
    group.add_argument(
        "--prompts",
        metavar="N,...",
        help="prompts per decode call (default: 1, and 16 at the first size)",
    )
    group.add_argument(
        "--video",
        type=Path,
        metavar="V",
        help="video for the session, or a recording that holds gaze as well (default: the demo clip)",
    )
    group.add_argument("--gaze", type=Path, metavar="G", help="gaze for that video")
    add_fps(group, of=" of --video")
    group.add_argument("--only", metavar="PART,...", help=f"only these parts: {', '.join(PARTS)}")
    group.add_argument("--skip", metavar="PART,...", help="all parts except these")


def add_procedure(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose how it is measured, and what is written."""
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help="rounds of measurement (default: 6, on a slow machine fewer, at least 4)",
    )
    parser.add_argument(
        "--sustained",
        type=float,
        metavar="SECONDS",
        help="duration of the sustained-load test (default: 60; 0: skip it)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write the JSON report, HTML page, CSV file and traces to",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="no progress, no tables")


def run(args: argparse.Namespace) -> int:
    """Measure, compare two profiles, or search for a budget."""
    if args.compare is not None:
        comparison = compare_profiles(*args.compare, limit=args.regression)
        print(comparison.table())
        return FAILED if comparison.regressed else 0
    with prepare_outputs(Output("--out", args.out, "folder"), Output("--config", args.config)):
        return run_profile(args) if args.budget_ms is None else run_budget(args)


def run_profile(args: argparse.Namespace) -> int:
    """Measure, write the outputs, and print tables."""
    plan = build_plan(args)
    with progress(args) as bar:
        report = run_plan(plan, lambda text: bar.advance(note=text))
    if args.out is not None:
        with write_folder_atomically(args.out) as folder:
            report.write(folder / REPORT)
            write(folder / PAGE, to_html(report))
            write(folder / SHEET, to_csv(report))
            for name, trace in report.traces.items():
                trace.write(folder / name)
    if args.json:
        print(json.dumps(report.to_json(), indent=1))
    elif not args.quiet:
        print(format_report(report))
    if not report.complete:
        return INTERRUPTED
    return FAILED if report.errors else 0


def run_budget(args: argparse.Namespace) -> int:
    """Search the configurations, write the outputs, and print a table."""
    video, gaze = clip_of(args)
    search = BudgetSearch(
        engines_of(args),
        args.budget_ms,
        sizes=parse_sizes("--sizes", args.sizes) or BUDGET_SIZES,
        dataset=args.dataset or DEFAULT_DATASET,
        limit=args.limit,
        video=video,
        gaze=gaze,
        fps=args.fps,
    )
    with progress(args) as bar:
        recommendation, complete = run_search(search, lambda text: bar.advance(note=text))
    machine = gather_machine()
    content = recommendation_json(recommendation, machine, complete=complete)
    if args.out is not None:
        with write_folder_atomically(args.out) as folder:
            write(folder / BUDGET, json.dumps(content, indent=1) + "\n")
            write(folder / BUDGET_PAGE, recommendation_html(recommendation, machine))
            if (config := recommendation.config(args.out)) is not None:
                config.write(folder / CONFIG)
    if args.config is not None and (config := recommendation.config(args.config.parent)) is not None:
        config.write(args.config)
    if args.json:
        print(json.dumps(content, indent=1))
    elif not args.quiet:
        print(format_recommendation(recommendation))
    if not complete:
        return INTERRUPTED
    return FAILED if recommendation.chosen is None else 0


def progress(args: argparse.Namespace) -> ProgressBar:
    """Return a progress bar that counts the steps."""
    return ProgressBar(None, label="profile", unit="steps", silent=args.quiet)


def write(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with write_atomically(path) as part:
        part.write_text(text, encoding="utf-8")


def build_plan(args: argparse.Namespace) -> ProfilePlan:
    """Build the plan from the options.

    Raises:
        InputError: an option is not accepted.
    """
    only, skip = list_of("--only", args.only, str), list_of("--skip", args.skip, str)
    for option, parts in (("--only", only), ("--skip", skip)):
        if unknown := [part for part in parts if part not in PARTS]:
            raise InputError(f"{option}: {', '.join(unknown)}; accepted: {', '.join(PARTS)}")
    standard = ProfilePlan(engines_of(args))
    video, gaze = clip_of(args)
    return ProfilePlan(
        standard.engines,
        sizes=tuple(parse_sizes("--sizes", args.sizes)) or standard.sizes,
        prompts=tuple(list_of("--prompts", args.prompts, int)) or standard.prompts,
        first_size_prompts=() if args.prompts else standard.first_size_prompts,
        rounds=standard.rounds if args.rounds is None else args.rounds,
        max_rounds_s=standard.max_rounds_s if args.rounds is None else math.inf,
        sustained_s=standard.sustained_s if args.sustained is None else args.sustained,
        video=video,
        gaze=gaze,
        fps=args.fps,
        parts=tuple(part for part in only or PARTS if part not in skip),
    )


def engines_of(args: argparse.Namespace) -> tuple[EngineConfig, ...]:
    """Return the models and engines that the options choose."""
    return choose_engines(
        args.bundles,
        runtimes=list_of("--runtime", args.runtime, str),
        precisions=[
            check_precision(name, argument="--precision")
            for name in list_of("--precision", args.precision, str)
        ],
        threads=list_of("--threads", args.threads, int),
    )


def clip_of(args: argparse.Namespace) -> tuple[Path, Path | None]:
    """Return the video and the gaze of the session; no gaze where the video is a recording's folder.

    Raises:
        InputError: one of the two options is missing.
    """
    if args.video is None:
        if args.gaze is not None:
            raise InputError("--gaze: set without --video; give both, or neither for the demo clip")
        return DEMO_VIDEO, DEMO_GAZE
    if args.gaze is None and not args.video.is_dir():
        raise InputError(
            f"--video: {args.video} holds no gaze; give it with --gaze, or give a recording's folder"
        )
    return args.video, args.gaze


def list_of(option: str, text: str | None, kind: Callable[[str], Value]) -> Sequence[Value]:
    """Parse values with commas between them; empty when the option is not set.

    Raises:
        InputError: a value cannot be parsed.
    """
    try:
        return [kind(word.strip()) for word in text.split(",")] if text is not None else []
    except ValueError as error:
        raise InputError(
            f"{option}: {text!r} is not accepted; give numbers with commas between them"
        ) from error
