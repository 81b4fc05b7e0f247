"""Replay: every sample once, in order, at the pace that was asked for."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import sam_edge.gaze
from sam_edge.errors import GazeDataError, InputError, SessionError
from sam_edge.gaze.adapters.replay import ReplaySource
from sam_edge.gaze.samples import GazeSample

MS = 1_000_000
SAMPLES = [GazeSample(number * 4 * MS, float(number), 0.0) for number in range(100)]


def test_stepping_is_exact() -> None:
    with ReplaySource(SAMPLES, speed=0.0) as replay:
        assert replay.read() == []
        replay.advance_to(11 * MS)
        assert replay.read() == SAMPLES[:3]
        replay.advance_to(12 * MS)
        assert replay.read() == SAMPLES[3:4]
        assert replay.read(0.01) == []
        replay.advance_to(10**12)
        assert replay.read() == SAMPLES[4:]
        assert replay.finished
        assert replay.stats.received == 100
        with pytest.raises(InputError, match="already at"):
            replay.advance_to(5)


@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_everything_comes_at_its_pace(speed: float) -> None:
    began = time.monotonic()
    with ReplaySource(SAMPLES, speed=speed) as replay:
        assert list(replay) == SAMPLES
    assert time.monotonic() - began >= 0.396 / speed


def test_host_time_starts_when_it_is_opened() -> None:
    began_ns = time.monotonic_ns()
    with ReplaySource(SAMPLES[:50], speed=2.0, clock="host") as replay:
        samples = list(replay)
    assert began_ns <= samples[0].time_ns <= time.monotonic_ns()
    assert {b.time_ns - a.time_ns for a, b in pairwise(samples)} == {2 * MS}
    assert [sample.device_time_ns for sample in samples] == [sample.time_ns for sample in SAMPLES[:50]]


def test_samples_out_of_order_are_put_in_order() -> None:
    with ReplaySource([SAMPLES[2], SAMPLES[0], SAMPLES[1]], speed=0.0) as replay:
        replay.advance_to(10**9)
        assert replay.read() == SAMPLES[:3]
        assert replay.stats.reordered == 1


def test_invalid_samples_are_counted_and_an_empty_recording_is_over() -> None:
    with ReplaySource([GazeSample(1, math.nan, math.nan)], speed=0.0) as replay:
        replay.advance_to(1)
        assert len(replay.read()) == 1
        assert replay.stats.invalid == 1
    with ReplaySource([]) as empty:
        assert list(empty) == []


def test_closing_ends_it() -> None:
    replay = ReplaySource(SAMPLES)
    replay.open()
    replay.close()
    replay.close()
    assert replay.read(5.0) == []
    assert replay.finished
    with pytest.raises(SessionError, match="closed"):
        replay.open()


@pytest.mark.parametrize("options", [{"speed": -1.0}, {"clock": "sundial"}, {"speed": 0.0, "clock": "host"}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ReplaySource(SAMPLES, **options)


def test_only_a_stepped_replay_is_advanced() -> None:
    with pytest.raises(SessionError, match="speed=0"):
        ReplaySource(SAMPLES).advance_to(1)


def test_a_file_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "my gaze.csv"
    rows = "".join(f"{number * 0.01:.3f},{number},5,1\n" for number in range(10))
    path.write_text("timestamp_s,x_px,y_px,confidence\n" + rows)
    with sam_edge.gaze.open(f"replay+file:{path}?speed=0") as replay:
        assert isinstance(replay, ReplaySource)
        replay.advance_to(45 * MS)
        assert [sample.x_px for sample in replay.read()] == [0.0, 1.0, 2.0, 3.0, 4.0]
    path.write_text("nonsense")
    with pytest.raises(GazeDataError):
        sam_edge.gaze.open(f"replay+file:{path}")


def test_a_recording_of_a_real_tracker_is_replayed(shared_dir: Path) -> None:
    path = shared_dir / "data" / "trackers" / "neon_native" / "demo_recording"
    with sam_edge.gaze.open(f"replay+file:{path}", speed=0) as replay:
        assert isinstance(replay, ReplaySource)
        replay.advance_to(10**18)
        samples = replay.read()
    assert len(samples) > 1000
    assert replay.finished
