"""Which mask is meant, on photographs with the fixations of 15 people: OSIE.

OSIE is described in Xu et al., "Predicting human gaze beyond pixels", 2014.

    python benchmarks/bench_osie.py --data DATA [--limit N] [--chooser MODULE:FUNCTION] [--json OUT.json]

DATA is a folder with stimuli/N.jpg, instances/N.png (0 is none) and fixations/N.csv (subject, index, x_px, y_px,
duration_ms). Each viewer's first one and first three fixations on each instance of at least 600 pixels, in order, are
the prompts on one 672x448 embedding of the picture; a viewer with fewer than three gives no prompt of three. A hit: the
chosen mask has IoU > 0.5 with that instance. Beside it, what the best of SAM's masks would have reached.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from endings import run_script
from numpy.typing import NDArray

import sam_edge
from sam_edge.masks import iou
from sam_edge.media.environment import cpu_name
from sam_edge.media.images import read_image

SIZE = (448, 672)
LEAST_PX = 600
COUNTS = (1, 3)
RIGHT = 0.5

Points = list[tuple[float, float]]
Chooser = Callable[[sam_edge.Segmenter, sam_edge.Embedding, Points], NDArray[np.bool_]]


def choose(model: sam_edge.Segmenter, embedding: sam_edge.Embedding, points: Points) -> NDArray[np.bool_]:
    """Return the mask (H, W) that is meant by fixations at `points`, frame pixels: the project's own choice."""
    return np.asarray(model.decode(embedding, points=points).masks[0])


@dataclass(frozen=True)
class Prompted:
    """One viewer's fixations on one instance."""

    picture: str
    truth: NDArray[np.bool_]
    points: Points


def prompted(folder: Path, name: str) -> Iterator[Prompted]:
    """Give every viewer's fixations on every instance of a picture, in order."""
    path = folder / "instances" / f"{name}.png"
    instances = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if instances is None:
        raise SystemExit(f"{path} cannot be read")
    found: dict[tuple[int, int], Points] = defaultdict(list)
    with (folder / "fixations" / f"{name}.csv").open(newline="") as handle:
        rows = sorted(csv.DictReader(handle), key=lambda row: (int(row["subject"]), int(row["index"])))
    for row in rows:
        x_px, y_px = float(row["x_px"]), float(row["y_px"])
        if 0 <= x_px < instances.shape[1] and 0 <= y_px < instances.shape[0]:
            found[int(row["subject"]), int(instances[int(y_px), int(x_px)])].append((x_px, y_px))
    areas = np.bincount(instances.ravel())
    for (_, instance), points in sorted(found.items()):
        if instance > 0 and areas[instance] >= LEAST_PX:
            yield Prompted(name, np.asarray(instances == instance), points)


def chooser_of(text: str | None) -> Chooser:
    """Return the function that MODULE:FUNCTION names."""
    if text is None:
        return choose
    module, _, function = text.partition(":")
    chosen: Chooser = getattr(importlib.import_module(module), function)
    return chosen


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of OSIE")
    parser.add_argument("--limit", type=int, help="at most so many")
    parser.add_argument("--chooser", metavar="MODULE:FUNCTION", help="(model, embedding, points) -> mask")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    args = parser.parse_args()
    chooser = chooser_of(args.chooser)
    names = sorted(path.stem for path in (args.data / "instances").glob("*.png"))[: args.limit]
    if not names:
        raise SystemExit(f"--data: {args.data} holds no instances/*.png; give the folder of OSIE")
    chosen: dict[int, list[float]] = {count: [] for count in COUNTS}
    best: dict[int, list[float]] = {count: [] for count in COUNTS}
    with sam_edge.load(runtime=args.runtime, threads=args.threads) as model:
        engine = f"{model.runtime.name} {model.runtime.precision}, {model.runtime.threads} threads"
        for name in names:
            image = read_image(args.data / "stimuli" / f"{name}.jpg")
            embedding = model.encode(image, size=SIZE)
            for one in prompted(args.data, name):
                for count in COUNTS:
                    if len(one.points) < count:
                        continue
                    points = one.points[:count]
                    masks = model.decode(embedding, points=points).masks
                    chosen[count].append(iou(chooser(model, embedding, points), one.truth))
                    best[count].append(max(iou(mask, one.truth) for mask in masks))
    print(f"{cpu_name()}, {engine}, Python {platform.python_version()}, sam-edge {sam_edge.__version__}")
    print(f"{len(names)} pictures, chooser {args.chooser or 'decode'}")
    print(f"{'fixations':<12}{'prompts':>9}{'hits':>9}{'mean IoU':>10}{'best of SAM: hits':>20}")
    content = []
    for count in COUNTS:
        if not chosen[count]:
            continue
        got, could = np.array(chosen[count]), np.array(best[count])
        hits, possible = float(np.mean(got > RIGHT)), float(np.mean(could > RIGHT))
        print(f"{count:<12}{len(got):>9}{hits:>9.3f}{got.mean():>10.3f}{possible:>20.3f}")
        content.append(
            {
                "fixations": count,
                "prompts": len(got),
                "hits": hits,
                "mean_iou": got.mean(),
                "best_hits": possible,
            }
        )
    if args.json:
        args.json.write_text(
            json.dumps({"engine": engine, "cpu": cpu_name(), "figures": content}, indent=1) + "\n"
        )


if __name__ == "__main__":
    run_script(main)
