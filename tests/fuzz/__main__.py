"""Fuzz parsers of bytes from outside: `python -m tests.fuzz [TARGET ...] --seconds 600`.

Every target runs in a process of its own, whose time and memory are watched: an input that takes longer than a limit,
more memory than a limit, or raises anything but a `SamEdgeError` is a crash. It is written to the folder of results;
move it to `tests/fuzz/crashers/TARGET/` once it is mended, and the tests try it from then on.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.registry import module_of, targets
from tests.fuzz.worker import HANG_FACTOR, STARTED

WARM_UP_SHARE = 0.3
"""Growth of memory counts after this share of the time: first the caches and the corpus fill."""
GROWTH_LIMIT_MIB = 200.0
"""More growth than this is reported as a failure, MiB."""
POLL_S = 1.0
MAX_START_S = 1800.0
"""Longest time for the imports of a worker."""


@dataclass(frozen=True, slots=True)
class FuzzResult:
    """What fuzzing a target gave."""

    target: str
    """Name of the target."""
    inputs: int
    """Number of inputs that were tried."""
    seconds: float
    """How long it ran."""
    memory_mib: tuple[float, float]
    """Resident memory after the warm-up and at the end, MiB."""
    crashes: tuple[str, ...]
    """Files with inputs that crashed, hung or took too much memory."""
    problem: str = ""
    """What went wrong, in words; empty when nothing did."""

    def line(self) -> str:
        """Return the result as a line of a table."""
        before, after = self.memory_mib
        return (
            f"{self.target:<22} {self.inputs:>10} inputs in {self.seconds:6.1f} s  {before:7.1f} -> {after:7.1f} MiB  "
            f"{self.problem or 'ok'}"
        )


def main() -> int:
    """Run the command line; return 1 when a parser failed."""
    args = _arguments()
    if args.list:
        print("\n".join(targets()))
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(lambda name: fuzz(name, args), args.targets or targets()):
            print(result.line(), flush=True)
            for path in result.crashes:
                print(f"  {path}", flush=True)
            failed |= bool(result.problem)
    return int(failed)


def fuzz(name: str, args: argparse.Namespace) -> FuzzResult:
    """Fuzz one target in a process of its own."""
    folder = args.out / name
    corpus, crashes = folder / "corpus", folder / "crashes"
    for path in (corpus, crashes):
        path.mkdir(parents=True, exist_ok=True)
    known = set(crashes.iterdir())
    options = {
        "--module": module_of(name), "--seconds": args.seconds, "--hang-s": args.hang_s, "--corpus": corpus,
        "--memory-mib": args.memory_mib, "--crashes": crashes, "--seed": args.seed,
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.fuzz.worker", name]
    command += [str(part) for option in options.items() for part in option]
    (folder / STARTED).unlink(missing_ok=True)
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        worker = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        watched = _watch(worker, folder / STARTED, args)
    text = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    counted = re.search(r"stat::number_of_executed_units: (\d+)", text)
    found = tuple(str(path) for path in sorted(set(crashes.iterdir()) - known))
    problem = watched.problem
    if not problem and (found or worker.returncode):
        problem = f"failed with exit code {worker.returncode}; see {folder / 'log.txt'}"
    growth = watched.memory_mib[1] - watched.memory_mib[0]
    if not problem and growth > GROWTH_LIMIT_MIB:
        problem = f"memory grew by {growth:.0f} MiB"
    inputs = int(counted[1]) if counted else 0
    return FuzzResult(name, inputs, watched.seconds, watched.memory_mib, found, problem)


@dataclass(slots=True)
class _Watched:
    """What was seen of a worker from outside."""

    seconds: float = 0.0
    """Time since it began to fuzz."""
    memory_mib: tuple[float, float] = (0.0, 0.0)
    """Resident memory after the warm-up and at the end, MiB."""
    problem: str = ""
    """Why it was ended; empty when it ended by itself."""


def _watch(worker: subprocess.Popen[bytes], started: Path, args: argparse.Namespace) -> _Watched:
    """Wait for a worker, and end it when it takes too long or too much memory."""
    watched = _Watched()
    launch, begin = time.monotonic(), 0.0
    while worker.poll() is None:
        time.sleep(POLL_S)
        now = time.monotonic()
        begin = begin or (now if started.exists() else 0.0)
        watched.seconds = now - begin if begin else 0.0
        memory = _resident_mib(worker.pid) or watched.memory_mib[1]
        warming_up = watched.seconds < WARM_UP_SHARE * args.seconds
        watched.memory_mib = (memory if warming_up else watched.memory_mib[0], memory)
        if not begin and now - launch > MAX_START_S:
            watched.problem = f"did not begin within {MAX_START_S:.0f} s"
        elif watched.seconds > args.seconds + HANG_FACTOR * args.hang_s + 60:
            watched.problem = f"did not end after {watched.seconds:.0f} s"
        elif memory > args.memory_mib:
            watched.problem = f"took {memory:.0f} MiB of memory"
        if watched.problem:
            worker.kill()
            worker.wait()
    return watched


def _resident_mib(pid: int) -> float:
    """Return the resident memory of a process, MiB; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="names of targets (default: all)")
    parser.add_argument("--list", action="store_true", help="list the targets")
    parser.add_argument("--seconds", type=int, default=60, help="time for each target (default 60)")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (default 1)")
    parser.add_argument("--hang-s", type=int, default=10, help="longest time for one input (default 10)")
    parser.add_argument(
        "--memory-mib", type=int, default=2048, help="most memory of a process (default 2048)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the inputs (default 1)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/fuzz"), help="folder of results (default out/fuzz)"
    )
    args = parser.parse_args()
    unknown = [name for name in args.targets if name not in targets()]
    if unknown:
        parser.error(f"unknown target {', '.join(unknown)}; accepted: {', '.join(targets())}")
    return args


if __name__ == "__main__":
    sys.exit(main())
