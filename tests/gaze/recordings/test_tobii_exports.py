"""Tobii's exports: eyes only, fixations only, mapped gaze, several recordings, Studio's event rows and clocks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sam_edge.errors import GazeDataError
from sam_edge.gaze import recordings

TIME = "Recording timestamp [ms]"


def export(folder: Path, header: str, *rows: str) -> Path:
    path = folder / "export.tsv"
    path.write_text(
        "\n".join((header.replace("|", "\t"), *(row.replace("|", "\t") for row in rows))) + "\n", "utf-8"
    )
    return path


def positions(path: Path, **options: str) -> list[tuple[float, float] | None]:
    samples = recordings.read(path, recording_name=options.get("name")).samples
    return [None if math.isnan(s.x_px) else (s.x_px, s.y_px) for s in samples]


@pytest.mark.parametrize(
    "names",
    [
        "|".join(f"Gaze point {eye} {axis} [DACS px]" for eye in ("left", "right") for axis in "XY"),
        "GazePointLeftX (ADCSpx)|GazePointLeftY (ADCSpx)|GazePointRightX (ADCSpx)|GazePointRightY (ADCSpx)",
        "GazePointXLeft|GazePointYLeft|GazePointXRight|GazePointYRight",
    ],
)
def test_eyes_only_are_averaged_where_they_are_seen(tmp_path: Path, names: str) -> None:
    path = export(
        tmp_path,
        f"{TIME}|{names}|Validity left|Validity right",
        "0|100|200|110|220|Valid|Valid",
        "8|100|200|110|220|Valid|Invalid",
        "17|||110|220||Valid",
        "25|100|200|110|220|4|4",
    )
    recording = recordings.read(path)
    assert positions(path) == [(105.0, 210.0), (100.0, 200.0), (110.0, 220.0), None]
    assert (recording.samples[1].left_valid, recording.samples[1].right_valid) == (True, False)
    assert recording.rate_hz == 120.0
    assert any("mean of both eyes" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("names", "media"),
    [
        ("Mapped gaze point X [Snapshot 1]|Mapped gaze point Y [Snapshot 1]", "Snapshot 1"),
        ("Automatically mapped gaze point X [a (1)]|Automatically mapped gaze point Y [a (1)]", "a (1)"),
        ("MappedGazeDataPointX|MappedGazeDataPointY", ""),
        ("Assisted mapping gaze point X [b]|Assisted mapping gaze point Y [b]", "b"),
    ],
)
def test_mapped_gaze_is_read_and_named(tmp_path: Path, names: str, media: str) -> None:
    recording = recordings.read(export(tmp_path, f"{TIME}|{names}", "0|10|20", "20||", "40|30|40"))
    assert [(s.x_px, s.y_px) for s in recording.samples if s.valid] == [(10.0, 20.0), (30.0, 40.0)]
    assert recording.frame_size is None
    assert any("mapped onto a picture" in note and media in note for note in recording.notes)


def test_gaze_mapped_onto_two_pictures_is_refused(tmp_path: Path) -> None:
    names = "|".join(f"Mapped gaze point {axis} [{media}]" for media in ("Left", "Right") for axis in "XY")
    with pytest.raises(GazeDataError, match=r"onto several pictures: Left, Right; export 'Gaze point X'"):
        recordings.read(export(tmp_path, f"{TIME}|{names}", "0|1|2|3|4"))


def test_fixation_points_of_every_sample(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        f"{TIME}|Fixation point X [MCS px]|Fixation point Y [MCS px]|Eye movement type|Eye movement type index",
        "0|10|20|Fixation|1",
        "20|10|20|Fixation|1",
        "40|||Saccade|1",
        "60|30|40|Fixation|2",
    )
    recording = recordings.read(path)
    assert positions(path) == [(10.0, 20.0), (10.0, 20.0), None, (30.0, 40.0)]
    assert [(f.onset_ns, f.end_ns) for f in recording.fixations] == [
        (0, 20_000_000),
        (60_000_000, 60_000_000),
    ]


def test_fixations_of_one_row_each_last_as_long_as_they_state(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        "RecordingTimestamp|GazeEventType|FixationIndex|GazeEventDuration|FixationPointX (MCSpx)|"
        "FixationPointY (MCSpx)",
        "100|Fixation|1|200|10|20",
        "500|Fixation|2|30|30,5|40",
    )
    recording = recordings.read(path)
    times_ms = [s.time_ns // 1_000_000 for s in recording.samples]
    assert times_ms == [*range(100, 301, 10), 500, 510, 520, 530]
    assert (recording.samples[-1].x_px, recording.samples[0].x_px) == (30.5, 10.0)
    assert [(f.onset_ns, f.end_ns) for f in recording.fixations] == [
        (100_000_000, 300_000_000),
        (500_000_000, 530_000_000),
    ]


SEVERAL = f"{TIME}|Participant name|Recording name|Sensor|Gaze point X [DACS px]|Gaze point Y [DACS px]"
ROWS = (
    "0|P1|R1||||",
    "0|P1|R1|Eye Tracker|1|1",
    "0|P1|R2|Eye Tracker|2|2",
    "0|P2|R1|Eye Tracker|3|3",
    "20|P2|R1|Eye Tracker|4|4",
)


@pytest.mark.parametrize(
    ("name", "expected"), [("P1 R2", [(2.0, 2.0)]), ("P2", [(3.0, 3.0), (4.0, 4.0)]), ("r2", [(2.0, 2.0)])]
)
def test_one_recording_of_several(tmp_path: Path, name: str, expected: list[tuple[float, float]]) -> None:
    assert positions(export(tmp_path, SEVERAL, *ROWS), name=name) == expected


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (None, "holds 3 recordings: 'P1 R1', 'P1 R2', 'P2 R1'; choose one with recording_name="),
        ("R1", "several recordings have the name 'R1'; accepted: 'P1 R1'"),
        ("P9", "no recording has the name 'P9'"),
    ],
)
def test_a_recording_that_is_not_one_is_refused(tmp_path: Path, name: str | None, part: str) -> None:
    with pytest.raises(GazeDataError, match=part):
        recordings.read(export(tmp_path, SEVERAL, *ROWS), recording_name=name)


def test_other_formats_hold_one_recording(tmp_path: Path) -> None:
    path = tmp_path / "gaze.csv"
    path.write_text("timestamp_s,x_px,y_px\n0,1,2\n", encoding="utf-8")
    with pytest.raises(GazeDataError, match=r"recording_name is 'P1'.*formats with several: tobii-pro-lab"):
        recordings.read(path, recording_name="P1")


STUDIO = "Timestamp|ValidityLeft|ValidityRight|GazePointX|GazePointY|Event|MediaWidth|MediaHeight|MicroSecondTimestamp|"


def test_rows_of_events_are_no_samples(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        STUDIO,
        "1|||||ImageStart||||",
        "1|0|0|640,5|512||1280|1024|1489|",
        "21|4|4|||||1280|21489|",
        "41|||||KeyPress|||41000|",
        "41|0|1|642|512||1280|1024|41489|",
    )
    recording = recordings.read(path)
    assert positions(path) == [(640.5, 512.0), None, (642.0, 512.0)]
    assert (recording.frame_size, recording.rate_hz) == ((1024, 1280), 50.0)


@pytest.mark.parametrize("rate_hz", [300, 600, 1200])
def test_the_eye_trackers_finer_clock_counts(tmp_path: Path, rate_hz: int) -> None:
    rows = [f"{n * 1000 // rate_hz}|{77_000_000 + round(n * 1e6 / rate_hz)}|5|6" for n in range(300)]
    path = export(
        tmp_path, f"{TIME}|Eyetracker timestamp [μs]|Gaze point X [DACS px]|Gaze point Y [DACS px]", *rows
    )
    recording = recordings.read(path)
    assert len(recording.samples) == 300
    assert recording.rate_hz == pytest.approx(rate_hz, rel=2e-3)
    assert abs(recording.samples[-1].time_ns - round(299e9 / rate_hz)) < 1_000_000


@pytest.mark.parametrize("rate_hz", [30, 50, 60, 90, 100, 120, 250, 300, 500, 600, 1000, 1200, 2000])
def test_the_rate_of_whole_milliseconds(tmp_path: Path, rate_hz: int) -> None:
    rows = [f"{n * 1000 // rate_hz}|{n % 7}|6" for n in range(400)]
    recording = recordings.read(
        export(tmp_path, f"{TIME}|Gaze point X [DACS px]|Gaze point Y [DACS px]", *rows)
    )
    assert len(recording.samples) == 400
    assert recording.rate_hz == pytest.approx(rate_hz, rel=1e-3)
    off_ns = [s.time_ns - n * 1_000_000_000 // rate_hz for n, s in enumerate(recording.samples)]
    assert max(map(abs, off_ns)) <= 1_000_000


def test_doubled_lines_do_not_raise_the_rate(tmp_path: Path) -> None:
    rows = [f"{n * 20}|{n}|6" for n in range(50) for _ in range(2)]
    recording = recordings.read(
        export(tmp_path, f"{TIME}|Gaze point X [DACS px]|Gaze point Y [DACS px]", *rows)
    )
    assert (len(recording.samples), recording.rate_hz) == (50, 50.0)


class TestSharedCases:
    @pytest.mark.parametrize(
        ("name", "count", "rate_hz"),
        [
            ("tobii-studio/studio_alldata.tsv", 200, 50),
            ("tobii-studio/studio_renamed.tsv", 200, 50),
            ("tobii-other-columns/eyes_only.tsv", 240, 120),
            ("tobii-other-columns/mapped.tsv", 240, 120),
            ("rate-of-whole-ms/hz1200_ms.tsv", 2400, 1200),
        ],
    )
    def test_exports(self, shared_dir: Path, name: str, count: int, rate_hz: int) -> None:
        recording = recordings.read(shared_dir / "cases" / name)
        assert (len(recording.samples), sum(s.valid for s in recording.samples)) == (count, count)
        assert recording.rate_hz == pytest.approx(rate_hz, rel=1e-3)

    @pytest.mark.parametrize("name", ["P01", "P02 Recording2"])
    def test_several_recordings(self, shared_dir: Path, name: str) -> None:
        path = shared_dir / "cases/tobii-one-file/two.tsv"
        assert len(recordings.read(path, recording_name=name).samples) == 240
