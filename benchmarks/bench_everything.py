"""Everything mode beside PyPI's `segment-anything` with the same weights: the same masks, recall, and how much faster.

    python benchmarks/bench_everything.py --labelled coco128 --checkpoint mobile_sam.pt --pictures 10 --keep reference/

The reference takes minutes for a picture on a CPU: what it found, and the processor time it took, is kept in a folder.
Times are processor seconds of the process, which neighbours on the machine change least; both sides use `--threads`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_proposals import truth
from numpy.typing import NDArray
from reference_masks import reference_generator

import sam_edge
from sam_edge.everything import FAST, FoundMask, Settings, find_everything
from sam_edge.masks import Rle, mask_iou
from sam_edge.media.environment import Environment
from sam_edge.media.images import read_image

SAME = Settings(skip_found=None, size=(1024, 1024), points_per_batch=64)
"""The reference's own settings: its grid, filters and input."""
EQUAL_RECALL = Settings(points_per_side=32, predicted_iou=0.8, stability=0.9)
"""What is compared at equal recall."""


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--labelled", type=Path, required=True, help="folder with images/ and labels/")
    parser.add_argument("--checkpoint", type=Path, required=True, help="mobile_sam.pt")
    parser.add_argument("--keep", type=Path, required=True, help="folder for what the reference found")
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument(
        "--kept-only", action="store_true", help="only pictures that the reference was run on before"
    )
    parser.add_argument("--no-parity", action="store_true", help="leave out fp32 torch at the same settings")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    everyone = sorted((given.labelled / "images").glob("*.jpg"))
    pictures = everyone[:: max(1, len(everyone) // given.pictures)][: given.pictures]
    if given.kept_only:
        pictures = [path for path in everyone if (given.keep / f"{path.stem}.json").exists()][
            : given.pictures
        ]
    references = [reference_of(path, given) for path in pictures]
    print(
        f"{len(pictures)} pictures; reference: {np.mean([one['cpu_s'] for one in references]):.1f} s a picture"
    )
    print(
        f"recall of the reference: {recall(pictures, [masks_of(one['masks']) for one in references], given):.3f}"
    )
    if not given.no_parity:
        with sam_edge.load(given.checkpoint, runtime="torch", threads=given.threads) as model:
            agreement(pictures, references, model)
    with sam_edge.load(threads=given.threads) as model:
        runtime = model.runtime
        print(
            Environment.gather(
                engine=runtime.name, precision=runtime.precision, threads=runtime.threads, model="default"
            )
        )
        for name, settings in (
            ("the reference's filters", Settings()),
            ("equal recall", EQUAL_RECALL),
            ("16 points a side", replace(EQUAL_RECALL, points_per_side=16, stability=0.85, skip_found=0.8)),
            ("fast", FAST),
        ):
            ours(name, settings, model, pictures, references, given)


def reference_of(path: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return what the reference found in a picture: kept from before, or found now."""
    kept = given.keep / f"{path.stem}.json"
    if not kept.exists():
        generator = reference_generator(given.checkpoint, output_mode="coco_rle")
        begun = time.process_time()
        masks = generator.generate(read_image(path))
        spent_s = time.process_time() - begun
        given.keep.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"cpu_s": spent_s, "masks": masks}), encoding="utf-8")
        print(f"{path.stem}: {len(masks)} masks, {spent_s:.0f} s", flush=True)
    content: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return content


def masks_of(records: list[dict[str, Any]]) -> list[NDArray[np.bool_]]:
    """Decode the reference's masks."""
    return [Rle.from_json(record["segmentation"]).mask() for record in records]


def recall(pictures: list[Path], masks: list[list[NDArray[np.bool_]]], given: argparse.Namespace) -> float:
    """Return the share of labelled things that one of the masks meets with an IoU above 0.5."""
    hits: list[bool] = []
    for path, made in zip(pictures, masks, strict=True):
        size = read_image(path).shape[:2]
        things = truth(given.labelled / "labels" / f"{path.stem}.txt", size)
        if len(things):
            best = mask_iou(things, np.stack(made)).max(axis=1) if made else np.zeros(len(things))
            hits += (best > 0.5).tolist()
    return float(np.mean(hits))


def agreement(pictures: list[Path], references: list[dict[str, Any]], model: sam_edge.Segmenter) -> None:
    """Say how far the masks are the reference's, in fp32 torch at its settings."""
    met: list[float] = []
    back: list[float] = []
    for path, reference in zip(pictures, references, strict=True):
        found = find_everything(model, read_image(path), settings=SAME)
        overlap = mask_iou(np.stack(masks_of(reference["masks"])), np.stack([one.mask() for one in found]))
        met += overlap.max(axis=1).tolist()
        back += overlap.max(axis=0).tolist()
        print(f"{path.stem}: {overlap.shape[0]} reference, {overlap.shape[1]} ours", flush=True)
    for name, values in (
        ("the reference's masks are met", np.array(met)),
        ("ours are the reference's", np.array(back)),
    ):
        shares = ", ".join(f"{np.mean(values > bound):.3f} above {bound}" for bound in (0.5, 0.9, 0.95))
        print(f"{name}: median IoU {np.median(values):.4f}; {shares}")


def ours(
    name: str,
    settings: Settings,
    model: sam_edge.Segmenter,
    pictures: list[Path],
    references: list[dict[str, Any]],
    given: argparse.Namespace,
) -> None:
    """Print recall and speed of one of our settings."""
    found: list[list[FoundMask]] = []
    spent_s = 0.0
    # Models are compiled for each size when it first comes.
    for path in pictures:
        find_everything(
            model, read_image(path), settings=replace(settings, points_per_side=2, skip_found=None)
        )
    for path in pictures:
        image = read_image(path)
        begun = time.process_time()
        found.append(find_everything(model, image, settings=settings))
        spent_s += time.process_time() - begun
    reached = recall(pictures, [[one.mask() for one in made] for made in found], given)
    ratio = sum(one["cpu_s"] for one in references) / spent_s
    count = np.mean([len(made) for made in found])
    print(
        f"{name}: {spent_s / len(pictures):.2f} s a picture, {ratio:.0f}x faster, recall {reached:.3f}, "
        f"{count:.0f} masks",
        flush=True,
    )


if __name__ == "__main__":
    main()
