"""Ranked proposals on labelled photographs: average recall at 10, 100 and 1000.

python benchmarks/bench_proposals.py --labelled coco128 --every 4
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import sam_edge
from sam_edge.everything.proposals import average_recall, propose
from sam_edge.masks import mask_iou, mask_of_polygons
from sam_edge.media.environment import Environment
from sam_edge.media.images import read_image
from sam_edge.media.progress import Progress

LIMITS = (10, 100, 1000)


def truth(labels: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read the things of one picture, (N, H, W): each line a class, then a polygon in 0..1 coordinates."""
    masks = []
    for line in labels.read_text(encoding="utf-8").splitlines() if labels.exists() else ():
        values = [float(word) for word in line.split()[1:]]
        if len(values) >= 6:
            polygon = np.array(values).reshape(-1, 2) * (size[1], size[0])
            masks.append(mask_of_polygons([polygon], size))
    return np.stack(masks) if masks else np.zeros((0, *size), np.bool_)


def main() -> None:
    """Propose on every picture, and print the recall."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--labelled", type=Path, required=True, help="folder with images/ and labels/")
    parser.add_argument("--every", type=int, default=1, help="only every N-th picture")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    pictures = sorted((given.labelled / "images").glob("*.jpg"))[:: given.every]
    recalls: dict[int, list[float]] = {limit: [] for limit in LIMITS}
    found_at_half: list[bool] = []
    counts, spent_s = [], 0.0
    with (
        sam_edge.load(runtime=given.runtime, threads=given.threads) as model,
        Progress(len(pictures), label="proposals", unit="pictures") as bar,
    ):
        for path in pictures:
            image = read_image(path)
            begun = time.perf_counter()
            proposals = propose(model, image)
            spent_s += time.perf_counter() - begun
            counts.append(len(proposals))
            things = truth(given.labelled / "labels" / f"{path.stem}.txt", image.shape[:2])
            bar.advance()
            if not len(things):
                continue
            masks = [one.mask() for one in proposals]
            overlap = mask_iou(things, np.stack(masks)) if masks else np.zeros((len(things), 0))
            for limit in LIMITS:
                recalls[limit] += average_recall(overlap, limit).tolist()
            found_at_half += (overlap.max(axis=1, initial=0) > 0.5).tolist()
        print(
            Environment.gather(
                engine=model.runtime.name,
                precision=model.runtime.precision,
                threads=model.runtime.threads,
                model="default",
            )
        )
    print(f"{len(pictures)} pictures, {len(found_at_half)} things, {np.mean(counts):.0f} proposals a picture")
    for limit in LIMITS:
        print(f"AR@{limit}: {np.mean(recalls[limit]):.3f}")
    print(f"recall at IoU > 0.5: {np.mean(found_at_half):.3f}; {spent_s / len(pictures):.2f} s a picture")


if __name__ == "__main__":
    main()
