"""BIDS eye-tracking: exact round trips, files of others, and what is refused."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError
from sam_edge.gaze import recordings
from sam_edge.gaze.samples import GazeRay, GazeSample

FACTS = {
    "SamplingFrequency": 1000,
    "Columns": ["timestamp", "x_coordinate", "y_coordinate", "pupil_size"],
    "PhysioType": "eyetrack",
    "RecordedEye": "right",
    "SampleCoordinateSystem": "gaze-on-screen",
    "timestamp": {"Units": "ms"},
    "x_coordinate": {"Units": "pixel"},
    "y_coordinate": {"Units": "pixel"},
}
ROWS = "7186799\t416.29\t267.39\t4612.0\n7186800\tn/a\tn/a\tn/a\n7186801\t416.20\t269.00\t4623.0\n"


def foreign(folder: Path, rows: str = ROWS, **changes: Any) -> Path:
    """The example of the specification, as other software writes it."""
    facts = {key: value for key, value in {**FACTS, **changes}.items() if value is not None}
    (folder / "sub-01_task-v_recording-eye1_physio.json").write_text(json.dumps(facts))
    path = folder / "sub-01_task-v_recording-eye1_physio.tsv.gz"
    path.write_bytes(gzip.compress(rows.encode()))
    return path


number = st.floats(allow_nan=False, allow_infinity=False)
triple = st.tuples(number, number, number)
samples = st.builds(
    GazeSample,
    time_ns=st.integers(-(2**60), 2**60),
    x_px=number,
    y_px=number,
    confidence=st.floats(0, 1),
    device_time_ns=st.none() | st.integers(-(2**63), 2**63 - 1),
    offset_uncertainty_ns=st.none() | st.integers(0, 10**12),
    left_valid=st.none() | st.booleans(),
    right_valid=st.none() | st.booleans(),
    ray=st.none() | st.builds(GazeRay, origin_m=triple, direction=triple),
    depth_m=st.none() | number,
    covariance_px2=st.none() | triple,
)


@given(rows=st.lists(samples, min_size=2, max_size=8, unique_by=lambda sample: sample.time_ns))
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, rows: list[GazeSample]) -> None:
    folder = tmp_path_factory.mktemp("bids")
    recording = recordings.make_recording(sorted(rows, key=lambda s: s.time_ns), path=folder, format="csv")
    data, _ = recordings.write_bids(folder / "sub-01_task-x", recording)
    assert recordings.read(data).samples == recording.samples


def test_what_is_written(tmp_path: Path) -> None:
    rows = [GazeSample(-5_000_000, 1.5, 2.0, 0.5), GazeSample(0, math.nan, math.nan, 0.0)]
    recording = recordings.make_recording(
        rows, path=tmp_path, format="csv", frame_size=(480, 640), px_per_deg=15.5
    )
    data, meta = recordings.write_bids(tmp_path / "sub-01_task-x", recording, recorded_eye="left")
    assert data.name == "sub-01_task-x_recording-eye1_physio.tsv.gz"
    assert gzip.decompress(data.read_bytes()) == b"-5000000\t1.5\t2.0\t0.5\n0\tn/a\tn/a\t0.0\n"
    facts = json.loads(meta.read_text())
    assert facts["Columns"] == ["timestamp", "x_coordinate", "y_coordinate", "confidence"]
    assert facts["PhysioType"] == "eyetrack"
    assert facts["RecordedEye"] == "left"
    assert facts["SampleCoordinateSystem"] == "gaze-in-world"
    assert facts["SamplingFrequency"] == pytest.approx(200)
    assert facts["StartTime"] == -0.005
    assert facts["x_coordinate"]["Units"] == facts["y_coordinate"]["Units"] == "pixel"
    assert all(facts[name]["Description"] for name in facts["Columns"])
    before = data.read_bytes(), meta.read_bytes()
    recordings.write_bids(tmp_path / "sub-01_task-x", recording, recorded_eye="left")
    assert (data.read_bytes(), meta.read_bytes()) == before
    again = recordings.read(tmp_path)
    assert (again.frame_size, again.px_per_deg) == ((480, 640), 15.5)


@pytest.mark.parametrize(
    ("argument", "part"),
    [
        ({"recorded_eye": "middle"}, "left, right, cyclopean"),
        ({"coordinate_system": "map"}, "gaze-on-screen"),
    ],
)
def test_write_refuses(tmp_path: Path, argument: dict[str, str], part: str) -> None:
    recording = recordings.make_recording(
        [GazeSample(0, 1, 2), GazeSample(1, 1, 2)], path=tmp_path, format="csv"
    )
    with pytest.raises(GazeDataError, match=part):
        recordings.write_bids(tmp_path / "sub-01", recording, **argument)
    assert not list(tmp_path.iterdir())


def test_write_needs_a_rate(tmp_path: Path) -> None:
    recording = recordings.make_recording([GazeSample(0, 1, 2)], path=tmp_path, format="csv")
    with pytest.raises(GazeDataError, match="two or more"):
        recordings.write_bids(tmp_path / "sub-01", recording)


def test_file_of_others(tmp_path: Path) -> None:
    path = foreign(tmp_path)
    assert recordings.recognise(path) == recordings.recognise(tmp_path) == "bids"
    recording = recordings.read(path)
    assert [s.time_ns for s in recording.samples] == [0, 1_000_000, 2_000_000]
    assert [s.valid for s in recording.samples] == [True, False, True]
    assert (recording.samples[0].x_px, recording.samples[0].confidence) == (416.29, 1.0)
    assert "positions are gaze-on-screen" in recording.notes


@pytest.mark.parametrize(("rate", "unit"), [(1000, "ms"), (1, "s"), (1_000_000, "us")])
def test_unit_from_the_sampling_frequency(tmp_path: Path, rate: float, unit: str) -> None:
    recording = recordings.read(foreign(tmp_path, timestamp=None, SamplingFrequency=rate))
    assert recording.rate_hz == pytest.approx(rate)
    assert any(note.endswith(f"says {unit}") for note in recording.notes)


def test_start_time_is_the_first_samples(tmp_path: Path) -> None:
    recording = recordings.read(foreign(tmp_path, StartTime=-0.25))
    assert [s.time_ns for s in recording.samples] == [-250_000_000, -249_000_000, -248_000_000]


@pytest.mark.parametrize(
    ("rows", "changes", "part"),
    [
        (ROWS, {"Columns": "x"}, "Columns is 'x'"),
        (ROWS, {"Columns": ["timestamp", "x_coordinate", "pupil_size"]}, "no column 'y_coordinate'"),
        (ROWS, {"x_coordinate": {"Units": "deg"}}, "Units of x_coordinate is 'deg'; accepted: pixel"),
        (ROWS, {"StartTime": "now"}, "StartTime is 'now'"),
        (ROWS, {"timestamp": None, "SamplingFrequency": None}, "timestamp has no Units"),
        ("", {}, "no gaze samples"),
        ("1\t2\n", {}, "line 1: 2 cells"),
        ("1\ta\t2\t3\n", {}, "line 1: x_coordinate is 'a'"),
        ("n/a\t1\t2\t3\n", {}, "a timestamp is no number"),
        ("inf\t1\t2\t3\n", {}, "not finite"),
    ],
)
def test_read_refuses(tmp_path: Path, rows: str, changes: dict[str, object], part: str) -> None:
    with pytest.raises(GazeDataError, match=part):
        recordings.read(foreign(tmp_path, rows, **changes))


def test_two_recordings_in_a_folder_must_be_named(tmp_path: Path) -> None:
    path = foreign(tmp_path)
    for end in ("tsv.gz", "json"):
        source = tmp_path / f"sub-01_task-v_recording-eye1_physio.{end}"
        (tmp_path / f"sub-01_task-v_recording-eye2_physio.{end}").write_bytes(source.read_bytes())
    with pytest.raises(GazeDataError, match="name the one to read"):
        recordings.read(tmp_path, format="bids")
    assert len(recordings.read(path).samples) == 3
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(GazeDataError, match="damaged or cut off"):
        recordings.read(path)


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(name=st.sampled_from([*FACTS, "StartTime", "SceneResolution", "PixelsPerDegree"]), value=json_value)
def test_strange_descriptions_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any
) -> None:
    path = foreign(tmp_path_factory.mktemp("strange"), **{name: value})
    try:
        recording = recordings.read(path, format="bids")
    except GazeDataError:
        return
    assert len(recording.samples) == 3


@given(rows=st.text(alphabet="0123456789.-\tn/aeif\n", max_size=60))
def test_strange_rows_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, rows: str) -> None:
    path = foreign(tmp_path_factory.mktemp("strange"), rows)
    try:
        recording = recordings.read(path)
    except GazeDataError:
        return
    assert all(0 <= s.confidence <= 1 for s in recording.samples)
