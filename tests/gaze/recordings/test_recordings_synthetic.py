"""Formats on small files made to their documentation, and what each refuses."""

from __future__ import annotations

import gzip
import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings import aria, registry
from sam_edge.gaze.recordings.aria_camera import AriaCamera

G3_CAMERA = {
    "position": [0.0, 10.0, 0.0],
    "rotation": [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
    "focal-length": [900.0, 900.0],
    "skew": 0.0,
    "principal-point": [960.0, 540.0],
    "radial-distortion": [0, 0, 0],
    "tangential-distortion": [0, 0],
    "resolution": [1920, 1080],
}
G3_EYE = {"gazeorigin": [28.0, -7.0, -23.0], "gazedirection": [0.0, 0.0, 1.0], "pupildiameter": 3.1}
G3_LINES = [
    {"type": "gaze", "timestamp": 0.0, "data": {}},
    {
        "type": "gaze",
        "timestamp": 0.019985,
        "data": {"gaze2d": [0.5, 0.25], "gaze3d": [-100.0, 210.0, 1000.0], "eyeleft": G3_EYE, "eyeright": {}},
    },
    {"type": "event", "timestamp": 0.02, "data": {}},
    {"type": "gaze", "timestamp": 0.03997, "data": {"gaze2d": [1.2, -0.1]}},
]


def g3_folder(folder: Path, lines: list[str], *, camera: bool = True) -> Path:
    (folder / "gazedata.gz").write_bytes(gzip.compress("".join(lines).encode()))
    if camera:
        facts = {"name": "r", "scenecamera": {"file": "scenevideo.mp4", "camera-calibration": G3_CAMERA}}
        (folder / "recording.g3").write_text(json.dumps(facts))
    return folder


def test_glasses3(tmp_path: Path) -> None:
    folder = g3_folder(tmp_path, [json.dumps(line) + "\n" for line in G3_LINES])
    assert recordings.recognise(folder) == "tobii-glasses3"
    recording = recordings.read(folder)
    assert [s.time_ns for s in recording.samples] == [0, 19_985_000, 39_970_000]
    lost, seen, outside = recording.samples
    assert (lost.valid, lost.left_valid, lost.right_valid) == (False, False, False)
    assert (seen.x_px, seen.y_px) == (960.0, 270.0)
    assert (seen.left_valid, seen.right_valid) == (True, False)
    assert seen.ray is not None
    # (-100, 210, 1000) mm in the head unit's space is (100, -200, 1000) from a camera 10 mm above its origin.
    assert seen.depth_m == pytest.approx(math.hypot(0.1, 0.2, 1.0))
    assert seen.ray.direction == pytest.approx([v / math.hypot(0.1, 0.2, 1.0) for v in (0.1, -0.2, 1.0)])
    assert (outside.x_px, outside.y_px) == pytest.approx((2304.0, -108.0))
    assert recording.px_per_deg == pytest.approx(900 * math.pi / 180)


def test_glasses3_without_description(tmp_path: Path) -> None:
    folder = g3_folder(tmp_path, [json.dumps(line) + "\n" for line in G3_LINES], camera=False)
    recording = recordings.read(folder / "gazedata.gz")
    assert recording.samples[1].ray is None
    assert any("1920x1080 is assumed" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (['{"type":"gaze","timestamp":0,"data":{}}\n', "nonsense\n", "{}\n"], "line 2: not a JSON object"),
        (['{"type":"gaze","timestamp":"now","data":{}}\n'], "timestamp in seconds"),
        (['{"type":"gaze","timestamp":1e300,"data":{}}\n'], "timestamp in seconds"),
        (['{"type":"gaze","timestamp":0,"data":[]}\n'], "an object data"),
        (["[1, 2]\n"], "one JSON object per line"),
        (["[" * 100_000 + "\n", "{}\n"], "line 1: not a JSON object"),
        (['{"type":"imu","timestamp":0,"data":{}}\n'], "holds no gaze samples"),
    ],
)
def test_glasses3_refuses(tmp_path: Path, lines: list[str], part: str) -> None:
    folder = g3_folder(tmp_path, lines)
    with pytest.raises(GazeDataError, match=part):
        recordings.read(folder, format="tobii-glasses3")


def test_a_packed_bomb_is_refused(tmp_path: Path) -> None:
    line = b'{"type":"gaze","timestamp":0,"data":{}}\n'
    (tmp_path / "gazedata.gz").write_bytes(gzip.compress(line + (b" " * 999 + b"\n") * 8000))
    with pytest.raises(GazeDataError, match="unpacks to more than"):
        recordings.read(tmp_path / "gazedata.gz", format="tobii-glasses3")


NEON = (
    "section id,recording id,timestamp [ns],gaze x [px],gaze y [px],worn,fixation id,blink id,"
    "azimuth [deg],elevation [deg]\n"
    "s,r,1700000000000000000,800.5,600.25,1.0,1,,0.0,0.0\n"
    "s,r,1700000000005000000,801.0,,1.0,,,,\n"
    "s,r,1700000000010000000,900.0,600.0,1.0,,7,30.0,10.0\n"
    "s,r,1700000000015000000,900.0,600.0,0.0,,,30.0,10.0\n"
)


def test_neon_csv(tmp_path: Path) -> None:
    (tmp_path / "gaze.csv").write_text(NEON)
    (tmp_path / "world_timestamps.csv").write_text(
        "section id,recording id,timestamp [ns]\ns,r,1699999999990000000\ns,r,1700000000023000000\n"
    )
    (tmp_path / "scene_camera.json").write_text(
        json.dumps({"camera_matrix": [[890, 0, 800], [0, 890, 600], [0, 0, 1]]})
    )
    (tmp_path / "info.json").write_text(json.dumps({"module_serial_number": "1"}))
    recording = recordings.read(tmp_path)
    assert recording.format == "neon-csv"
    assert [s.time_ns for s in recording.samples] == [10_000_000, 15_000_000, 20_000_000, 25_000_000]
    assert [s.valid for s in recording.samples] == [True, False, False, False]
    assert recording.frame_size == (1200, 1600)
    assert recording.rate_hz == pytest.approx(200)
    assert recording.px_per_deg == pytest.approx(15.53, abs=0.01)
    ahead, aside = recording.samples[0].ray, recording.samples[2].ray
    assert ahead is not None
    assert ahead.direction == pytest.approx((0, 0, 1))
    assert aside is not None
    # 30 degrees to the right, 10 up.
    assert math.degrees(math.atan2(aside.direction[0], aside.direction[2])) == pytest.approx(30)
    assert math.degrees(math.asin(-aside.direction[1])) == pytest.approx(10)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("1700000000005000000", "1.7e18", "timestamp \\[ns\\] is '1.7e18'"),
        (
            "s,r,1700000000010000000",
            "s,other,1700000000010000000",
            "holds 2 recordings: 'r', 'other'; choose one",
        ),
        ("801.0", "inf", "gaze x \\[px\\] is 'inf'"),
    ],
)
def test_neon_csv_refuses(tmp_path: Path, old: str, new: str, part: str) -> None:
    (tmp_path / "gaze.csv").write_text(NEON.replace(old, new))
    with pytest.raises(GazeDataError, match=part):
        recordings.read(tmp_path)


def pro_lab(folder: Path, header: str, *rows: str) -> Path:
    path = folder / "export.tsv"
    path.write_text("\n".join(("\ufeff" + header, *rows)) + "\n", encoding="utf-8")
    return path


PRO_LAB_GLASSES = (
    "Recording timestamp [ms]\tSensor\tParticipant name\tRecording name\tGaze point X [MCS px]\t"
    "Gaze point Y [MCS px]\tRecording media width [px]\tRecording media height [px]\t"
    "Validity left\tValidity right\tEvent"
)


def test_pro_lab_glasses(tmp_path: Path) -> None:
    path = pro_lab(
        tmp_path,
        PRO_LAB_GLASSES,
        "0\t\tP1\tR1\t\t\t1920\t1080\t\t\tRecordingStart",
        "5\tEye Tracker\tP1\tR1\t960\t540\t1920\t1080\tValid\tInvalid\t",
        "8\tGyroscope\tP1\tR1\t\t\t1920\t1080\t\t\t",
        "25\tEye Tracker\tP1\tR1\t970\t541\t1920\t1080\tInvalid\tInvalid\t",
        "45\tEye Tracker\tP1\tR1\t980,5\t541\t1920\t1080\tValid\tValid\t",
    )
    recording = recordings.read(path)
    assert (recording.format, recording.frame_size) == ("tobii-pro-lab", (1080, 1920))
    assert [s.time_ns for s in recording.samples] == [5_000_000, 25_000_000, 45_000_000]
    assert [s.valid for s in recording.samples] == [True, False, True]
    assert (recording.samples[0].left_valid, recording.samples[0].right_valid) == (True, False)
    assert recording.samples[2].x_px == 980.5


@pytest.mark.parametrize(
    ("header", "times", "expected_ns"),
    [
        ("Recording timestamp [μs]\tGaze point X [DACS px]\tGaze point Y [DACS px]", (0, 16667), 16_667_000),
        ("Recording timestamp [µs]\tGaze point X [MCS px]\tGaze point Y [MCS px]", (0, 16667), 16_667_000),
        ("Recording timestamp\tGaze point X\tGaze point Y", (0, 16667), 16_667_000),
        ("Recording timestamp\tGaze point X\tGaze point Y", (0, 17), 17_000_000),
        ("RecordingTimestamp\tGazePointX (ADCSpx)\tGazePointY (ADCSpx)", (0, 17), 17_000_000),
        ("RecordingTimestamp\tGazePointX (MCSpx)\tGazePointY (MCSpx)", (0, 17), 17_000_000),
    ],
)
def test_pro_lab_headers_of_several_versions(
    tmp_path: Path, header: str, times: tuple[int, int], expected_ns: int
) -> None:
    path = pro_lab(tmp_path, header, *(f"{time}\t100\t200" for time in times))
    samples = recordings.read(path).samples
    assert [s.time_ns for s in samples] == [0, expected_ns]
    assert (samples[1].x_px, samples[1].y_px) == (100.0, 200.0)


def test_pro_lab_normalised_positions_need_a_size(tmp_path: Path) -> None:
    header = "Recording timestamp [ms]\tGaze point X (MCSnorm)\tGaze point Y (MCSnorm)"
    with pytest.raises(GazeDataError, match="no resolution is named"):
        recordings.read(pro_lab(tmp_path, header, "0\t0.5\t0.25"))
    sized = header + "\tRecording resolution width\tRecording resolution height"
    sample = recordings.read(pro_lab(tmp_path, sized, "0\t0.5\t0.25\t1920\t1080")).samples[0]
    assert (sample.x_px, sample.y_px) == (960.0, 270.0)


@pytest.mark.parametrize(
    ("header", "row", "part"),
    [
        (
            "Recording timestamp [ms]\tGaze point X [MCS px]",
            "0\t1",
            "no 'Recording timestamp' or no 'Gaze point X'",
        ),
        ("Recording timestamp [weeks]\tGaze point X\tGaze point Y", "0\t1\t2", "accepted units: us, ms, s"),
        ("Recording timestamp [ms]\tGaze point X\tGaze point Y", "0\tleft\t2", "'left'"),
        ("Recording timestamp [ms]\tGaze point X\tGaze point Y", "\t1\t2", "a time"),
        ("Recording timestamp [ms]\tGaze point X\tGaze point Y\tSensor", "0\t1\t2\tMouse", "no gaze samples"),
    ],
)
def test_pro_lab_refuses(tmp_path: Path, header: str, row: str, part: str) -> None:
    with pytest.raises(GazeDataError, match=part):
        recordings.read(pro_lab(tmp_path, header, row), format="tobii-pro-lab")


def test_pro_lab_with_several_recordings(tmp_path: Path) -> None:
    path = pro_lab(
        tmp_path,
        PRO_LAB_GLASSES,
        "5\tEye Tracker\tP1\tR1\t960\t540\t\t\t\t\t",
        "5\tEye Tracker\tP2\tR1\t960\t540\t\t\t\t\t",
    )
    with pytest.raises(
        GazeDataError, match="holds 2 recordings: 'P1 R1', 'P2 R1'; choose one with recording_name"
    ):
        recordings.read(path)


ASC = (
    "** CONVERTED FROM x.edf\n"
    "MSG\t99 DISPLAY_COORDS 0 0 1919 1079\n"
    "START\t100 \tRIGHT\tSAMPLES\tEVENTS\n"
    "SAMPLES\tGAZE\tRIGHT\tRATE\t2000.00\tTRACKING\tCR\tFILTER\t2\n"
    "100.0\t 960.0\t 540.0\t 1000.0\t...\n"
    "100.5\t   .\t   .\t    0.0\t...\n"
    "101.0\t 961.0\t 541.0\t 0.0\t...\n"
    "MSG\t101 caf\xe9\n"
    "END\t101 \tSAMPLES\tEVENTS\tRES\t 40.00\t 44.00\n"
)


def test_eyelink_one_eye_at_2000_hz(tmp_path: Path) -> None:
    path = tmp_path / "x.asc"
    path.write_bytes(ASC.encode("latin-1"))
    recording = recordings.read(path)
    assert [s.time_ns for s in recording.samples] == [0, 500_000, 1_000_000]
    assert [s.valid for s in recording.samples] == [True, False, False]
    assert recording.samples[0].left_valid is None
    assert (recording.frame_size, recording.px_per_deg) == ((1080, 1920), 42.0)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("SAMPLES\tGAZE", "SAMPLES\tHREF", "line 4: samples are 'HREF RIGHT'; accepted: GAZE"),
        ("100.5\t   .\t   .\t    0.0\t...\n", "100.5\t 9\n", "line 6: .*cut off"),
        ("961.0", "9x1", "line 7: .*9x1"),
        ("961.0", "inf", "line 7: .*infinite"),
        ("SAMPLES\tGAZE\tRIGHT\tRATE\t2000.00\tTRACKING\tCR\tFILTER\t2\n", "", "no SAMPLES line"),
    ],
)
def test_eyelink_refuses(tmp_path: Path, old: str, new: str, part: str) -> None:
    path = tmp_path / "x.asc"
    path.write_bytes(ASC.replace(old, new).encode("latin-1"))
    with pytest.raises(GazeDataError, match=part):
        recordings.read(path)


def test_eyelink_that_breaks_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.asc"
    path.write_bytes(ASC[: ASC.index("END")].encode("latin-1"))
    assert any("no END line" in note for note in recordings.read(path).notes)


@pytest.mark.parametrize("head", ["", "** CONVERTED FROM x.edf\n**\n\n"])
@pytest.mark.parametrize(
    ("values", "x", "eyes"),
    [
        (" 960.0\t 540.0\t 1000.0\t...", 960.0, (None, None)),
        (" 960.0\t 540.0\t 1000.0", 960.0, (None, None)),
        (" 960.0\t 540.0\t 1000.0\t 1.5\t -2.0\t 33.0\t 34.0\tC..", 960.0, (None, None)),
        (" 950.0\t 540.0\t 900.0\t 970.0\t 540.0\t 900.0\t.....", 960.0, (True, True)),
        (" .\t .\t 0.0\t 970.0\t 540.0\t 900.0\t..C..", 970.0, (False, True)),
    ],
)
def test_eyelink_samples_alone(
    tmp_path: Path, head: str, values: str, x: float, eyes: tuple[bool | None, bool | None]
) -> None:
    """As `edf2asc -s` writes them: the number of values and of flags says how many eyes there are."""
    path = tmp_path / "x.asc"
    path.write_text(head + "".join(f"{time}\t{values}\n" for time in range(500, 520, 2)))
    recording = recordings.read(path)
    assert recording.format == "eyelink-asc"
    assert [sample.time_ns for sample in recording.samples] == [2_000_000 * n for n in range(10)]
    assert {(s.x_px, s.y_px, s.left_valid, s.right_valid) for s in recording.samples} == {(x, 540.0, *eyes)}
    assert any("no line says which kind of position" in note for note in recording.notes)
    assert not any("END line" in note for note in recording.notes)


@pytest.mark.parametrize("values", ["960.0\t540.0\t1000.0\t127.0", "960.0\t540.0", "960.0\t540.0\t0.0\tword"])
def test_eyelink_samples_alone_of_another_number_of_values_are_refused(tmp_path: Path, values: str) -> None:
    path = tmp_path / "x.asc"
    path.write_text("".join(f"{time}\t{values}\n" for time in range(500, 520, 2)))
    with pytest.raises(GazeDataError):
        recordings.read(path)


SMI = "## [iView]\n## Sample Rate:\t50\n## \n"
SMI += "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tR POR X [px]\tR POR Y [px]\n"


def test_smi_two_eyes(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(
        (SMI + '1000\tMSG\t1\t# "quote\n1000\tSMP\t1\t10\t20\t30\t40\n21000\tSMP\t1\t0\t0\t30\t40\n').encode()
    )
    samples = recordings.read(path).samples
    assert [(s.time_ns, s.x_px, s.y_px) for s in samples] == [(0, 20.0, 30.0), (20_000_000, 30.0, 40.0)]
    assert (samples[1].left_valid, samples[1].right_valid) == (False, True)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (SMI + "1000\tSMP\t1\t10\t20\n", "line 5: Type is 'SMP'; accepted: 7 cells"),
        (SMI + "1000\tSMP\t1\ta\t20\t30\t40\n", "line 5: L POR X"),
        (SMI.replace("POR", "Raw"), "no columns 'L POR X"),
        ("## [iView]\n", "expected a line that names the columns"),
    ],
)
def test_smi_refuses(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(text)
    with pytest.raises(GazeDataError, match=part):
        recordings.read(path, format="smi-text")


def test_aria_points_agree_with_the_vendor() -> None:
    """Figures of projectaria_tools' own unit tests (Apache-2.0)."""
    assert aria.gaze_point(-0.102910490016660, -0.288851886987686, 1.179526637404006) == pytest.approx(
        (-0.116201334110103, -0.334355951558995, 1.12516063)
    )
    yaw, depth = aria.vergence(-0.1264797, -0.07706982, -0.26359045, (0.0315, 0.0), (-0.0315, 0.0))
    assert (yaw, depth) == pytest.approx((-0.10183712, 1.31310134), rel=1e-6)
    assert aria.vergence(0.1, 0.05, 0.0, (0.0315, 0.0), (-0.0315, 0.0))[1] is None


@pytest.mark.parametrize(
    ("point", "pixel"),
    [
        ((0.0, 0.0, 1.0), (715.11483411, 716.71471225)),
        ((0.3, -0.2, 1.0), (898.54369474, 594.41233955)),
        ((-1.1, 0.7, 1.0), (158.9432241, 1070.63105819)),
        ((0.05, 0.9, 0.8), (749.09232071, 1318.73140757)),
        ((-0.4, -0.5, 2.0), (592.82976622, 563.7688138)),
    ],
)
def test_aria_projection_agrees_with_the_vendor(
    point: tuple[float, float, float], pixel: tuple[float, float]
) -> None:
    """Pixels that projectaria_tools 2.3.0 gives for the same FISHEYE624 parameters."""
    params = (
        610.9410078676575, 715.1148341104505, 716.7147122529825, 0.4060356696288849, -0.489948419647729,
        0.1745652818132035, 1.132983686620576, -1.701635218233742, 0.6511555293441647, 0.0006211469747214578,
        1.932200015697112e-05, -1.485525650871087e-05, 0.0002601225712292815, -0.0006582109778598294,
        3.761395141407565e-05,
    )  # fmt: skip
    camera = AriaCamera("FISHEYE624", params, (1408, 1408), ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)))
    assert camera.project(point) == pytest.approx(pixel, abs=1e-6)
    assert all(map(math.isnan, camera.project((0.0, 0.0, -1.0))))


def test_aria_gen2_columns(tmp_path: Path) -> None:
    path = tmp_path / "general_eye_gaze.csv"
    path.write_text(
        "tracking_timestamp_us,yaw_rads_cpf,pitch_rads_cpf,left_yaw_rads_cpf,right_yaw_rads_cpf,depth_m,"
        "tx_left_eye_cpf,ty_left_eye_cpf,tz_left_eye_cpf,tx_right_eye_cpf,ty_right_eye_cpf,tz_right_eye_cpf,session_uid\n"
        "1000,0.1,-0.2,0.12,0.08,0.7,0.03,0,0,-0.03,0,0,u\n12111,,,,,,,,,,,,u\n"
    )
    described = {"model": "LINEAR", "params": [600, 610, 700, 710], "image_size": [1408, 1400]}
    described["camera_from_cpf"] = [[-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    (tmp_path / "aria_camera.json").write_text(json.dumps(described))
    first, second = recordings.read(path).samples
    assert (first.x_px, first.y_px) == pytest.approx((700 - 600 * math.tan(0.1), 710 + 610 * math.tan(0.2)))
    assert (first.depth_m, first.covariance_px2) == (0.7, None)
    assert (second.time_ns, second.valid) == (11_111_000, False)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"model": "PINHOLE9"}, "accepted: LINEAR, FISHEYE624"),
        ({"params": [1, 2]}, "4 numbers for LINEAR"),
        ({"image_size": [0, 5]}, "image_size"),
        ({"camera_from_cpf": [[1, 2], [3, 4]]}, "3x4 or 4x4"),
        ({"camera_from_cpf": None}, "3x4 or 4x4"),
        ({"first_frame_ns": 1.5}, "first_frame_ns is 1.5"),
    ],
)
def test_aria_camera_refuses(tmp_path: Path, change: dict[str, object], part: str) -> None:
    good = {"model": "LINEAR", "params": [600, 610, 700, 710], "image_size": [1408, 1400]}
    path = tmp_path / "aria_camera.json"
    path.write_text(json.dumps({**good, "camera_from_cpf": [[1, 0, 0, 0]] * 3, **change}))
    with pytest.raises(GazeDataError, match=part):
        AriaCamera.load(path)


def test_aria_refuses_degrees(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("tracking_timestamp_us,yaw_rads_cpf,pitch_rads_cpf\n1,30.5,2\n")
    with pytest.raises(GazeDataError, match="an angle in radians"):
        recordings.read(path)


def test_ambiguous_content_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gaze.csv"
    path.write_text("timestamp_s,x_px,y_px\n0,1,2\n")
    monkeypatch.setitem(registry._MODULES, "twin", "sam_edge.gaze.recordings.plain")
    with pytest.raises(GazeDataError, match="could be any of csv, twin; say which"):
        recordings.read(path)


@pytest.mark.parametrize("name", registry.formats())
def test_readers_say_what_they_are(name: str, tmp_path: Path) -> None:
    reader = registry.reader(name)
    assert name == reader.FORMAT
    assert reader.SUMMARY
    assert not reader.recognise(tmp_path)
    with pytest.raises(GazeDataError):
        reader.read(tmp_path / "none")


HEADS = [
    NEON.encode(),
    ASC.encode("latin-1"),
    SMI.encode() + b"1000\tSMP\t1\t10\t20\t30\t40\n",
    PRO_LAB_GLASSES.encode() + b"\n5\tEye Tracker\tP1\tR1\t960\t540\t1920\t1080\tValid\tInvalid\t\n",
    b"".join(json.dumps(line).encode() + b"\n" for line in G3_LINES),
    b'{"ts":1,"s":0,"gidx":1,"l":1,"gp":[0.1,0.2]}\n{"ts":2,"s":0,"vts":0}\n',
    b"TS\0\0\5\0\0\0TSLV1\0\0\0\x32\0\0\0\x08\0\0\0\1\0\0\0\0\0\0\0\x70\0\0\0\x08\0\0\0\0\0\0\x3f\0\0\0\x3f",
    b"tracking_timestamp_us,yaw_rads_cpf,pitch_rads_cpf\n1,0.5,0.2\n",
]


@pytest.mark.parametrize("content", HEADS, ids=range(len(HEADS)))
@given(place=st.integers(0, 400), junk=st.binary(max_size=12), cut=st.booleans())
def test_damaged_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, place: int, junk: bytes, cut: bool
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "gaze.csv"
    place = min(place, len(content))
    path.write_bytes(content[:place] + junk + (b"" if cut else content[place + len(junk) :]))
    try:
        recording = recordings.read(path)
    except GazeDataError as error:
        refused = str(error)
    else:
        refused = ""
        times = [sample.time_ns for sample in recording.samples]
        assert times == sorted(set(times))
        assert all(0 <= s.confidence <= 1 and not math.isinf(s.x_px) for s in recording.samples)
    assert not refused or "gaze.csv" in refused


FILES = {
    "gaze ps1.raw": b"\x00\x00\x80\x3f\x00\x00\x00\x40" * 4,
    "gaze ps1.time": b"".join((10**9 + t).to_bytes(8, "little") for t in range(4)),
    "worn ps1.raw": b"\xff" * 4,
    "gaze.dtype": b'[("x", "float32"), ("y", "float32")]',
    "calibration.bin": b"\x01578846" + b"\x2e\x10\xcf\xff\x49\xc3\x8b\x40",
    "Neon Scene Camera v1 ps1.time": (10**9).to_bytes(8, "little"),
}


@given(
    name=st.sampled_from(sorted(FILES)),
    place=st.integers(0, 40),
    junk=st.binary(max_size=9),
    cut=st.booleans(),
)
def test_damaged_neon_folders_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, junk: bytes, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("neon")
    for each, content in FILES.items():
        if each == name:
            content = content[:place] + junk + (b"" if cut else content[place + len(junk) :])
        (folder / each).write_bytes(content)
    try:
        recording = recordings.read(folder)
    except GazeDataError:
        return
    times = [sample.time_ns for sample in recording.samples]
    assert times == sorted(set(times))
    assert all(not math.isinf(s.x_px) for s in recording.samples)


def test_times_too_far_apart_for_one_recording(tmp_path: Path) -> None:
    (tmp_path / "gaze.csv").write_text(NEON.replace(",1700000000000000000,", f",{-(2**63) + 1},"))
    with pytest.raises(GazeDataError, match="292 years apart"):
        recordings.read(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "gaze.csv")
    with pytest.raises(GazeDataError, match="not a plain file"):
        recordings.read_csv(tmp_path / "gaze.csv")
