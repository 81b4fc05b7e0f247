"""Many recordings smoothed at once are what the library computes for each one."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sam_edge.gaze.events.blocks import Blocks
from sam_edge.gaze.events.smoothing import smooth


@pytest.fixture(scope="module")
def script(repo_dir: Path, load_script: Callable[[Path], types.ModuleType]) -> types.ModuleType:
    """The module of the benchmarks."""
    return load_script(repo_dir / "benchmarks" / "batched_smoothing.py")


def test_together_as_one_by_one(script: types.ModuleType) -> None:
    rng = np.random.default_rng(0)
    recordings = [
        Blocks(
            rng.normal(size=(size, 6)),
            np.cumsum(rng.random(size) < 0.3),
            np.cumsum(rng.random(size)),
            np.zeros(0, np.int64),
        )
        for size in (3, 50, 1, 17, 50)
    ]
    log_odds = [rng.normal(0, 3, len(blocks.features)) for blocks in recordings]
    probability, evidence = script.Batch(recordings).smooth(np.concatenate(log_odds))
    expected = [smooth(blocks, own) for blocks, own in zip(recordings, log_odds, strict=True)]
    np.testing.assert_allclose(probability, np.concatenate([one for one, _ in expected]), atol=1e-12)
    np.testing.assert_allclose(evidence, [one for _, one in expected], rtol=1e-12)
