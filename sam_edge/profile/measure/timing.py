"""Times encoding and decoding in interleaved rounds: every round times every case, so drift affects all cases alike."""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from dataclasses import dataclass, field

from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.engine_bench import CallBlock
from sam_edge.profile.measure.failures import describe_error
from sam_edge.profile.measure.noise import NoiseMeter
from sam_edge.profile.measure.statistics import LatencySummary, summarise
from sam_edge.profile.measure.subprocess_bench import SubprocessBench
from sam_edge.profile.measure.usage import ResourceUsage
from sam_edge.profile.plan import MIN_ROUNDS, EngineConfig, ProfilePlan, TimingCase

ROUNDS_PER_PROCESS = 3
"""Rounds after which every engine gets a new process. The memory layout differs between processes, and changes latency
by a few per cent: a median over several processes is reproducible (Kalibera and Jones, Rigorous Benchmarking in
Reasonable Time, ISMM 2013)."""


@dataclass(frozen=True, slots=True)
class TimingResult:
    """Latency of one timing case, or why it could not be measured."""

    case: TimingCase
    actual_precision: str | None
    """The precision that actually ran, as the runtime names it; None when it did not run."""
    total: LatencySummary | None
    """The whole call, as an app makes it."""
    inference: LatencySummary | None
    """The engine's part of the call. The rest is pre- and post-processing of images, prompts and masks."""
    samples_ms: tuple[float, ...]
    """Duration of every call, milliseconds, in order."""
    rounds: tuple[int, ...]
    """The round of every call."""
    usage: ResourceUsage
    """Resources used by all calls together."""
    error: str | None = None
    """Why it was not measured; None on success."""


@dataclass
class TimingSeries:
    """The calls of one timing case so far."""

    case: TimingCase
    actual_precision: str | None = None
    blocks: list[tuple[int, CallBlock]] = field(default_factory=list)
    """Round number and calls of each block."""
    error: str | None = None

    def summarise(self) -> TimingResult:
        """Summarise the calls so far."""
        total_ms = [time_ms for _, block in self.blocks for time_ms in block.total_ms]
        inference_ms = [time_ms for _, block in self.blocks for time_ms in block.inference_ms]
        rounds = [number for number, block in self.blocks for _ in block.total_ms]
        usages = [block.usage for _, block in self.blocks]
        return TimingResult(
            case=self.case,
            actual_precision=self.actual_precision,
            total=summarise(total_ms, rounds),
            inference=summarise(inference_ms, rounds),
            samples_ms=tuple(total_ms),
            rounds=tuple(rounds),
            usage=sum(usages[1:], usages[0]) if usages else ResourceUsage(),
            error=self.error,
        )


class InterleavedTiming:
    """Times all cases of a plan. Results are available at any moment."""

    def __init__(
        self,
        plan: ProfilePlan,
        *,
        broken: dict[EngineConfig, str],
        energy: EnergyMeter | None,
        noise: NoiseMeter,
        bench: type[SubprocessBench] | None = None,
    ) -> None:
        """Prepare without opening anything.

        Args:
            plan: what to measure.
            broken: engines that are known not to work, and why. They are not opened.
            energy: the energy counters of the machine, where there are any.
            noise: checks the load of the machine once in every round.
            bench: opens and times the models of an engine; None uses `SubprocessBench`.
        """
        self._bench = bench or SubprocessBench
        self._plan = plan
        self._energy = energy
        self._noise = noise
        self._series = [TimingSeries(case, error=broken.get(case.engine)) for case in plan.cases()]
        self.rounds = 0
        """Rounds started so far."""

    def run(self) -> Generator[str]:
        """Measure; yields the next step before it runs."""
        benches: dict[EngineConfig, SubprocessBench] = {}
        order, end = random.Random(0), time.perf_counter() + self._plan.max_rounds_s
        try:
            for number in range(self._plan.rounds):
                if number >= MIN_ROUNDS and time.perf_counter() >= end:
                    break
                if number % ROUNDS_PER_PROCESS == 0:
                    close_all(benches)
                    yield from self._open(benches)
                self.rounds += 1
                yield f"round {number + 1} of {self._plan.rounds}"
                self._noise.check()
                for series in order.sample(self._series, len(self._series)):
                    if series.error is None:
                        time_block(benches[series.case.engine], series, number, self._plan.block_ms)
        finally:
            close_all(benches)

    def results(self) -> tuple[TimingResult, ...]:
        """Summarise the calls so far."""
        return tuple(series.summarise() for series in self._series)

    def _open(self, benches: dict[EngineConfig, SubprocessBench]) -> Generator[str]:
        """Start a process for each working engine, and open its models."""
        groups = {
            model: group
            for model, group in self._group_by_model().items()
            if any(series.error is None for series in group)
        }
        # Start all processes at once: they import in parallel.
        benches.update(
            {
                engine: self._bench(engine, self._energy)
                for engine in dict.fromkeys(engine for engine, _ in groups)
            }
        )
        for (engine, size), group in groups.items():
            yield f"opening {engine.label}, {group[0].case.size_text}"
            open_group(benches[engine], size, group)

    def _group_by_model(self) -> dict[tuple[EngineConfig, tuple[int, int]], list[TimingSeries]]:
        """Group the series that share a model: the same engine and input size."""
        groups: dict[tuple[EngineConfig, tuple[int, int]], list[TimingSeries]] = {}
        for series in self._series:
            groups.setdefault((series.case.engine, series.case.size), []).append(series)
        return groups


def close_all(benches: dict[EngineConfig, SubprocessBench]) -> None:
    """Close and remove every bench."""
    while benches:
        benches.popitem()[1].close()


def open_group(bench: SubprocessBench, size: tuple[int, int], group: list[TimingSeries]) -> None:
    """Open the model that a group shares; record a failure in every series of it."""
    try:
        precision, failure = bench.open(size), None
    except Exception as error:  # third-party engines may raise anything; the other engines still run
        precision, failure = None, describe_error(error)
    for series in group:
        series.actual_precision = precision or series.actual_precision
        series.error = series.error or failure


def time_block(bench: SubprocessBench, series: TimingSeries, number: int, target_ms: float) -> None:
    """Time one block of a series in a round."""
    try:
        series.blocks.append((number, bench.time_block(series.case, target_ms)))
    except Exception as error:  # as in open_group
        series.error = describe_error(error)
