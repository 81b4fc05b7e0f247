"""Every format on a real recording; the expected figures were taken from the files by other means."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import shutil
from pathlib import Path

import pytest

from sam_edge.errors import GazeDataError
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings import GazeRecording, aria
from sam_edge.gaze.recordings.aria_camera import AriaCamera

REAL = {
    "pupil-core": "pupil_core_export",
    "neon-native": "neon_native/demo_recording",
    "tobii-glasses2": "tobii_glasses2",
    "eyelink-asc": "eyelink/eyelink_data_example.asc",
    "smi-text": "smi/smi_samples_head.txt",
    "aria-mps": "aria/generalized_gaze.csv",
}


def valid_count(recording: GazeRecording) -> int:
    return sum(sample.valid for sample in recording.samples)


@pytest.fixture
def trackers(shared_dir: Path) -> Path:
    return shared_dir / "data" / "trackers"


@pytest.mark.parametrize(("name", "place"), REAL.items())
def test_each_is_recognised_and_in_order(trackers: Path, name: str, place: str) -> None:
    assert recordings.recognise(trackers / place) == name
    recording = recordings.read(trackers / place)
    times = [sample.time_ns for sample in recording.samples]
    assert all(a < b for a, b in itertools.pairwise(times))
    assert all(sample.device_time_ns is not None for sample in recording.samples)
    assert recording.format == name


@pytest.mark.parametrize("place", REAL.values())
def test_bids_round_trip_keeps_every_field(trackers: Path, tmp_path: Path, place: str) -> None:
    recording = recordings.read(trackers / place)
    data, _ = recordings.write_bids(tmp_path / "sub-01_task-look", recording)
    again = recordings.read(data)
    assert list(map(repr, again.samples)) == list(map(repr, recording.samples))
    assert again.frame_size == recording.frame_size
    assert again.px_per_deg == recording.px_per_deg


@pytest.mark.parametrize("place", REAL.values())
def test_csv_round_trip_keeps_time_and_position(trackers: Path, tmp_path: Path, place: str) -> None:
    samples = recordings.read(trackers / place).samples
    recordings.write_csv(tmp_path / "gaze.csv", samples)
    again = recordings.read(tmp_path / "gaze.csv").samples
    kept = [(s.time_ns, str(s.x_px), str(s.y_px), s.confidence) for s in samples]
    assert [(s.time_ns, str(s.x_px), str(s.y_px), s.confidence) for s in again] == kept


def test_pupil_core(trackers: Path) -> None:
    recording = recordings.read(trackers / "pupil_core_export")
    first = recording.samples[0]
    # Row one: 65.305218199 s, norm_pos (0.56611, 0.54059) from the bottom-left; world video 1088x1080 from 65.300018 s.
    assert recording.frame_size == (1080, 1088)
    assert (len(recording.samples), first.time_ns) == (145, 5_200_199)
    assert first.x_px == pytest.approx(0.5661120134241441 * 1088)
    assert first.y_px == pytest.approx((1 - 0.5405930978280526) * 1080)
    assert first.device_time_ns == 65_305_218_199
    assert recordings.read(trackers / "pupil_core_export" / "gaze_positions.csv").samples == recording.samples


def test_pupil_core_without_video_or_times(trackers: Path, tmp_path: Path) -> None:
    folder = tmp_path / "000"
    folder.mkdir()
    shutil.copy(trackers / "pupil_core_export" / "gaze_positions.csv", folder)
    with pytest.raises(GazeDataError, match="no world video"):
        recordings.read(folder)
    shutil.copy(trackers / "pupil_core_export" / "world.mp4", folder)
    recording = recordings.read(folder)
    assert recording.samples[0].time_ns == 0
    assert any("time 0 is the first gaze sample" in note for note in recording.notes)


def test_neon_native(trackers: Path) -> None:
    recording = recordings.read(trackers / "neon_native" / "demo_recording")
    first = recording.samples[0]
    assert (len(recording.samples), valid_count(recording)) == (1788, 1788)
    assert recording.rate_hz == pytest.approx(200)
    assert recording.frame_size == (1200, 1600)
    assert recording.px_per_deg == pytest.approx(15.5, abs=0.1)
    assert first.device_time_ns == 1760676790465965534
    assert first.time_ns == 1760676790465965534 - 1760676789685918534
    assert (first.x_px, first.y_px) == pytest.approx((719.783203125, 749.7763671875))


def test_neon_native_cut_off_within_a_sample(trackers: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    shutil.copytree(trackers / "neon_native" / "demo_recording", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    for name in ("gaze_200hz.raw", "gaze_200hz.time", "Neon Scene Camera v1 ps1.time"):
        (folder / name).unlink()
    raw = folder / "gaze ps1.raw"
    raw.write_bytes(raw.read_bytes()[:805])
    recording = recordings.read(folder)
    assert len(recording.samples) == 100
    assert recording.samples[0].time_ns == 0
    assert any("cut off within a sample; 100 whole" in note for note in recording.notes)
    assert any("100 positions for 1788 times" in note for note in recording.notes)
    (folder / "worn ps1.raw").write_bytes(b"\xff" * 50 + b"\x00" * 50)
    assert valid_count(recordings.read(folder)) == 50
    (folder / "gaze.dtype").write_text('[("a", "float32")]')
    with pytest.raises(GazeDataError, match=r"fields are \['a'\]"):
        recordings.read(folder)


def test_tobii_glasses2(trackers: Path) -> None:
    recording = recordings.read(trackers / "tobii_glasses2")
    first = recording.samples[0]
    # livedata: first gaze at ts 484678568, vts 0 at ts 485478112, gp (0.5234, 0.4100), 93 of 1424 with s != 0.
    assert (len(recording.samples), valid_count(recording)) == (1424, 1331)
    assert first.time_ns == (484678568 - 485478112) * 1000
    assert (first.x_px, first.y_px) == pytest.approx((0.5234 * 1920, 0.41 * 1080))
    assert (first.left_valid, first.right_valid) == (True, True)
    assert first.depth_m == pytest.approx(math.hypot(42.68, 74.56, 669.47) / 1000, rel=0.01)
    assert recording.frame_size == (1080, 1920)


def test_tobii_glasses2_says_the_same_in_both_logs(trackers: Path) -> None:
    text = recordings.read(trackers / "tobii_glasses2" / "livedata.json.gz").samples
    binary = recordings.read(trackers / "tobii_glasses2" / "et.tslv.gz").samples
    assert [s.time_ns for s in text] == [s.time_ns for s in binary]
    assert [(s.left_valid, s.right_valid, s.valid) for s in text] == [
        (s.left_valid, s.right_valid, s.valid) for s in binary
    ]
    # Four decimals of 1920 pixels.
    assert max(abs(a.x_px - b.x_px) for a, b in zip(text, binary, strict=True) if a.valid) < 0.1


def test_tobii_glasses2_ray_meets_the_picture_where_the_gaze_is(trackers: Path) -> None:
    """Pinhole without the lens's distortion: a few pixels at most, measured 0.5 in the median."""
    samples = recordings.read(trackers / "tobii_glasses2" / "et.tslv.gz").samples
    for sample in samples:
        if sample.valid and sample.ray is not None:
            x, y, z = sample.ray.direction
            assert 921.13 + 1136.65 * x / z == pytest.approx(sample.x_px, abs=4)
            assert 548.25 + 1136.64 * y / z == pytest.approx(sample.y_px, abs=4)


@pytest.mark.parametrize("name", ["livedata.json.gz", "et.tslv.gz"])
@pytest.mark.parametrize("packed", [True, False])
def test_tobii_glasses2_log_that_breaks_off(trackers: Path, tmp_path: Path, name: str, packed: bool) -> None:
    whole = recordings.read(trackers / "tobii_glasses2" / name).samples
    data = (trackers / "tobii_glasses2" / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) // 2] if packed else gzip.decompress(data)[:400_001])
    recording = recordings.read(path, format="tobii-glasses2")
    assert 300 < len(recording.samples) < len(whole)
    assert "the file is cut off; its complete part was read" in recording.notes
    # The very last instant may lack what would have followed.
    assert [s.time_ns for s in recording.samples[:-1]] == [
        s.time_ns for s in whole[: len(recording.samples) - 1]
    ]


def test_eyelink(trackers: Path) -> None:
    recording = recordings.read(trackers / "eyelink" / "eyelink_data_example.asc")
    first = recording.samples[0]
    # First line: left (1682.1, 993.5), right (1723.1, 1059.1); GAZE_COORDS 0 0 1679 1049; RES 41.00 45.48.
    assert len(recording.samples) == 10294
    assert (first.time_ns, first.device_time_ns) == (0, 1_835_009_000_000)
    assert (first.x_px, first.y_px) == pytest.approx(((1682.1 + 1723.1) / 2, (993.5 + 1059.1) / 2))
    assert recording.frame_size == (1050, 1680)
    assert recording.px_per_deg == pytest.approx(43.24)
    assert recording.rate_hz == pytest.approx(1000)
    blink = next(s for s in recording.samples if s.device_time_ns == 1_841_900_000_000)
    assert (blink.left_valid, blink.right_valid, blink.valid) == (False, False, False)
    one_eyed = next(s for s in recording.samples if s.device_time_ns == 1_842_000_000_000)
    assert (one_eyed.left_valid, one_eyed.right_valid, one_eyed.valid) == (False, True, True)


def test_smi(trackers: Path) -> None:
    recording = recordings.read(trackers / "smi" / "smi_samples_head.txt")
    first = recording.samples[0]
    assert (len(recording.samples), valid_count(recording)) == (3979, 575)
    assert (first.time_ns, first.device_time_ns) == (2152092084000 - 2152080664000, 2152092084000)
    assert (first.left_valid, first.right_valid) == (False, None)
    last = recording.samples[-1]
    assert (last.x_px, last.y_px) == (512.0, 384.0)
    assert recording.frame_size == (768, 1024)
    # 1024 px on 300 mm at 800 mm.
    assert recording.px_per_deg == pytest.approx(1024 / math.degrees(2 * math.atan(150 / 800)))


@pytest.mark.parametrize("name", ["eyegaze.csv", "generalized_eye_gaze.csv", "generalized_gaze.csv"])
def test_aria_without_camera_gives_rays(trackers: Path, name: str) -> None:
    recording = recordings.read(trackers / "aria" / name)
    assert len(recording.samples) == 123
    assert recording.rate_hz == pytest.approx(10)
    assert not any(sample.valid for sample in recording.samples)
    assert any("no camera" in note for note in recording.notes)
    for sample in recording.samples:
        assert sample.ray is not None
        assert math.hypot(*sample.ray.direction) == pytest.approx(1)
    first = recording.samples[0].ray
    assert first is not None
    # The wearer looks to the left (yaw 0.79 to 0.89), which is -x of a picture.
    assert first.direction[0] / first.direction[2] == pytest.approx(-math.tan(0.84), rel=0.3)


def test_aria_with_camera(shared_dir: Path, tmp_path: Path) -> None:
    source = shared_dir / "data" / "aria_digital_twin"
    shutil.copyfile(source / "eyegaze.csv", tmp_path / "eyegaze.csv")
    facts = json.loads((source / "camera_and_gaze.json").read_text())
    # A camera that looks straight ahead, upright: x right, y down against the head's x left, y up.
    facts["camera_from_cpf"] = [[-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0]]
    facts["first_frame_ns"] = facts["frames"][0]["timestamp_ns"]
    (tmp_path / "aria_camera.json").write_text(json.dumps(facts))
    recording = recordings.read(tmp_path)
    assert (recording.frame_size, valid_count(recording)) == ((1408, 1408), 6)
    assert recording.px_per_deg == pytest.approx(10.66, abs=0.01)
    first = recording.samples[0]
    assert first.time_ns == 87551170907000 - 87551170813262
    assert first.depth_m is None
    assert recording.samples[1].depth_m == pytest.approx(0.511755)
    camera = AriaCamera.load(tmp_path / "aria_camera.json")
    x, y, z = aria.gaze_point(0.069013, -0.606622, 1.0)
    assert (first.x_px, first.y_px) == pytest.approx(camera.project((-x, -y, z)))
    assert first.covariance_px2 is not None
    # Half the interval (1.17 by 1.66 degrees) at about 10.7 px a degree.
    xx, xy, yy = first.covariance_px2
    assert math.sqrt(xx) == pytest.approx(1.17 * 10.7, rel=0.3)
    assert math.sqrt(yy) == pytest.approx(1.66 * 10.7, rel=0.3)
    assert xy * xy < xx * yy
