"""Cold starts: fresh processes that import, open, compile and infer for the first time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sam_edge.profile.plan import Engine

TIMEOUT_S = 120.0
"""A process that has not ended after this is given up."""
PROCESS = "process"
"""The stage before the first line of Python, and after the last: the whole less everything else."""
PROGRAM = (
    "import sys, time; begun = time.perf_counter(); import sam_edge; took = time.perf_counter() - begun; "
    "from sam_edge.profile.measure.cold_probe import main; main(took, sys.argv[1:])"
)
"""What the process runs. `-m` would import sam_edge before its first line."""


@dataclass(frozen=True, slots=True)
class ColdRow:
    """Cold starts of one model on one engine."""

    engine: Engine
    """The model and its engine."""
    size: tuple[int, int]
    """The encoder's input (height, width)."""
    starts: int
    """How many processes were started."""
    ran_as: str | None = None
    """The precision that really ran."""
    stages_ms: dict[str, float] = field(default_factory=dict)
    """Median of each stage, milliseconds, in order."""
    total_ms: float | None = None
    """Median of the whole process, milliseconds."""
    memory_mb: dict[str, float] = field(default_factory=dict)
    """Median of the memory held after each stage, MB (10^6 bytes), and the `peak`."""
    failed: str | None = None
    """Why there is nothing."""


def measure_cold(engine: Engine, size: tuple[int, int], starts: int) -> ColdRow:
    """Start processes one after another. What fails, and be it that the process dies, is said in the row."""
    found: list[tuple[float, dict[str, object]]] = []
    for _ in range(starts):
        begun = time.perf_counter()
        try:
            done = subprocess.run(
                command_of(engine, size), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return ColdRow(engine, size, len(found), failed=f"not done after {TIMEOUT_S:g} s")
        took_ms = 1e3 * (time.perf_counter() - begun)
        if done.returncode != 0:
            return ColdRow(engine, size, len(found), failed=why(done))
        found.append((took_ms, json.loads(done.stdout.splitlines()[-1])))
    return summed_up(engine, size, found)


def command_of(engine: Engine, size: tuple[int, int]) -> list[str]:
    """Write the command of one process."""
    return [
        *(sys.executable, "-c", PROGRAM),
        *(str(engine.bundle), engine.runtime, engine.precision or "-"),
        *(str(engine.threads or "-"), str(size[0]), str(size[1])),
    ]


def why(done: subprocess.CompletedProcess[str]) -> str:
    """Say why a process failed: its last line, or the signal that it died of."""
    if done.returncode < 0:
        return f"the process died of signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    text = lines[-1] if lines else f"the process ended with status {done.returncode}"
    name, _, said = text.partition(": ")
    # Errors of our own speak for themselves, without the class that Python puts before them.
    return said if name.startswith("sam_edge.errors.") else text


def summed_up(
    engine: Engine, size: tuple[int, int], found: Sequence[tuple[float, dict[str, object]]]
) -> ColdRow:
    """Take the median of every stage over the processes."""
    stages = medians_of([one["stages_ms"] for _, one in found])
    total_ms = float(np.median([took for took, _ in found])) if found else None
    if total_ms is not None:
        stages = {PROCESS: max(0.0, total_ms - sum(stages.values())), **stages}
    return ColdRow(
        engine,
        size,
        len(found),
        ran_as=str(found[0][1]["ran_as"]) if found else None,
        stages_ms=stages,
        total_ms=total_ms,
        memory_mb=medians_of([one["memory_mb"] for _, one in found]),
    )


def medians_of(records: Sequence[object]) -> dict[str, float]:
    """Return the median of every key of records that hold the same keys; what is not known is left out."""
    known = [record for record in records if isinstance(record, dict)]
    names = list(known[0]) if known else []
    values = {name: [record[name] for record in known if record.get(name) is not None] for name in names}
    return {name: float(np.median(numbers)) for name, numbers in values.items() if numbers}
