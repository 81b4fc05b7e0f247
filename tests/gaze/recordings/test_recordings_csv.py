"""The project's own gaze CSV: exact round trips, and errors that say where and what."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings.plain import timestamp_texts
from sam_edge.gaze.samples import GazeSample

HEADER = "timestamp_s,x_px,y_px,confidence\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "gaze.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_reads_positions_and_invalid_samples(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "-0.01,1.5,2,0.5\n0,,,0\n0.01,nan,NaN,\n0.0300000015,640,480.25,1\n")
    recording = recordings.read_csv(path)
    assert [s.time_ns for s in recording.samples] == [-10_000_000, 0, 10_000_000, 30_000_002]
    assert recording.samples[0] == GazeSample(-10_000_000, 1.5, 2.0, 0.5)
    assert [s.valid for s in recording.samples] == [True, False, False, True]
    assert recording.samples[2].confidence == 0.0
    assert (recording.name, recording.format) == ("gaze.csv", "csv")
    assert recording.rate_hz == pytest.approx(100)
    assert recording.duration_s == pytest.approx(0.040000002)
    assert recordings.recognise(path) == "csv"


def test_half_a_position_is_no_position(tmp_path: Path) -> None:
    sample = recordings.read_csv(written(tmp_path, HEADER + "0,5,,1\n")).samples[0]
    assert math.isnan(sample.x_px)
    assert math.isnan(sample.y_px)


def test_columns_in_any_order_and_more_of_them(tmp_path: Path) -> None:
    text = "\ufeffy_px,label, timestamp_s ,x_px\r\n2,fixation,0.5,1\r\n"
    recording = recordings.read(written(tmp_path, text))
    assert recording.samples == (GazeSample(500_000_000, 1.0, 2.0, 1.0),)
    assert recording.rate_hz is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["empty"]),
        (HEADER, ["no gaze samples"]),
        ("timestamp_s,x_px\n0,1\n", ["no column 'y_px'", "timestamp_s, x_px"]),
        ("timestamp_s,x_px,y_px,x_px\n0,1,2,3\n", ["'x_px' occurs 2 times"]),
        (HEADER + "0,1,2,1\nsoon,1,2,1\n", ["line 3", "timestamp_s is 'soon'", "finite number of seconds"]),
        (HEADER + ",1,2,1\n", ["line 2", "timestamp_s is ''"]),
        (HEADER + "nan,1,2,1\n", ["line 2", "timestamp_s is 'nan'"]),
        (HEADER + "inf,1,2,1\n", ["line 2", "timestamp_s is 'inf'"]),
        (HEADER + "1e300,1,2,1\n", ["line 2", "timestamp_s is '1e300'", "unit"]),
        (HEADER + "0,left,2,1\n", ["line 2", "x_px is 'left'", "finite number"]),
        (HEADER + "0,1,-inf,1\n", ["line 2", "y_px is '-inf'", "finite number"]),
        (HEADER + "0,1,2,1.01\n", ["line 2", "confidence is '1.01'", "0..1"]),
        (HEADER + "0,1,2,-0.1\n", ["line 2", "confidence is '-0.1'", "0..1"]),
        (HEADER + "0,1,2,\n", ["line 2", "confidence is ''", "0..1"]),
        (HEADER + "0.2,1,2,1\n0.1,1,2,1\n", ["line 3", "timestamp_s is '0.1'", "after the line before"]),
        (HEADER + "0.2,1,2,1\n\n0.2,1,2,1\n", ["line 4", "timestamp_s is '0.2'", "0.200000000"]),
        (HEADER + "0.2,1,2,1\n0.3,1\n", ["line 3", "2 cells", "cut off"]),
        (HEADER.encode() + b"0,\xff\xfe,2,1\n", ["line 2", "x_px is 'ÿþ'"]),
        (HEADER.encode() + b"0," + b"1" * (1 << 20) + b",2,1\n", ["line 2", "longer than"]),
        (HEADER.encode() + b"0," + b"1" * (1 << 18) + b",2,1\n", ["line 2", "not a readable table"]),
    ],
)
def test_errors_name_file_line_value_and_what_is_accepted(
    tmp_path: Path, text: str | bytes, parts: list[str]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(GazeDataError) as caught:
        recordings.read_csv(path)
    for part in [str(path), *parts]:
        assert part in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(GazeDataError, match=r"none\.csv"):
        recordings.read_csv(tmp_path / "none.csv")
    with pytest.raises(GazeDataError, match="no such file"):
        recordings.read(tmp_path / "none.csv")
    with pytest.raises(GazeDataError, match="cannot be read"):
        recordings.read_csv(tmp_path)


finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(
    rows=st.lists(
        st.tuples(st.integers(-(10**18), 10**18), finite, finite, st.floats(0, 1), st.booleans()),
        min_size=1,
        max_size=20,
        unique_by=lambda row: row[0],
    )
)
def test_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float, float, float, bool]]
) -> None:
    samples = [
        GazeSample(time, x if valid else math.nan, y if valid else math.nan, confidence)
        for time, x, y, confidence, valid in sorted(rows)
    ]
    path = tmp_path_factory.mktemp("round") / "gaze.csv"
    recordings.write_csv(path, samples)
    assert list(map(repr, recordings.read_csv(path).samples)) == list(map(repr, samples))


@given(st.binary(max_size=200))
def test_strange_content_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
    path = written(tmp_path_factory.mktemp("strange"), HEADER.encode() + b"0,1,2,1\n" + tail)
    try:
        samples = recordings.read_csv(path).samples
    except GazeDataError:
        return
    assert all(0 <= s.confidence <= 1 and not math.isinf(s.x_px) for s in samples)


@pytest.mark.parametrize(
    ("sample", "part"),
    [
        (GazeSample(5, 1, 2), "time_ns is 5"),
        (GazeSample(9, 1, 2, 1.5), "confidence is 1.5"),
        (GazeSample(9, math.inf, 2), "position is"),
    ],
)
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, sample: GazeSample, part: str) -> None:
    path = tmp_path / "gaze.csv"
    path.write_text("before")
    with pytest.raises(GazeDataError, match=part):
        recordings.write_csv(path, [GazeSample(5, 1, 2), sample])
    assert [p.name for p in tmp_path.iterdir()] == ["gaze.csv"]
    assert path.read_text() == "before"


def test_write_makes_missing_folders(tmp_path: Path) -> None:
    recordings.write_csv(tmp_path / "new" / "one" / "gaze.csv", [GazeSample(0, 1, 2)])
    assert recordings.read_csv(tmp_path / "new" / "one" / "gaze.csv").samples[0].x_px == 1
    with pytest.raises(GazeDataError, match="accepted: above the one before"):
        recordings.write_csv(tmp_path / "other" / "gaze.csv", [GazeSample(0, 1, 2), GazeSample(0, 1, 2)])
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GazeDataError, match=r"file/gaze\.csv: cannot be written"):
        recordings.write_csv(tmp_path / "file" / "gaze.csv", [GazeSample(0, 1, 2)])


def test_large_times_keep_every_nanosecond(tmp_path: Path) -> None:
    time_ns = 1_760_676_788_219_000_123
    recordings.write_csv(tmp_path / "gaze.csv", [GazeSample(time_ns, 1, 2)])
    assert recordings.read_csv(tmp_path / "gaze.csv").samples[0].time_ns == time_ns


def test_timestamp_texts_are_the_written_ones(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "0.000,1,2,1\n1e-2,1,2,1\n")
    assert timestamp_texts(path) == ["0.000", "1e-2"]


def test_sidecar_states_the_scene(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "0,1,2,1\n")
    sidecar = tmp_path / "gaze.csv.json"
    sidecar.write_text(
        json.dumps({"px_per_deg": 32.3, "width_px": 1024.0, "height_px": 768.0, "rate_hz": 500})
    )
    recording = recordings.read_csv(path)
    assert (recording.px_per_deg, recording.frame_size) == (32.3, (768, 1024))


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"px_per_deg": -1}', '{"px_per_deg": true}', '{"width_px": "a"}']
)
def test_bad_sidecar(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, HEADER + "0,1,2,1\n")
    (tmp_path / "gaze.csv.json").write_text(text)
    with pytest.raises(GazeDataError, match=r"gaze\.csv\.json"):
        recordings.read_csv(path)


def test_unknown_formats(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n1,2\n")
    with pytest.raises(GazeDataError, match="not a gaze recording of a known format; accepted: csv"):
        recordings.read(path)
    with pytest.raises(GazeDataError, match="format is 'edf'; accepted: csv"):
        recordings.read(path, format="edf")


def test_samples_out_of_order_are_sorted_and_said(tmp_path: Path) -> None:
    samples = [GazeSample(t, float(n), 0.0) for n, t in enumerate([10, 30, 20, 20, 40])]
    recording = recordings.make_recording(samples, path=tmp_path, format="csv")
    assert [s.time_ns for s in recording.samples] == [10, 20, 30, 40]
    assert recording.samples[1].x_px == 2.0
    assert recording.notes == (
        "1 samples were out of order and have been sorted by time",
        "1 samples repeated the time of the one before and were left out",
    )


@pytest.mark.parametrize(
    ("header", "columns"),
    [("time,x,y", "time, x, y"), ("t;gaze x;gaze y", "t, gaze x, gaze y"), ("t\tx\ty", "t, x, y")],
)
def test_a_table_of_no_format_is_refused_with_its_columns_and_those_needed(
    tmp_path: Path, header: str, columns: str
) -> None:
    path = tmp_path / "gaze.csv"
    path.write_text(f"{header}\n0,1,2\n")
    message = rf"Its columns are {columns}; a gaze CSV needs timestamp_s, x_px, y_px"
    with pytest.raises(GazeDataError, match=message):
        recordings.read(path)


def test_bytes_of_no_format_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "gaze.csv"
    path.write_bytes(bytes(range(256)) * 9)
    with pytest.raises(GazeDataError, match=r"accepted: csv.*ego4d$"):
        recordings.read(path)


COVARIANCE = "covariance_xx_px2,covariance_xy_px2,covariance_yy_px2"


def test_what_a_sample_says_of_its_error_is_kept(tmp_path: Path) -> None:
    samples = [
        GazeSample(0, 1.0, 2.0, 1.0, covariance_px2=(2025.0, -12.5, 1600.25)),
        GazeSample(5_000_000, 1.5, 2.0, 1.0),
        GazeSample(10_000_000, 1.5, 2.0, 0.5, covariance_px2=(0.0, 0.0, 0.0)),
    ]
    path = tmp_path / "gaze.csv"
    recordings.plain.write(path, samples)
    assert path.read_text().splitlines()[:3] == [
        f"{HEADER.strip()},{COVARIANCE}",
        "0.000000000,1.0,2.0,1.0,2025.0,-12.5,1600.25",
        "0.005000000,1.5,2.0,1.0,,,",
    ]
    assert list(recordings.read_csv(path).samples) == samples


def test_samples_that_state_no_error_are_written_in_four_columns(tmp_path: Path) -> None:
    path = tmp_path / "gaze.csv"
    recordings.plain.write(path, [GazeSample(0, 1.0, 2.0)])
    assert path.read_text() == HEADER + "0.000000000,1.0,2.0,1.0\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            f"timestamp_s,x_px,y_px,{COVARIANCE}\n0,1,2,-1,0,1\n",
            ["line 2", "'-1,0,1'", "xx and yy of 0 or more"],
        ),
        (f"timestamp_s,x_px,y_px,{COVARIANCE}\n0,1,2,4,3,1\n", ["line 2", "xy * xy of xx * yy or less"]),
        (f"timestamp_s,x_px,y_px,{COVARIANCE}\n0,1,2,4,,1\n", ["line 2", "'4,,1'"]),
        ("timestamp_s,x_px,y_px,covariance_xx_px2\n0,1,2,4\n", ["no column 'covariance_xy_px2'"]),
    ],
)
def test_an_error_that_no_sample_can_have_is_refused(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(GazeDataError) as error:
        recordings.read_csv(written(tmp_path, text))
    assert all(part in str(error.value) for part in parts), str(error.value)
