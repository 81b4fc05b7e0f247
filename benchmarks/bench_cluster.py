"""Archives on Ray: a cluster of two nodes on this machine whose workers are killed and whose second node goes away.

    python benchmarks/bench_cluster.py kills [--count 200] [--kill-every-s 20]     # the fake engine
    python benchmarks/bench_cluster.py schedule [--count 100000]                   # a worker that does nothing

`kills` compares every file that must be equal with those of an undisturbed local run, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from endings import end_without, run_script

try:
    from bench_batch import (
        count_and_process,
        count_done,
        describe_kills,
        do_nothing,
        run_reference,
        write_fake_archive,
    )

    from sam_edge.batch import Recording, Settings
    from sam_edge.batch.driver import run_batch
    from sam_edge.batch.find import Finder
    from sam_edge.batch.local_store import LocalStore
    from sam_edge.batch.ray_executor import RayExecutor
    from sam_edge.cores import available_cores
    from sam_edge.media.environment import cpu_name
except ImportError as error:
    end_without(error)

MEMORY_BYTES = 500_000_000
"""Memory that each of the four workers asks for."""
NODE = {"num_cpus": 2, "object_store_memory": 100_000_000, "memory": 4 * MEMORY_BYTES}


def main() -> int:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=sorted(PARTS))
    parser.add_argument("--count", type=int, help="recordings (default: 200; schedule: 100000)")
    parser.add_argument("--kill-every-s", type=float, default=20.0, help="a worker is killed this often")
    parser.add_argument(
        "--folder", type=Path, help="keep everything there; an undisturbed run there is used again"
    )
    args = parser.parse_args()
    import ray

    print(
        f"{cpu_name()}, {available_cores()} cores; ray {ray.__version__}; two nodes of 2 CPUs on this machine"
    )
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as folder:
        for name in args.parts:
            PARTS[name](args.folder or Path(folder, name), args)
    return 0


@contextmanager
def open_cluster() -> Iterator[Any]:
    """Start two nodes whose workers can import the benchmarks."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def measure_kills(folder: Path, args: argparse.Namespace) -> dict[str, int]:
    """Kill a worker again and again, remove one node halfway, and compare with an undisturbed run."""
    count = args.count or 200
    archive = folder / "archive"
    if not archive.exists():
        write_fake_archive(archive, count)
    reference = run_reference(archive, folder / "reference")
    print(f"undisturbed local run: {len(reference)} recordings", flush=True)
    store = LocalStore(str(folder / "out"))
    settings = Settings(runtime="fake", memory_bytes=MEMORY_BYTES).resolve()
    with open_cluster() as cluster:
        node = cluster.add_node(**NODE)
        executor = RayExecutor(cluster.address, None, settings, work=count_and_process)
        killer = Killer(
            args.kill_every_s, lambda: count_done(store) >= count // 2, lambda: cluster.remove_node(node)
        )
        began = time.monotonic()
        with killer:
            result = run_batch(Finder().find([str(archive)]), settings, store, executor)
        took_s = time.monotonic() - began
    attempts = sum(outcome.attempts - 1 for outcome in result.outcomes)
    print(
        f"on Ray: {result.done} done, {len(result.failures)} failed in {took_s:.0f} s; {killer.killed} workers were "
        f"killed ({attempts} in the middle of a recording), one node removed: {killer.removed}"
    )
    return describe_kills(
        "workers and a node lost", store, reference, in_flight=killer.killed + NODE["num_cpus"]
    )


class Killer:
    """Kills a busy worker every so often, and removes a node once. A context manager."""

    def __init__(self, every_s: float, halfway: Callable[[], bool], remove: Callable[[], object]) -> None:
        self.killed, self.removed = 0, False
        self._every_s, self._halfway, self._remove = every_s, halfway, remove
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="killer", daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        next_s = time.monotonic() + self._every_s
        while not self._over.wait(0.2):
            if not self.removed and self._halfway():
                self._remove()
                self.removed = True
            if time.monotonic() >= next_s and (busy := busy_workers()):
                os.kill(random.choice(busy), signal.SIGKILL)
                self.killed += 1
                next_s = time.monotonic() + self._every_s


def busy_workers() -> list[int]:
    """Return the processes of Ray's workers that are working: they name themselves after their task."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if _is_busy(path)]


def _is_busy(command_line: Path) -> bool:
    try:
        return command_line.read_bytes().startswith(b"ray::run_task")
    except OSError:
        return False


def measure_scheduling(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Driver's memory and time a recording with a worker that does nothing."""
    count = args.count or 100_000
    recordings = [
        Recording(f"{n:016x}", f"/data/participant-{n:06d}/recording", participant=f"{n}", duration_s=60.0)
        for n in range(count)
    ]
    settings = Settings(do=("events",), memory_bytes=MEMORY_BYTES)
    store = LocalStore(str(folder / "out"))
    with open_cluster() as cluster:
        cluster.add_node(**NODE)
        executor = RayExecutor(cluster.address, None, settings, work=do_nothing)
        began = time.perf_counter()
        result = run_batch(recordings, settings, store, executor)
        took_s = time.perf_counter() - began
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    assert len(result.outcomes) == count
    figures = {"ms": took_s * 1000 / count, "memory_mb": memory_mb}
    print(f"scheduling {count} recordings on Ray (asked: 5 ms, 1000 MB): {json.dumps(figures)}")
    return figures


PARTS: dict[str, Callable[[Path, argparse.Namespace], object]] = {
    "kills": measure_kills,
    "schedule": measure_scheduling,
}

if __name__ == "__main__":
    run_script(main)
