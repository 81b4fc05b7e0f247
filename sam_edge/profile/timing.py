"""Encoding and decoding, timed in turns: once a round everything has its turn, so that a drift hits all alike."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sam_edge.profile.energy import EnergyMeter
from sam_edge.profile.failures import reason
from sam_edge.profile.noise import NoiseMeter
from sam_edge.profile.opened import Clocked, open_clocked
from sam_edge.profile.plan import Case, Engine, Plan
from sam_edge.profile.statistics import Summary, summarise
from sam_edge.profile.usage import Usage, UsageMeter
from sam_edge.segmenter import Embedding, Segmenter

FRAME = (720, 1280)
"""(height, width) of the frame that is encoded, pixels."""
FEWEST_CALLS, MOST_CALLS = 3, 25
"""Calls of one thing in a round. Others had the caches and the threads before; the median of three calls after one that
does not count is hardly one that still pays for it."""


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
    call: Callable[[], object] | None = None
    clock: Clocked | None = None
    ran_as: str | None = None
    total_ms: list[float] = field(default_factory=list)
    engine_ms: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    usage: Usage | None = None
    failed: str | None = None

    def block(self, number: int, target_ms: float, energy: EnergyMeter | None) -> None:
        """Call once without a clock, so that caches and threads are this model's, then for about `target_ms`."""
        if self.call is None or self.clock is None or self.failed is not None:
            return
        try:
            self.call()
            meter, until = UsageMeter(energy), time.perf_counter() + target_ms / 1e3
            for done in range(MOST_CALLS):
                begun = time.perf_counter()
                if done >= FEWEST_CALLS and begun >= until:
                    break
                self.call()
                self.total_ms.append(1e3 * (time.perf_counter() - begun))
                self.engine_ms.append(self.clock.last_ms)
                self.rounds.append(number)
            used = meter.lap()
        except Exception as error:  # an engine of another package may raise anything; the others are to go on
            self.failed = reason(error)
            return
        self.usage = used if self.usage is None else self.usage + used

    def row(self) -> TimedRow:
        """Sum up what there is so far."""
        count = min(len(self.total_ms), len(self.engine_ms), len(self.rounds))
        total_ms, engine_ms, rounds = self.total_ms[:count], self.engine_ms[:count], self.rounds[:count]
        return TimedRow(
            case=self.case,
            ran_as=self.ran_as,
            total=summarise(total_ms, rounds),
            engine=summarise(engine_ms, rounds),
            samples_ms=tuple(total_ms),
            rounds=tuple(rounds),
            usage=self.usage or Usage(),
            failed=self.failed,
        )


class Timing:
    """All cases of a plan. Results can be asked for at any moment."""

    def __init__(
        self, plan: Plan, *, broken: dict[Engine, str], energy: EnergyMeter | None, noise: NoiseMeter
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            plan: what to measure.
            broken: engines that are known not to work, and why; they are not opened.
            energy: the machine's counters, where there are any.
            noise: looks at the machine once a round.
        """
        self._plan = plan
        self._energy = energy
        self._noise = noise
        self._series = [Series(case, failed=broken.get(case.engine)) for case in plan.cases()]

    def run(self) -> Generator[str]:
        """Measure; says what comes next before each step."""
        frame = measured_frame()
        models: list[Segmenter] = []
        try:
            for group in self._groups():
                first = group[0]
                if first.failed is None:
                    yield f"opening {first.case.engine.label}, {first.case.size_text}"
                    models += opened(group, frame)
            order = random.Random(0)
            for number in range(self._plan.rounds):
                yield f"round {number + 1} of {self._plan.rounds}"
                self._noise.look()
                for series in order.sample(self._series, len(self._series)):
                    series.block(number, self._plan.block_ms, self._energy)
        finally:
            for model in models:
                model.close()

    def rows(self) -> tuple[TimedRow, ...]:
        """Sum up what there is so far."""
        return tuple(series.row() for series in self._series)

    def _groups(self) -> Iterable[list[Series]]:
        """Put together what shares a model: engines keep few sizes open, so each size has one of its own."""
        groups: dict[tuple[Engine, tuple[int, int]], list[Series]] = {}
        for series in self._series:
            groups.setdefault((series.case.engine, series.case.size), []).append(series)
        return groups.values()


def opened(group: Sequence[Series], frame: NDArray[np.uint8]) -> list[Segmenter]:
    """Open the model of a group and give each of its series something to call; a failure is noted in all of them."""
    case = group[0].case
    try:
        model, clock = open_clocked(case.engine)
        embedding = model.encode(frame, size=case.size)
    except Exception as error:  # as in Series.block
        for series in group:
            series.failed = reason(error)
        return []
    for series in group:
        series.clock, series.ran_as = clock, clock.precision
        series.call = call_of(series.case, model, embedding, frame)
    return [model]


def call_of(
    case: Case, model: Segmenter, embedding: Embedding, frame: NDArray[np.uint8]
) -> Callable[[], object]:
    """Make the call that is timed: what an app would write."""
    if not case.prompts:
        return lambda: model.encode(frame, size=case.size)
    points = measured_points(case.prompts)
    return lambda: model.decode(embedding, points=points)


def measured_frame() -> NDArray[np.uint8]:
    """Make the frame that is encoded: shades and noise, RGB uint8 (720, 1280, 3). Speed does not depend on content."""
    height, width = FRAME
    y, x = np.mgrid[0:height, 0:width]
    shades = np.stack([255 * x / width, 255 * y / height, 127 + 127 * np.sin(x / 40) * np.cos(y / 30)], -1)
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return np.clip(shades + noise, 0, 255).astype(np.uint8)


def measured_points(count: int) -> NDArray[np.float64]:
    """Spread prompts of one point each over the frame: (count, 1, 2) pixels."""
    height, width = FRAME
    places = (np.arange(count) + 0.5) / count
    return np.stack([places * width, (0.2 + 0.6 * places) * height], axis=-1)[:, None]
