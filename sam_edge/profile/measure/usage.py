"""Resources used by this process between two moments: CPU time, context switches, energy."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from sam_edge.profile.measure.energy import EnergyMeter


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """Resources used by this process."""

    wall_s: float = 0.0
    """Wall-clock time, seconds."""
    cpu_s: float = 0.0
    """CPU time of all cores, seconds."""
    voluntary_switches: int | None = None
    """Context switches of waiting threads; None where the system does not report them."""
    involuntary_switches: int | None = None
    """Context switches of preempted threads; None where the system does not report them."""
    joules: float | None = None
    """Energy of the machine's processors; None where it cannot be read."""

    def __add__(self, other: ResourceUsage) -> ResourceUsage:
        """Add two usages; a value that one of them does not know is None."""
        return ResourceUsage(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            voluntary_switches=add(self.voluntary_switches, other.voluntary_switches),
            involuntary_switches=add(self.involuntary_switches, other.involuntary_switches),
            joules=None if self.joules is None or other.joules is None else self.joules + other.joules,
        )

    @property
    def cores(self) -> float | None:
        """Mean number of busy cores; None when no time passed."""
        return self.cpu_s / self.wall_s if self.wall_s > 0 else None


class UsageMeter:
    """Measures the resources used since the last lap."""

    def __init__(self, energy: EnergyMeter | None = None) -> None:
        """Start the first lap. `energy` reads the energy counters, where there are any."""
        self._energy = energy
        self._last = self._now()

    def lap(self) -> ResourceUsage:
        """Return the usage since the last lap or the start, and start a new lap."""
        before, self._last = self._last, self._now()
        joules = None
        if self._energy is not None and self._last.joules is not None and before.joules is not None:
            joules = self._energy.difference(before.joules, self._last.joules)
        return ResourceUsage(
            wall_s=self._last.wall_s - before.wall_s,
            cpu_s=self._last.cpu_s - before.cpu_s,
            voluntary_switches=subtract(self._last.voluntary_switches, before.voluntary_switches),
            involuntary_switches=subtract(self._last.involuntary_switches, before.involuntary_switches),
            joules=joules,
        )

    def _now(self) -> ResourceUsage:
        voluntary, involuntary = context_switches()
        return ResourceUsage(
            wall_s=time.perf_counter(),
            cpu_s=time.process_time(),
            voluntary_switches=voluntary,
            involuntary_switches=involuntary,
            joules=self._energy.joules() if self._energy is not None else None,
        )


def context_switches() -> tuple[int | None, int | None]:
    """Return the voluntary and the involuntary context switches of this process; None where unknown."""
    if sys.platform == "win32":
        return None, None
    import resource  # does not exist on Windows

    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw, usage.ru_nivcsw


def add(first: int | None, second: int | None) -> int | None:
    """Add two counts; None when one is unknown."""
    return None if first is None or second is None else first + second


def subtract(first: int | None, second: int | None) -> int | None:
    """Subtract the second count from the first; None when one is unknown."""
    return None if first is None or second is None else first - second
