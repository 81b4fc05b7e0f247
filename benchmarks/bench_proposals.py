"""Ranked proposals on labelled photographs: average recall at 10, 100 and 1000.

python benchmarks/bench_proposals.py --dataset coco128 --stride 4
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from endings import run_script
from numpy.typing import NDArray

import sam_edge
from sam_edge.everything.proposals import average_recall, propose_objects
from sam_edge.masks import mask_iou, polygons_to_mask
from sam_edge.media.environment import Environment
from sam_edge.media.images import read_image
from sam_edge.media.progress import ProgressBar

LIMITS = (10, 100, 1000)


@dataclass(frozen=True)
class Recalls:
    """How well proposals meet the things of some pictures."""

    average: dict[int, float]
    """AR at each of `LIMITS`: COCO's mean over the IoUs .5 to .95, with so many proposals a picture."""
    at_half: float
    """Share of the things that some proposal meets with an IoU above 0.5."""
    things: int
    """How many things there are."""
    proposals: float
    """Proposals a picture, mean."""
    wall_s: float
    """Seconds a picture, mean."""


def truth(labels: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read the things of one picture, (N, H, W): each line a class, then a polygon in 0..1 coordinates."""
    masks = []
    for line in labels.read_text(encoding="utf-8").splitlines() if labels.exists() else ():
        values = [float(word) for word in line.split()[1:]]
        if len(values) >= 6:
            polygon = np.array(values).reshape(-1, 2) * (size[1], size[0])
            masks.append(polygons_to_mask([polygon], size))
    return np.stack(masks) if masks else np.zeros((0, *size), np.bool_)


def recalls(model: sam_edge.Segmenter, pictures: Sequence[Path], labels: Path) -> Recalls:
    """Propose on every picture, and compare with the things that its file in `labels` names."""
    found: dict[int, list[float]] = {limit: [] for limit in LIMITS}
    at_half: list[bool] = []
    counts, spent_s = [], 0.0
    with ProgressBar(len(pictures), label="proposals", unit="pictures") as bar:
        for path in pictures:
            image = read_image(path)
            begun = time.perf_counter()
            proposals = propose_objects(model, image)
            spent_s += time.perf_counter() - begun
            counts.append(len(proposals))
            bar.advance()
            things = truth(labels / f"{path.stem}.txt", (image.shape[0], image.shape[1]))
            if not len(things):
                continue
            masks = [one.mask() for one in proposals]
            overlap = mask_iou(things, np.stack(masks)) if masks else np.zeros((len(things), 0))
            for limit in LIMITS:
                found[limit] += average_recall(overlap, limit).tolist()
            at_half += (overlap.max(axis=1, initial=0) > 0.5).tolist()
    return Recalls(
        average={limit: float(np.mean(found[limit])) for limit in LIMITS},
        at_half=float(np.mean(at_half)),
        things=len(at_half),
        proposals=float(np.mean(counts)),
        wall_s=spent_s / len(pictures),
    )


def main() -> None:
    """Propose on every picture, and print the recall."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", type=Path, required=True, help="folder with images/ and labels/")
    parser.add_argument("--stride", type=int, default=1, help="only every N-th picture")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    pictures = sorted((args.dataset / "images").glob("*.jpg"))[:: args.stride]
    with sam_edge.load(runtime=args.runtime, threads=args.threads) as model:
        made = recalls(model, pictures, args.dataset / "labels")
        runtime = model.runtime
        print(
            Environment.gather(
                engine=runtime.name, precision=runtime.precision, threads=runtime.threads, model="default"
            )
        )
    print(f"{len(pictures)} pictures, {made.things} things, {made.proposals:.0f} proposals a picture")
    for limit, average in made.average.items():
        print(f"AR@{limit}: {average:.3f}")
    print(f"recall at IoU > 0.5: {made.at_half:.3f}; {made.wall_s:.2f} s a picture")


if __name__ == "__main__":
    run_script(main)
