"""Was the machine busy with other things while it was measured?"""

from __future__ import annotations

import hashlib
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PROC_STAT = Path("/proc/stat")
FIXED_WORK = bytes(2 << 20)
"""Hashed on one core again and again: it always takes the same time on a machine that is left alone."""
WORKS = 5
"""The best of so many counts: it is looked for what slows everything, not for what comes between once."""
OTHERS_SHARE, SPREAD, DRIFT = 0.05, 1.15, 1.05
"""Above these a machine counts as busy: share of the cores that others had, 95th percentile of the fixed work over its
median, and how much slower it was in the last third than in the first."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What else went on."""

    rounds: int
    """How often was looked."""
    others_share: float | None
    """Share of all cores, 0..1, that other processes and other virtual machines had; None where not known."""
    work_spread: float | None
    """95th percentile over median of a fixed piece of work."""
    work_drift: float | None
    """The fixed work's median in the last third over that in the first."""
    load_before: float | None
    """Load average of the last minute before it began."""
    busy: bool
    """Whether figures may be off for it."""

    def note(self) -> str | None:
        """Say it in a sentence; None on a quiet machine."""
        if not self.busy:
            return None
        parts = []
        if self.others_share is not None:
            parts.append(f"others had {100 * self.others_share:.0f} % of the cores")
        if self.work_spread is not None:
            parts.append(f"a fixed piece of work took up to {self.work_spread:.2f} times its median")
        if self.work_drift is not None:
            parts.append(f"and {self.work_drift:.2f} times as long at the end as at the beginning")
        return f"noise: the machine was busy ({', '.join(parts)}); measure again when it is idle"


class NoiseMeter:
    """Looks at the machine once a round."""

    def __init__(self) -> None:
        """Start now."""
        self._work_ms: list[float] = []
        self._load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        self._ticks = machine_ticks()
        self._own_s = process_tree_s()

    def look(self) -> None:
        """Time the fixed piece of work."""
        best_s = math.inf
        for _ in range(WORKS):
            begun = time.perf_counter()
            hashlib.sha256(FIXED_WORK).digest()
            best_s = min(best_s, time.perf_counter() - begun)
        self._work_ms.append(1e3 * best_s)

    def noise(self) -> Noise:
        """Sum up since the start."""
        spread = drift = None
        if len(self._work_ms) >= 3:
            third = len(self._work_ms) // 3
            spread = float(np.percentile(self._work_ms, 95) / np.median(self._work_ms))
            drift = float(np.median(self._work_ms[-third:]) / np.median(self._work_ms[:third]))
        others = self._others_share()
        busy = (
            (others is not None and others > OTHERS_SHARE)
            or (spread is not None and spread > SPREAD)
            or (drift is not None and not 1 / DRIFT < drift < DRIFT)
        )
        return Noise(len(self._work_ms), others, spread, drift, self._load, busy)

    def _others_share(self) -> float | None:
        now = machine_ticks()
        if now is None or self._ticks is None:
            return None
        total, idle = now[0] - self._ticks[0], now[1] - self._ticks[1]
        if total <= 0:
            return None
        own = (process_tree_s() - self._own_s) * ticks_per_s()
        return max(0.0, (total - idle - own) / total)


def machine_ticks() -> tuple[int, int] | None:
    """Return ticks of all cores so far, and those of them that were idle; None where the system does not tell."""
    try:
        words = PROC_STAT.read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    # user nice system idle iowait irq softirq steal; guest times are in user already (proc(5)).
    ticks = [int(word) for word in words[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def process_tree_s() -> float:
    """Return processor seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def ticks_per_s() -> int:
    """Return the ticks a second that `/proc/stat` counts in."""
    return os.sysconf("SC_CLK_TCK")
