"""What the socket costs: a server and its clients on one machine, beside the same session in the program itself.

    python benchmarks/bench_serve.py --data DAVIS [--seconds 60] [--only latency|sustained|four]

DAVIS is a folder with JPEGImages/SEQUENCE/*.jpg and Annotations/SEQUENCE/*.png. Gaze rests on what is labelled, at the
place deepest inside, 200 samples a second. Clients are processes of their own. Prints:

* latency: from handing over a frame and its gaze to the selection in hand, in the program and over the socket, frame by
  frame at 24 frames/s; and from the first gaze sample on a thing to its first mask;
* sustained: one client at 24 frames/s;
* four: four clients at 24 frames/s each, every one with a sequence of its own: frames served, IoU with its object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import sam_edge
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks import iou
from sam_edge.media.environment import cpu_name, usable_cores
from sam_edge.serve.client import connect
from sam_edge.serve.engines import Engines
from sam_edge.serve.server import Server
from sam_edge.stream.session import GazeSession

FRAME_NS = round(1e9 / 24)
SAMPLE_NS = 5_000_000
FOUR = ("blackswan", "dog", "car-shadow", "horsejump-high")
ONE = "blackswan"


@dataclass(frozen=True, slots=True)
class Clip:
    """A sequence, forwards and backwards in turn."""

    pictures: list[bytes]
    """JPEGs as they lie on disk."""
    truth: list[NDArray[np.bool_]]
    """The object's mask on each."""

    def __len__(self) -> int:
        return len(self.pictures)

    def at(self, index: int) -> int:
        """Return which picture is the one of this number, there and back again."""
        period = 2 * (len(self) - 1)
        return min(index % period, period - index % period)

    def gaze(self, index: int, time_ns: int) -> list[GazeSample]:
        """Return the gaze since the frame before: on the pixel of the object that is deepest inside."""
        x, y = deepest(self.truth[self.at(index)])
        return [GazeSample(time_ns - FRAME_NS + step, x, y) for step in range(SAMPLE_NS, FRAME_NS, SAMPLE_NS)]


def deepest(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the middle of the pixel that is farthest from a mask's edge."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5


def read_clip(data: Path, name: str) -> Clip:
    """Read a sequence."""
    pictures, truth = [], []
    for path in sorted((data / "JPEGImages" / name).glob("*.jpg")):
        label = np.asarray(
            cv2.imread(str(data / "Annotations" / name / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
        )
        mask = np.asarray((np.atleast_3d(label) > 0).any(axis=2), np.bool_)
        if mask.any():
            pictures.append(path.read_bytes())
            truth.append(mask)
    return Clip(pictures, truth)


def ticks(seconds: float) -> Iterator[int]:
    """Count frames at 24 a second, each in its time."""
    begun = time.perf_counter()
    for index in range(round(seconds * 24)):
        left = begun + index * FRAME_NS / 1e9 - time.perf_counter()
        if left > 0:
            time.sleep(left)
        yield index


def in_program(data: Path, seconds: float) -> dict[str, list[float]]:
    """Step a session in this program; pictures are decoded before."""
    cv2.setNumThreads(1)
    clip = read_clip(data, ONE)
    images = [decoded(picture) for picture in clip.pictures]
    took, first = [], []
    with sam_edge.load() as model:
        with GazeSession(model, in_thread=True) as session:
            session.warm_up(images[0])
            for index in ticks(seconds):
                now_ns = time.monotonic_ns()
                samples = clip.gaze(index, now_ns)
                begun = time.perf_counter()
                session.feed(samples)
                session.step(images[clip.at(index)], now_ns)
                took.append(1e3 * (time.perf_counter() - begun))
        for trial in range(TRIALS):
            with GazeSession(model, in_thread=True) as session:
                began = None
                for index in ticks(2 + 0.01 * trial):
                    now_ns = time.monotonic_ns()
                    if index >= 6:
                        began = began or time.perf_counter()
                        session.feed(clip.gaze(index, now_ns))
                    selection = session.step(images[clip.at(index)], now_ns)
                    if began is not None and selection.mask is not None:
                        first.append(1e3 * (time.perf_counter() - began))
                        break
    return {"frame_ms": took, "first_ms": first}


TRIALS = 12


def over_socket(url: str, data: Path, seconds: float) -> dict[str, list[float]]:
    """Send the same to a server, from this process."""
    cv2.setNumThreads(1)
    clip = read_clip(data, ONE)
    took, first = [], []
    with connect(url) as client:
        for index in ticks(seconds):
            now_ns = time.monotonic_ns()
            samples = clip.gaze(index, now_ns)
            begun = time.perf_counter()
            client.send_gaze(samples)
            if client.send_picture(clip.pictures[clip.at(index)], SIZE, now_ns) is None:
                continue
            if client.receive(2.0) is not None:
                took.append(1e3 * (time.perf_counter() - begun))
        for trial in range(TRIALS):
            client.restart().result(5)
            began = None
            for index in ticks(2 + 0.01 * trial):
                now_ns = time.monotonic_ns()
                if index >= 6:
                    began = began or time.perf_counter()
                    client.send_gaze(clip.gaze(index, now_ns))
                if client.send_picture(clip.pictures[clip.at(index)], SIZE, now_ns) is None:
                    continue
                selected = client.receive(2.0)
                if began is not None and selected is not None and selected.things:
                    first.append(1e3 * (time.perf_counter() - began))
                    break
    return {"frame_ms": took, "first_ms": first}


SIZE = (480, 854)


def stream(url: str, data: Path, name: str, seconds: float) -> dict[str, float]:
    """Send frames at 24 a second without waiting for answers, as a headset does; keep to the window."""
    clip = read_clip(data, name)
    sent: dict[int, tuple[int, float]] = {}
    ages, overlaps = [], []
    stages: dict[str, list[float]] = {}
    refused = 0
    with connect(url, name=name) as client:
        begun = time.perf_counter()
        for index in ticks(seconds):
            now_ns = time.monotonic_ns()
            client.send_gaze(clip.gaze(index, now_ns))
            height, width = clip.truth[0].shape
            number = client.send_picture(clip.pictures[clip.at(index)], (height, width), now_ns)
            if number is None:
                refused += 1
            else:
                sent[number] = (clip.at(index), time.perf_counter())
            due = begun + (index + 1) * FRAME_NS / 1e9
            while (selected := client.receive(max(1e-4, due - time.perf_counter()))) is not None:
                at, when = sent.pop(selected.frame_id)
                ages.append(1e3 * (time.perf_counter() - when))
                if selected.meant is not None:
                    overlaps.append(float(iou(selected.meant.mask(selected.frame_size), clip.truth[at])))
                for stage, took_ms in selected.stages_ms.items():
                    stages.setdefault(stage, []).append(took_ms)
        took_s = time.perf_counter() - begun
        skipped = client.skipped
    return {
        "frames_per_s": len(ages) / took_s,
        "served": len(ages),
        "no_room": refused,
        "skipped": skipped,
        "p50_ms": float(np.percentile(ages, 50)),
        "p95_ms": float(np.percentile(ages, 95)),
        "iou": statistics.fmean(overlaps) if overlaps else 0.0,
        "with_mask": len(overlaps) / max(1, len(ages)),
        **{f"stage_{stage}": statistics.fmean(values) for stage, values in stages.items()},
    }


def decoded(picture: bytes) -> NDArray[np.uint8]:
    """Unpack a JPEG as RGB."""
    image = np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def spread(values: list[float]) -> str:
    """Say median and 95th percentile."""
    return f"{np.percentile(values, 50):6.1f} / {np.percentile(values, 95):6.1f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder like DAVIS")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=("latency", "sustained", "four"))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found: dict[str, object] = {}
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        if given.only in (None, "latency"):
            seconds = min(15.0, given.seconds)
            inside = pool.apply(in_program, (given.data, seconds))
        with Engines() as engines, Server(engines, port=0) as server:
            runtime = engines.segmenter().runtime
            print(
                f"{cpu_name()}, {usable_cores()} cores; {runtime.name} {runtime.precision}, "
                f"{runtime.threads} threads; 854x480 JPEG, 24 frames/s"
            )
            url = server.stream_url
            if given.only in (None, "latency"):
                outside = pool.apply(over_socket, (url, given.data, seconds))
                print("from frame and gaze to selection, ms, median / 95th percentile")
                print(f"  in the program   {spread(inside['frame_ms'])}")
                print(f"  over the socket  {spread(outside['frame_ms'])}")
                print(f"from the first gaze to the first mask, ms, {TRIALS} times")
                print(f"  in the program   {spread(inside['first_ms'])}")
                print(f"  over the socket  {spread(outside['first_ms'])}")
                found["latency"] = {"in_program": inside, "over_socket": outside}
            if given.only in (None, "sustained"):
                one = pool.apply(stream, (url, given.data, ONE, given.seconds))
                print(f"one client for {given.seconds:g} s: {told(one)}")
                found["sustained"] = one
            if given.only in (None, "four"):
                seconds = min(30.0, given.seconds)
                jobs = [(url, given.data, name, seconds) for name in FOUR]
                four = pool.starmap(stream, jobs, chunksize=1)
                for name, one in zip(FOUR, four, strict=True):
                    print(f"of four, {name}: {told(one)}")
                served = [one["served"] for one in four]
                print(f"fewest of most frames served: {min(served) / max(served):.2f}")
                found["four"] = dict(zip(FOUR, four, strict=True))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


def told(one: dict[str, float]) -> str:
    """Say how a stream went."""
    stages = ", ".join(f"{key[6:]} {value:.1f}" for key, value in one.items() if key.startswith("stage_"))
    return (
        f"{one['frames_per_s']:.1f} frames/s ({one['served']} served, {one['no_room']} without room, "
        f"{one['skipped']} skipped), {one['p50_ms']:.1f} / {one['p95_ms']:.1f} ms, "
        f"IoU {one['iou']:.2f} on {100 * one['with_mask']:.0f} % of them; means in ms: {stages}"
    )


if __name__ == "__main__":
    main()
