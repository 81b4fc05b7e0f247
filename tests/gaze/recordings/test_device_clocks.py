"""Clocks and lost samples as devices write them: EyeLink at 2000 Hz, messages of several lines, paused scene videos."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sam_edge.errors import GazeDataError
from sam_edge.gaze import recordings

HEAD = (
    "** CONVERTED FROM x.edf\nMSG\t99 DISPLAY_COORDS 0 0 1919 1079\nSTART\t100 \tLEFT\tSAMPLES\tEVENTS\n"
    "SAMPLES\tGAZE\tLEFT\tRATE\t{rate}\tTRACKING\tCR\n"
)


def asc(folder: Path, *lines: str, rate: str = "1000.00", head: str = HEAD) -> Path:
    path = folder / "x.asc"
    path.write_text(
        head.format(rate=rate) + "\n".join((*lines, "END\t900 \tSAMPLES\tEVENTS")) + "\n", "utf-8"
    )
    return path


def sample(time: object, x: object = 960.0, pupil: object = 900.0) -> str:
    return f"{time}\t  {x}\t  540.0\t  {pupil}\t..."


@pytest.mark.parametrize("rate", [1000, 2000])
def test_each_sample_of_2000_hz_has_a_time(tmp_path: Path, rate: int) -> None:
    times = [100 + n * 1000 // rate for n in range(40)] + [500 + n * 1000 // rate for n in range(40)]
    path = asc(tmp_path, *(sample(time, n) for n, time in enumerate(times)), rate=f"{rate}.00")
    recording = recordings.read(path)
    assert [s.x_px for s in recording.samples] == list(range(80))
    assert recording.rate_hz == rate
    step_ns = 1_000_000_000 // rate
    assert [s.time_ns for s in recording.samples[:3]] == [0, step_ns, 2 * step_ns]
    assert recording.samples[40].time_ns == 400_000_000


def test_a_rate_that_the_times_contradict_is_noted(tmp_path: Path) -> None:
    recording = recordings.read(asc(tmp_path, *(sample(100 + 4 * n) for n in range(20)), rate="1000.00"))
    assert recording.rate_hz == 250.0
    assert "the file states 1000 samples per second; they come at 250 Hz" in recording.notes


@pytest.mark.parametrize("lost", ["1e+08", "1e8", "100000000.0", "-32768", "-32768.0", "."])
def test_every_mark_of_a_lost_sample(tmp_path: Path, lost: str) -> None:
    samples = recordings.read(asc(tmp_path, sample(100), sample(101, lost), sample(102))).samples
    assert [s.valid for s in samples] == [True, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "2 line break",
        "3500 1 2 3 4 5 6 7",
        "3500\t  1.0\t  2.0\t  3.0\t...",
        "END of trial",
        "START now",
        "SAMPLES of text",
        "EFIX none",
        "second line\n3 third line",
        "102 1 2 3 ...",
    ],
)
def test_further_lines_of_a_message_are_no_samples(tmp_path: Path, text: str) -> None:
    path = asc(tmp_path, sample(100), sample(101), f"MSG\t101 a message\n{text}", sample(102), sample(103))
    recording = recordings.read(path)
    assert [s.time_ns for s in recording.samples] == [0, 1_000_000, 2_000_000, 3_000_000]


def test_samples_after_messages_stay(tmp_path: Path) -> None:
    rows = [line for n in range(5) for line in (f"MSG\t{100 + n} x", sample(100 + n))]
    recording = recordings.read(asc(tmp_path, *rows))
    assert len(recording.samples) == 5
    assert not any("message" in note for note in recording.notes)


def test_velocity_resolution_and_target_columns(tmp_path: Path) -> None:
    head = HEAD.replace("LEFT\tRATE", "LEFT\tRIGHT\tRATE").replace("CR\n", "CR\tVEL\tRES\tHTARGET\n")
    row = "\t10.0\t20.0\t900\t30.0\t40.0\t900\t1.5\t-2.5\t0.5\t0.5\t26.4\t26.8\t...\t 12.0\t 13.0\t 600.0\t......"
    lines = (f"100{row}", "MSG\t100 x", f"101{row}", "102\t  .\t  .\t  0.0" + row[14:])
    samples = recordings.read(asc(tmp_path, *lines, head=head)).samples
    assert [(s.x_px, s.y_px) for s in samples[:2]] == [(20.0, 30.0)] * 2
    assert (samples[2].left_valid, samples[2].right_valid) == (False, True)


def test_asc_saved_again_as_utf16(tmp_path: Path) -> None:
    path = asc(tmp_path, sample(100), sample(101))
    path.write_bytes(path.read_text("utf-8").encode("utf-16"))
    assert recordings.read(path).format == "eyelink-asc"


def glasses2(folder: Path, entries: list[dict[str, object]]) -> Path:
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    (folder / "livedata.json.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def gaze(time_us: int) -> dict[str, object]:
    return {"s": 0, "gidx": time_us, "gp": [0.5, 0.5], "ts": time_us}


def test_gaze_follows_a_video_that_was_paused(tmp_path: Path) -> None:
    before = [gaze(1_000_000 + 20_000 * n) for n in range(50)]
    after = [gaze(31_000_000 + 20_000 * n) for n in range(50)]
    marks: list[dict[str, object]] = [
        {"ts": 1_000_000, "s": 0, "vts": 0},
        {"ts": 31_300_000, "s": 0, "vts": 1_300_000},
    ]
    recording = recordings.read(glasses2(tmp_path, [marks[0], *before, *after[:15], marks[1], *after[15:]]))
    assert [s.time_ns // 1_000_000 for s in recording.samples] == list(range(0, 2000, 20))
    assert any("paused 1 times; gaze follows its clock" in note for note in recording.notes)


def test_gaze_during_the_pause_is_left_out(tmp_path: Path) -> None:
    samples = [gaze(1_000_000 + 20_000 * n) for n in range(200)]
    marks: list[dict[str, object]] = [
        {"ts": 1_000_000, "s": 0, "vts": 0},
        {"ts": 4_000_000, "s": 0, "vts": 1_000_000},
    ]
    recording = recordings.read(glasses2(tmp_path, [*marks, *samples]))
    times_ms = [s.time_ns // 1_000_000 for s in recording.samples]
    assert times_ms == list(range(0, 1000, 20)) + list(range(1000, 2000, 20))
    assert any("samples of pauses are left out" in note for note in recording.notes)


def test_the_jitter_of_a_video_clock_is_no_pause(tmp_path: Path) -> None:
    entries: list[dict[str, object]] = [gaze(1_000_000 + 20_000 * n) for n in range(50)]
    entries += [{"ts": 1_000_000 + 100_000 * n, "s": 0, "vts": 100_000 * n + n % 3 * 500} for n in range(9)]
    recording = recordings.read(glasses2(tmp_path, entries))
    assert not any("paused" in note for note in recording.notes)
    assert recording.samples[-1].time_ns == 980_000_000


@pytest.mark.parametrize("key_order", [("type", "timestamp", "data"), ("data", "timestamp", "type")])
def test_keys_of_glasses3_stand_in_any_order(tmp_path: Path, key_order: tuple[str, ...]) -> None:
    entry = {"type": "gaze", "timestamp": 0.5, "data": {"gaze2d": [0.5, 0.25]}}
    text = "\n".join(json.dumps({key: entry[key] for key in key_order}, indent=None) for _ in range(2))
    (tmp_path / "gazedata").write_text(text.replace("0.5,", "0.5,", 1), encoding="utf-8")
    (tmp_path / "recording.g3").write_text('{"scenecamera": {"file": "scenevideo.mp4"}}', encoding="utf-8")
    recording = recordings.read(tmp_path)
    assert recording.format == "tobii-glasses3"
    assert (recording.samples[0].x_px, recording.samples[0].y_px) == (960.0, 270.0)
    assert any("recording.g3 states no camera-calibration" in note for note in recording.notes)


EGO4D = (
    "component_idx,component_timestamp_s,canonical_timestamp_s,world_index,confidence,norm_pos_x,norm_pos_y,"
    "gaze_point_3d_x\n0,0.0,5.0,10583.0,1.0,0.25,0.75,\n1,0.004,5.004,10583.0,1.0,0.5,0.25,\n"
)


def test_ego4d_needs_the_size_of_the_video(tmp_path: Path) -> None:
    path = tmp_path / "uid.csv"
    path.write_text(EGO4D, encoding="utf-8")
    assert recordings.recognise(path) == "ego4d"
    with pytest.raises(GazeDataError, match=r"there is no uid\.mp4; give the video"):
        recordings.read(path)
    samples = recordings.read(path, frame_size=(480, 640)).samples
    assert [(s.time_ns, s.x_px, s.y_px) for s in samples] == [
        (5_000_000_000, 160.0, 120.0),
        (5_004_000_000, 320.0, 360.0),
    ]


class TestSharedCases:
    @pytest.mark.parametrize(
        ("name", "count", "valid", "rate_hz"),
        [
            ("eyelink-2000hz/rate2000.asc", 600, 600, 2000),
            ("eyelink-lost-1e8/1e8_pupil.asc", 300, 290, 1000),
            ("eyelink-lost-1e8/minus32768.asc", 300, 290, 1000),
            ("eyelink-message-linebreak/msg_linebreak.asc", 200, 200, 1000),
            ("eyelink-message-linebreak/msg_linebreak_number.asc", 200, 200, 1000),
            ("glasses-key-order/g3", 100, 100, 50),
            ("glasses3-no-calibration/g3", 100, 100, 50),
        ],
    )
    def test_counts(self, shared_dir: Path, name: str, count: int, valid: int, rate_hz: int) -> None:
        recording = recordings.read(shared_dir / "cases" / name)
        assert (len(recording.samples), sum(s.valid for s in recording.samples)) == (count, valid)
        assert recording.rate_hz == pytest.approx(rate_hz, rel=1e-3)

    def test_a_paused_video(self, shared_dir: Path) -> None:
        recording = recordings.read(shared_dir / "cases/glasses2-video-clock/g2_pause")
        steps_ns = [
            b.time_ns - a.time_ns for a, b in zip(recording.samples, recording.samples[1:], strict=False)
        ]
        assert max(steps_ns) < 1_000_000_000
        assert recording.duration_s == pytest.approx(28.72, abs=0.05)

    def test_ego4d_beside_its_video(self, shared_dir: Path) -> None:
        from sam_edge.gaze_video import open_gaze_video

        folder = shared_dir / "cases/ego4d"
        gaze = open_gaze_video(folder / "short.mp4", folder / "uid.csv").gaze
        height, width = gaze.frame_size or (0, 0)
        assert gaze.samples[0].x_px == pytest.approx(0.4422956915462719 * width)
        assert gaze.samples[0].y_px == pytest.approx((1 - 0.440328527379919) * height)
