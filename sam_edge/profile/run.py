"""Measures a plan from beginning to end; what was measured before an interruption is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone

from sam_edge.profile.cold import ColdRow, measure_cold
from sam_edge.profile.energy import EnergyMeter, open_energy
from sam_edge.profile.environment import describe_models, gather_machine
from sam_edge.profile.noise import NoiseMeter
from sam_edge.profile.plan import Engine, Plan
from sam_edge.profile.report import Report
from sam_edge.profile.timing import Timing

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

    @property
    def broken(self) -> dict[Engine, str]:
        """Engines whose cold start failed, and why: they are not tried again in this process, which they may end."""
        return {row.engine: row.failed for row in self.cold if row.failed is not None}


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
    found = Findings(plan, energy, NoiseMeter(), notes)
    interrupted = None
    parts: dict[str, Callable[[Findings], Iterator[str]]] = {"cold": cold, "timing": timing}
    for part, measure in parts.items():
        if part not in plan.parts:
            continue
        try:
            for text in measure(found):
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
    )


def cold(found: Findings) -> Iterator[str]:
    """Start processes."""
    for engine in found.plan.engines:
        yield engine.label
        found.cold.append(measure_cold(engine, found.plan.sizes[0], found.plan.cold_starts))


def timing(found: Findings) -> Iterator[str]:
    """Time encoding and decoding."""
    found.timing = Timing(found.plan, broken=found.broken, energy=found.energy, noise=found.noise)
    yield from found.timing.run()
