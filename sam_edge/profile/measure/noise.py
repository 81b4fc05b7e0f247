"""Detects other load on the machine during a measurement."""

from __future__ import annotations

import hashlib
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PROC_STAT = Path("/proc/stat")
REFERENCE_DATA = bytes(2 << 20)
"""Hashed on one core as a reference task: on an idle machine it always takes the same time."""
REPEATS = 5
"""Repeats of the reference task per check. The fastest counts, which ignores single interruptions."""
MAX_OTHER_CPU_SHARE, MAX_SPREAD, MAX_DRIFT = 0.05, 1.15, 1.05
"""Limits above which a machine counts as busy: CPU share of other processes; 95th percentile of the reference task over
its median; its median in the last third over the first third, or the inverse."""


@dataclass(frozen=True, slots=True)
class MachineNoise:
    """Other load on the machine during a measurement."""

    checks: int
    """Number of checks."""
    other_cpu_share: float | None
    """Share of all cores used by other processes and other virtual machines, 0..1; None if unknown."""
    reference_spread: float | None
    """95th percentile of the reference task over its median."""
    reference_drift: float | None
    """Median of the reference task in the last third of the checks over that in the first third."""
    load_average_before: float | None
    """Load average of the last minute at the start."""
    busy: bool
    """Whether the load was high enough to distort the measurement."""

    def note(self) -> str | None:
        """Describe the load in one sentence; None on an idle machine."""
        if not self.busy:
            return None
        parts = []
        if self.other_cpu_share is not None:
            parts.append(f"other processes used {100 * self.other_cpu_share:.0f} % of the cores")
        if self.reference_spread is not None:
            parts.append(f"the p95 of a reference task was {self.reference_spread:.2f} times its median")
        if self.reference_drift is not None:
            parts.append(f"at the end it took {self.reference_drift:.2f} times as long as at the start")
        return f"noise: the machine was busy ({', '.join(parts)}); measure again when it is idle"


class NoiseMeter:
    """Monitors the load on the machine, from its construction on."""

    def __init__(self) -> None:
        """Start monitoring."""
        self._reference_ms: list[float] = []
        self._load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        self._ticks = read_cpu_ticks()
        self._own_s = process_tree_s()

    def check(self) -> None:
        """Time the reference task."""
        best_s = math.inf
        for _ in range(REPEATS):
            start = time.perf_counter()
            hashlib.sha256(REFERENCE_DATA).digest()
            best_s = min(best_s, time.perf_counter() - start)
        self._reference_ms.append(1e3 * best_s)

    def noise(self) -> MachineNoise:
        """Summarise the load since the start."""
        spread = drift = None
        if len(self._reference_ms) >= 3:
            third = len(self._reference_ms) // 3
            spread = float(np.percentile(self._reference_ms, 95) / np.median(self._reference_ms))
            drift = float(np.median(self._reference_ms[-third:]) / np.median(self._reference_ms[:third]))
        other = self._other_cpu_share()
        busy = (
            (other is not None and other > MAX_OTHER_CPU_SHARE)
            or (spread is not None and spread > MAX_SPREAD)
            or (drift is not None and not 1 / MAX_DRIFT < drift < MAX_DRIFT)
        )
        return MachineNoise(len(self._reference_ms), other, spread, drift, self._load_average, busy)

    def _other_cpu_share(self) -> float | None:
        now = read_cpu_ticks()
        if now is None or self._ticks is None:
            return None
        total, idle = now[0] - self._ticks[0], now[1] - self._ticks[1]
        if total <= 0:
            return None
        own = (process_tree_s() - self._own_s) * ticks_per_s()
        return max(0.0, (total - idle - own) / total)


def read_cpu_ticks() -> tuple[int, int] | None:
    """Return the total and the idle ticks of all cores since boot; None where the system does not report them."""
    try:
        words = PROC_STAT.read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    # user nice system idle iowait irq softirq steal; user includes guest time (proc(5)).
    ticks = [int(word) for word in words[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def process_tree_s() -> float:
    """Return the CPU seconds of this process and of its terminated children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def ticks_per_s() -> int:
    """Return the ticks per second of `/proc/stat`."""
    return os.sysconf("SC_CLK_TCK")
