"""The follower's training set: scenes, cropped and kept with their features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sam_edge.training.crops import CropSequence, crop_clip
from sam_edge.training.feature_cache import Extractor, FeatureCache
from sam_edge.training.photographs import ObjectOutline
from sam_edge.training.scenes import SceneConfig, make_scene


def make_sequence(
    outlines: Sequence[ObjectOutline], seed: Sequence[int], config: SceneConfig
) -> CropSequence:
    """Make a sequence from a seed; scenes whose object is hardly to be seen are made anew."""
    rng = np.random.default_rng(seed)
    while True:
        sequence = crop_clip(make_scene(outlines, rng, config), rng)
        if sequence is not None:
            return sequence


def build_cache(
    folder: Path,
    outlines: Sequence[ObjectOutline],
    count: int,
    seed: Sequence[int],
    extract: Extractor,
    *,
    config: SceneConfig | None = None,
    advance: Callable[[], None] = lambda: None,
) -> FeatureCache:
    """Make `count` sequences and store them; `advance` is called after each."""
    config = config or SceneConfig()
    cache = FeatureCache(folder, mode="w+", shape=(count, config.frames))
    for index in range(count):
        cache.write(index, make_sequence(outlines, [*seed, index], config), extract)
        advance()
    return cache
