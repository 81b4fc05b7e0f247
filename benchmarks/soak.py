"""Hours: a live session, a server whose clients come and go, and every gaze source under faults.

    python benchmarks/soak.py [--minutes 60] [--only session|server|adapters] [--fps 10] [--json OUT.json]

Each part runs in a process of its own, all of them at the same time:

* session: a live session on the demo's clip and gaze, over and over; the time of each step;
* server: eight clients that stay for 3 to 30 seconds, vanish in the middle of a handshake, send bytes that are no HTTP,
  or post an image; the time from a frame to its selection;
* adapters: every gaze source against its fake tracker, with lost samples, floods, bad packets, clock steps, cut
  connections, and trackers that are switched off for seconds; the time until samples are right again.

Prints a line a minute, and in the end a table of what is asked and what was measured; the exit status is 1 where
something is not as asked. The first fifth of the run (at most five minutes) is not judged. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from endings import end_without, run_script

try:
    import cv2
    from bench_memory import DEMO, looping, pictures
    from soak_adapters import soak_adapters
    from soak_figures import Figures, Judgement, ProcessWatch, judge
    from soak_serving import Clients

    import sam_edge
    from sam_edge.cores import available_cores
    from sam_edge.gaze.recordings import read
    from sam_edge.gaze.samples import GazeSample
    from sam_edge.media.environment import cpu_name
    from sam_edge.serve.models.engines import Engines
    from sam_edge.serve.server import Server
    from sam_edge.stream import GazeSession
except ImportError as error:
    end_without(error)

NS = 1_000_000_000
PARTS = ("session", "server", "adapters")
ANSWER_S = 300.0
"""A part that sends no word for this long hangs, seconds."""
PIN_EVERY_S = 7.0
SOURCE_HZ = 20.0
"""Samples a second of each fake tracker."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much work the parts do."""

    fps: float
    """Frames a second of the session; each client of the server sends a fifth of it."""
    threads: int | None
    """Threads of one inference; None is every core."""


def soak_session(figures: Figures, stopping: threading.Event, tick: Callable[[], None], load: Load) -> None:
    """Step one live session through the looped clip until `stopping` is set."""
    began_s = time.monotonic()
    gaze = looping(tuple(read(DEMO / "gaze.csv").samples), 10 * NS)
    due = next(gaze)
    pin_s = PIN_EVERY_S
    with sam_edge.load(threads=load.threads) as model, GazeSession(model, mode="live") as session:
        offset_ns = time.monotonic_ns()
        for _, image in pictures(DEMO / "clip.mp4"):
            if stopping.wait(1 / load.fps):
                return
            now_ns = time.monotonic_ns()
            samples = []
            while due.time_ns + offset_ns <= now_ns:
                samples.append(GazeSample(due.time_ns + offset_ns, due.x_px, due.y_px, due.confidence))
                due = next(gaze)
            session.feed(samples)
            step_s, cpu_s = time.perf_counter(), time.thread_time()
            selection = session.step(image, now_ns)
            figures.steps_ms.append(1e3 * (time.perf_counter() - step_s))
            figures.cpu_ms.append(1e3 * (time.thread_time() - cpu_s))
            figures.step_times_s.append(time.monotonic() - began_s)
            figures.count("steps")
            figures.count("with a mask", int(selection.mask is not None))
            if time.monotonic() - began_s > pin_s:
                pin_s += PIN_EVERY_S
                session.pin() if round(pin_s / PIN_EVERY_S) % 2 else session.unpin()
            tick()


def soak_server(figures: Figures, stopping: threading.Event, tick: Callable[[], None], load: Load) -> None:
    """Serve eight clients, in a process of their own, until `stopping` is set."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with Engines(threads=load.threads) as engines, Server(engines, port=0) as server:
        clients = context.Process(
            target=run_clients, args=(server.stream_url, max(0.5, load.fps / 5), theirs), daemon=True
        )
        clients.start()
        while not stopping.wait(0.5):
            tick()
            if not clients.is_alive():
                figures.faults.append(f"the clients' process ended with {clients.exitcode}")
                return
            take_client_figures(ours, figures)
        ours.send("stop")
        clients.join(ANSWER_S)
        take_client_figures(ours, figures)


def take_client_figures(connection: Connection, figures: Figures) -> None:
    """Take over what the clients measured."""
    while connection.poll():
        measured: Figures = connection.recv()
        figures.step_times_s, figures.steps_ms = measured.step_times_s, measured.steps_ms
        figures.counts, figures.faults = measured.counts, measured.faults


def run_clients(url: str, fps: float, connection: Connection) -> None:
    """Run the clients until the server's process says stop."""
    cv2.setNumThreads(1)
    figures = Figures("clients")
    stopping = threading.Event()
    told_s = time.monotonic()

    def tick() -> None:
        nonlocal told_s
        if connection.poll():
            stopping.set()
        if time.monotonic() - told_s > 10.0:
            told_s = time.monotonic()
            connection.send(figures)

    Clients(url, figures, rate_hz=fps, began_s=time.monotonic()).run(stopping, tick)
    connection.send(figures)


def run_part(name: str, load: Load, connection: Connection) -> None:
    """Run one part until the parent says stop; send its figures twice a minute."""
    faulthandler.register(signal.SIGUSR1)
    cv2.setNumThreads(1)
    figures = Figures(name)
    stopping = threading.Event()
    watch = ProcessWatch(figures, time.monotonic())
    told_s = time.monotonic()

    def tick() -> None:
        nonlocal told_s
        watch.look()
        if connection.poll():
            stopping.set()
        if time.monotonic() - told_s > 30.0:
            told_s = time.monotonic()
            connection.send(figures)

    try:
        if name == "session":
            soak_session(figures, stopping, tick, load)
        elif name == "server":
            soak_server(figures, stopping, tick, load)
        else:
            soak_adapters(figures, stopping, rate_hz=SOURCE_HZ, tick=tick)
    except Exception as error:
        figures.faults.append(f"{type(error).__name__}: {error}"[:300])
    connection.send(figures)


class Part:
    """A part's process, and the newest figures that it sent."""

    def __init__(self, name: str, load: Load) -> None:
        context = multiprocessing.get_context("spawn")
        self.figures = Figures(name)
        self._ours, theirs = context.Pipe()
        self.process = context.Process(target=run_part, args=(name, load, theirs), name=name)
        self.process.start()
        theirs.close()
        self._heard_s = time.monotonic()

    def poll(self) -> None:
        """Take what came; a part without a word for minutes is a fault, and shows where its threads stand."""
        try:
            while self._ours.poll():
                self.figures = self._ours.recv()
                self._heard_s = time.monotonic()
        except (EOFError, OSError):
            return
        if time.monotonic() - self._heard_s > ANSWER_S and self.process.is_alive():
            self.figures.faults.append(f"no word for {ANSWER_S:g} s")
            if self.process.pid:
                os.kill(self.process.pid, signal.SIGUSR1)
            self._heard_s = time.monotonic()

    def stop(self) -> None:
        """Let the part end, and take its last figures."""
        try:
            self._ours.send("stop")
        except OSError:
            return
        deadline_s = time.monotonic() + ANSWER_S
        while self.process.is_alive() and time.monotonic() < deadline_s:
            self.poll()
            self.process.join(0.2)
        self.poll()
        if self.process.is_alive():
            self.figures.faults.append("does not end")
            self.process.kill()

    def line(self) -> str:
        """Say how the part stands."""
        figures = self.figures
        memory = f"{figures.resident_mb[-1]:.0f} MB" if figures.resident_mb else "-"
        counts = ", ".join(f"{count} {name}" for name, count in sorted(figures.counts.items()))
        faults = f"{len(figures.recoveries)} faults caused, {len(figures.faults)} found"
        return f"  {figures.part}: {memory}; {counts}; {faults}"


def main() -> int:
    """Run the parts, print a line a minute, and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--fps", type=float, default=10.0, help="frames a second of the session; clients: a fifth"
    )
    parser.add_argument("--threads", type=int, help="threads of one inference (default: every core)")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    args = parser.parse_args()
    print(
        f"{cpu_name()}, {available_cores()} cores, sam-edge {sam_edge.__version__}, {args.minutes:g} minutes",
        flush=True,
    )
    load = Load(args.fps, args.threads)
    parts = [Part(name, load) for name in PARTS if args.only in (None, name)]
    with ExitStack() as stack:
        for part in parts:
            stack.callback(part.stop)
        began_s = told_s = time.monotonic()
        while time.monotonic() - began_s < 60 * args.minutes:
            time.sleep(1.0)
            for part in parts:
                part.poll()
            if time.monotonic() - told_s >= 60.0:
                told_s += 60.0
                minute = round((told_s - began_s) / 60)
                print(f"minute {minute}", *(part.line() for part in parts), sep="\n", flush=True)
                write_figures(args.json, minute, load, parts)
    print_table([line for part in parts for line in judge(part.figures)])
    write_figures(args.json, args.minutes, load, parts)
    return 0 if all(line.met for part in parts for line in judge(part.figures)) else 1


def write_figures(path: Path | None, minutes: float, load: Load, parts: list[Part]) -> None:
    """Write what was measured so far; a run that is cut short has its figures, too."""
    if path is None:
        return
    content = {
        "minutes": minutes,
        "load": asdict(load),
        "cpu": cpu_name(),
        "judgements": [asdict(line) for part in parts for line in judge(part.figures)],
        "parts": [asdict(part.figures) for part in parts],
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def print_table(judgements: list[Judgement]) -> None:
    """Print what is asked beside what was measured."""
    for line in judgements:
        mark = "met " if line.met else "MISS"
        print(f"{mark} {line.part:<9} {line.what:<22} asked {line.asked:<24} {line.measured}")


if __name__ == "__main__":
    run_script(main)
