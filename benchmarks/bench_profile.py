"""Is the profile right? Its own figures beside outside timings of the same calls, twice over, and what tracing costs.

    python benchmarks/bench_profile.py [--turns 24] [--runtime NAME,...] [--only PART,...] [--json FILE]

agree   the profile's medians of encode and decode beside pytest-benchmark's of the same calls. Blocks of the one and
        of the other follow each other, each in a process of its own, so that a drift of the machine hits both.
turns   two runs of the profile's timing whose rounds take turns: how far each row is from itself.
repeat  two whole runs of `sam-edge profile --only timing`, one after the other: the same, and what the machine's own
        speed did meanwhile.
trace   two sessions on the same frames, one traced and one not, step by step in turns; and what a span costs.
whole   the wall time of `sam-edge profile` as it comes.

Measure when nothing else runs: the last line says whether that was so.
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

import cv2
import numpy as np
from bench_engines import Asked
from outside_timing import Outside

import sam_edge
from sam_edge.cli.options import parse_sizes
from sam_edge.gaze.recordings import read
from sam_edge.media.frames import open_frames
from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.engine_bench import Block
from sam_edge.profile.measure.environment import gather_machine
from sam_edge.profile.measure.noise import NoiseMeter
from sam_edge.profile.measure.statistics import Ratio, interval, medians, ratio
from sam_edge.profile.measure.subprocess_bench import Apart
from sam_edge.profile.measure.timing import ROUNDS_OF_A_PROCESS, Timing
from sam_edge.profile.plan import CLIP, GAZE, Case, Engine, Plan, choose_engines
from sam_edge.profile.report.comparison import compare
from sam_edge.stream import GazeSession
from sam_edge.stream.playback import GazeFeed
from sam_edge.stream.trace import Tracer

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
        """Add what a turn gave."""
        self.times_ms += times_ms
        self.turns += [turn] * len(times_ms)


def over(own: Samples, outside: Samples) -> Ratio:
    """Compare the medians; the interval draws whole turns."""
    return ratio(own.times_ms, outside.times_ms, own.turns, outside.turns)


def agree(given: argparse.Namespace) -> Iterator[Asked]:
    """Let every block of the profile and an outside timing of the same call follow each other."""
    outside: dict[Row, Samples] = {}

    class Beside(Apart):
        """A process of the profile, and one of pytest-benchmark beside it."""

        def __init__(self, engine: Engine, energy: EnergyMeter | None = None) -> None:
            super().__init__(engine, energy)
            self._engine, self._asked = engine, 0
            self._outside = Outside(engine, given.size, 3 * ROUNDS_OF_A_PROCESS)

        def block(self, case: Case, target_ms: float) -> Block:
            # Who is first changes, so that none has the caches of the other always.
            self._asked += 1
            if self._asked % 2:
                self._outside.time(case.prompts)
            block = super().block(case, target_ms)
            if not self._asked % 2:
                self._outside.time(case.prompts)
            return block

        def close(self) -> None:
            super().close()
            for prompts, times_ms in self._outside.close():
                row = outside.setdefault((self._engine.runtime, self._engine.precision, prompts), Samples())
                row.add(times_ms, max(row.turns, default=-1) + 1)

    timing = timing_of(given, Beside)
    for _ in timing.run():
        pass
    print(f"{'ms, medians':<46}{'profile':>10}{'outside':>10}{'ratio':>8}{'95 %':>16}")
    worst = 1.0
    for one in timing.rows():
        if one.failed:
            raise SystemExit(f"{one.case.label}: {one.failed}")
        own = Samples(list(one.samples_ms), list(one.rounds))
        engine = one.case.engine
        worst = max(
            worst,
            printed(one.case.label, own, outside[engine.runtime, engine.precision, one.case.prompts]),
        )
    yield Asked(
        "profile beside pytest-benchmark, the worst row",
        "within 5 %",
        percent(worst - 1),
        worst <= 1 + WITHIN,
    )


def timing_of(given: argparse.Namespace, bench: type[Apart] = Apart) -> Timing:
    """Prepare the profile's timing at one size."""
    engines = choose_engines(runtimes=given.runtime, threads=[given.threads])
    plan = Plan(engines, sizes=(given.size,), rounds=given.turns, rounds_s=math.inf)
    return Timing(plan, broken={}, energy=None, noise=NoiseMeter(), bench=bench)


def turns(given: argparse.Namespace) -> Iterator[Asked]:
    """Let two runs of the timing take turns, round by round."""
    first, second = timing_of(given), timing_of(given)
    for _ in zip_longest(first.run(), second.run()):
        pass
    print(f"{'ms, medians':<46}{'first':>10}{'second':>10}{'ratio':>8}{'95 %':>16}")
    worst = 1.0
    for one, other in zip(first.rows(), second.rows(), strict=True):
        if one.failed or other.failed:
            raise SystemExit(f"{one.case.label}: {one.failed or other.failed}")
        before, after = (Samples(list(row.samples_ms), list(row.rounds)) for row in (one, other))
        worst = max(worst, printed(one.case.label, before, after))
    yield Asked("two runs in turns, the worst row", "within 5 %", percent(worst - 1), worst <= 1 + WITHIN)


def printed(label: str, one: Samples, other: Samples) -> float:
    """Print a row; returns how many times as long the slower one took."""
    found = over(one, other)
    medians = f"{np.median(one.times_ms):>10.2f}{np.median(other.times_ms):>10.2f}"
    print(f"{label:<46}{medians}{found.value:>8.3f}{found.low:>9.3f}-{found.high:.3f}")
    return max(found.value, 1 / found.value)


def repeat(given: argparse.Namespace) -> Iterator[Asked]:
    """Run the profile's timing twice and compare the runs row by row."""
    size = f"{given.size[1]}x{given.size[0]}"
    with tempfile.TemporaryDirectory() as folder:
        reports = []
        for name in ("first", "second"):
            options = ["--only", "timing", "--sizes", size, "--threads", str(given.threads), "--quiet"]
            options += ["--runtime", ",".join(given.runtime)] if given.runtime else []
            profiled([*options, "--rounds", str(given.turns), "--out", str(Path(folder) / name)])
            reports.append(Path(folder) / name / "profile.json")
        found = compare(*reports)
    print(found.table())
    worst = max(max(row.ratio.value, 1 / row.ratio.value) for row in found.rows)
    yield Asked(
        "two runs one after the other, the worst row", "within 5 %", percent(worst - 1), worst <= 1 + WITHIN
    )


def trace(given: argparse.Namespace) -> Iterator[Asked]:
    """Step two sessions in turns, one of them traced, over the same frames several times."""
    cv2.setNumThreads(1)
    traced, plain, spans = Samples(), Samples(), 0
    recording = read(GAZE)
    with open_frames(CLIP) as reader:
        fps, frames = reader.fps, list(islice(reader, STEPS))
    with sam_edge.load(threads=given.threads) as model:
        for again in range(PASSES):
            with GazeSession(model) as first, GazeSession(model) as second, first.trace() as noted:
                feeds = {first: GazeFeed(recording.samples), second: GazeFeed(recording.samples)}
                for turn, frame in enumerate(frames):
                    order = [(first, traced), (second, plain)]
                    for session, samples in order if (turn + again) % 2 else order[::-1]:
                        session.feed(feeds[session].until(round((frame.index + 1) * 1e9 / fps)))
                        begun = time.perf_counter()
                        session.step(frame.image, frame.time_ns)
                        samples.add([1e3 * (time.perf_counter() - begun)], turn)
            spans += len(noted.spans)
    pairs = np.array(traced.times_ms) / np.array(plain.times_ms)
    low, high = np.percentile(medians(pairs.tolist()), interval())
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
    yield Asked("tracing, steps in turns", "under 1 %", f"{100 * cost:+.2f} %", cost < TRACING)
    yield Asked(
        "tracing, spans of a step by what one costs", "under 1 %", f"{100 * share:.4f} %", share < TRACING
    )


def span_us() -> float:
    """Return what noting a span costs while somebody listens, handing it on to the sink included, microseconds."""

    class Nothing:
        """A sink that lets everything go."""

        def span(self, span: object) -> None: ...

        def frame(self, frame: object) -> None: ...

        def gaze(self, samples: object) -> None: ...

    tracer = Tracer()
    listening = tracer.add(Nothing())
    begun = time.process_time()
    for index in range(SPANS):
        tracer.span("encode", index, index + 1)
    tracer.remove([listening])
    return 1e6 * (time.process_time() - begun) / SPANS


def whole(given: argparse.Namespace) -> Iterator[Asked]:
    """Time the whole default profile."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        profiled(["--quiet", "--out", folder])
        took_s = time.perf_counter() - begun
    yield Asked("the whole default profile", f"under {WHOLE_S:.0f} s", f"{took_s:.0f} s", took_s < WHOLE_S)


def profiled(options: list[str]) -> None:
    """Run `sam-edge profile` in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "sam_edge.cli", "profile", *options], check=False)
    if done.returncode != 0:
        raise SystemExit(f"sam-edge profile {' '.join(options)} ended with status {done.returncode}")


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


def arguments() -> argparse.Namespace:
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
    given = parser.parse_args()
    given.runtime = given.runtime.split(",") if given.runtime else []
    given.size = parse_sizes("--size", given.size)[0]
    unknown = set(given.only.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))}; accepted: {', '.join(PARTS)}")
    return given


def main() -> None:
    """Measure and print."""
    given = arguments()
    noise, rows = NoiseMeter(), list[Asked]()
    for name in given.only.split(","):
        noise.look()
        rows += list(PARTS[name](given))
        print()
    noise.look()
    machine, found = gather_machine(), noise.noise()
    print(f"{machine.cpu}, {given.threads} threads; Python {machine.python}; {versions(machine.packages)}")
    for row in rows:
        print(row.row())
    print(found.note() or "the machine was quiet")
    if given.json:
        content: list[Any] = [vars(row) for row in rows]
        given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def versions(packages: dict[str, str]) -> str:
    """Write the packages that count."""
    return ", ".join(f"{name} {version}" for name, version in packages.items())


if __name__ == "__main__":
    main()
