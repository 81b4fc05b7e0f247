"""What the socket costs: a server and its clients on one machine, beside the same session in the program itself.

    python benchmarks/bench_serve.py --data DAVIS [--seconds 60] [--only latency|sustained|four]

DAVIS is a folder with JPEGImages/SEQUENCE/*.jpg and Annotations/SEQUENCE/*.png. Gaze rests on what is labelled, at the
place deepest inside, 200 samples a second. Clients are processes of their own. Prints:

* latency: from handing over a frame and its gaze to the selection in hand, in the program and over the socket, frame by
  frame at 24 frames/s; and from the first gaze sample on a thing to its first mask;
* sustained: one client at 24 frames/s;
* four: four clients at 24 frames/s each, every one with a sequence of its own: frames served, IoU with its object.
  Beside each what a session of its own in a program makes of the same frames at the same moments, with the machine for
  itself: that is as good as it can get with so many frames.

Ends with a table of what is asked and what was measured; IoU counts a frame without a mask as 0.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from endings import end_without, run_script

try:
    import cv2
    import numpy as np
    from numpy.typing import NDArray

    import sam_edge
    from sam_edge.client import connect
    from sam_edge.cores import available_cores
    from sam_edge.gaze.samples import GazeSample
    from sam_edge.masks import iou
    from sam_edge.media.environment import cpu_name
    from sam_edge.serve.models.engines import Engines
    from sam_edge.serve.server import Server
    from sam_edge.stream.session import GazeSession
    from sam_edge.wire.messages import FrameSelection
except ImportError as error:
    end_without(error)

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
    places: list[tuple[float, float]]
    """Where gaze rests on each, frame pixels."""

    def __len__(self) -> int:
        return len(self.pictures)

    def at(self, index: int) -> int:
        """Return which picture is the one of this number, there and back again."""
        period = 2 * (len(self) - 1)
        return min(index % period, period - index % period)

    def gaze(self, index: int, time_ns: int) -> list[GazeSample]:
        """Return the gaze since the frame before: on the pixel of the object that is deepest inside."""
        x, y = self.places[self.at(index)]
        return [GazeSample(time_ns - FRAME_NS + step, x, y) for step in range(SAMPLE_NS, FRAME_NS, SAMPLE_NS)]


@dataclass(frozen=True, slots=True)
class Streamed:
    """How a client was served."""

    frames_per_s: float
    """Selections a second."""
    served: list[int]
    """Numbers of the frames, in order, that selections came for."""
    refused: int
    """Frames that were not sent: no room, or not due."""
    skipped: int
    """Frames that the server skipped."""
    p50_ms: float
    """From sending a frame to its selection, median."""
    p95_ms: float
    """The same, 95th percentile."""
    iou: float
    """Mean IoU of masks with the object on the frames that they are for."""
    iou_seen: float
    """Mean IoU of the newest mask there is with the object on the camera's next frame: what is seen live."""
    stages_ms: dict[str, float]
    """Mean time of each stage."""


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
    # Found beforehand: clients share the two cores with the server.
    return Clip(pictures, truth, [deepest(mask) for mask in truth])


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
        with GazeSession(model, mode="live") as session:
            session.warm_up(images[0])
            for index in ticks(seconds):
                now_ns = time.monotonic_ns()
                samples = clip.gaze(index, now_ns)
                begun = time.perf_counter()
                session.feed(samples)
                session.step(images[clip.at(index)], now_ns)
                took.append(1e3 * (time.perf_counter() - begun))
        for trial in range(TRIALS):
            with GazeSession(model, mode="live") as session:
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
            if client.send_encoded(clip.pictures[clip.at(index)], SIZE, now_ns) is None:
                continue
            if client.receive(2.0) is not None:
                took.append(1e3 * (time.perf_counter() - begun))
        for trial in range(TRIALS):
            client.reset().result(5)
            began = None
            for index in ticks(2 + 0.01 * trial):
                now_ns = time.monotonic_ns()
                if index >= 6:
                    began = began or time.perf_counter()
                    client.send_gaze(clip.gaze(index, now_ns))
                if client.send_encoded(clip.pictures[clip.at(index)], SIZE, now_ns) is None:
                    continue
                selected = client.receive(2.0)
                if began is not None and selected is not None and selected.objects:
                    first.append(1e3 * (time.perf_counter() - began))
                    break
    return {"frame_ms": took, "first_ms": first}


SIZE = (480, 854)


LEAD_IN_S = 6.0
"""Seconds of frames before those that count."""


def stream(url: str, data: Path, name: str, seconds: float) -> Streamed:
    """Send frames at 24 a second without waiting for answers, as a headset does; keep to the window."""
    clip = read_clip(data, name)
    height, width = clip.truth[0].shape
    sent: dict[int, tuple[int, float]] = {}
    answers: list[tuple[int, FrameSelection]] = []
    shown: list[FrameSelection | None] = []
    ages: list[float] = []
    refused = 0
    with connect(url, name=name) as client:
        begun = time.perf_counter()
        for index in ticks(LEAD_IN_S + seconds):
            shown.append(answers[-1][1] if answers else None)
            now_ns = time.monotonic_ns()
            client.send_gaze(clip.gaze(index, now_ns))
            number = client.send_encoded(clip.pictures[clip.at(index)], (height, width), now_ns)
            if number is None:
                refused += 1
            else:
                sent[number] = (index, time.perf_counter())
            due = begun + (index + 1) * FRAME_NS / 1e9
            while (selected := client.receive(max(1e-4, due - time.perf_counter()))) is not None:
                at, when = sent.pop(selected.frame_id)
                ages.append(1e3 * (time.perf_counter() - when))
                answers.append((at, selected))
        skipped = client.skipped
    # What engines need to be made ready for several is not counted.
    first = round(24 * LEAD_IN_S)
    late = [(answer, age) for answer, age in zip(answers, ages, strict=True) if answer[0] >= first]
    answers, ages = [answer for answer, _ in late], [age for _, age in late]
    # Masks are looked at afterwards: clients share the two cores with the server.
    found = {
        id(one): None if one.gaze_target is None else one.gaze_target.mask(one.frame_size)
        for _, one in answers
    }
    seen = [None if one is None else found.get(id(one)) for one in shown]
    stages: dict[str, list[float]] = {}
    for _, selected in answers:
        for stage, took_ms in selected.stages_ms.items():
            stages.setdefault(stage, []).append(took_ms)
    return Streamed(
        frames_per_s=len(ages) / seconds,
        served=[at for at, _ in answers],
        refused=refused,
        skipped=skipped,
        p50_ms=float(np.percentile(ages, 50)),
        p95_ms=float(np.percentile(ages, 95)),
        iou=likeness([(at, found[id(one)]) for at, one in answers], clip),
        iou_seen=likeness(list(enumerate(seen))[first:], clip),
        stages_ms={stage: statistics.fmean(values) for stage, values in stages.items()},
    )


def alone(data: Path, name: str, served: list[int]) -> float:
    """Return the IoU that a session in this program gets from the same frames at the same moments."""
    cv2.setNumThreads(1)
    clip = read_clip(data, name)
    images = [decoded(picture) for picture in clip.pictures]
    wanted, found = set(served), []
    with sam_edge.load() as model, GazeSession(model, mode="live") as session:
        session.warm_up(images[0])
        for index in ticks((max(served) + 1) / 24):
            if index < min(served) - 24:
                # As far as it matters, the session begins where the client's frames count.
                continue
            now_ns = time.monotonic_ns()
            session.feed(clip.gaze(index, now_ns))
            if index in wanted:
                found.append((index, session.step(images[clip.at(index)], now_ns).mask))
    return likeness(found, clip)


def likeness(found: list[tuple[int, NDArray[np.bool_] | None]], clip: Clip) -> float:
    """Return the mean IoU of masks on frames with what is there; none at all counts as 0."""
    return statistics.fmean(
        0.0 if mask is None else float(iou(mask, clip.truth[clip.at(index)])) for index, mask in found
    )


def decoded(picture: bytes) -> NDArray[np.uint8]:
    """Unpack a JPEG as RGB."""
    image = np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def spread(values: list[float]) -> str:
    """Say median and 95th percentile."""
    return f"{np.percentile(values, 50):6.1f} / {np.percentile(values, 95):6.1f}"


ASKED_LATENCY_MS, ASKED_FRAMES_PER_S, ASKED_FAIR, ASKED_CORRECT = 15.0, 24.0, 0.9, 0.9
"""What is asked of the server: above the session in the program; sustained; fewest frames of most; IoU of alone."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder like DAVIS")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=("latency", "sustained", "four"))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    found: dict[str, object] = {}
    table: list[tuple[str, str, str]] = []
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        seconds = min(15.0, args.seconds)
        if args.only in (None, "latency"):
            inside = pool.apply(in_program, (args.data, seconds))
        with Engines() as engines, Server(engines, port=0) as server:
            runtime = engines.segmenter().runtime
            print(
                f"{cpu_name()}, {available_cores()} cores; {runtime.name} {runtime.precision}, "
                f"{runtime.threads} threads; 854x480 JPEG, 24 frames/s"
            )
            url = server.stream_url
            if args.only in (None, "latency"):
                outside = pool.apply(over_socket, (url, args.data, seconds))
                found["latency"] = {"in_program": inside, "over_socket": outside}
                table += latency_told(inside, outside)
            if args.only in (None, "sustained"):
                one = pool.apply(stream, (url, args.data, ONE, args.seconds))
                print(f"one client for {args.seconds:g} s: {told(one)}")
                found["sustained"] = asdict(one)
                measured = f"{one.frames_per_s:.1f} ({len(one.served)} of {round(24 * args.seconds)})"
                table.append(("one client, frames/s", f"{ASKED_FRAMES_PER_S:g}", measured))
            if args.only in (None, "four"):
                jobs = [(url, args.data, name, min(30.0, args.seconds)) for name in FOUR]
                four = pool.starmap(stream, jobs, chunksize=1)
        if args.only in (None, "four"):
            # One after the other, and without the server: every session has the machine for itself.
            bests = [
                pool.apply(alone, (args.data, name, one.served)) for name, one in zip(FOUR, four, strict=True)
            ]
            found["four"] = {
                name: {**asdict(one), "alone": best}
                for name, one, best in zip(FOUR, four, bests, strict=True)
            }
            table += four_told(four, bests)
    print_table(table)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


def latency_told(
    inside: dict[str, list[float]], outside: dict[str, list[float]]
) -> Iterator[tuple[str, str, str]]:
    """Print latencies and sum them up."""
    for key, what in (
        ("frame_ms", "from frame and gaze to selection"),
        ("first_ms", f"from the first gaze to the first mask, {TRIALS} times"),
    ):
        print(f"{what}, ms, median / 95th percentile")
        print(f"  in the program   {spread(inside[key])}")
        print(f"  over the socket  {spread(outside[key])}")
        above = statistics.median(outside[key]) - statistics.median(inside[key])
        yield f"{what}, ms above the program", f"<= {ASKED_LATENCY_MS:g}", f"{above:.1f}"


def four_told(four: list[Streamed], bests: list[float]) -> Iterator[tuple[str, str, str]]:
    """Print how several clients were served, and sum it up."""
    for name, one, best in zip(FOUR, four, bests, strict=True):
        print(f"of four, {name}: {told(one)}")
        print(f"  a session of its own with these frames: IoU {best:.2f}; ratio {one.iou / best:.2f}")
    served = [len(one.served) for one in four]
    ratio = statistics.fmean(one.iou for one in four) / statistics.fmean(bests)
    yield "four clients, fewest of most frames", f">= {ASKED_FAIR:g}", f"{min(served) / max(served):.2f}"
    yield "four clients, mean IoU of that alone", f">= {ASKED_CORRECT:g}", f"{ratio:.2f}"
    yield (
        "four clients, IoU / alone / seen live",
        "",
        "; ".join(
            f"{one.iou:.2f} {best:.2f} {one.iou_seen:.2f}" for one, best in zip(four, bests, strict=True)
        ),
    )


def print_table(rows: list[tuple[str, str, str]]) -> None:
    """Print what is asked beside what was measured."""
    width = max(len(row[0]) for row in rows)
    print(f"\n{'':<{width}}  {'asked':>7}  measured")
    for what, asked, measured in rows:
        print(f"{what:<{width}}  {asked:>7}  {measured}")


def told(one: Streamed) -> str:
    """Say how a stream went."""
    stages = ", ".join(f"{name} {took_ms:.1f}" for name, took_ms in one.stages_ms.items())
    return (
        f"{one.frames_per_s:.1f} frames/s ({len(one.served)} served, {one.refused} not sent, {one.skipped} skipped), "
        f"{one.p50_ms:.1f} / {one.p95_ms:.1f} ms, IoU {one.iou:.2f}, seen live {one.iou_seen:.2f}; "
        f"means in ms: {stages}"
    )


if __name__ == "__main__":
    run_script(main)
