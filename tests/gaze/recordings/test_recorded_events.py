"""Events of recordings: named moments, on the clock of the samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_edge.errors import GazeDataError
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings.recorded_event import RecordedEvent
from sam_edge.gaze.recordings.recording import shift_times
from tests.gaze.recordings.test_recorded_fixations import NEON_GAZE


def test_neon_native(shared_dir: Path) -> None:
    """The phone begins to record before the scene camera's first frame."""
    recording = recordings.read(shared_dir / "data" / "trackers" / "neon_native" / "demo_recording")
    begin, end = recording.events
    assert (begin.name, end.name) == ("recording.begin", "recording.end")
    assert begin.time_ns < 0 < recording.samples[-1].time_ns < end.time_ns


def test_neon_csv(tmp_path: Path) -> None:
    (tmp_path / "gaze.csv").write_text(NEON_GAZE)
    (tmp_path / "world_timestamps.csv").write_text("timestamp [ns]\n1700000000050000000\n")
    (tmp_path / "events.csv").write_text(
        "recording id,timestamp [ns],name,type\nr,1700000000400000000,task,cloud\n"
        "r,1700000000000000000,recording.begin,recording\n"
    )
    recording = recordings.read(tmp_path)
    assert recording.events == (
        RecordedEvent(-50_000_000, "recording.begin"),
        RecordedEvent(350_000_000, "task"),
    )
    assert shift_times(recording, 1000).events[1] == RecordedEvent(350_001_000, "task")


def test_pupil_core(shared_dir: Path, tmp_path: Path) -> None:
    export = shared_dir / "data" / "trackers" / "pupil_core_export"
    for name in ("gaze_positions.csv", "world_timestamps.csv", "world.mp4"):
        (tmp_path / name).symlink_to(export / name)
    (tmp_path / "annotations.csv").write_text("index,timestamp,label,duration\n1,65.800018,task begins,0.0\n")
    assert recordings.read(tmp_path).events == (RecordedEvent(500_000_000, "task begins"),)
    (tmp_path / "annotations.csv").write_text("index,timestamp,label,duration\n1,soon,task begins,0.0\n")
    with pytest.raises(
        GazeDataError, match="line 2: timestamp is 'soon'; accepted: a finite number of seconds"
    ):
        recordings.read(tmp_path)
    (tmp_path / "annotations.csv").write_text("a,b\n1,2\n")
    assert recordings.read(tmp_path).events == ()
