"""Fixations of the trackers' own software: on real recordings, and on made ones of every format that has them."""

from __future__ import annotations

import gzip
import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sam_edge.errors import GazeDataError, InputError
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings.recorded_fixation import WHY_NO_FIXATIONS, RecordedFixation
from sam_edge.gaze.recordings.recording import discard_low_confidence, shift_times
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze_video import open_gaze_video
from sam_edge.timeline.fixation_source import choose_fixation_origin


def mean_place(recording: recordings.GazeRecording, fixation: RecordedFixation) -> tuple[float, float]:
    """Return the mean position of the valid samples within a fixation."""
    places = [
        (sample.x_px, sample.y_px)
        for sample in recording.samples
        if fixation.onset_ns <= sample.time_ns <= fixation.end_ns and sample.valid
    ]
    x_px, y_px = np.mean(places, axis=0).tolist()
    return x_px, y_px


def usual_px_s(recording: recordings.GazeRecording, begin_ns: int, end_ns: int) -> float:
    """Return the median speed between the samples of an interval, pixels a second."""
    inside = [sample for sample in recording.samples if begin_ns <= sample.time_ns <= end_ns]
    speeds = [
        math.dist((a.x_px, a.y_px), (b.x_px, b.y_px)) / (b.time_ns - a.time_ns) * 1e9
        for a, b in pairwise(inside)
    ]
    return float(np.median(speeds))


class TestReal:
    def test_pupil_core(self, shared_dir: Path) -> None:
        """Each position is the mean of the samples within its time, to the last digit: times and axes are right."""
        recording = recordings.read(shared_dir / "data" / "trackers" / "pupil_core_export")
        assert [fixation.fixation_id for fixation in recording.fixations] == list(range(308, 318))
        first = recording.fixations[0]
        # start_timestamp less the first world timestamp, and the duration in the file, 184.043 ms.
        assert first.onset_ns == 65_373_245_199 - 65_300_018_000
        assert first.end_ns - first.onset_ns == 184_043_000
        for fixation in recording.fixations:
            assert (fixation.x_px, fixation.y_px) == pytest.approx(mean_place(recording, fixation), abs=1e-6)

    def test_neon_native(self, shared_dir: Path) -> None:
        """23 of the 45 events are fixations; saccades lie between them, and are much faster."""
        recording = recordings.read(shared_dir / "data" / "trackers" / "neon_native" / "demo_recording")
        fixations = recording.fixations
        assert [fixation.fixation_id for fixation in fixations] == list(range(1, 24))
        assert (fixations[0].onset_ns, fixations[0].end_ns) == (905_158_000, 990_159_000)
        assert all(math.isnan(fixation.x_px) for fixation in fixations)
        inside = [usual_px_s(recording, fixation.onset_ns, fixation.end_ns) for fixation in fixations]
        between = [
            usual_px_s(recording, first.end_ns, later.onset_ns)
            for first, later in pairwise(fixations)
            if later.onset_ns > first.end_ns
        ]
        assert np.median(between) > 3 * np.median(inside)

    def test_eyelink(self, shared_dir: Path) -> None:
        """Two eyes with 38 EFIX lines each; the first one of the left eye lasts from 1835016 to 1835349 ms."""
        recording = recordings.read(shared_dir / "data" / "trackers" / "eyelink" / "eyelink_data_example.asc")
        assert len(recording.fixations) == 38
        first = recording.fixations[0]
        device_ns = recording.samples[0].device_time_ns
        assert device_ns is not None
        assert first.onset_ns == 1_835_016_000_000 - device_ns
        assert first.end_ns - first.onset_ns == 333_000_000
        assert "the fixations are those of the left eye" in recording.notes
        # The file states 1671.3, 992.3 of the left eye and 1723.3, 1062.0 of the right one; samples are their mean.
        assert mean_place(recording, first) == pytest.approx((1697.3, 1027.2), abs=1.0)


NEON_GAZE = "timestamp [ns],gaze x [px],gaze y [px]\n" + "".join(
    f"{1_700_000_000_000_000_000 + 5_000_000 * index},{800 + index}.0,600.0\n" for index in range(200)
)
NEON_FIXATIONS = (
    "section id,recording id,fixation id,start timestamp [ns],end timestamp [ns],duration [ms],fixation x [px],"
    "fixation y [px],azimuth [deg],elevation [deg]\n"
    "s,r,1,1700000000100000000,1700000000300000000,200,840.0,600.5,0,0\n"
    "s,r,2,1700000000400000000,1700000000550000000,150,,,0,0\n"
)


class TestNeonCsv:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "gaze.csv").write_text(NEON_GAZE)
        (tmp_path / "fixations.csv").write_text(NEON_FIXATIONS)
        return tmp_path

    def test_from_the_first_frame(self, folder: Path) -> None:
        (folder / "world_timestamps.csv").write_text("timestamp [ns]\n1700000000050000000\n")
        first, second = recordings.read(folder).fixations
        assert first == RecordedFixation(1, 50_000_000, 250_000_000, 840.0, 600.5)
        assert (second.fixation_id, second.onset_ns, second.end_ns) == (2, 350_000_000, 500_000_000)
        assert math.isnan(second.x_px)
        assert math.isnan(second.y_px)

    def test_from_the_first_sample(self, folder: Path) -> None:
        assert recordings.read(folder).fixations[0].onset_ns == 100_000_000

    def test_a_file_of_another_program_is_noted_and_not_read(self, folder: Path) -> None:
        (folder / "fixations.csv").write_text("fixation,kind,start_s,end_s\n1,fixation,0.1,0.2\n")
        recording = recordings.read(folder)
        assert recording.fixations == ()
        assert (
            "fixations.csv is not the tracker's own: it lacks its columns, and is not read" in recording.notes
        )

    def test_without_the_file_there_are_none(self, folder: Path) -> None:
        (folder / "fixations.csv").unlink()
        assert recordings.read(folder).fixations == ()

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("r,1,17", "r,one,17", "line 2: fixation id is 'one'; accepted: a whole number"),
            ("150,,", "150,x,", "line 3: fixation x .* is 'x'"),
        ],
    )
    def test_damage_is_named(self, folder: Path, old: str, new: str, message: str) -> None:
        (folder / "fixations.csv").write_text(NEON_FIXATIONS.replace(old, new))
        with pytest.raises(GazeDataError, match=message):
            recordings.read(folder)


PRO_LAB = "Recording timestamp [ms]\tSensor\tGaze point X [MCS px]\tGaze point Y [MCS px]\t"


class TestProLab:
    def read(self, folder: Path, header: str, rows: list[str]) -> recordings.GazeRecording:
        path = folder / "export.tsv"
        path.write_text("\n".join([PRO_LAB + header, *rows]) + "\n", encoding="utf-8")
        return recordings.read(path)

    def test_from_the_first_row_to_the_last_one(self, tmp_path: Path) -> None:
        kinds = ["Fixation\t1"] * 3 + ["Saccade\t1"] * 2 + ["Fixation\t2"] * 4 + ["EyesNotFound\t1"]
        rows = [f"{10 * index}\tEye Tracker\t100\t200\t{kind}" for index, kind in enumerate(kinds)]
        rows.insert(1, "5\tGyroscope\t\t\t\t")
        recording = self.read(tmp_path, "Eye movement type\tEye movement type index", rows)
        spans = [(item.fixation_id, item.onset_ns, item.end_ns) for item in recording.fixations]
        assert spans == [(1, 0, 20_000_000), (2, 50_000_000, 80_000_000)]

    def test_studio(self, tmp_path: Path) -> None:
        rows = [f"{10 * index}\tEye Tracker\t100\t200\tFixation\t7" for index in range(4)]
        (fixation,) = self.read(tmp_path, "GazeEventType\tFixationIndex", rows).fixations
        assert (fixation.fixation_id, fixation.end_ns) == (7, 30_000_000)

    def test_without_the_columns_there_are_none(self, tmp_path: Path) -> None:
        rows = [f"{10 * index}\tEye Tracker\t100\t200\tFixation" for index in range(4)]
        assert self.read(tmp_path, "Eye movement type", rows).fixations == ()


PUPIL_FIXATIONS = (
    "id,start_timestamp,duration,start_frame_index,end_frame_index,norm_pos_x,norm_pos_y\n"
    "4,10.5,200.0,1,2,0.25,0.75\n"
)


@pytest.fixture
def pupil_export(shared_dir: Path, tmp_path: Path) -> Path:
    """An export whose fixations may be written by the test."""
    export = shared_dir / "data" / "trackers" / "pupil_core_export"
    for name in ("gaze_positions.csv", "world_timestamps.csv", "world.mp4"):
        (tmp_path / name).symlink_to(export / name)
    return tmp_path


def test_a_file_of_another_program_in_an_export_of_pupil_core(pupil_export: Path) -> None:
    (pupil_export / "fixations.csv").write_text("fixation,kind,start_s,end_s\n1,fixation,0.1,0.2\n")
    recording = recordings.read(pupil_export)
    assert recording.fixations == ()
    assert "fixations.csv is not the tracker's own: it lacks its columns, and is not read" in recording.notes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("200.0", "-3", "line 2: duration is '-3'; accepted: milliseconds, 0 or more"),
        ("200.0", "", "line 2: duration is ''; accepted: milliseconds"),
        ("4,10.5", "4.5,10.5", "line 2: id is '4.5'; accepted: a whole number"),
    ],
)
def test_damage_of_pupil_core_is_named(pupil_export: Path, old: str, new: str, message: str) -> None:
    (pupil_export / "fixations.csv").write_text(PUPIL_FIXATIONS.replace(old, new))
    with pytest.raises(GazeDataError, match=message):
        recordings.read(pupil_export)


SMI_COLUMNS = "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tL Event Info\tR Event Info\n"
SMI_HEADER = f"## [BeGaze]\n## Sample Rate:\t50\n{SMI_COLUMNS}"


def test_smi_from_the_first_row_to_the_last_one_of_the_eye_with_more(tmp_path: Path) -> None:
    left = ["Fixation", "Fixation", "Saccade", "Fixation", "Fixation", "Blink", "Visual Intake"]
    right = ["Fixation"] * 4 + ["-"] * 3
    rows = [
        f"{1000 + 20_000 * index}\tSMP\t1\t10\t20\t{one}\t{other}\n"
        for index, (one, other) in enumerate(zip(left, right, strict=True))
    ]
    rows.insert(4, "62000\tMSG\t1\tdrum.png\n")
    path = tmp_path / "samples.txt"
    path.write_text(SMI_HEADER + "".join(rows))
    recording = recordings.read(path)
    spans = [(item.fixation_id, item.onset_ns // 1000, item.end_ns // 1000) for item in recording.fixations]
    assert spans == [(1, 0, 20_000), (2, 60_000, 80_000), (3, 120_000, 120_000)]
    assert "the fixations are those of the left eye" in recording.notes


class TestBids:
    @pytest.fixture
    def events(self, tmp_path: Path) -> Path:
        """The recording of a tracker whose clock counts milliseconds and whose first sample is half a second late."""
        stem = "sub-01_task-look_recording-eye1"
        rows = "".join(f"{7_000 + 10 * index}\t100\t200\n" for index in range(100))
        (tmp_path / f"{stem}_physio.tsv.gz").write_bytes(gzip.compress(rows.encode()))
        facts = {
            "PhysioType": "eyetrack",
            "Columns": ["timestamp", "x_coordinate", "y_coordinate"],
            "StartTime": 0.5,
            "timestamp": {"Units": "ms"},
            "x_coordinate": {"Units": "pixel"},
            "y_coordinate": {"Units": "pixel"},
        }
        (tmp_path / f"{stem}_physio.json").write_text(json.dumps(facts))
        about = {"Columns": ["onset", "duration", "trial_type", "blink"], "OnsetSource": "timestamp"}
        (tmp_path / f"{stem}_physioevents.json").write_text(json.dumps(about))
        return tmp_path / f"{stem}_physioevents.tsv.gz"

    def write(self, events: Path, text: str) -> None:
        events.write_bytes(gzip.compress(text.encode()))

    def test_on_the_clock_of_the_samples(self, events: Path) -> None:
        self.write(
            events,
            "7100\t0.25\tfixation\t0\n7350\t0.05\tsaccade\t1\n7400\t0.1\tfixation\tn/a\nn/a\tn/a\tn/a\tn/a\n",
        )
        recording = recordings.read(events.parent)
        assert recording.samples[0].time_ns == 500_000_000
        spans = [(item.fixation_id, item.onset_ns, item.end_ns) for item in recording.fixations]
        assert spans == [(1, 600_000_000, 850_000_000), (2, 900_000_000, 1_000_000_000)]

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("late\t0.1\tfixation\t0", "line 1: onset is 'late'"),
            ("7100\t-1\tfixation\t0", "line 1: duration is '-1'; accepted: seconds, 0 or more"),
            ("7100\t0.1", "line 1"),
        ],
    )
    def test_damage_is_named(self, events: Path, row: str, message: str) -> None:
        self.write(events, f"{row}\n")
        with pytest.raises(GazeDataError, match=message):
            recordings.read(events.parent)

    def test_another_clock_is_noted_and_not_read(self, events: Path) -> None:
        self.write(events, "7100\t0.25\tfixation\t0\n")
        about = events.with_name(events.name.replace(".tsv.gz", ".json"))
        about.write_text(
            json.dumps({"Columns": ["onset", "duration", "trial_type"], "OnsetSource": "trigger"})
        )
        recording = recordings.read(events.parent)
        assert recording.fixations == ()
        assert f"{events.name} is not read: OnsetSource is 'trigger', not 'timestamp'" in recording.notes

    def test_what_the_export_of_objects_writes(self, events: Path) -> None:
        """Its onsets are nanoseconds with more digits than a float has."""
        about = events.with_name(events.name.replace(".tsv.gz", ".json"))
        about.write_text(
            json.dumps(
                {
                    "Columns": ["onset", "duration", "trial_type", "object"],
                    "OnsetSource": "timestamp",
                    "onset": {"Units": "ns"},
                }
            )
        )
        self.write(events, "7123456789\t0.1\tfixation\t4\n")
        assert recordings.read(events.parent).fixations[0].onset_ns == 500_000_000 + 123_456_789


@pytest.mark.parametrize(
    ("format_name", "words"),
    [
        ("tobii-glasses2", "tobii-glasses2: the glasses record none; Tobii Pro Lab finds them"),
        ("tobii-glasses3", "Tobii Pro Lab finds them"),
        ("aria-mps", "Machine Perception Services find none"),
        ("smi-text", "L Event Info"),
        ("bids", "_physioevents.tsv.gz"),
    ],
)
def test_where_there_are_none_the_error_says_why_and_what_to_use(format_name: str, words: str) -> None:
    samples = [GazeSample(10_000_000 * index, 100.0, 100.0) for index in range(10)]
    recording = recordings.make_recording(samples, path=Path("x"), format=format_name)
    with pytest.raises(InputError, match=f"{words}.*use 'detector'"):
        choose_fixation_origin("tracker", recording)


def test_every_format_says_why_it_may_have_none() -> None:
    assert set(recordings.formats()) == set(WHY_NO_FIXATIONS)


class TestTimes:
    SAMPLES = tuple(GazeSample(10_000_000 * index, 100.0, 100.0) for index in range(100))
    FIXATION = RecordedFixation(3, 100_000_000, 300_000_000, 1.0, 2.0)

    def make(self, samples: tuple[GazeSample, ...] = SAMPLES) -> recordings.GazeRecording:
        return recordings.make_recording(
            samples, path=Path("x"), format="csv", fixations=[self.FIXATION, self.FIXATION]
        )

    def test_a_line_that_stands_twice_counts_once(self) -> None:
        assert self.make().fixations == (self.FIXATION,)

    def test_move_with_the_samples(self) -> None:
        (moved,) = shift_times(self.make(), -50_000_000).fixations
        assert moved == RecordedFixation(3, 50_000_000, 250_000_000, 1.0, 2.0)

    def test_stay_when_samples_are_lost(self) -> None:
        assert discard_low_confidence(self.make(), 0.9).fixations == (self.FIXATION,)

    def test_are_left_out_where_the_clock_jumped(self) -> None:
        again = tuple(GazeSample(10_000_000 * index, 100.0, 100.0) for index in range(40))
        recording = self.make((*self.SAMPLES, *again))
        assert recording.fixations == ()
        assert (
            "the tracker's 1 fixations and 0 events are left out, because the clock jumped" in recording.notes
        )

    def test_count_from_the_first_frame_of_the_video_that_is_played(self, shared_dir: Path) -> None:
        """The export with its video: fixations stay where the samples are."""
        source = open_gaze_video(shared_dir / "data" / "trackers" / "pupil_core_export")
        for fixation in source.gaze.fixations:
            assert (fixation.x_px, fixation.y_px) == pytest.approx(
                mean_place(source.gaze, fixation), abs=1e-6
            )
