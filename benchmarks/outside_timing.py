"""The calls that `sam-edge profile` times, timed by pytest-benchmark: what `bench_profile.py` compares it with.

    pytest benchmarks/outside_timing.py --benchmark-json OUT.json

Alone it times encoding a frame and decoding 1 and 16 prompts. `Outside` runs it in a process that waits before every
call to be told what is next, so that both can take turns.
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
from sam_edge.profile.measure.engine_bench import measured_frame, measured_points
from sam_edge.profile.plan import Engine

ASKED = "SAM_EDGE_OUTSIDE"
"""Environment: JSON that says what is opened, and where requests come from."""
GIVEN = json.loads(os.environ.get(ASKED, "{}"))
SIZE = tuple(GIVEN.get("size", (448, 672)))
CALLS = {1: (9, 5)}
"""Calls that count, and those before that do not, by prompts: about as many as in a block of the profile, for a burst
after a pause may be faster than what goes on and on."""
OTHERWISE = (3, 2)


class Outside:
    """A process in which pytest-benchmark times one engine, call by call as it is asked."""

    def __init__(self, engine: Engine, size: tuple[int, int], most: int) -> None:
        """Start it; it ends after `most` requests at the latest."""
        self._folder = tempfile.TemporaryDirectory()
        self._out = Path(self._folder.name) / "outside.json"
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        given = {
            "open": {"runtime": engine.runtime, "precision": engine.precision, "threads": engine.threads},
            "size": size,
            "most": most,
            "requests": requests,
            "answers": answers,
        }
        options = ["-q", "-p", "no:cacheprovider", f"--benchmark-json={self._out}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", __file__, *options],
            env={**os.environ, ASKED: json.dumps(given)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(requests, answers),
        )
        os.close(requests)
        os.close(answers)
        self._wait()

    def time(self, prompts: int) -> None:
        """Have one thing timed, and wait for it: encoding for 0 prompts."""
        os.write(self._requests, f"{prompts}\n".encode())
        self._wait()

    def close(self) -> list[tuple[int, list[float]]]:
        """End it; returns prompts and the milliseconds of each call, request by request."""
        os.close(self._requests)
        said = self._process.communicate()[0].decode()
        os.close(self._answers)
        if self._process.returncode != 0:
            raise SystemExit(f"{Path(__file__).name} failed:\n{said}")
        content = json.loads(self._out.read_text(encoding="utf-8"))
        self._folder.cleanup()
        return [
            (one["extra_info"]["prompts"], [1e3 * seconds for seconds in one["stats"]["data"]])
            for one in content["benchmarks"]
        ]

    def _wait(self) -> None:
        if not os.read(self._answers, 1):
            raise SystemExit(f"{Path(__file__).name} failed:\n{self._process.communicate()[0].decode()}")


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[sam_edge.Segmenter, sam_edge.Embedding]]:
    """Open the model, and encode a frame."""
    with sam_edge.load(**GIVEN.get("open", {"threads": 2})) as model:
        embedding = model.encode(measured_frame(), size=SIZE)
        answer()
        yield model, embedding


@pytest.fixture(scope="module")
def requests() -> Iterator[Iterator[int]]:
    """Give the prompts of each request, as they come."""
    if "requests" not in GIVEN:
        yield iter((0, 1, 16))
        return
    with open(GIVEN["requests"], encoding="utf-8") as lines:
        yield (int(line) for line in iter(lines.readline, ""))


@pytest.mark.parametrize("number", range(GIVEN.get("most", 3)))
def test_call(
    opened: tuple[sam_edge.Segmenter, sam_edge.Embedding],
    requests: Iterator[int],
    benchmark: Any,
    number: int,
) -> None:
    """Time what is asked for next."""
    prompts = next(requests, None)
    if prompts is None:
        pytest.skip("no more requests")
    (model, embedding), frame, points = opened, measured_frame(), measured_points(max(1, prompts))
    rounds, warm = CALLS.get(prompts, OTHERWISE)
    benchmark.extra_info["prompts"] = prompts
    if prompts:
        made = benchmark.pedantic(
            lambda: model.decode(embedding, points=points).masks, rounds=rounds, warmup_rounds=warm
        )
        assert made.shape == (prompts, 4, *frame.shape[:2])
    else:
        made = benchmark.pedantic(
            lambda: model.encode(frame, size=SIZE).data, rounds=rounds, warmup_rounds=warm
        )
        assert made.shape == (1, 256, SIZE[0] // 16, SIZE[1] // 16)
    answer()


def answer() -> None:
    """Say that something is done."""
    if "answers" in GIVEN:
        os.write(GIVEN["answers"], b".")
