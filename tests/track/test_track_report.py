"""The report: a stable schema, numbers that are numbers, and a table that fits a terminal."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge._track.report import ORIGINS, FrameRecord, TrackReport
from sam_edge.cores import available_cores
from sam_edge.errors import InputError, MediaError
from sam_edge.media.environment import Environment, cpu_name, peak_memory_mb


@pytest.fixture(scope="module")
def environment() -> Environment:
    return Environment.gather(engine="onnxruntime", precision="int8", threads=2, model="mobile-sam")


def records(count: int = 101) -> list[FrameRecord]:
    """Frame i took i ms; every fourth was encoded, and the first ten show nothing."""
    return [
        FrameRecord(
            index=index,
            stem=f"{index:05d}",
            origin="none" if index < 10 else "encoded" if index % 4 == 0 else "propagated",
            dropped=index % 20 == 19,
            score=None if index < 10 else 0.9,
            age_ms=None if index < 10 else 40.0 * (index % 4),
            stages_ms={"total": float(index), "encode": 10.0} if index % 4 == 0 else {"total": float(index)},
            time_ns=index * 40_000_000,
            state="none" if index < 10 else "focused",
            object_id=None if index < 10 else 3,
            label=None if index < 10 else "cup",
            box=None if index < 10 else (1.0, 2.0, 30.5, 40.25),
        )
        for index in range(count)
    ]


def report(environment: Environment, frames: list[FrameRecord] | None = None, **changes: Any) -> TrackReport:
    values: dict[str, Any] = {
        "name": "clip.mp4",
        "size": (720, 1280),
        "fps": 25.0,
        "mode": "live",
        "frames": records() if frames is None else frames,
        "environment": environment,
        "peak_memory_mb": 512.25,
    }
    return TrackReport(**(values | changes))


def test_the_summary_counts_and_ranks(environment: Environment) -> None:
    found = report(environment)
    total = found.stages["total"]
    assert (total.frames, total.median_ms, total.p95_ms, total.p99_ms, total.max_ms) == (101, 50, 95, 99, 100)
    assert found.stages["encode"].frames == 26
    assert found.stages["encode"].p99_ms == 10
    assert list(found.stages) == ["encode", "total"]
    assert found.by_origin == {"encoded": 23, "reused": 0, "followed": 0, "propagated": 68, "none": 10}
    assert found.dropped == 5
    assert found.coverage == pytest.approx(91 / 101)
    assert found.mask_age is not None
    assert (found.mask_age.frames, found.mask_age.median_ms, found.mask_age.max_ms) == (91, 80, 120)


def test_the_schema(environment: Environment) -> None:
    found = report(environment).to_json()
    assert found["schema"] == 3
    assert list(found) == ["schema", "input", "realtime", "environment", "warnings", "summary", "frames"]
    assert found["input"] == {"name": "clip.mp4", "width": 1280, "height": 720, "fps": 25.0}
    assert set(found["summary"]) == {
        "frames",
        "dropped",
        "coverage",
        "by_origin",
        "age_ms",
        "stages_ms",
        "peak_memory_mb",
    }
    assert set(found["summary"]["stages_ms"]["total"]) == {"frames", "median", "p95", "p99", "max"}
    assert found["frames"][12] == {
        "index": 12,
        "stem": "00012",
        "time_s": 0.48,
        "state": "focused",
        "object": 3,
        "label": "cup",
        "box": [1.0, 2.0, 30.5, 40.25],
        "origin": "encoded",
        "dropped": False,
        "score": 0.9,
        "age_ms": 0.0,
        "stages_ms": {"total": 12.0, "encode": 10.0},
    }
    assert set(found["environment"]) == {
        *("engine", "precision", "threads", "model", "sam_edge", "python", "numpy", "opencv"),
        *("onnxruntime", "openvino", "cpu", "cores", "platform"),
    }


def test_what_is_written_can_be_read_and_says_the_same(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    report(environment).write(path)
    assert json.loads(path.read_text(encoding="utf-8")) == report(environment).to_json()
    assert os.listdir(path.parent) == ["report.json"]


@given(rows=st.lists(st.tuples(st.floats() | st.none(), st.floats(), st.sampled_from(ORIGINS)), max_size=20))
def test_nan_is_never_written(
    environment: Environment,
    rows: list[tuple[float | None, float, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    frames = [
        FrameRecord(index=index, stem=str(index), origin=origin, score=score, stages_ms={"total": time_ms})
        for index, (score, time_ms, origin) in enumerate(rows)
    ]
    path = tmp_path_factory.getbasetemp() / "any.json"
    report(environment, frames, peak_memory_mb=math.nan).write(path)

    def refuse(text: str) -> None:
        pytest.fail(f"{text} stands in the file")

    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert len(found["frames"]) == len(rows)
    assert found["summary"]["peak_memory_mb"] is None


def test_numpy_numbers_are_written(environment: Environment, tmp_path: Path) -> None:
    frame = FrameRecord(0, "0", "encoded", score=np.float32(0.5), stages_ms={"total": np.float64(3.25)})
    report(environment, [frame]).write(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["frames"][0]["score"] == 0.5


def test_an_unknown_origin_is_refused() -> None:
    with pytest.raises(InputError, match=r"origin of frame 3 is 'guessed'; accepted: encoded, reused"):
        FrameRecord(3, "00003", "guessed")


def test_a_report_that_cannot_be_written_says_so(environment: Environment, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is a folder"):
        report(environment).write(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="cannot be written"):
        report(environment).write(tmp_path / "file" / "r.json")


def test_no_frames_make_a_report_too(environment: Environment) -> None:
    found = report(environment, [])
    assert found.coverage == 0.0
    assert found.stages == {}
    assert "0 frames" in found.summary_table()


@pytest.mark.parametrize(
    "name", ["clip.mp4", "a very long name of a video file, longer than any terminal is wide, " * 2]
)
def test_the_table_fits_a_terminal_and_is_aligned(environment: Environment, name: str) -> None:
    table = report(environment, name=name).summary_table()
    lines = table.splitlines()
    assert max(map(len, lines)) < 80
    head = next(line for line in lines if line.startswith("stage"))
    total = next(line for line in lines if line.startswith("total"))
    assert total.split() == ["total", "101", "50.0", "95.0", "99.0", "100.0"]
    for word, value in zip(("frames", "median", "p95", "p99", "max"), total.split()[1:], strict=True):
        assert head.index(word) + len(word) == total.index(f" {value}") + 1 + len(value)
    assert "91 of 101 frames (23 encoded, 68 propagated)" in table
    assert "5 of 101 frames not done in time" in table


def test_without_a_clock_the_table_says_that_frames_waited(environment: Environment) -> None:
    table = report(environment, mode="sequential").summary_table()
    assert "in time" not in table
    assert "not live: every frame waited for its own result, 50 ms (median)" in table
    assert "background" not in table


def test_on_a_clock_the_table_says_how_old_masks_were_and_what_ran_in_the_background(
    environment: Environment,
) -> None:
    table = report(environment, mode="live").summary_table()
    assert "made 80 ms before their frame (median; p95 120 ms)" in table
    assert any(line.startswith("encode *") for line in table.splitlines())
    assert "* in the background" in table
    assert "before their frame" not in report(environment, []).summary_table()


def test_the_environment_is_this_one(environment: Environment) -> None:
    assert environment.python == platform.python_version()
    assert environment.numpy == np.__version__
    assert environment.onnxruntime == importlib.metadata.version("onnxruntime")
    assert environment.sam_edge == importlib.metadata.version("sam-edge")
    assert environment.cores == available_cores() >= 1
    assert environment.cpu == cpu_name() != ""


def test_peak_memory_grows_with_what_is_held_and_is_not_the_parents() -> None:
    ballast = np.ones(40_000_000, np.uint8)
    here = peak_memory_mb()
    assert here is not None
    assert here > ballast.nbytes / 1e6
    code = "from sam_edge.media.environment import peak_memory_mb; print(peak_memory_mb())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5 < float(child.stdout) < here
