"""The calls that `sam-edge profile` times, timed by pytest-benchmark: what `bench_profile.py` compares it with.

    pytest benchmarks/outside_timing.py --benchmark-json OUT.json

Which engines and sizes is said in `SAM_EDGE_OUTSIDE`, as JSON; every model has the process almost for itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

import sam_edge
from sam_edge.profile.workbench import measured_frame, measured_points

CASES = json.loads(os.environ.get("SAM_EDGE_OUTSIDE", '[["onnxruntime", null, 2, [448, 672]]]'))
"""Engine, precision, threads and size (height, width) of each."""
CALLS, WARM = 15, 3


@pytest.fixture(scope="module", params=CASES, ids=str)
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[sam_edge.Segmenter, tuple[int, int]]]:
    """Open a model; only one is open at a time."""
    runtime, precision, threads, size = request.param
    with sam_edge.load(runtime=runtime, precision=precision, threads=threads) as model:
        yield model, (size[0], size[1])


def test_encode(opened: tuple[sam_edge.Segmenter, tuple[int, int]], benchmark: Any) -> None:
    """Encode a frame."""
    (model, size), frame = opened, measured_frame()
    benchmark.extra_info["prompts"] = 0
    embedding = benchmark.pedantic(lambda: model.encode(frame, size=size), rounds=CALLS, warmup_rounds=WARM)
    assert embedding.data.shape == (1, 256, size[0] // 16, size[1] // 16)


@pytest.mark.parametrize("prompts", [1, 16])
def test_decode(opened: tuple[sam_edge.Segmenter, tuple[int, int]], benchmark: Any, prompts: int) -> None:
    """Decode prompts on an embedding."""
    (model, size), frame, points = opened, measured_frame(), measured_points(prompts)
    embedding = model.encode(frame, size=size)
    benchmark.extra_info["prompts"] = prompts
    masks = benchmark.pedantic(
        lambda: model.decode(embedding, points=points), rounds=CALLS, warmup_rounds=WARM
    )
    assert masks.masks.shape == (prompts, 4, *frame.shape[:2])
