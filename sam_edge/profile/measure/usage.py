"""What a stretch of work used: processor time, context switches, energy."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from sam_edge.profile.measure.energy import EnergyMeter


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process used."""

    wall_s: float = 0.0
    """Seconds that went by."""
    cpu_s: float = 0.0
    """Seconds of all cores together that this process computed."""
    waited: int | None = None
    """Context switches because a thread waited; None where the system does not tell."""
    displaced: int | None = None
    """Context switches because something else was given the core."""
    joules: float | None = None
    """Energy of the whole machine's processor; None where it cannot be read."""

    def __add__(self, other: Usage) -> Usage:
        """Join two stretches; what one of them does not know is not known."""
        return Usage(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            waited=added(self.waited, other.waited),
            displaced=added(self.displaced, other.displaced),
            joules=None if self.joules is None or other.joules is None else self.joules + other.joules,
        )

    @property
    def cores(self) -> float | None:
        """How many cores were busy on average; None for no time at all."""
        return self.cpu_s / self.wall_s if self.wall_s > 0 else None


class UsageMeter:
    """Measures what is used between two looks."""

    def __init__(self, energy: EnergyMeter | None = None) -> None:
        """Start now. `energy` reads the counters of the machine, where it has them."""
        self._energy = energy
        self._last = self._now()

    def lap(self) -> Usage:
        """Return what was used since the last lap, or since the start."""
        before, self._last = self._last, self._now()
        joules = None
        if self._energy is not None and self._last.joules is not None and before.joules is not None:
            joules = self._energy.between(before.joules, self._last.joules)
        return Usage(
            wall_s=self._last.wall_s - before.wall_s,
            cpu_s=self._last.cpu_s - before.cpu_s,
            waited=subtracted(self._last.waited, before.waited),
            displaced=subtracted(self._last.displaced, before.displaced),
            joules=joules,
        )

    def _now(self) -> Usage:
        waited, displaced = context_switches()
        return Usage(
            wall_s=time.perf_counter(),
            cpu_s=time.process_time(),
            waited=waited,
            displaced=displaced,
            joules=self._energy.joules() if self._energy is not None else None,
        )


def context_switches() -> tuple[int | None, int | None]:
    """Return this process's context switches so far: those of waiting threads, those of displaced ones."""
    if sys.platform == "win32":
        return None, None
    import resource  # not there on Windows

    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_nvcsw, used.ru_nivcsw


def added(one: int | None, other: int | None) -> int | None:
    """Add two counts; None where one is not known."""
    return None if one is None or other is None else one + other


def subtracted(one: int | None, other: int | None) -> int | None:
    """Subtract a count; None where one is not known."""
    return None if one is None or other is None else one - other
