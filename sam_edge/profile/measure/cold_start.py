"""Cold starts: new processes that import, open, compile and run the first inference."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sam_edge.profile.measure.subprocess_bench import describe_exit
from sam_edge.profile.plan import EngineConfig

TIMEOUT_S = 120.0
"""A process that has not ended after this time is killed."""
PROCESS = "process"
"""The stage before the first line of Python and after the last: the total less all other stages."""
PROGRAM = (
    "import sys, time; start = time.perf_counter(); import sam_edge; import_s = time.perf_counter() - start; "
    "from sam_edge.profile.measure.cold_probe import main; main(import_s, sys.argv[1:])"
)
"""The program of the process. `-m` would import sam_edge before its first line."""

ColdStart = tuple[float, dict[str, object]]
"""Duration of a process, milliseconds, and what it printed (`cold_probe`)."""


@dataclass(frozen=True, slots=True)
class ColdStartResult:
    """Cold starts of one engine."""

    engine: EngineConfig
    size: tuple[int, int]
    """Encoder input (height, width)."""
    processes: int
    """Number of processes that were started."""
    actual_precision: str | None = None
    """The precision that actually ran."""
    stages_ms: dict[str, float] = field(default_factory=dict)
    """Median duration of each stage, milliseconds, in order."""
    total_ms: float | None = None
    """Median duration of the whole process, milliseconds."""
    memory_mb: dict[str, float] = field(default_factory=dict)
    """Median resident memory after each stage, MB (10^6 bytes), and the `peak`."""
    error: str | None = None
    """Why it was not measured; None on success."""


def measure_cold_starts(engine: EngineConfig, size: tuple[int, int], processes: int) -> ColdStartResult:
    """Start processes one after another. A failure, even a crash of the process, is the `error` of the result."""
    starts: list[ColdStart] = []
    for _ in range(processes):
        start = time.perf_counter()
        try:
            process = subprocess.run(
                build_command(engine, size), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return ColdStartResult(engine, size, len(starts), error=f"not finished after {TIMEOUT_S:g} s")
        duration_ms = 1e3 * (time.perf_counter() - start)
        if process.returncode != 0:
            return ColdStartResult(engine, size, len(starts), error=describe_failure(process))
        starts.append((duration_ms, json.loads(process.stdout.splitlines()[-1])))
    return summarise_starts(engine, size, starts)


def build_command(engine: EngineConfig, size: tuple[int, int]) -> list[str]:
    """Build the command line of one process."""
    return [
        *(sys.executable, "-c", PROGRAM),
        *(str(engine.bundle), engine.runtime, engine.precision or "-"),
        *(str(engine.threads or "-"), str(size[0]), str(size[1])),
    ]


def describe_failure(process: subprocess.CompletedProcess[str]) -> str:
    """Say why a process failed: the last line of its standard error, or the signal that killed it."""
    if process.returncode < 0:
        return describe_exit(process.returncode)
    lines = process.stderr.strip().splitlines()
    text = lines[-1] if lines else describe_exit(process.returncode)
    name, _, message = text.partition(": ")
    # Messages of SamEdgeErrors suffice without the class name that Python prints before them.
    return message if name.startswith("sam_edge.errors.") else text


def summarise_starts(
    engine: EngineConfig, size: tuple[int, int], starts: Sequence[ColdStart]
) -> ColdStartResult:
    """Take the median of every stage over the processes."""
    stages = median_by_key([output["stages_ms"] for _, output in starts])
    total_ms = float(np.median([duration_ms for duration_ms, _ in starts])) if starts else None
    if total_ms is not None:
        stages = {PROCESS: max(0.0, total_ms - sum(stages.values())), **stages}
    return ColdStartResult(
        engine,
        size,
        len(starts),
        actual_precision=str(starts[0][1]["actual_precision"]) if starts else None,
        stages_ms=stages,
        total_ms=total_ms,
        memory_mb=median_by_key([output["memory_mb"] for _, output in starts]),
    )


def median_by_key(records: Sequence[object]) -> dict[str, float]:
    """Return the median of every key over dicts with the same keys; None values are left out."""
    dicts = [record for record in records if isinstance(record, dict)]
    names = list(dicts[0]) if dicts else []
    values = {name: [record[name] for record in dicts if record.get(name) is not None] for name in names}
    return {name: float(np.median(numbers)) for name, numbers in values.items() if numbers}
