"""Checks the profile: against pytest-benchmark on the same calls, for repeatability, and the overhead of tracing.

    python benchmarks/bench_profile.py [--turns 24] [--runtime NAME,...] [--only PART,...] [--json FILE]

agree   the profile's medians of encode and decode compared with pytest-benchmark's, on the same calls. Blocks of both
        alternate, each in a process of its own, so that drift of the machine affects both alike.
turns   two runs of the profile's timing with alternating rounds: the ratio of each row.
repeat  two whole runs of `sam-edge profile --only timing`, one after the other: the same, with the machine's own drift.
trace   two sessions on the same frames, one traced and one not, with alternating steps; and the cost of a span.
whole   the wall time of `sam-edge profile` with its defaults.

Measure on an idle machine: the last line says whether it was idle.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from endings import end_without, run_script

try:
    import cv2
    import numpy as np
    from bench_engines import Asked
    from outside_timing import OutsideTimer

    import sam_edge
    from sam_edge.cli.options import parse_sizes
    from sam_edge.gaze.recordings import read
    from sam_edge.media.frames import open_frames
    from sam_edge.profile.measure.energy import EnergyMeter
    from sam_edge.profile.measure.engine_bench import CallBlock
    from sam_edge.profile.measure.environment import gather_machine
    from sam_edge.profile.measure.noise import NoiseMeter
    from sam_edge.profile.measure.statistics import (
        MedianRatio,
        bootstrap_medians,
        compare_medians,
        interval_percentiles,
    )
    from sam_edge.profile.measure.subprocess_bench import SubprocessBench
    from sam_edge.profile.measure.timing import ROUNDS_PER_PROCESS, InterleavedTiming
    from sam_edge.profile.plan import (
        DEMO_GAZE,
        DEMO_VIDEO,
        EngineConfig,
        ProfilePlan,
        TimingCase,
        choose_engines,
    )
    from sam_edge.profile.report.comparison import compare_profiles
    from sam_edge.stream import GazeSession
    from sam_edge.stream.playback import GazeFeed
    from sam_edge.stream.trace import Tracer
except ImportError as error:
    end_without(error)

WITHIN, TRACING, WHOLE_S = 0.05, 0.01, 180.0
STEPS, PASSES, SPANS = 96, 4, 200_000
Row = tuple[str, str | None, int]
"""Engine, precision and prompts; 0 prompts is encoding."""


@dataclass
class Samples:
    """Milliseconds of every call of one row, and the turn of each."""

    times_ms: list[float] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)

    def add(self, times_ms: list[float], turn: int) -> None:
        """Add the samples of a turn."""
        self.times_ms += times_ms
        self.turns += [turn] * len(times_ms)


def compare_samples(own: Samples, outside: Samples) -> MedianRatio:
    """Compare the medians; the interval is bootstrapped over whole turns."""
    return compare_medians(own.times_ms, outside.times_ms, own.turns, outside.turns)


def agree(args: argparse.Namespace) -> Iterator[Asked]:
    """Alternate every block of the profile with a block of pytest-benchmark on the same call."""
    outside: dict[Row, Samples] = {}

    class PairedBench(SubprocessBench):
        """A process of the profile and one of pytest-benchmark, whose blocks alternate."""

        def __init__(self, engine: EngineConfig, energy: EnergyMeter | None = None) -> None:
            super().__init__(engine, energy)
            self._engine, self._blocks = engine, 0
            self._outside = OutsideTimer(engine, args.size, 3 * ROUNDS_PER_PROCESS)

        def time_block(self, case: TimingCase, target_ms: float) -> CallBlock:
            # The order changes, so that neither always finds the caches that the other filled.
            self._blocks += 1
            if self._blocks % 2:
                self._outside.time(case.prompts)
            block = super().time_block(case, target_ms)
            if not self._blocks % 2:
                self._outside.time(case.prompts)
            return block

        def close(self) -> None:
            super().close()
            for prompts, times_ms in self._outside.finish():
                row = outside.setdefault((self._engine.runtime, self._engine.precision, prompts), Samples())
                row.add(times_ms, max(row.turns, default=-1) + 1)

    timing = make_timing(args, PairedBench)
    for _ in timing.run():
        pass
    print(f"{'ms, medians':<46}{'profile':>10}{'outside':>10}{'ratio':>8}{'95 %':>16}")
    worst = 1.0
    for result in timing.results():
        if result.error:
            raise SystemExit(f"{result.case.label}: {result.error}")
        own = Samples(list(result.samples_ms), list(result.rounds))
        engine = result.case.engine
        worst = max(
            worst,
            print_row(result.case.label, own, outside[engine.runtime, engine.precision, result.case.prompts]),
        )
    yield Asked(
        "profile over pytest-benchmark, the worst row",
        "within 5 %",
        percent(worst - 1),
        worst <= 1 + WITHIN,
    )


def make_timing(
    args: argparse.Namespace, bench: type[SubprocessBench] = SubprocessBench
) -> InterleavedTiming:
    """Prepare the profile's timing at one size."""
    engines = choose_engines(runtimes=args.runtime, threads=[args.threads])
    plan = ProfilePlan(engines, sizes=(args.size,), rounds=args.turns, max_rounds_s=math.inf)
    return InterleavedTiming(plan, broken={}, energy=None, noise=NoiseMeter(), bench=bench)


def turns(args: argparse.Namespace) -> Iterator[Asked]:
    """Run the timing twice, with alternating rounds."""
    first, second = make_timing(args), make_timing(args)
    for _ in zip_longest(first.run(), second.run()):
        pass
    print(f"{'ms, medians':<46}{'first':>10}{'second':>10}{'ratio':>8}{'95 %':>16}")
    worst = 1.0
    for before, after in zip(first.results(), second.results(), strict=True):
        if before.error or after.error:
            raise SystemExit(f"{before.case.label}: {before.error or after.error}")
        samples = [Samples(list(row.samples_ms), list(row.rounds)) for row in (before, after)]
        worst = max(worst, print_row(before.case.label, *samples))
    yield Asked(
        "two runs, alternating rounds, the worst row",
        "within 5 %",
        percent(worst - 1),
        worst <= 1 + WITHIN,
    )


def print_row(label: str, first: Samples, second: Samples) -> float:
    """Print a row; returns the ratio of the slower over the faster median."""
    ratio = compare_samples(first, second)
    medians = f"{np.median(first.times_ms):>10.2f}{np.median(second.times_ms):>10.2f}"
    print(f"{label:<46}{medians}{ratio.value:>8.3f}{ratio.low:>9.3f}-{ratio.high:.3f}")
    return max(ratio.value, 1 / ratio.value)


def repeat(args: argparse.Namespace) -> Iterator[Asked]:
    """Run the profile's timing twice and compare the runs row by row."""
    size = f"{args.size[1]}x{args.size[0]}"
    with tempfile.TemporaryDirectory() as folder:
        reports = []
        for name in ("first", "second"):
            options = ["--only", "timing", "--sizes", size, "--threads", str(args.threads), "--quiet"]
            options += ["--runtime", ",".join(args.runtime)] if args.runtime else []
            run_profile([*options, "--rounds", str(args.turns), "--out", str(Path(folder) / name)])
            reports.append(Path(folder) / name / "profile.json")
        comparison = compare_profiles(*reports)
    print(comparison.table())
    worst = max(max(row.ratio.value, 1 / row.ratio.value) for row in comparison.rows)
    yield Asked(
        "two runs one after the other, the worst row", "within 5 %", percent(worst - 1), worst <= 1 + WITHIN
    )


def trace(args: argparse.Namespace) -> Iterator[Asked]:
    """Alternate the steps of two sessions, one of them traced, over the same frames several times."""
    cv2.setNumThreads(1)
    traced, plain, spans = Samples(), Samples(), 0
    recording = read(DEMO_GAZE)
    with open_frames(DEMO_VIDEO) as reader:
        fps, frames = reader.fps, list(islice(reader, STEPS))
    with sam_edge.load(threads=args.threads) as model:
        for again in range(PASSES):
            with GazeSession(model) as first, GazeSession(model) as second, first.trace() as trace:
                feeds = {first: GazeFeed(recording.samples), second: GazeFeed(recording.samples)}
                for turn, frame in enumerate(frames):
                    order = [(first, traced), (second, plain)]
                    for session, samples in order if (turn + again) % 2 else order[::-1]:
                        session.feed(feeds[session].until(round((frame.index + 1) * 1e9 / fps)))
                        start = time.perf_counter()
                        session.step(frame.image, frame.time_ns)
                        samples.add([1e3 * (time.perf_counter() - start)], turn)
            spans += len(trace.spans)
    pairs = np.array(traced.times_ms) / np.array(plain.times_ms)
    low, high = np.percentile(bootstrap_medians(pairs.tolist()), interval_percentiles())
    cost_us, spans_each = span_us(), spans / len(traced.times_ms)
    share = cost_us * (spans_each + 1) / 1e3 / float(np.median(plain.times_ms))
    print(
        f"a step: {np.median(plain.times_ms):.2f} ms, traced {np.median(traced.times_ms):.2f} ms; ratio of the pairs "
        f"{np.median(pairs):.4f} (95 %: {low:.4f}-{high:.4f})"
    )
    print(
        f"a span: {cost_us:.2f} us with a sink, {spans_each:.1f} spans a step: {100 * share:.4f} % of a step"
    )
    cost = float(np.median(pairs)) - 1
    yield Asked("tracing, alternating steps", "under 1 %", f"{100 * cost:+.2f} %", cost < TRACING)
    yield Asked(
        "tracing, spans of a step times the cost of a span",
        "under 1 %",
        f"{100 * share:.4f} %",
        share < TRACING,
    )


def span_us() -> float:
    """Return the cost of recording a span with one sink, delivery to the sink included, microseconds."""

    class NullSink:
        """Discards everything."""

        def span(self, span: object) -> None: ...

        def frame(self, frame: object) -> None: ...

        def gaze(self, samples: object) -> None: ...

    tracer = Tracer()
    sink = tracer.add(NullSink())
    start = time.process_time()
    for index in range(SPANS):
        tracer.span("encode", index, index + 1)
    tracer.remove([sink])
    return 1e6 * (time.process_time() - start) / SPANS


def whole(args: argparse.Namespace) -> Iterator[Asked]:
    """Time the whole default profile."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_profile(["--quiet", "--out", folder])
        duration_s = time.perf_counter() - start
    yield Asked(
        "the whole default profile", f"under {WHOLE_S:.0f} s", f"{duration_s:.0f} s", duration_s < WHOLE_S
    )


def run_profile(options: list[str]) -> None:
    """Run `sam-edge profile` in a process of its own."""
    process = subprocess.run([sys.executable, "-m", "sam_edge.cli", "profile", *options], check=False)
    if process.returncode != 0:
        raise SystemExit(f"sam-edge profile {' '.join(options)} ended with status {process.returncode}")


def percent(share: float) -> str:
    """Write a share."""
    return f"{100 * share:.1f} %"


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Asked]]] = {
    "agree": agree,
    "turns": turns,
    "repeat": repeat,
    "trace": trace,
    "whole": whole,
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=24, help="rounds of the profile, and outside processes")
    parser.add_argument("--size", default="672x448", help="the encoder's input")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtime", default="", help="engines, with commas between them; all that are here")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    args.runtime = args.runtime.split(",") if args.runtime else []
    args.size = parse_sizes("--size", args.size)[0]
    unknown = set(args.only.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))}; accepted: {', '.join(PARTS)}")
    return args


def main() -> None:
    """Measure and print."""
    args = parse_arguments()
    noise, rows = NoiseMeter(), list[Asked]()
    for name in args.only.split(","):
        noise.check()
        rows += list(PARTS[name](args))
        print()
    noise.check()
    machine, note = gather_machine(), noise.noise().note()
    print(f"{machine.cpu}, {args.threads} threads; Python {machine.python}; {versions(machine.packages)}")
    for row in rows:
        print(row.row())
    print(note or "the machine was quiet")
    if args.json:
        content: list[Any] = [vars(row) for row in rows]
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def versions(packages: dict[str, str]) -> str:
    """Write the versions of packages."""
    return ", ".join(f"{name} {version}" for name, version in packages.items())


if __name__ == "__main__":
    run_script(main)
