"""Measures a plan. An interrupted run still reports what was measured until then."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone

from sam_edge.profile.measure.cold_start import ColdStartResult, measure_cold_starts
from sam_edge.profile.measure.energy import EnergyMeter, open_energy
from sam_edge.profile.measure.environment import describe_models, gather_machine
from sam_edge.profile.measure.noise import NoiseMeter
from sam_edge.profile.measure.power import power_notes
from sam_edge.profile.measure.session import SessionResult, measure_sessions
from sam_edge.profile.measure.sustained import SustainedResult, measure_sustained
from sam_edge.profile.measure.timing import InterleavedTiming
from sam_edge.profile.operators.measurement import OPENERS, measure_operators
from sam_edge.profile.operators.operator_table import OperatorTable
from sam_edge.profile.operators.peak import PeakPerformance, measure_peak
from sam_edge.profile.plan import EngineConfig, ProfilePlan
from sam_edge.profile.report.report import ProfileReport
from sam_edge.stream.trace import Trace

OnProgress = Callable[[str], None]


@dataclass
class ProfileState:
    """The results of a running profile so far."""

    plan: ProfilePlan
    energy: EnergyMeter | None
    noise: NoiseMeter
    notes: list[str] = field(default_factory=list)
    cold_starts: list[ColdStartResult] = field(default_factory=list)
    timing: InterleavedTiming | None = None
    sessions: list[SessionResult] = field(default_factory=list)
    traces: dict[str, Trace] = field(default_factory=dict)
    sustained: list[SustainedResult] = field(default_factory=list)
    peaks: list[PeakPerformance] = field(default_factory=list)
    operators: list[OperatorTable] = field(default_factory=list)

    @property
    def broken(self) -> dict[EngineConfig, str]:
        """Engines whose cold start failed, and why. They may crash this process, so it does not open them."""
        return {row.engine: row.error for row in self.cold_starts if row.error is not None}

    def add_session(self, result: SessionResult, trace: Trace | None) -> None:
        """Add the result of a session and its trace."""
        self.sessions.append(result)
        if trace is not None:
            self.traces[result.trace_name] = trace

    @property
    def working(self) -> list[EngineConfig]:
        """Engines without a failure so far, the fastest encoder at the first size first.

        Without timings the last engine of the plan comes first: it has the lowest precision and the most threads.
        """
        timings = self.timing.results() if self.timing else ()
        medians_ms = {
            row.case.engine: row.total.median_ms
            for row in timings
            if row.total is not None and row.case.size == self.plan.sizes[0] and not row.case.prompts
        }
        failed = {row.case.engine for row in timings if row.error}
        working = [engine for engine in self.plan.engines if engine not in self.broken.keys() | failed]
        return sorted(
            working,
            key=lambda engine: (medians_ms.get(engine, float("inf")), -self.plan.engines.index(engine)),
        )


def run_plan(plan: ProfilePlan, on_progress: OnProgress | None = None) -> ProfileReport:
    """Measure everything in a plan.

    An engine that fails is a row with an `error`. Ctrl-C ends the measurement: the report contains everything
    measured until then, and `interrupted` names the unfinished part.

    Args:
        plan: what to measure.
        on_progress: receives a short text before each step.
    """
    report_progress = on_progress or (lambda text: None)
    started_at, start = datetime.now(timezone.utc), time.monotonic()
    energy, notes = open_energy()
    state = ProfileState(plan, energy, NoiseMeter(), notes + power_notes())
    interrupted = None
    for part, measure in MEASUREMENTS.items():
        if part not in plan.parts:
            continue
        try:
            with closing(measure(state)) as steps:
                for text in steps:
                    report_progress(f"{part}: {text}")
        except KeyboardInterrupt:
            interrupted = part
            break
    noise = state.noise.noise()
    noise_note = noise.note()
    return ProfileReport(
        started_at=started_at.isoformat(timespec="seconds"),
        duration_s=time.monotonic() - start,
        interrupted=interrupted,
        machine=gather_machine(),
        models=describe_models([engine.bundle for engine in plan.engines]),
        noise=noise,
        notes=(*state.notes, *([noise_note] if noise_note else [])),
        cold_starts=tuple(state.cold_starts),
        timings=state.timing.results() if state.timing else (),
        sessions=tuple(state.sessions),
        traces=state.traces,
        sustained=tuple(state.sustained),
        peaks=tuple(state.peaks),
        operators=tuple(state.operators),
    )


def measure_all_cold_starts(state: ProfileState) -> Generator[str]:
    """Measure cold starts of every engine."""
    for engine in state.plan.engines:
        yield engine.label
        state.cold_starts.append(measure_cold_starts(engine, state.plan.sizes[0], state.plan.cold_starts))


def measure_timing(state: ProfileState) -> Generator[str]:
    """Time encoding and decoding on every working engine."""
    state.timing = InterleavedTiming(state.plan, broken=state.broken, energy=state.energy, noise=state.noise)
    yield from state.timing.run()
    if 0 < state.timing.rounds < state.plan.rounds:
        state.notes.append(
            f"timing: {state.timing.rounds} of {state.plan.rounds} rounds, because {state.plan.max_rounds_s:g} s were "
            "over; `--rounds` measures all of them"
        )


def measure_fastest_sessions(state: ProfileState) -> Generator[str]:
    """Play sessions on the fastest engine."""
    for engine in state.working[:1]:
        yield from measure_sessions(engine, state.plan.open_clip, state.add_session)


def measure_fastest_sustained(state: ProfileState) -> Generator[str]:
    """Run the sustained load on the fastest engine."""
    for engine in state.working[:1] if state.plan.sustained_s > 0 else ():
        yield from measure_sustained(
            engine, state.plan.sizes[0], state.plan.sustained_s, state.energy, state.sustained.append
        )


def measure_peaks(state: ProfileState) -> Generator[str]:
    """Measure the peak performance of the machine, for each number of threads in use."""
    runtimes: dict[int, list[str]] = {}
    for engine in state.working:
        if engine.threads is not None:
            runtimes.setdefault(engine.threads, []).append(engine.runtime)
    for threads, names in runtimes.items():
        yield f"{threads} threads"
        state.peaks.append(measure_peak(threads, dict.fromkeys(names)))
        state.notes += state.peaks[-1].notes


def measure_all_operators(state: ProfileState) -> Generator[str]:
    """Measure the operators on every engine that reports them."""
    peaks = {peak.threads: peak for peak in state.peaks}
    for engine in state.working:
        if engine.runtime in OPENERS:
            peak = peaks.get(engine.threads) if engine.threads is not None else None
            yield from measure_operators(engine, state.plan.sizes[0], peak, state.operators.append)


MEASUREMENTS: dict[str, Callable[[ProfileState], Generator[str]]] = {
    "cold": measure_all_cold_starts,
    "timing": measure_timing,
    "session": measure_fastest_sessions,
    "sustained": measure_fastest_sustained,
    "peak": measure_peaks,
    "operators": measure_all_operators,
}
"""How each of `PARTS` is measured."""
