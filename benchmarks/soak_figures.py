"""What the soak judges: growth of memory, flatness of a latency, recovery after a fault."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SETTLED_SHARE, SETTLED_LIMIT_S = 0.2, 300.0
"""Figures of the first fifth of a run, at most five minutes, are not judged: caches fill, engines open."""
GROWTH_LIMIT_MB, GROWTH_LIMIT_SHARE = 6.0, 0.03
"""Memory may differ by this much between the first and the last third of what is judged: allocators breathe."""
FLAT_LIMIT = 1.5
"""The 99th percentile of the last third may be this many times that of the first third."""
RECOVERY_LIMIT_S = 1.0
"""A source must deliver again this soon after its tracker is back, seconds."""


@dataclass(slots=True)
class Figures:
    """What one part of the soak measured."""

    part: str
    """Name of the part."""
    times_s: list[float] = field(default_factory=list)
    """When memory was read, seconds after the start."""
    resident_mb: list[float] = field(default_factory=list)
    """Memory that the part's process held then, MB (10^6 bytes)."""
    threads: list[int] = field(default_factory=list)
    """Threads of the process then."""
    files: list[int] = field(default_factory=list)
    """Open files and sockets of the process then."""
    step_times_s: list[float] = field(default_factory=list)
    """When each measured step ended, seconds after the start."""
    steps_ms: list[float] = field(default_factory=list)
    """How long each measured step took, milliseconds."""
    cpu_ms: list[float] = field(default_factory=list)
    """Processor time of the same steps in their own thread, where it is measured: other programs do not add to it."""
    recoveries: list[tuple[str, str, float]] = field(default_factory=list)
    """Source, fault, and seconds until samples were right again."""
    counts: dict[str, int] = field(default_factory=dict)
    """What else happened, by name."""
    faults: list[str] = field(default_factory=list)
    """Hangs and errors that must not occur."""

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a count."""
        self.counts[name] = self.counts.get(name, 0) + amount


@dataclass(frozen=True, slots=True)
class Judgement:
    """One line of the final table."""

    part: str
    """Name of the part."""
    what: str
    """What is judged."""
    asked: str
    """What is asked."""
    measured: str
    """What was measured."""
    met: bool
    """Whether it is what is asked."""


class ProcessWatch:
    """Reads memory, threads and open files of a process (Linux)."""

    def __init__(
        self, figures: Figures, began_s: float, *, pid: int | None = None, every_s: float = 2.0
    ) -> None:
        """Append to `figures` at most every `every_s` seconds; times count from `began_s` (monotonic)."""
        self._figures, self._began_s, self._every_s = figures, began_s, every_s
        self._process = Path(f"/proc/{pid or os.getpid()}")
        self._next_s = 0.0

    def look(self) -> None:
        """Read once, where it is time."""
        now_s = time.monotonic() - self._began_s
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        pages = int((self._process / "statm").read_text().split()[1])
        self._figures.times_s.append(now_s)
        self._figures.resident_mb.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        self._figures.threads.append(len(os.listdir(self._process / "task")))
        self._figures.files.append(len(os.listdir(self._process / "fd")))


def thirds(times_s: Sequence[float], values: Sequence[float]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the values of the first and of the last third of what is judged; None where there are too few."""
    if not times_s:
        return None
    times, numbers = np.array(times_s), np.array(values, np.float64)
    begin_s = min(SETTLED_SHARE * times[-1], SETTLED_LIMIT_S)
    third_s = (times[-1] - begin_s) / 3
    first = numbers[(times >= begin_s) & (times < begin_s + third_s)]
    last = numbers[times >= times[-1] - third_s]
    return (first, last) if min(len(first), len(last)) >= 5 else None


def judge(figures: Figures) -> list[Judgement]:
    """Compare what a part measured with what is asked."""
    lines = [judge_growth(figures, "memory, MB", figures.resident_mb, GROWTH_LIMIT_MB)]
    lines.append(judge_growth(figures, "threads", figures.threads, 2))
    lines.append(judge_growth(figures, "open files", figures.files, 4))
    if figures.steps_ms:
        lines.append(judge_flatness(figures, "p99 of a step, ms", figures.steps_ms))
    if figures.cpu_ms:
        lines.append(judge_flatness(figures, "p99 of its CPU time, ms", figures.cpu_ms))
    if figures.recoveries:
        source, fault, worst_s = max(figures.recoveries, key=lambda item: item[2])
        usual_s, high_s = np.percentile([seconds for _, _, seconds in figures.recoveries], [50, 99])
        measured = (
            f"{worst_s:.2f} ({source}, {fault}); 99 of 100 within {high_s:.2f}, median {usual_s:.2f}, "
            f"of {len(figures.recoveries)}"
        )
        asked = f"at most {RECOVERY_LIMIT_S:g}"
        lines.append(
            Judgement(figures.part, "back after a fault, s", asked, measured, worst_s <= RECOVERY_LIMIT_S)
        )
    faults = "; ".join(figures.faults[:3]) or "none"
    lines.append(Judgement(figures.part, "hangs and errors", "none", faults, not figures.faults))
    return lines


def judge_growth(figures: Figures, what: str, values: Sequence[float], slack: float) -> Judgement:
    """Compare the medians of the first and the last third."""
    parts = thirds(figures.times_s, values)
    if parts is None:
        return Judgement(figures.part, what, "no growth", "too short to tell", False)
    first, last = float(np.median(parts[0])), float(np.median(parts[1]))
    slack = max(slack, GROWTH_LIMIT_SHARE * first)
    asked = f"no growth (+{slack:.0f} at most)"
    return Judgement(figures.part, what, asked, f"{first:.0f} -> {last:.0f}", last - first <= slack)


def run_threads(
    threads: Sequence[threading.Thread],
    stopping: threading.Event,
    tick: Callable[[], object],
    figures: Figures,
    *,
    hang_s: float,
) -> None:
    """Start threads, call `tick` twice a second until `stopping` is set, and join them; one that hangs is a fault."""
    for thread in threads:
        thread.start()
    while not stopping.wait(0.5):
        tick()
    for thread in threads:
        thread.join(hang_s)
        if thread.is_alive():
            figures.faults.append(f"{thread.name}: does not end")


def judge_flatness(figures: Figures, what: str, values: Sequence[float]) -> Judgement:
    """Compare the 99th percentiles of the first and the last third."""
    asked = f"flat (x{FLAT_LIMIT:g} at most)"
    parts = thirds(figures.step_times_s, values)
    if parts is None:
        return Judgement(figures.part, what, asked, "too short to tell", False)
    first, last = (float(np.percentile(part, 99)) for part in parts)
    middle = f"median {np.median(parts[0]):.1f} -> {np.median(parts[1]):.1f}"
    return Judgement(
        figures.part, what, asked, f"{first:.1f} -> {last:.1f}; {middle}", last <= FLAT_LIMIT * first
    )
