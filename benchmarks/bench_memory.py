"""Memory of a long stream: the demo's clip and its gaze over and over, while frames' times go on.

    python benchmarks/bench_memory.py [--minutes 10] [--fps 24] [--fast] [--json OUT.json]
    python benchmarks/bench_memory.py --track [--minutes 10] [--fps 30]      # `sam-edge track --realtime` instead

On a clock, one thread shows frames and steps the session; a frame whose time has passed when it would be shown is left
out, as a camera would. With --fast every frame is stepped as soon as the one before is done: the same work in less
time. Prints the peak of the resident memory and its growth from the end of the first minute of the stream to the end:
the least-squares slope over that time, and the difference of the medians of the first and the last tenth of it.

With --track, the demo's clip is written once as a video of 1280x720, and its packets are copied over and over to a long
one, which `sam-edge track --realtime --masks --out` plays in a process of its own; prints the peak of that process's
resident memory and its growth.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from endings import run_script
from numpy.typing import NDArray

import sam_edge
from sam_edge.gaze.recordings import read, write_csv
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.environment import cpu_name, peak_memory_mb
from sam_edge.media.frames import open_frames
from sam_edge.media.video_writer import VideoWriter
from sam_edge.stream import GazeSession

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"
NS = 1_000_000_000
SETTLED_S = 60.0
SAMPLED_S = 1.0


def resident_mb(pid: int | None = None) -> float:
    """Return the memory that a process holds now, MB (10^6 bytes); None: this one. Linux only."""
    pages = int(Path(f"/proc/{pid or os.getpid()}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def pictures(video: Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Give the clip's frames over and over, with the number of the round; the file is opened anew each time."""
    for turn in itertools.count():
        with open_frames(video) as frames:
            for frame in frames:
                yield turn, frame.image


def looping(samples: tuple[GazeSample, ...], length_ns: int) -> Iterator[GazeSample]:
    """Give the gaze over and over, each round later by the clip's length."""
    for turn in itertools.count():
        for sample in samples:
            if 0 <= sample.time_ns < length_ns:
                yield GazeSample(
                    sample.time_ns + turn * length_ns, sample.x_px, sample.y_px, sample.confidence
                )


class Stream:
    """A session that is stepped through the looped clip, and what its memory was."""

    def __init__(self, session: GazeSession, *, fps: float, fast: bool) -> None:
        self._session = session
        self._fps = fps
        self._fast = fast
        recording = read(DEMO / "gaze.csv")
        with open_frames(DEMO / "clip.mp4") as frames:
            count = sum(1 for _ in frames)
        self._gaze = looping(tuple(recording.samples), round(count * NS / fps))
        self._next = next(self._gaze)
        self.times_s: list[float] = []
        self.resident_mb: list[float] = []
        self.stepped = self.left_out = self.with_mask = 0

    def run(self, minutes: float) -> None:
        """Play for so many minutes of stream time."""
        begun = time.monotonic()
        for index, (_, image) in enumerate(pictures(DEMO / "clip.mp4")):
            now_s = index / self._fps
            if now_s >= 60 * minutes:
                break
            if not self._fast:
                late_s = time.monotonic() - begun - now_s
                if late_s > 1 / self._fps:
                    self.left_out += 1
                    continue
                time.sleep(max(0.0, -late_s))
            self._session.feed(self._until(round((index + 1) * NS / self._fps)))
            selection = self._session.step(image, round(index * NS / self._fps))
            self.stepped += 1
            self.with_mask += selection.mask is not None
            if not self.times_s or now_s >= self.times_s[-1] + SAMPLED_S:
                self.times_s.append(now_s)
                self.resident_mb.append(resident_mb())

    def _until(self, time_ns: int) -> list[GazeSample]:
        taken = []
        while self._next.time_ns <= time_ns:
            taken.append(self._next)
            self._next = next(self._gaze)
        return taken


def growth(times_s: list[float], values_mb: list[float]) -> dict[str, float] | None:
    """Say how memory grew after the first minute; None for a stream too short to tell."""
    times, values = np.array(times_s), np.array(values_mb)
    values, times = values[times >= SETTLED_S], times[times >= SETTLED_S]
    if len(times) < 10:
        return None
    tenth = len(values) // 10
    return {
        "slope_mb_per_minute": float(np.polyfit(times / 60, values, 1)[0]),
        "last_minus_first_mb": float(np.median(values[-tenth:]) - np.median(values[:tenth])),
        "most_minus_first_mb": float(values.max() - values[0]),
    }


def write_long_video(path: Path, *, seconds: float, fps: float) -> int:
    """Write the demo's clip over and over as one video of 1280x720; return the length of one turn, nanoseconds."""
    turn = path.with_name("turn.mp4")
    with VideoWriter(turn, (720, 1280), fps=fps) as writer:
        for _, image in itertools.takewhile(lambda item: item[0] == 0, pictures(DEMO / "clip.mp4")):
            writer.write(np.asarray(cv2.resize(image, (1280, 720)), np.uint8))
    with av.open(str(turn)) as source:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.size]
        tick_s = Fraction(stream.time_base or 1)
        turn_ticks = sum(int(packet.duration or 0) for packet in packets)
        begins = [(int(packet.pts or 0), int(packet.dts or 0)) for packet in packets]
        with av.open(str(path), "w") as target:
            copy = target.add_stream_from_template(stream)
            for turns in range(math.ceil(seconds / (turn_ticks * tick_s))):
                for packet, (pts, dts) in zip(packets, begins, strict=True):
                    packet.stream, packet.time_base = copy, tick_s
                    packet.pts, packet.dts = pts + turns * turn_ticks, dts + turns * turn_ticks
                    target.mux(packet)
    return round(turn_ticks * tick_s * NS)


def measure_track(minutes: float, fps: float, runtime: str) -> None:
    """Print the peak memory of `sam-edge track --realtime` on a long video of 1280x720."""
    samples = tuple(read(DEMO / "gaze.csv").samples)
    end_ns = round(60 * minutes * NS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video, gaze, report = folder / "clip.mp4", folder / "gaze.csv", folder / "report.json"
        turn_ns = write_long_video(video, seconds=60 * minutes, fps=fps)
        write_csv(
            gaze, itertools.takewhile(lambda sample: sample.time_ns < end_ns, looping(samples, turn_ns))
        )
        shutil.copy(DEMO / "gaze.csv.json", folder)
        options = ["--realtime", "--report", str(report), "--runtime", runtime, "--quiet"]
        options += ["--out", str(folder / "out.mp4"), "--masks", str(folder / "masks")]
        command = [sys.executable, "-m", "sam_edge.cli", "track", str(video), "--gaze", str(gaze), *options]
        times_s, values_mb = watch(subprocess.Popen(command))
        content = json.loads(report.read_text(encoding="utf-8"))
    selected = sum(frame["origin"] != "none" for frame in content["frames"])
    print(f"{cpu_name()}, {content['environment']['engine']}, sam-edge {sam_edge.__version__}")
    print(f"{len(content['frames'])} frames of 1280x720 in {minutes:g} minutes, {selected} with a mask")
    print(f"peak {content['summary']['peak_memory_mb']:.0f} MB")
    print_growth(growth(times_s, values_mb))


def watch(process: subprocess.Popen[bytes]) -> tuple[list[float], list[float]]:
    """Return when the memory of a process was read, seconds, and what it held, MB; raises where the process fails."""
    times_s: list[float] = []
    values_mb: list[float] = []
    begun = time.monotonic()
    while process.poll() is None:
        with suppress(OSError, ValueError):
            values_mb.append(resident_mb(process.pid))
            times_s.append(time.monotonic() - begun)
        time.sleep(SAMPLED_S)
    if process.returncode:
        raise SystemExit(f"sam-edge track ended with {process.returncode}")
    return times_s, values_mb


def print_growth(grown: dict[str, float] | None) -> None:
    """Print how memory grew after the first minute."""
    if grown is None:
        print("growth: the stream is too short to tell (more than a minute and ten seconds)")
        return
    print(
        f"after the first minute: {grown['slope_mb_per_minute']:+.2f} MB a minute, last tenth minus first tenth "
        f"{grown['last_minus_first_mb']:+.1f} MB, most minus first {grown['most_minus_first_mb']:+.1f} MB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--fast", action="store_true", help="do not wait for the clock")
    parser.add_argument("--track", action="store_true", help="measure `sam-edge track --realtime`")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    args = parser.parse_args()
    if args.track:
        measure_track(args.minutes, args.fps, args.runtime)
        return
    px_per_deg = read(DEMO / "gaze.csv").px_per_deg or 15.0
    with (
        sam_edge.load(runtime=args.runtime, threads=args.threads) as model,
        GazeSession(model, px_per_deg=px_per_deg) as session,
    ):
        engine = f"{model.runtime.name} {model.runtime.precision}, {model.runtime.threads} threads"
        stream = Stream(session, fps=args.fps, fast=args.fast)
        stream.run(args.minutes)
    if stream.with_mask == 0:
        raise SystemExit("nothing was selected in the whole stream: this measures nothing")
    grown = growth(stream.times_s, stream.resident_mb)
    content = {
        "cpu": cpu_name(),
        "engine": engine,
        "minutes": args.minutes,
        "fps": args.fps,
        "fast": args.fast,
        "stepped": stream.stepped,
        "left_out": stream.left_out,
        "with_mask": stream.with_mask,
        "peak_memory_mb": peak_memory_mb(),
        "growth": grown,
        "times_s": stream.times_s,
        "resident_mb": stream.resident_mb,
    }
    print(f"{content['cpu']}, {engine}, Python {platform.python_version()}, sam-edge {sam_edge.__version__}")
    print(f"{stream.stepped} frames stepped, {stream.left_out} left out, {stream.with_mask} with a mask")
    print(f"peak {content['peak_memory_mb']:.0f} MB, at the end {stream.resident_mb[-1]:.0f} MB")
    print_growth(grown)
    if args.json:
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
