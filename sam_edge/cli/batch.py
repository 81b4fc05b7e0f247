"""`sam-edge batch`: every recording of an archive."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sam_edge._aoi import EXPORTS
from sam_edge.batch.driver import RunOptions, RunResult, run_batch
from sam_edge.batch.engines import open_executor
from sam_edge.batch.estimate import frames_of, known_speed, measure_speed, time_needed_s
from sam_edge.batch.executor import Executor
from sam_edge.batch.find import Finder
from sam_edge.batch.limits import MaxFailures
from sam_edge.batch.manifest import read_manifest, read_run_manifest
from sam_edge.batch.merge import merge
from sam_edge.batch.places import open_store
from sam_edge.batch.progress import describe_time
from sam_edge.batch.run_file import check_place, require_run
from sam_edge.batch.settings import TASKS, Settings
from sam_edge.batch.shard import Shard
from sam_edge.batch.states import RecordingState, read_states
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.cli.options import (
    add_format,
    add_fps,
    add_looks,
    add_min_confidence,
    add_model,
    parse_size,
)
from sam_edge.errors import InputError

SHOWN = 20
"""Most recordings that a list on the screen names."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `batch`."""
    parser = subparsers.add_parser("batch", help="process every recording of an archive; can be resumed")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_run(actions.add_parser("run", help="process the recordings that are not done yet"))
    for name, text in (
        ("status", "show what is done, failed, running and left"),
        ("merge", "write the tables and the page again, from what is done"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("out", metavar="OUT", help="folder or URL that `sam-edge batch run` wrote to")
        action.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do `sam-edge batch run`, `status` or `merge`."""
    if args.action == "run":
        return _run(args)
    store = open_store(args.out)
    if args.action == "merge":
        states = merge(store)
    else:
        run_file = require_run(store)
        states = read_states(store, read_run_manifest(store), run_file.fingerprint, started=True)
    print(_describe_states(states))
    return 0


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings", nargs="*", metavar="RECORDINGS", help="folders that are searched for recordings"
    )
    parser.add_argument("--out", required=True, metavar="DIR|URL", help="folder or URL to write to")
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE.csv",
        help="recordings to process instead: columns recording, gaze, recording_name, participant, "
        "px_per_deg",
    )
    _add_work(parser)
    _add_machines(parser)
    parser.set_defaults(run=run)


def _add_work(parser: argparse.ArgumentParser) -> None:
    """Add the options that change results."""
    group = parser.add_argument_group("results")
    group.add_argument(
        "--do", default=",".join(TASKS), metavar="LIST", help=f"what to make (default: {','.join(TASKS)})"
    )
    group.add_argument(
        "--section",
        action="append",
        default=[],
        metavar="[NAME=]FROM..TO",
        help="part of every recording with metrics of its own; may be repeated",
    )
    add_format(parser)
    add_min_confidence(parser)
    add_fps(parser)
    group.add_argument(
        "--px-per-deg",
        type=float,
        help="frame pixels in a degree (default: the manifest's, the recording's, else 15)",
    )
    add_looks(group)
    group.add_argument("--export", action="append", default=[], choices=EXPORTS, help="further files of aoi")
    group.add_argument("--video", action="store_true", help="write the annotated video of each recording")
    add_model(parser, threads="1")


def _add_machines(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where and how the work is done."""
    group = parser.add_argument_group("machines")
    group.add_argument("--on", default="local", metavar="ENGINE", help="where to work (default: local)")
    group.add_argument(
        "--workers", type=int, metavar="N", help="recordings at once (default: what cores and memory allow)"
    )
    group.add_argument("--memory", metavar="SIZE", help="memory of a worker, for example 2G (default: 1.5G)")
    group.add_argument(
        "--shard", metavar="I/N", help="process part I of N only, for example 3/40; all parts share OUT"
    )
    group.add_argument("--scratch", metavar="DIR", help="folder for temporary files (default: the system's)")
    group.add_argument(
        "--force", action="store_true", help="replace results that were made with other settings"
    )
    group.add_argument(
        "--retry-failed", action="store_true", help="try again also recordings whose input had failed"
    )
    group.add_argument(
        "--max-failures",
        default="0",
        metavar="N|P%",
        help="exit status 1 when more recordings failed, for example 5%% (default: 0)",
    )
    group.add_argument(
        "--dry-run", action="store_true", help="show what would be done, and how long it takes"
    )
    group.add_argument("--quiet", action="store_true", help="no progress, no summary")


def _run(args: argparse.Namespace) -> int:
    limit = MaxFailures.parse(args.max_failures)
    shard = None if args.shard is None else Shard.parse(args.shard)
    settings = _settings(args).resolve()
    store = open_store(args.out)
    check_place(store, settings, force=args.force)
    recordings = _find(args, settings, store)
    executor = open_executor(args.on, args.workers, settings)
    options = RunOptions(shard, args.force, args.retry_failed)
    if args.dry_run:
        print(_describe_plan(recordings, settings, store, executor, options))
        return 0
    if not args.quiet:
        _print_refused(recordings)
    result = run_batch(recordings, settings, store, executor, options, progress=not args.quiet)
    if not args.quiet:
        print(_describe_result(result, store))
    return 0 if limit.allows(len(result.failures), result.total) else 1


def _settings(args: argparse.Namespace) -> Settings:
    return Settings(
        do=tuple(name.strip() for name in args.do.split(",") if name.strip()),
        model=None if args.model is None else str(args.model.absolute()),
        runtime=args.runtime,
        precision=args.precision,
        size=parse_size(args.size),
        format=args.format,
        recording_name=args.recording_name,
        min_confidence=args.min_confidence,
        fps=args.fps,
        px_per_deg=args.px_per_deg,
        fixations_from=args.fixations_from,
        margin_deg=args.margin_deg,
        min_on_object=args.min_on_object,
        max_off_ms=args.max_off_ms,
        sections=tuple(args.section),
        exports=tuple(args.export),
        video=args.video,
        threads=args.threads or 1,
        memory_bytes=None if args.memory is None else parse_bytes(args.memory),
        scratch=args.scratch,
    )


def parse_bytes(text: str) -> int:
    """Parse a size such as `2G`, `1.5GB` or `800M`. Raises `InputError`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMGT])i?B?", text.strip())
    if match is None:
        raise InputError(f"memory: {text!r} is not accepted; give a size such as 2G or 800M")
    scale: int = 1000 ** ("kMGT".index(match[2]) + 1)
    return round(float(match[1]) * scale)


def _find(args: argparse.Namespace, settings: Settings, store: Store) -> list[Recording]:
    if bool(args.recordings) == (args.manifest is not None):
        raise InputError("recordings: give folders to search, or --manifest FILE.csv; not both")
    known = {recording.id: recording for recording in read_run_manifest(store)}
    finder = Finder(needs_video=settings.needs_video, skip=store.url, known=known)
    if args.manifest is not None:
        return read_manifest(args.manifest, finder)
    return finder.find(args.recordings)


def _print_refused(recordings: Sequence[Recording]) -> None:
    """Print what will be left out and why, before the work."""
    refused = [recording for recording in recordings if recording.problem]
    for recording in refused[:SHOWN]:
        print(f"left out: {recording.uri}: {recording.problem}", file=sys.stderr)
    if len(refused) > SHOWN:
        print(f"left out: {len(refused) - SHOWN} more; failed.csv lists them", file=sys.stderr)


def _describe_plan(
    recordings: Sequence[Recording], settings: Settings, store: Store, executor: Executor, options: RunOptions
) -> str:
    """Return what a run would do, and how long it would take."""
    chosen = list(recordings) if options.shard is None else options.shard.choose(recordings)
    states = read_states(store, chosen, settings.fingerprint())
    todo = [s.recording for s in states if not s.is_settled(retry_failed=options.retry_failed)]
    lines = [_describe_states(states)]
    lines += [
        f"left out: {state.recording.uri}: {state.failure.message}"
        for state in states
        if state.failure is not None and state.is_settled(retry_failed=options.retry_failed)
    ]
    lines += [f"would do: {recording.uri}" for recording in todo[:SHOWN]]
    if len(todo) > SHOWN:
        lines.append(f"would do: {len(todo) - SHOWN} more")
    lines.append(_describe_time_needed(todo, states, settings, store, executor))
    return "\n".join(lines)


def _describe_time_needed(
    todo: Sequence[Recording],
    states: Sequence[RecordingState],
    settings: Settings,
    store: Store,
    executor: Executor,
) -> str:
    frames = sum(map(frames_of, todo))
    amount = f"{len(todo)} recordings, {describe_time(sum(each.duration_s or 0 for each in todo))} of video"
    if not todo or not settings.needs_video:
        return amount
    speed = known_speed(states) or measure_speed(todo[-1], settings, store)
    if speed is None:
        return f"{amount}; the time is not known: the recording that was tried is too short"
    needed_s = time_needed_s(todo, speed, executor.workers)
    return (
        f"{amount}, {frames:,.0f} frames: about {describe_time(needed_s)} with {executor.workers} workers "
        f"({speed.frames_per_s:.1f} frames/s a worker: {speed.source})"
    )


def _describe_states(states: Sequence[RecordingState]) -> str:
    """Return the numbers of recordings by state, and for those that are left the time at the speed so far."""
    counts = Counter(state.progress for state in states)
    lines = [f"{len(states)} recordings"]
    lines += [
        f"  {name:<8}{counts[name]:>7}" for name in ("done", "failed", "running", "left") if counts[name]
    ]
    speed = known_speed(states)
    if speed is not None:
        left = sum(frames_of(s.recording) for s in states if s.progress in ("left", "running"))
        lines[1] += f"   {speed.frames_per_s:.1f} frames/s a worker"
        if left:
            lines.append(f"  to go: {describe_time(left / speed.frames_per_s)} of one worker")
    for state in [state for state in states if state.failure is not None][:SHOWN]:
        if state.failure is not None:
            lines.append(
                f"  failed: {state.recording.uri}: {state.failure.error_class}: {state.failure.message}"
            )
    for state in [state for state in states if state.started is not None][:SHOWN]:
        lines.append(f"  running: {state.recording.uri}, since {state.started:%Y-%m-%d %H:%M} UTC")
    return "\n".join(lines)


def _describe_result(result: RunResult, store: Store) -> str:
    speed = f", {result.frames / result.seconds:.1f} frames/s" if result.frames and result.seconds else ""
    lines = [
        f"{result.done} recordings done in {describe_time(result.seconds)}{speed}; {result.skipped} were done before, "
        f"{len(result.failures)} failed"
    ]
    lines += [
        f"  {failure.id}: {failure.error_class}: {failure.message}" for failure in result.failures[:SHOWN]
    ]
    if result.failures:
        lines.append(f"  failures: {store.url}/failed.csv")
    lines.append(f"  overview: {store.url}/index.html")
    return "\n".join(lines)
