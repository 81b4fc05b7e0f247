"""The command's work: caches of scenes, training, and the weights on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from sam_edge.errors import InputError
from sam_edge.nn import load_mobile_sam
from sam_edge.nn.follower import Follower
from sam_edge.nn.follower_weights import load_follower, save_follower
from sam_edge.segmenter import load
from sam_edge.training.feature_cache import FeatureCache, FeatureExtractor
from sam_edge.training.follower_data import build_cache
from sam_edge.training.follower_loop import Score, TrainingConfig, train
from sam_edge.training.key_init import initialise_keys
from sam_edge.training.outline_refinement import read_outlines, refine_outlines, write_outlines
from sam_edge.training.photographs import ObjectOutline, find_outlines

VALIDATION_SCENES = 72
"""Scenes of held-out photographs."""
OUTLINES = "outlines.json"
"""A file with the refined outlines."""
DONE = "done"
"""A file that says that a cache is complete."""


@dataclass(frozen=True, slots=True)
class FollowerJob:
    """What to train on, and for how long."""

    data: tuple[Path, ...]
    """Folders with `images/` and `labels/`."""
    checkpoint: Path
    """The official MobileSAM checkpoint."""
    out: Path
    """Folder for caches, weights and log."""
    scenes: int = 1200
    """Scenes to train on."""
    steps: int = 1500
    """Batches."""
    threads: int = 2
    """CPU threads."""
    seed: int = 0
    """Of the scenes and of the training."""
    learning_rate: float = TrainingConfig().learning_rate
    """At its highest."""
    init: Path | None = None
    """Weights to go on from; None for random ones."""

    def scenes_to_make(self) -> int:
        """Return the number of scenes that are not in the caches yet."""
        return sum(count for name, count in self.parts() if not (self.out / name / DONE).is_file())

    def parts(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Return the caches, by name, and how many scenes each holds."""
        return ("train", self.scenes), ("validation", VALIDATION_SCENES)


def make_caches(job: FollowerJob, *, advance: Callable[[], None] = lambda: None) -> None:
    """Make the scenes that are not in the caches yet; `advance` is called after each.

    Raises:
        InputError: the data are not there, or a cache holds another number of scenes.
    """
    set_threads(job.threads)
    for name, count in job.parts():
        open_cache(job, name, count, advance)


def train_follower(job: FollowerJob, *, report: Callable[[str], None]) -> Path:
    """Train, and write `follower.safetensors` and `log.jsonl`; scenes that are missing are made first.

    Args:
        job: what to do.
        report: receives a line at every validation.

    Returns:
        The file of the weights: the average that scored best on held-out photographs.

    Raises:
        InputError: the data or the weights to go on from are not there.
    """
    set_threads(job.threads)
    torch.manual_seed(job.seed)
    training, validation = (open_cache(job, name, count, lambda: None) for name, count in job.parts())
    model = load_follower(job.init) if job.init else Follower()
    if job.init is None:
        initialise_keys(model, training, torch.Generator().manual_seed(job.seed))
    path, log = job.out / "follower.safetensors", job.out / "log.jsonl"
    log.unlink(missing_ok=True)
    best = -1.0

    def note(step: int, loss: float, score: Score, average: Follower) -> None:
        nonlocal best
        line = {
            "step": step,
            "loss": round(loss, 4),
            "iou": round(score.network, 4),
            "last": round(score.last, 4),
        }
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "motion": round(score.motion, 4)}) + "\n")
        report(
            f"{step:>6}  loss {loss:.4f}  IoU {score.network:.4f}  last frame {score.last:.4f}"
            f"  motion {score.motion:.4f}"
        )
        if score.network > best:
            best = score.network
            save_follower(path, average, {"seed": str(job.seed), "step": str(step), "iou": f"{best:.4f}"})

    config = TrainingConfig(steps=job.steps, learning_rate=job.learning_rate)
    train(model, training, validation, config, seed=job.seed, report=note)
    return path


def set_threads(threads: int) -> None:
    """Let torch and OpenCV use this number of threads."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def open_cache(job: FollowerJob, name: str, count: int, advance: Callable[[], None]) -> FeatureCache:
    """Open a cache, and make it first when it is not complete.

    Raises:
        InputError: the cache that is there holds another number of scenes.
    """
    folder = job.out / name
    if (folder / DONE).is_file():
        cache = FeatureCache(folder)
        if cache.shape[0] != count:
            raise InputError(
                f"--out: {folder} holds {cache.shape[0]} scenes, not {count}; remove it, or give its number"
            )
        return cache
    held_out = name == "validation"
    outlines = [outline for outline in refined_outlines(job) if outline.held_out == held_out]
    extract = FeatureExtractor(load_mobile_sam(job.checkpoint))
    cache = build_cache(folder, outlines, count, (job.seed, int(held_out)), extract, advance=advance)
    (folder / DONE).touch()
    return cache


def refined_outlines(job: FollowerJob) -> list[ObjectOutline]:
    """Find the outlined objects, and let the model that ships in the package refine them, once."""
    path = job.out / OUTLINES
    if not path.is_file():
        with load(threads=job.threads) as model:
            write_outlines(path, refine_outlines(find_outlines(job.data), model))
    return list(read_outlines(path))
