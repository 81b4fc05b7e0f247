"""The demo's masks, made by the model that ships, are held to the outlines that were drawn by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import sam_edge

pytestmark = pytest.mark.slow


def test_every_outlined_frame_of_the_demo_is_right(
    repo_dir: Path, load_script: Callable[[Path], ModuleType]
) -> None:
    """IoU of at least 0.8 with what the gaze means, and nothing filled before the first landing on an object."""
    outlines_of = load_script(repo_dir / "benchmarks" / "demo_outlines.py")
    bench = load_script(repo_dir / "benchmarks" / "bench_demo.py")
    outlines = outlines_of.read_outlines()
    demo = Path(sam_edge.__file__).parent / "assets" / "demo"
    result = sam_edge.track(demo / "clip.mp4", demo / "gaze.csv")
    compared = [bench.compare(outlined, result[outlined.index]) for outlined in outlines]
    wrong = {frame.index: frame.iou for frame in compared if not frame.right}
    assert not wrong
    assert bench.filled_before_landing(result, outlines) == []
    # Each thing has one number, and no two have the same.
    numbers: dict[str, set[int | None]] = {}
    for frame in compared:
        if frame.meant:
            numbers.setdefault(frame.meant, set()).add(result[frame.index].selection.object_id)
    assert all(len(found) == 1 for found in numbers.values()), numbers
    assert len(set.union(*numbers.values())) == len(numbers), numbers
