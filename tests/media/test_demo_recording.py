"""The demo's clip and gaze are what their notes say."""

from __future__ import annotations

import hashlib
import json
import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_edge.gaze.recordings import plain
from sam_edge.media.frames import open_frames


@pytest.fixture(scope="module")
def demo_dir(repo_dir: Path) -> Path:
    return repo_dir / "sam_edge" / "assets" / "demo"


@pytest.fixture(scope="module")
def script(repo_dir: Path) -> dict[str, Any]:
    return runpy.run_path(str(repo_dir / "examples" / "make_demo_gaze.py"))


def test_the_clip_is_the_one_that_the_note_names(demo_dir: Path) -> None:
    data = (demo_dir / "clip.mp4").read_bytes()
    assert hashlib.sha256(data).hexdigest() in (demo_dir / "README.txt").read_text(encoding="utf-8")
    assert len(data) <= 3_000_000


def test_the_clip_opens(demo_dir: Path) -> None:
    with open_frames(demo_dir / "clip.mp4") as reader:
        assert (reader.size, reader.fps, reader.count) == ((720, 1280), 25.0, 132)
        assert sum(1 for _ in reader) == 132


def test_the_script_makes_the_file_that_ships(demo_dir: Path, script: dict[str, Any]) -> None:
    assert script["recording"]() == (demo_dir / "gaze.csv").read_text(encoding="utf-8")


def test_the_recording_reads_and_covers_the_clip(demo_dir: Path) -> None:
    recording = plain.read(demo_dir / "gaze.csv")
    assert (recording.px_per_deg, recording.frame_size) == (28, (720, 1280))
    assert recording.rate_hz == pytest.approx(200)
    assert [sample.time_ns for sample in recording.samples] == [5_000_000 * index for index in range(1056)]
    shut = [sample.time_ns for sample in recording.samples if not sample.valid]
    assert shut == list(range(3_620_000_000, 3_760_000_000, 5_000_000))
    seen = [(sample.x_px, sample.y_px) for sample in recording.samples if sample.valid]
    assert all(0 < x < 1280 and 0 < y < 720 for x, y in seen)


def test_the_error_is_as_large_as_stated(demo_dir: Path, script: dict[str, Any]) -> None:
    truth = script["gaze_without_error"]()
    samples = plain.read(demo_dir / "gaze.csv").samples
    pairs = [((s.x_px, s.y_px), p) for s, p in zip(samples, truth, strict=True) if p is not None]
    error_deg = (np.array([gaze for gaze, _ in pairs]) - np.array([place for _, place in pairs])) / 28
    assert math.hypot(*error_deg.mean(axis=0)) == pytest.approx(0.3, abs=0.02)
    assert error_deg.std(axis=0) == pytest.approx(0.12, abs=0.01)


def test_saccades_are_on_the_main_sequence(script: dict[str, Any]) -> None:
    truth = np.array([point or (np.nan, np.nan) for point in script["gaze_without_error"]()])
    speed = np.hypot(*np.diff(truth, axis=0).T) / 28 * 200
    fast = np.nan_to_num(speed) > 60
    edges = np.flatnonzero(np.diff(np.concatenate([[False], fast, [False]]).astype(int)))
    found = [
        (np.hypot(*(truth[end] - truth[start])) / 28, (end - start) / 200)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    assert len(found) >= 11
    for amplitude_deg, duration_s in found:
        assert duration_s <= 0.0022 * amplitude_deg + 0.021 + 0.006
        assert duration_s >= 0.5 * (0.0022 * amplitude_deg + 0.021)


def test_the_sidecar_says_the_scale(demo_dir: Path, script: dict[str, Any]) -> None:
    facts = json.loads((demo_dir / "gaze.csv.json").read_text(encoding="utf-8"))
    assert facts == {"px_per_deg": script["PX_PER_DEG"], "width_px": 1280, "height_px": 720}
