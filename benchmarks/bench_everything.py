"""Everything mode beside PyPI's `segment-anything` with the same weights: the same masks, recall, and how much faster.

    python benchmarks/bench_everything.py --dataset coco128 --checkpoint mobile_sam.pt --limit 10 --keep reference/

The reference takes minutes for a picture on a CPU: what it found, and the processor time it took, is kept in a folder.
`--grid 16 --parity-only` compares masks in a quarter of the time.
Speed is compared in processor seconds of the process, which neighbours on the machine change least; both sides use
`--threads`. The last lines are one table: what was asked for, and what was measured.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from endings import end_without, run_script

try:
    import numpy as np
    import torch
    from bench_masks import discs
    from bench_proposals import LIMITS, recalls, truth
    from numpy.typing import NDArray
    from reference_masks import reference_generator

    import sam_edge
    from sam_edge.everything import FAST, STANDARD, MaskGeneratorConfig, generate_masks
    from sam_edge.masks import Rle, mask_iou
    from sam_edge.media.environment import Environment
    from sam_edge.media.images import read_image
except ImportError as error:
    end_without(error)

EXACT = MaskGeneratorConfig(exact=True)
"""As the reference does it: its own settings are the defaults."""
SAME_IOU = 0.99
"""Masks of this IoU count as the same."""
NO_CROPS = replace(STANDARD, crop_layers=0)
"""The standard settings on the picture alone."""
RLE_ROUNDS = 60
"""How often a mask of 1920x1080 is encoded."""


@dataclass(frozen=True)
class Run:
    """What one of our settings did on the pictures."""

    cpu_s: float
    """Processor seconds a picture, mean."""
    wall_s: float
    """Seconds on the clock a picture, mean."""
    recall: float
    """Share of the labelled things that a mask meets with an IoU above 0.5."""
    masks: float
    """Masks a picture, mean."""


@dataclass(frozen=True)
class Agreement:
    """How far exact mode gives the reference's masks."""

    counts: tuple[int, int]
    """How many masks the reference found on all pictures, and we."""
    met: NDArray[np.float64]
    """Of each of the reference's masks the IoU with the best of ours."""
    back: NDArray[np.float64]
    """Of each of ours the IoU with the best of the reference's."""

    @property
    def told(self) -> str:
        """One line."""
        shares = ", ".join(f"{np.mean(one >= SAME_IOU):.4f}" for one in (self.met, self.back))
        return (
            f"{self.counts[0]} and {self.counts[1]} masks; IoU of {SAME_IOU} or more: {shares} of them; "
            f"median {np.median(self.met):.4f}"
        )


def main() -> None:
    """Compare, and print."""
    args = arguments()
    torch.set_num_threads(args.threads)
    everyone = sorted((args.dataset / "images").glob("*.jpg"))
    pictures = everyone[:: max(1, len(everyone) // args.limit)][: args.limit]
    if args.kept_only:
        kept = [path for path in everyone if (kept_file(path, args)).exists()]
        pictures = kept[: args.limit]
    references = [reference_of(path, args) for path in pictures]
    reference_s = float(np.mean([one["cpu_s"] for one in references]))
    reached = recall(pictures, [masks_of(one["masks"]) for one in references], args)
    print(f"{len(pictures)} pictures; reference: {reference_s:.1f} s a picture, recall {reached:.3f}")
    rows = []
    if not args.no_parity:
        with sam_edge.load(args.checkpoint, runtime="torch", threads=args.threads) as model:
            same = agreement(pictures, references, model, replace(EXACT, points_per_side=args.grid))
        rows.append(("the reference's masks, fp32 torch, exact", f"IoU {SAME_IOU}", same.told))
    if args.parity_only:
        print_table(rows)
        return
    with sam_edge.load(threads=args.threads) as model:
        runtime = model.runtime
        print(
            Environment.gather(
                engine=runtime.name, precision=runtime.precision, threads=runtime.threads, model="default"
            )
        )
        runs = {
            name: ours(name, settings, model, pictures, args)
            for name, settings in (
                ("the reference's filters", MaskGeneratorConfig()),
                ("standard", STANDARD),
                ("the same without crops", NO_CROPS),
                ("16 points a side", replace(NO_CROPS, points_per_side=16, skip_covered_iou=0.8)),
                ("fast", FAST),
            )
        }
        proposed = recalls(model, everyone[:: args.proposals_every], args.dataset / "labels")
    standard, fast = runs["standard"], runs["fast"]
    rows += [
        (
            "times faster than the reference at its recall",
            f"10, recall {reached:.3f}",
            f"{reference_s / standard.cpu_s:.0f}, recall {standard.recall:.3f}",
        ),
        ("the fast preset, a frame", "under 1 s", f"{fast.wall_s:.2f} s, recall {fast.recall:.3f}"),
        ("run lengths of a mask of 1920x1080", "under 2 ms", f"{rle_ms():.2f} ms, median"),
        (
            f"AR@{'/'.join(map(str, LIMITS))}, {proposed.things} things",
            "printed",
            " / ".join(f"{proposed.average[limit]:.3f}" for limit in LIMITS),
        ),
    ]
    print_table(rows)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", type=Path, required=True, help="folder with images/ and labels/")
    parser.add_argument("--checkpoint", type=Path, required=True, help="mobile_sam.pt")
    parser.add_argument("--keep", type=Path, required=True, help="folder for what the reference found")
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument(
        "--kept-only", action="store_true", help="only pictures that the reference was run on before"
    )
    parser.add_argument(
        "--grid",
        type=int,
        default=32,
        metavar="N",
        help="points along a side, of the reference and in exact mode",
    )
    parser.add_argument("--parity-only", action="store_true", help="compare masks, and nothing else")
    parser.add_argument("--no-parity", action="store_true", help="leave out fp32 torch in exact mode")
    parser.add_argument("--proposals-every", type=int, default=4, help="proposals on every N-th picture")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def print_table(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print what was asked for and what was measured."""
    table = [("figure", "asked", "measured"), ("---", "---", "---"), *rows]
    for row in table:
        print(f"| {' | '.join(row)} |")


def rle_ms() -> float:
    """Return the median time of encoding a mask of 1920x1080 with forty discs."""
    mask = discs(40, 150)
    spent = []
    for _ in range(RLE_ROUNDS):
        begun = time.perf_counter()
        made = Rle.from_mask(mask)
        spent.append(time.perf_counter() - begun)
    if not np.array_equal(made.mask(), mask):
        raise SystemExit("the mask does not come back from its run lengths")
    return 1e3 * float(np.median(spent))


def kept_file(path: Path, args: argparse.Namespace) -> Path:
    """Return where is kept what the reference found in a picture."""
    keep: Path = args.keep
    return keep / f"{path.stem}_{args.grid}.json"


def reference_of(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Return what the reference found in a picture: kept from before, or found now."""
    kept = kept_file(path, args)
    if not kept.exists():
        generator = reference_generator(args.checkpoint, output_mode="coco_rle", points_per_side=args.grid)
        begun = time.process_time()
        masks = generator.generate(read_image(path))
        spent_s = time.process_time() - begun
        args.keep.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"cpu_s": spent_s, "masks": masks}), encoding="utf-8")
        print(f"{path.stem}: {len(masks)} masks, {spent_s:.0f} s", flush=True)
    content: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return content


def masks_of(records: list[dict[str, Any]]) -> list[NDArray[np.bool_]]:
    """Decode the reference's masks."""
    return [Rle.from_json(record["segmentation"]).mask() for record in records]


def recall(pictures: list[Path], masks: list[list[NDArray[np.bool_]]], args: argparse.Namespace) -> float:
    """Return the share of labelled things that one of the masks meets with an IoU above 0.5."""
    hits: list[bool] = []
    for path, made in zip(pictures, masks, strict=True):
        size = read_image(path).shape[:2]
        things = truth(args.dataset / "labels" / f"{path.stem}.txt", size)
        if len(things):
            best = mask_iou(things, np.stack(made)).max(axis=1) if made else np.zeros(len(things))
            hits += (best > 0.5).tolist()
    return float(np.mean(hits))


def agreement(
    pictures: list[Path],
    references: list[dict[str, Any]],
    model: sam_edge.Segmenter,
    settings: MaskGeneratorConfig,
) -> Agreement:
    """Find everything as the reference does, in fp32 torch, and compare."""
    met: list[float] = []
    back: list[float] = []
    for path, reference in zip(pictures, references, strict=True):
        found = generate_masks(model, read_image(path), config=settings)
        overlap = mask_iou(np.stack(masks_of(reference["masks"])), np.stack([one.mask() for one in found]))
        met += overlap.max(axis=1).tolist()
        back += overlap.max(axis=0).tolist()
        print(
            f"{path.stem}: {overlap.shape[0]} of the reference, {overlap.shape[1]} of ours; least IoU "
            f"{overlap.max(axis=1).min():.4f}, {overlap.max(axis=0).min():.4f}",
            flush=True,
        )
    return Agreement((len(met), len(back)), np.array(met), np.array(back))


def ours(
    name: str,
    settings: MaskGeneratorConfig,
    model: sam_edge.Segmenter,
    pictures: list[Path],
    args: argparse.Namespace,
) -> Run:
    """Measure recall and speed of one of our settings."""
    masks: list[list[NDArray[np.bool_]]] = []
    # Models are compiled for each size when it first comes.
    for path in pictures:
        generate_masks(
            model, read_image(path), config=replace(settings, points_per_side=2, skip_covered_iou=None)
        )
    cpu_s = wall_s = 0.0
    for path in pictures:
        image = read_image(path)
        cpu, wall = time.process_time(), time.perf_counter()
        found = generate_masks(model, image, config=settings)
        cpu_s, wall_s = cpu_s + time.process_time() - cpu, wall_s + time.perf_counter() - wall
        masks.append([one.mask() for one in found])
    made = Run(
        cpu_s=cpu_s / len(pictures),
        wall_s=wall_s / len(pictures),
        recall=recall(pictures, masks, args),
        masks=float(np.mean([len(one) for one in masks])),
    )
    print(
        f"{name}: {made.cpu_s:.2f} s of the processor, {made.wall_s:.2f} s a picture, recall {made.recall:.3f}, "
        f"{made.masks:.0f} masks",
        flush=True,
    )
    return made


if __name__ == "__main__":
    run_script(main)
