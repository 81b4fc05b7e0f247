"""The object memory: lookups of objects that changed, look-alikes, a long session of visits, and what identity costs.

    python benchmarks/bench_identity.py --data coco128                    # lookups and look-alikes
    python benchmarks/bench_identity.py --visits                          # an hour, 400 objects; no model
    python benchmarks/bench_identity.py --cost --video VIDEO --gaze GAZE [--mode live]

Lookups: every object of the photographs (polygons in `labels/`) is remembered as it is, on its own photograph. Then it
is shown again changed, and looked for among all others by appearance alone: its place is not known. `AUC` is how often
the same object is likelier than another one; `first` how often it is the likeliest; `returned` and `wrong` how often
the memory would give its own number, and another one's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from endings import run_script
from numpy.typing import NDArray

import sam_edge
from sam_edge.gaze_video.gaze_video import open_video
from sam_edge.identity.appearance import CELL_POOL, COLOURS, Appearance, describe
from sam_edge.identity.memory import ObjectMemory
from sam_edge.identity.recognizer import RETURN_ODDS, ObjectRecognizer, Sighting
from sam_edge.media.images import read_image
from sam_edge.profile.measure.memory import resident_mb
from sam_edge.stream.motion import grid_of
from sam_edge.stream.playback import GazeFeed

NS = 1_000_000_000
FAR = (-1e6, -1e6, -1e6 + 1, -1e6 + 1)

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Item:
    """An object of a photograph."""

    image: Image
    mask: Mask


def read_items(data: Path, limit: int, least_share: float = 0.02) -> list[Item]:
    """Read the objects of a folder of photographs with polygons; small ones are left out."""
    items: list[Item] = []
    for path in sorted((data / "images").glob("*.jpg")):
        labels = data / "labels" / f"{path.stem}.txt"
        if not labels.is_file():
            continue
        image = read_image(path)
        height, width = image.shape[:2]
        for line in labels.read_text().splitlines():
            places = np.array(line.split()[1:], float).reshape(-1, 2) * (width, height)
            mask = cv2.fillPoly(np.zeros((height, width), np.uint8), [places.astype(np.int32)], 1) > 0
            if mask.mean() >= least_share:
                items.append(Item(image, mask))
        if len(items) >= limit:
            return items[:limit]
    return items


def warp(item: Item, scale: float, turn: int) -> Item:
    """Scale the photograph about its middle, or turn it by 90 degrees; the frame stays as large."""
    height, width = item.mask.shape
    if turn:
        return Item(np.ascontiguousarray(np.rot90(item.image)), np.ascontiguousarray(np.rot90(item.mask)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, scale)
    image = cv2.warpAffine(item.image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    mask = cv2.warpAffine(item.mask.astype(np.uint8), matrix, (width, height)) > 0
    return Item(np.asarray(image, np.uint8), mask)


def cover(item: Item) -> Item:
    """Cover the left half of the object with grey noise."""
    columns = np.nonzero(item.mask.any(axis=0))[0]
    middle = int(np.median(np.nonzero(item.mask)[1])) if len(columns) else 0
    image, mask = item.image.copy(), item.mask.copy()
    noise = np.random.default_rng(0).normal(128, 25, (*mask[:, :middle].shape, 1))
    image[:, :middle] = np.clip(noise, 0, 255).astype(np.uint8)
    mask[:, :middle] = False
    return Item(image, mask)


def relight(item: Item, gain: float, warmth: float) -> Item:
    """Change brightness and the colour of the light."""
    gains = np.array([gain * warmth, gain, gain / warmth])
    return Item(np.clip(item.image * gains, 0, 255).astype(np.uint8), item.mask)


def part(item: Item) -> Item:
    """Take the upper half of the object alone, as a first mask may."""
    rows = np.nonzero(item.mask)[0]
    mask = item.mask.copy()
    mask[int(np.median(rows)) :] = False
    return Item(item.image, mask)


CHANGES: dict[str, Callable[[Item], Item]] = {
    "half the size": lambda item: warp(item, 0.5, 0),
    "turned by 90 degrees": lambda item: warp(item, 1.0, 1),
    "half covered": cover,
    "a part of it": part,
    "darker by a third": lambda item: relight(item, 0.67, 1.0),
    "warmer light": lambda item: relight(item, 1.0, 1.08),
}


def describe_item(item: Item, model: sam_edge.Segmenter | None) -> Appearance | None:
    """Describe an object as a session does; None where its mask is empty on the grid."""
    rows, columns = grid_of((item.mask.shape[0], item.mask.shape[1]))
    small = cv2.resize(item.image, (columns, rows), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(item.mask.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST) > 0
    if not mask.any():
        return None
    if model is None:
        return describe(np.asarray(small, np.uint8), mask)
    embedding = model.encode(item.image)
    signed = np.where(item.mask, 1.0, -1.0).astype(np.float32)
    inside = embedding.placement.to_lowres(signed) > 0
    cells = embedding.data[0]
    shape = (cells.shape[1], CELL_POOL, cells.shape[2], CELL_POOL)
    coverage = inside.reshape(shape).mean(axis=(1, 3), dtype=np.float32)
    return describe(np.asarray(small, np.uint8), mask, cells, coverage)


def look_up(data: Path, limit: int, model: sam_edge.Segmenter | None) -> None:
    """Remember every object, and look for each one changed."""
    items = [
        (item, view) for item in read_items(data, limit) if (view := describe_item(item, model)) is not None
    ]
    memory = ObjectMemory()
    for _, view in items:
        number = memory.add(0)
        memory.see(number, 0, FAR, view=view)
        if model is not None:
            memory.see_scene(view.texture.reshape(-1, 1, 1))
    memory.places.clear()
    print(f"{len(items)} objects of {data.name}, {'with' if model else 'without'} the encoder's embedding")
    print(f"{'':<24}{'AUC':>8}{'first':>8}{'returned':>10}{'wrong':>8}{'ms':>8}")
    for name, change in CHANGES.items():
        print(f"{name:<24}{score_change(memory, [item for item, _ in items], change, model)}", flush=True)


def score_change(
    memory: ObjectMemory,
    items: Sequence[Item],
    change: Callable[[Item], Item],
    model: sam_edge.Segmenter | None,
) -> str:
    """Look for every object after a change; return the cells of a row."""
    same, other, first, returned, wrong, took_ms = [], [], [], [], [], []
    for number, item in enumerate(items, 1):
        view = describe_item(change(item), model)
        if view is None:
            continue
        begin = time.perf_counter()
        odds = memory.compare(view, FAR)
        took_ms.append(1e3 * (time.perf_counter() - begin))
        best = max(odds, key=lambda key: odds[key])
        same.append(odds[number])
        other.append([value for key, value in odds.items() if key != number])
        first.append(best == number)
        returned.append(best == number and odds[best] >= RETURN_ODDS)
        wrong.append(best != number and odds[best] >= RETURN_ODDS)
    higher = [np.mean(np.array(values) < own) for own, values in zip(same, other, strict=True)]
    shares = [float(np.mean(values)) for values in (higher, first)]
    given = [float(np.mean(values)) for values in (returned, wrong)]
    return f"{shares[0]:>8.3f}{shares[1]:>8.3f}{given[0]:>10.3f}{given[1]:>8.3f}{statistics.median(took_ms):>8.2f}"


def twins(data: Path, limit: int, model: sam_edge.Segmenter | None) -> None:
    """Visit two identical objects side by side in turn, in a picture that stands still or drifts."""
    views = [view for item in read_items(data, limit) if (view := describe_item(item, model)) is not None]
    for drift_px in (0.0, 2.0):
        right = [numbers_of_twins(view, drift_px) == [1, 2, 1, 2, 1, 2] for view in views]
        print(
            f"identical side by side, drift {drift_px:g} px a frame: {np.mean(right):.3f} of {len(right)} right"
        )


def numbers_of_twins(view: Appearance, drift_px: float) -> list[int]:
    """Return the number at the end of each of six visits to two objects that look the same."""
    recognizer, numbers, now_ns = ObjectRecognizer(), [], 0
    back = np.zeros((48, 64, 2), np.float32)
    back[..., 0] = -drift_px / 10
    offset = 0.0
    for visit in range(6):
        for _ in range(24):
            now_ns += NS // 24
            offset += drift_px
            recognizer.memory.places.move(back, (480, 640), 1 / 24)
            left = (60.0 if visit % 2 == 0 else 160.0) + offset
            box = (left, 100.0, left + 80, 180.0)
            wanted = recognizer.wants_view(visit, now_ns, box, looked_at=True)
            number = recognizer.see(Sighting(visit, now_ns, box, True, view if wanted else None))
        numbers.append(number)
    return numbers


def random_views(things: int, channels: int = 256) -> Iterator[Callable[[np.random.Generator], Appearance]]:
    """Make objects that look like nothing else, each with views that differ a little."""
    for thing in range(things):
        own = np.random.default_rng(thing)
        parts = [own.random(COLOURS) ** 8, own.random(COLOURS) ** 8, own.normal(0, 1, channels)]

        def look(rng: np.random.Generator, parts: Sequence[NDArray[np.float64]] = parts) -> Appearance:
            colour, surround = (part + 0.08 * rng.random(COLOURS) for part in parts[:2])
            texture = parts[2] + 0.4 * rng.normal(0, 1, channels)
            colour, surround = colour / np.linalg.norm(colour), surround / np.linalg.norm(surround)
            vectors = (colour, surround, texture, rng.uniform(80, 140, 3), colour, surround)
            return Appearance(*(vector.astype(np.float32) for vector in vectors))

        yield look


def visit_for_an_hour(things: int, minutes: float) -> None:
    """Visit objects in turn, two seconds each, and print resident memory and time a scene every ten minutes.

    The camera turns from one object to the next, in a world in which they stay where they are.
    """
    looks, rng = list(random_views(things)), np.random.default_rng(1)
    world = rng.uniform((0, 0), (8000, 4000), (things, 2))
    camera = np.zeros(2)
    recognizer = ObjectRecognizer()
    first_number: dict[int, int] = {}
    right = visits = scene = 0
    back = np.zeros((45, 80, 2), np.float32)
    print(f"{things} objects, a visit every 2 s, 10 scenes a second")
    print(f"{'minute':>8}{'known':>8}{'back':>8}{'MB':>8}{'ms a scene':>12}{'p99':>8}")
    took_ms: list[float] = []
    for visit in range(round(minutes * 30)):
        thing = int(rng.integers(things))
        spot = rng.uniform((0, 0), (700, 350))
        box = (float(spot[0]), float(spot[1]), float(spot[0] + 80), float(spot[1] + 80))
        before, camera = camera, world[thing] - spot
        back[:] = (camera - before) / (854 / 80, 480 / 45)
        for _ in range(20):
            scene += 1
            now_ns = scene * NS // 10
            begin = time.perf_counter()
            recognizer.memory.places.move(back, (480, 854), 0.1)
            back[:] = 0
            wanted = recognizer.wants_view(visit, now_ns, box, looked_at=True)
            took = time.perf_counter() - begin
            view = looks[thing](rng) if wanted else None
            begin = time.perf_counter()
            number = recognizer.see(Sighting(visit, now_ns, box, True, view))
            took_ms.append(1e3 * (took + time.perf_counter() - begin))
        recognizer.memory.take_events()
        if thing in first_number:
            visits += 1
            right += number == first_number[thing]
        first_number.setdefault(thing, number)
        if (visit + 1) % 300 == 0:
            memory_mb, known = resident_mb() or 0.0, len(recognizer.memory)
            times = f"{np.mean(took_ms):>12.3f}{np.percentile(took_ms, 99):>8.2f}"
            print(
                f"{(visit + 1) / 30:>8.0f}{known:>8}{right / max(1, visits):>8.3f}{memory_mb:>8.1f}{times}",
                flush=True,
            )
            took_ms = []


def cost(video: Path, gaze: Path, mode: str, frames: int) -> None:
    """Step two sessions through a video in turn, frame by frame: one with identity, one without."""
    samples = sam_edge.read_recording(gaze).samples
    took: dict[bool, list[float]] = {True: [], False: []}
    identify: list[float] = []
    with sam_edge.load() as model, open_video(video) as reader:
        sessions = {
            known: sam_edge.GazeSession(
                model, mode="live" if mode == "live" else "sequential", identity=known
            )
            for known in (True, False)
        }
        feeds = {known: GazeFeed(samples) for known in sessions}
        for index, frame in enumerate(reader):
            if index >= frames:
                break
            order = (True, False) if index % 2 else (False, True)
            for known in order:
                sessions[known].feed(feeds[known].until(frame.end_ns))
                begin = time.perf_counter()
                shown = sessions[known].step(frame.image, frame.time_ns)
                took[known].append(1e3 * (time.perf_counter() - begin))
                sessions[known].wait_idle()
                if known and "identify" in shown.timing_ms:
                    identify.append(shown.timing_ms["identify"])
        for session in sessions.values():
            session.close()
    means = {known: statistics.fmean(values) for known, values in took.items()}
    medians = {known: statistics.median(values) for known, values in took.items()}
    print(f"{mode}, {len(took[True])} frames of {video.name}")
    print(
        f"mean step: {means[True]:.2f} ms with, {means[False]:.2f} ms without: {means[True] / means[False] - 1:+.1%}"
    )
    print(f"median:    {medians[True]:.2f} ms with, {medians[False]:.2f} ms without")
    print(
        f"identify:  {sum(identify) / len(took[True]):.2f} ms a frame, {statistics.median(identify):.2f} ms a scene"
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of photographs: images/*.jpg and labels/*.txt")
    parser.add_argument("--limit", type=int, default=200, help="objects at most")
    parser.add_argument("--no-model", action="store_true", help="colours alone, without the encoder")
    parser.add_argument("--visits", action="store_true", help="an hour of visits")
    parser.add_argument("--things", type=int, default=400)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cost", action="store_true", help="a step with identity against one without")
    parser.add_argument("--mode", choices=("sequential", "live"), default="sequential")
    parser.add_argument("--video", type=Path)
    parser.add_argument("--gaze", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    args = parser.parse_args()
    if args.cost and (args.video is None or args.gaze is None):
        parser.error("--cost: give --video and --gaze")
    if args.data is None and not (args.cost or args.visits):
        parser.error(
            "--data: not given; give a folder of photographs with polygons, like COCO128, or --visits or --cost"
        )
    return args


def main() -> None:
    """Measure and print."""
    args = arguments()
    cv2.setNumThreads(1)
    if args.cost:
        cost(args.video, args.gaze, args.mode, args.frames)
    elif args.visits:
        visit_for_an_hour(args.things, args.minutes)
    else:
        model = None if args.no_model else sam_edge.load()
        look_up(args.data, args.limit, model)
        twins(args.data, min(args.limit, 40), model)


if __name__ == "__main__":
    run_script(main)
