"""Encoding and decoding, timed in turns: once a round everything has its turn, so that a drift hits all alike."""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from dataclasses import dataclass, field

from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.engine_bench import Block
from sam_edge.profile.measure.failures import reason
from sam_edge.profile.measure.noise import NoiseMeter
from sam_edge.profile.measure.statistics import Summary, summarise
from sam_edge.profile.measure.subprocess_bench import Apart
from sam_edge.profile.measure.usage import Usage
from sam_edge.profile.plan import FEWEST_ROUNDS, Case, Engine, Plan

ROUNDS_OF_A_PROCESS = 3
"""Rounds after which engines have new processes. Where memory comes to lie differs from process to process, and with it
the speed, by a few per cent: a median over several comes out the same again (Kalibera and Jones, Rigorous Benchmarking
in Reasonable Time, ISMM 2013)."""


@dataclass(frozen=True, slots=True)
class TimedRow:
    """One thing that was timed, or why it could not be."""

    case: Case
    """What it is."""
    ran_as: str | None
    """The precision that really ran, as the runtime names it; None when it did not run."""
    total: Summary | None
    """The whole call, as an app makes it."""
    engine: Summary | None
    """The engine's part of it; the rest prepares pictures and prompts and scales masks."""
    samples_ms: tuple[float, ...]
    """Every call, in order."""
    rounds: tuple[int, ...]
    """The round of every call."""
    usage: Usage
    """What all of the calls used together."""
    failed: str | None = None
    """Why it is not there."""


@dataclass
class Series:
    """The calls of one case as they come in."""

    case: Case
    ran_as: str | None = None
    blocks: list[tuple[int, Block]] = field(default_factory=list)
    """The round of each, and what was measured in it."""
    failed: str | None = None

    def row(self) -> TimedRow:
        """Sum up what there is so far."""
        total_ms = [took_ms for _, block in self.blocks for took_ms in block.total_ms]
        engine_ms = [took_ms for _, block in self.blocks for took_ms in block.engine_ms]
        rounds = [number for number, block in self.blocks for _ in block.total_ms]
        used = [block.usage for _, block in self.blocks]
        return TimedRow(
            case=self.case,
            ran_as=self.ran_as,
            total=summarise(total_ms, rounds),
            engine=summarise(engine_ms, rounds),
            samples_ms=tuple(total_ms),
            rounds=tuple(rounds),
            usage=sum(used[1:], used[0]) if used else Usage(),
            failed=self.failed,
        )


class Timing:
    """All cases of a plan. Results can be asked for at any moment."""

    def __init__(
        self,
        plan: Plan,
        *,
        broken: dict[Engine, str],
        energy: EnergyMeter | None,
        noise: NoiseMeter,
        bench: type[Apart] | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            plan: what to measure.
            broken: engines that are known not to work, and why; they are not opened.
            energy: the machine's counters, where there are any.
            noise: looks at the machine once a round.
            bench: where an engine's models are opened and called; None is a process of its own.
        """
        self._bench = bench or Apart
        self._plan = plan
        self._energy = energy
        self._noise = noise
        self._series = [Series(case, failed=broken.get(case.engine)) for case in plan.cases()]
        self.rounds = 0
        """Rounds that were begun."""

    def run(self) -> Generator[str]:
        """Measure; says what comes next before each step."""
        benches: dict[Engine, Apart] = {}
        order, until = random.Random(0), time.perf_counter() + self._plan.rounds_s
        try:
            for number in range(self._plan.rounds):
                if number >= FEWEST_ROUNDS and time.perf_counter() >= until:
                    break
                if number % ROUNDS_OF_A_PROCESS == 0:
                    close_all(benches)
                    yield from self._open(benches)
                self.rounds += 1
                yield f"round {number + 1} of {self._plan.rounds}"
                self._noise.look()
                for series in order.sample(self._series, len(self._series)):
                    if series.failed is None:
                        time_block(benches[series.case.engine], series, number, self._plan.block_ms)
        finally:
            close_all(benches)

    def rows(self) -> tuple[TimedRow, ...]:
        """Sum up what there is so far."""
        return tuple(series.row() for series in self._series)

    def _open(self, benches: dict[Engine, Apart]) -> Generator[str]:
        """Start a process for each engine that works, and open its models."""
        groups = {
            model: group
            for model, group in self._groups().items()
            if any(one.failed is None for one in group)
        }
        # All at once, so that they import side by side.
        benches.update(
            {engine: self._bench(engine, self._energy) for engine in dict.fromkeys(one for one, _ in groups)}
        )
        for (engine, size), group in groups.items():
            yield f"opening {engine.label}, {group[0].case.size_text}"
            open_group(benches[engine], size, group)

    def _groups(self) -> dict[tuple[Engine, tuple[int, int]], list[Series]]:
        """Put together what shares a model."""
        groups: dict[tuple[Engine, tuple[int, int]], list[Series]] = {}
        for series in self._series:
            groups.setdefault((series.case.engine, series.case.size), []).append(series)
        return groups


def close_all(benches: dict[Engine, Apart]) -> None:
    """End every process."""
    while benches:
        benches.popitem()[1].close()


def open_group(bench: Apart, size: tuple[int, int], group: list[Series]) -> None:
    """Open the model that a group shares; a failure is noted in all of them."""
    try:
        ran_as, failed = bench.open(size), None
    except Exception as error:  # an engine of another package may raise anything; the others are to go on
        ran_as, failed = None, reason(error)
    for series in group:
        series.ran_as, series.failed = ran_as or series.ran_as, series.failed or failed


def time_block(bench: Apart, series: Series, number: int, target_ms: float) -> None:
    """Let one case have its turn in a round."""
    try:
        series.blocks.append((number, bench.block(series.case, target_ms)))
    except Exception as error:  # as in open_group
        series.failed = reason(error)
