"""Archives: throughput by workers and threads, skipping, scheduling, and what kills and a full disk cost.

    python benchmarks/bench_batch.py throughput [--recording EXPORT]    # the model in the package
    python benchmarks/bench_batch.py skip schedule driver shards disk   # no model: the fake engine

Every part checks the results that it times. `disk` needs the right to mount a small memory file system.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from endings import run_script

from sam_edge.batch import Outcome, Recording, Settings, Store, process
from sam_edge.batch.done import commit, read_done
from sam_edge.batch.driver import RunOptions, run_batch
from sam_edge.batch.find import Finder
from sam_edge.batch.local_pool import LocalPool
from sam_edge.batch.local_store import LocalStore
from sam_edge.batch.manifest import read_run_manifest
from sam_edge.batch.shard import Shard
from sam_edge.cli.demo import ASSETS
from sam_edge.cores import available_cores
from sam_edge.media.environment import cpu_name
from sam_edge.media.frames import open_frames
from sam_edge.media.video_writer import VideoWriter
from sam_edge.version import __version__

COMPARED = (
    "masks.jsonl.gz",
    "timeline.parquet",
    "timeline.csv",
    "samples.parquet",
    "samples.csv",
    "fixations.csv",
    "aoi_metrics.csv",
    "transitions.csv",
    "scanpath.txt",
    "events.csv",
)
"""Files that must be equal, bit for bit, wherever they were made."""
WORKERS = 2


def main() -> int:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=sorted(PARTS))
    parser.add_argument(
        "--recording", type=Path, help="recording for `throughput` (default: the package's clip)"
    )
    parser.add_argument("--frames", type=int, default=40, help="frames of the package's clip (default: 40)")
    parser.add_argument("--count", type=int, help="recordings (default: by the part)")
    parser.add_argument(
        "--only", default="1x1,1x2,2x1,2x2", help="workers x threads (default: 1x1,1x2,2x1,2x2)"
    )
    parser.add_argument("--runtime", default="auto", help="engine of `throughput` (default: auto)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    args = parser.parse_args()
    figures: dict[str, object] = {"cpu": cpu_name(), "cores": available_cores(), "sam_edge": __version__}
    print(", ".join(f"{name} {value}" for name, value in figures.items()))
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as folder:
        for name in args.parts:
            figures[name] = PARTS[name](Path(folder, name), args)
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def measure_throughput(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Measure workers x threads over the same recordings: recordings a minute, and whether all results are equal."""
    archive = folder / "archive"
    for number in range(args.count or 8):
        if args.recording is None:
            write_excerpt(archive / f"P{number}", args.frames)
        else:
            shutil.copytree(args.recording, archive / f"P{number}")
    rates: dict[str, float] = {}
    contents: list[dict[str, dict[str, bytes]]] = []
    for name in args.only.split(","):
        workers, threads = map(int, name.split("x"))
        settings = Settings(runtime=args.runtime, threads=threads).resolve()
        store = LocalStore(str(folder / f"out{workers}x{threads}"))
        result = run_batch(Finder().find([str(archive)]), settings, store, LocalPool(workers))
        assert not result.failures, result.failures
        rates[name] = result.frames / result.seconds
        contents.append(read_results(store))
        print(
            f"{name}, {settings.runtime}: {result.seconds:.1f} s, {result.frames} frames, {rates[name]:.2f} frames/s"
        )
    ratio = rates["2x1"] / rates["1x2"]
    print(f"2x1 against 1x2: {ratio:.2f} (asked: 1.2)")
    print(f"equal results, bit for bit: {all(each == contents[0] for each in contents)}")
    return {**rates, "ratio": ratio, "equal": float(all(each == contents[0] for each in contents))}


def measure_skipping(folder: Path, args: argparse.Namespace) -> float:
    """Milliseconds a recording of a run that has nothing to do."""
    count = args.count or 1000
    archive = write_fake_archive(folder / "archive", 4)
    store, settings = LocalStore(str(folder / "out")), Settings(runtime="fake", threads=1).resolve()
    recordings = Finder().find([str(archive)])
    run_batch(recordings, settings, store, LocalPool(WORKERS))
    template = read_done(store, recordings[0].id)
    assert template is not None
    many = [replace(recordings[0], id=f"{n:016x}", uri=f"{recordings[0].uri}/{n}") for n in range(count)]
    for recording in many:
        commit(store, replace(template, id=recording.id))
    began = time.perf_counter()
    result = run_batch(many, settings, store, LocalPool(WORKERS))
    took_ms = (time.perf_counter() - began) * 1000 / count
    assert result.skipped == count
    print(f"skipping: {took_ms:.2f} ms a finished recording, tables and page included (asked: 20)")
    return took_ms


def measure_scheduling(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Driver's memory and time a recording with a worker that does nothing."""
    count = args.count or 100_000
    recordings = [
        Recording(
            f"{n:016x}", f"/data/study/participant-{n:06d}/recording", participant=f"{n}", duration_s=60.0
        )
        for n in range(count)
    ]
    store = LocalStore(str(folder / "out"))
    began = time.perf_counter()
    result = run_batch(recordings, Settings(do=("events",)), store, LocalPool(WORKERS, work=do_nothing))
    took_s = time.perf_counter() - began
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    assert len(result.outcomes) == count
    print(
        f"scheduling {count} recordings: {took_s * 1000 / count:.2f} ms each (asked: 5), driver {memory_mb:.0f} MB "
        "at most (asked: 1000)"
    )
    return {"ms": took_s * 1000 / count, "memory_mb": memory_mb}


def do_nothing(recording: Recording, settings: Settings, store: Store, scratch: Path) -> Outcome:
    """Stand in for the work."""
    return Outcome(recording.id, "done", frames=1800, host="host", seconds=60.0, peak_memory_mb=600.0)


def measure_driver_kill(folder: Path, args: argparse.Namespace) -> dict[str, int]:
    """Kill the driver with SIGKILL halfway, and resume: recordings that were computed twice."""
    archive = write_fake_archive(folder / "archive", args.count or 24)
    reference = run_reference(archive, folder / "reference")
    store = LocalStore(str(folder / "out"))
    driver = start_driver(archive, store, None)
    wait_for(lambda: count_done(store) >= len(reference) // 2)
    os.kill(driver.pid or 0, signal.SIGKILL)
    driver.join()
    start_driver(archive, store, None).join()
    return describe_kills("driver killed with SIGKILL", store, reference, in_flight=WORKERS)


def measure_shards(folder: Path, args: argparse.Namespace) -> dict[str, int]:
    """Run four shards side by side, each killed once with SIGKILL and started again."""
    archive = write_fake_archive(folder / "archive", args.count or 32)
    reference = run_reference(archive, folder / "reference")
    store = LocalStore(str(folder / "out"))
    shards = [Shard(number, 4) for number in range(1, 5)]
    drivers = [start_driver(archive, store, shard) for shard in shards]
    for index, shard in enumerate(shards):
        wait_for(lambda: count_done(store) > 2 * index)  # noqa: B023
        os.kill(drivers[index].pid or 0, signal.SIGKILL)
        drivers[index].join()
        drivers[index] = start_driver(archive, store, shard)
    for driver in drivers:
        driver.join()
    return describe_kills("four shards, each killed once", store, reference, in_flight=4 * WORKERS)


def start_driver(archive: Path, store: LocalStore, shard: Shard | None) -> multiprocessing.Process:
    """Begin a run in a process of its own."""
    context = multiprocessing.get_context("spawn")
    process_ = context.Process(target=drive, args=(archive, store, shard))
    process_.start()
    return process_  # type: ignore[return-value]


def drive(archive: Path, store: LocalStore, shard: Shard | None) -> None:
    """Run over an archive with the fake engine."""
    settings = Settings(runtime="fake").resolve()
    pool = LocalPool(WORKERS, work=count_and_process)
    run_batch(Finder().find([str(archive)]), settings, store, pool, RunOptions(shard))


def count_and_process(recording: Recording, settings: Settings, store: Store, scratch: Path) -> Outcome:
    """Process, and leave a mark for each computation that came to its end."""
    outcome = process(recording, settings, store, scratch)
    store.write(f"computed/{recording.id}-{time.time_ns()}", b"")
    return outcome


def describe_kills(
    title: str, store: LocalStore, reference: dict[str, dict[str, bytes]], *, in_flight: int
) -> dict[str, int]:
    """Compare the results with those of an undisturbed run, and count what was computed twice."""
    results = read_results(store)
    computed = Counter(path.partition("/")[2].partition("-")[0] for path in store.list("computed/"))
    twice = sum(number - 1 for number in computed.values())
    lost = len(reference.keys() - results.keys())
    unequal = sum(results[name] != reference[name] for name in results)
    print(
        f"{title}: {len(results)} of {len(reference)} done, {lost} lost, {unequal} not equal to the undisturbed run, "
        f"{twice} computed twice (asked: 0, 0, at most {in_flight})"
    )
    return {"lost": lost, "unequal": unequal, "twice": twice}


def measure_full_disk(folder: Path, args: argparse.Namespace) -> dict[str, int]:
    """Let the output's disk run full, then free it and run again."""
    archive = write_fake_archive(folder / "archive", args.count or 12)
    reference = run_reference(archive, folder / "reference")
    whole = sum(path.stat().st_size for path in (folder / "reference").rglob("*") if path.is_file())
    disk = folder / "disk"
    disk.mkdir()
    # Every file takes whole pages of 4 KiB.
    size = 4 * whole + 8_000_000
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True)
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * (size - whole))
        command = [
            sys.executable,
            "-m",
            "sam_edge.cli",
            "batch",
            "run",
            str(archive),
            "--out",
            str(disk / "out"),
        ]
        command += ["--runtime", "fake", "--workers", "2"]
        full = subprocess.run(command, capture_output=True, text=True, check=False)
        store = LocalStore(str(disk / "out"))
        before = count_done(store)
        print(f"full disk: exit status {full.returncode}, {before} done are kept; it says:")
        print("  " + "\n  ".join(full.stderr.strip().splitlines()[-2:]))
        ballast.unlink()
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        results = read_results(store)
        unequal = sum(results.get(name) != reference[name] for name in reference)
        print(f"after freeing it: exit status {again.returncode}, {len(results)} done, {unequal} not equal")
        return {"status": full.returncode, "kept": before, "done": len(results), "unequal": unequal}
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def write_fake_archive(root: Path, count: int) -> Path:
    """Write recordings of different lengths for the fake engine."""
    for number in range(count):
        write_excerpt(root / f"P{number:02d}", 4 + number % 8)
    return root


def write_excerpt(folder: Path, count: int) -> None:
    """Write the first frames of the clip of the package, with its gaze, as a recording."""
    folder.mkdir(parents=True)
    with (
        open_frames(ASSETS / "clip.mp4") as reader,
        VideoWriter(folder / "world.mp4", reader.size) as video,
    ):
        for frame, _ in zip(reader, range(count), strict=False):
            video.write(frame.image, frame.time_ns, frame.end_ns)
    shutil.copy(ASSETS / "gaze.csv", folder / "gaze.csv")
    shutil.copy(ASSETS / "gaze.csv.json", folder / "gaze.csv.json")


def run_reference(archive: Path, out: Path) -> dict[str, dict[str, bytes]]:
    """Process the archive undisturbed, and return the results."""
    store = LocalStore(str(out))
    result = run_batch(
        Finder().find([str(archive)]), Settings(runtime="fake").resolve(), store, LocalPool(WORKERS)
    )
    assert not result.failures, result.failures
    return read_results(store)


def read_results(store: LocalStore) -> dict[str, dict[str, bytes]]:
    """Return the files of every finished recording that must be equal."""
    results: dict[str, dict[str, bytes]] = {}
    for recording in read_run_manifest(store):
        done = read_done(store, recording.id)
        if done is not None:
            names = [name for name in COMPARED if done.has(name)]
            results[recording.id] = {name: store.read(done.path_of(name)) or b"" for name in names}
    return results


def count_done(store: LocalStore) -> int:
    """Count the recordings that are finished."""
    return len(list(Path(store.url).glob("recordings/*/done.json")))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not condition():
        time.sleep(0.05)


PARTS: dict[str, Callable[[Path, argparse.Namespace], object]] = {
    "throughput": measure_throughput,
    "skip": measure_skipping,
    "schedule": measure_scheduling,
    "driver": measure_driver_kill,
    "shards": measure_shards,
    "disk": measure_full_disk,
}

if __name__ == "__main__":
    run_script(main)
