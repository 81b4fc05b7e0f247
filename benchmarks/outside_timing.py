"""Times the calls of `sam-edge profile` with pytest-benchmark, for the comparison in `bench_profile.py`.

    pytest benchmarks/outside_timing.py --benchmark-json OUT.json

Alone it times encoding a frame and decoding 1 and 16 prompts. `OutsideTimer` runs it in a process that waits for a
request before each block, so that blocks of both can alternate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sam_edge
from sam_edge.profile.measure.engine_bench import make_benchmark_frame, make_benchmark_points
from sam_edge.profile.plan import EngineConfig

VARIABLE = "SAM_EDGE_OUTSIDE"
"""Environment variable with JSON: the model to open, and the pipes of requests and answers."""
SETTINGS = json.loads(os.environ.get(VARIABLE, "{}"))
SIZE = tuple(SETTINGS.get("size", (448, 672)))
CALLS = {1: (9, 5)}
"""Timed and warm-up calls by number of prompts: about as many as in a block of the profile, because a short burst after
a pause may be faster than continuous load."""
DEFAULT_CALLS = (3, 2)


class OutsideTimer:
    """A process in which pytest-benchmark times one engine, one block per request."""

    def __init__(self, engine: EngineConfig, size: tuple[int, int], max_requests: int) -> None:
        """Start the process, which ends after `max_requests` at the latest."""
        self._folder = tempfile.TemporaryDirectory()
        self._out = Path(self._folder.name) / "outside.json"
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        settings = {
            "open": {"runtime": engine.runtime, "precision": engine.precision, "threads": engine.threads},
            "size": size,
            "max_requests": max_requests,
            "requests": requests,
            "answers": answers,
        }
        options = ["-q", "-p", "no:cacheprovider", f"--benchmark-json={self._out}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", __file__, *options],
            env={**os.environ, VARIABLE: json.dumps(settings)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(requests, answers),
        )
        os.close(requests)
        os.close(answers)
        self._wait()

    def time(self, prompts: int) -> None:
        """Request a block and wait for it; 0 prompts time encoding."""
        os.write(self._requests, f"{prompts}\n".encode())
        self._wait()

    def finish(self) -> list[tuple[int, list[float]]]:
        """End the process; returns the prompts and the duration of each call, milliseconds, for each request."""
        os.close(self._requests)
        output = self._process.communicate()[0].decode()
        os.close(self._answers)
        if self._process.returncode != 0:
            raise SystemExit(f"{Path(__file__).name} failed:\n{output}")
        content = json.loads(self._out.read_text(encoding="utf-8"))
        self._folder.cleanup()
        return [
            (result["extra_info"]["prompts"], [1e3 * seconds for seconds in result["stats"]["data"]])
            for result in content["benchmarks"]
        ]

    def _wait(self) -> None:
        if not os.read(self._answers, 1):
            raise SystemExit(f"{Path(__file__).name} failed:\n{self._process.communicate()[0].decode()}")


@pytest.fixture(scope="module")
def model_and_embedding() -> Iterator[tuple[sam_edge.Segmenter, sam_edge.Embedding]]:
    """Open the model, and encode a frame."""
    with sam_edge.load(**SETTINGS.get("open", {"threads": 2})) as model:
        embedding = model.encode(make_benchmark_frame(), size=SIZE)
        answer()
        yield model, embedding


@pytest.fixture(scope="module")
def requests() -> Iterator[Iterator[int]]:
    """Yield the number of prompts of each request."""
    if "requests" not in SETTINGS:
        yield iter((0, 1, 16))
        return
    with open(SETTINGS["requests"], encoding="utf-8") as lines:
        yield (int(line) for line in iter(lines.readline, ""))


@pytest.mark.parametrize("number", range(SETTINGS.get("max_requests", 3)))
def test_call(
    model_and_embedding: tuple[sam_edge.Segmenter, sam_edge.Embedding],
    requests: Iterator[int],
    benchmark: Any,
    number: int,
) -> None:
    """Time the next request."""
    prompts = next(requests, None)
    if prompts is None:
        pytest.skip("no more requests")
    model, embedding = model_and_embedding
    frame, points = make_benchmark_frame(), make_benchmark_points(max(1, prompts))
    rounds, warmup = CALLS.get(prompts, DEFAULT_CALLS)
    benchmark.extra_info["prompts"] = prompts
    if prompts:
        result = benchmark.pedantic(
            lambda: model.decode(embedding, points=points).masks, rounds=rounds, warmup_rounds=warmup
        )
        assert result.shape == (prompts, 4, *frame.shape[:2])
    else:
        result = benchmark.pedantic(
            lambda: model.encode(frame, size=SIZE).data, rounds=rounds, warmup_rounds=warmup
        )
        assert result.shape == (1, 256, SIZE[0] // 16, SIZE[1] // 16)
    answer()


def answer() -> None:
    """Report that a request is done."""
    if "answers" in SETTINGS:
        os.write(SETTINGS["answers"], b".")
