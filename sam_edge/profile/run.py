"""Measures a plan from beginning to end; what was measured before an interruption is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone

from sam_edge.profile.measure.cold_start import ColdRow, measure_cold
from sam_edge.profile.measure.energy import EnergyMeter, open_energy
from sam_edge.profile.measure.environment import describe_models, gather_machine
from sam_edge.profile.measure.noise import NoiseMeter
from sam_edge.profile.measure.power import power_notes
from sam_edge.profile.measure.session import SessionRow, measure_sessions
from sam_edge.profile.measure.sustained import SustainedRow, measure_sustained
from sam_edge.profile.measure.timing import Timing
from sam_edge.profile.operators.measurement import OPENERS, measure_operators
from sam_edge.profile.operators.operator_table import OperatorTable
from sam_edge.profile.operators.peak import Peak, measure_peak
from sam_edge.profile.plan import Engine, Plan
from sam_edge.profile.report.report import Report
from sam_edge.stream.trace import Trace

Say = Callable[[str], None]


@dataclass
class Findings:
    """What was measured so far."""

    plan: Plan
    energy: EnergyMeter | None
    noise: NoiseMeter
    notes: list[str] = field(default_factory=list)
    cold: list[ColdRow] = field(default_factory=list)
    timing: Timing | None = None
    sessions: list[SessionRow] = field(default_factory=list)
    traces: dict[str, Trace] = field(default_factory=dict)
    sustained: list[SustainedRow] = field(default_factory=list)
    peaks: list[Peak] = field(default_factory=list)
    operators: list[OperatorTable] = field(default_factory=list)

    @property
    def broken(self) -> dict[Engine, str]:
        """Engines whose cold start failed, and why: they are not tried again in this process, which they may end."""
        return {row.engine: row.failed for row in self.cold if row.failed is not None}

    def keep_session(self, row: SessionRow, trace: Trace | None) -> None:
        """Keep what a session gave."""
        self.sessions.append(row)
        if trace is not None:
            self.traces[row.file_name] = trace

    @property
    def working(self) -> list[Engine]:
        """Engines that work as far as is known, the fastest at the first size first; the last one where that is open,
        which is the one with the fewest bits and the most threads."""
        speeds = {
            row.case.engine: row.total.median_ms
            for row in (self.timing.rows() if self.timing else ())
            if row.total is not None and row.case.size == self.plan.sizes[0] and not row.case.prompts
        }
        failed = {row.case.engine for row in (self.timing.rows() if self.timing else ()) if row.failed}
        known = [engine for engine in self.plan.engines if engine not in self.broken.keys() | failed]
        return sorted(
            known, key=lambda engine: (speeds.get(engine, float("inf")), -self.plan.engines.index(engine))
        )


def profile(plan: Plan, say: Say | None = None) -> Report:
    """Measure everything in a plan.

    An engine that fails is a row that says so. Ctrl-C ends the measuring, not the report: it holds what was measured
    until then, and `interrupted` says where.

    Args:
        plan: what to measure.
        say: told what is measured next, in a few words.
    """
    said = say or (lambda text: None)
    begun_at, begun = datetime.now(timezone.utc), time.monotonic()
    energy, notes = open_energy()
    found = Findings(plan, energy, NoiseMeter(), notes + power_notes())
    interrupted = None
    for part, measure in MEASURED.items():
        if part not in plan.parts:
            continue
        try:
            with closing(measure(found)) as steps:
                for text in steps:
                    said(f"{part}: {text}")
        except KeyboardInterrupt:
            interrupted = part
            break
    noise = found.noise.noise()
    busy = noise.note()
    return Report(
        made_at=begun_at.isoformat(timespec="seconds"),
        took_s=time.monotonic() - begun,
        interrupted=interrupted,
        machine=gather_machine(),
        models=describe_models([engine.bundle for engine in plan.engines]),
        noise=noise,
        notes=(*found.notes, *([busy] if busy else [])),
        cold=tuple(found.cold),
        timed=found.timing.rows() if found.timing else (),
        sessions=tuple(found.sessions),
        traces=found.traces,
        sustained=tuple(found.sustained),
        peaks=tuple(found.peaks),
        operators=tuple(found.operators),
    )


def cold(found: Findings) -> Generator[str]:
    """Start processes."""
    for engine in found.plan.engines:
        yield engine.label
        found.cold.append(measure_cold(engine, found.plan.sizes[0], found.plan.cold_starts))


def timing(found: Findings) -> Generator[str]:
    """Time encoding and decoding."""
    found.timing = Timing(found.plan, broken=found.broken, energy=found.energy, noise=found.noise)
    yield from found.timing.run()
    if 0 < found.timing.rounds < found.plan.rounds:
        found.notes.append(
            f"timing: {found.timing.rounds} of {found.plan.rounds} rounds, for {found.plan.rounds_s:g} s were over; "
            "`--rounds` measures them all"
        )


def session(found: Findings) -> Generator[str]:
    """Play sessions on the fastest engine."""
    for engine in found.working[:1]:
        yield from measure_sessions(engine, found.plan.video, found.plan.gaze, found.keep_session)


def sustained(found: Findings) -> Generator[str]:
    """Encode without a pause on the fastest engine."""
    for engine in found.working[:1] if found.plan.sustained_s > 0 else ():
        yield from measure_sustained(
            engine, found.plan.sizes[0], found.plan.sustained_s, found.energy, found.sustained.append
        )


def peak(found: Findings) -> Generator[str]:
    """Measure the machine's best with as many threads as each engine has."""
    counts: dict[int, list[str]] = {}
    for engine in found.working:
        if engine.threads is not None:
            counts.setdefault(engine.threads, []).append(engine.runtime)
    for threads, engines in counts.items():
        yield f"{threads} threads"
        found.peaks.append(measure_peak(threads, dict.fromkeys(engines)))
        found.notes += found.peaks[-1].notes


def operators(found: Findings) -> Generator[str]:
    """Look into the engines that tell of their operators."""
    peaks = {one.threads: one for one in found.peaks}
    for engine in found.working:
        if engine.runtime in OPENERS:
            best = peaks.get(engine.threads) if engine.threads is not None else None
            yield from measure_operators(engine, found.plan.sizes[0], best, found.operators.append)


MEASURED: dict[str, Callable[[Findings], Generator[str]]] = {
    "cold": cold,
    "timing": timing,
    "session": session,
    "sustained": sustained,
    "peak": peak,
    "operators": operators,
}
"""How each part is measured."""
