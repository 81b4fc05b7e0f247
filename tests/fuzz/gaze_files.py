"""Fuzz targets: gaze recordings, one target for each format, and one that recognises the format by itself."""

from __future__ import annotations

import gzip
import json
import math
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from sam_edge.gaze import recordings
from sam_edge.gaze.fit import fit_gaze
from tests.fuzz.target import FuzzTarget, of_file, work_folder

OWN = "timestamp_s,x_px,y_px,confidence\n0.000000,512.25,300.5,0.98\n0.005,,,0.0\n0.01,NA,NA,0\n"
PUPIL = (
    "gaze_timestamp,world_index,confidence,norm_pos_x,norm_pos_y,base_data,gaze_point_3d_x,gaze_point_3d_y,"
    "gaze_point_3d_z\n10.5,0,0.9,0.5,0.25,10.5-0 10.4-1,1,2,300\n10.6,0,0.2,0.5,0.25,,,,\n"
)
NEON = (
    "section id,recording id,timestamp [ns],gaze x [px],gaze y [px],worn,fixation id,blink id,azimuth [deg],"
    "elevation [deg]\ns,r,1700000000000000000,812.5,600.25,1,1,,0.5,-0.25\ns,r,1700000000005000000,,,0,,1,,\n"
)
G2 = (
    '{"ts": 484, "s": 0, "gidx": 27, "l": 43, "gp": [0.52, 0.41]}\n{"ts": 484, "s": 0, "gidx": 27, "gp3": [-42.6, '
    '74.5, 669]}\n{"ts": 484, "s": 0, "gidx": 27, "gd": [0.1, 0.2, 0.9], "eye": "left"}\n'
    '{"ts": 500, "s": 0, "vts": 0}\n'
)
TSLV = (
    b"TS\0\0\5\0\0\0TSLV1\0\0\0\x32\0\0\0\x08\0\0\0\1\0\0\0\0\0\0\0\x70\0\0\0\x08\0\0\0\0\0\0\x3f\0\0\0\x3f"
)
G3 = (
    '{"type": "gaze", "timestamp": 0.0, "data": {}}\n{"type": "gaze", "timestamp": 0.02, "data": {"gaze2d": [0.5, 0.2]'
    ', "gaze3d": [-100.0, 210.0, 1000.0], "eyeleft": {"gazeorigin": [28, -7, -23], "gazedirection": [0, 0, 1]}}}\n'
)
PRO_LAB = (
    "Recording timestamp [ms]\tSensor\tParticipant name\tRecording name\tGaze point X [MCS px]\tGaze point Y [MCS px]\t"
    "Recording media width [px]\tRecording media height [px]\tValidity left\tValidity right\tEvent\n"
    "5\tEye Tracker\tP1\tR1\t960\t540,5\t1920\t1080\tValid\tInvalid\t\n"
)
STUDIO = (
    "Timestamp\tDateTimeStamp\tGazePointXLeft\tGazePointYLeft\tValidityLeft\tGazePointX\tGazePointY\tEvent\tMediaWidth\t"
    "MediaHeight\t\n1\t10:00:00.001\t636,4\t602,7\t0\t640\t602\t\t1280\t1024\t\n5\t\t\t\t\t\t\tKeyPress\t\t\t\n"
)
ASC = (
    "** CONVERTED FROM x.edf\nMSG\t99 DISPLAY_COORDS 0 0 1919 1079\nSTART\t100 \tRIGHT\tSAMPLES\tEVENTS\n"
    "SAMPLES\tGAZE\tRIGHT\tRATE\t2000.00\tTRACKING\tCR\tFILTER\t2\n100\t 960.0\t 540.0\t 1000.0\t...\n"
    "100\t   .\t   .\t    0.0\t...\nEFIX R 100 101 1 960 540 1000\nEND\t101 \tSAMPLES\tEVENTS\tRES\t 40.00\t 44.00\n"
)
SMI = (
    "## [iView]\n## Sample Rate:\t50\n## Calibration Area:\t1680\t1050\nTime\tType\tTrial\tL POR X [px]\tL POR Y [px]\t"
    "R POR X [px]\tR POR Y [px]\n1000\tSMP\t1\t10\t20\t30\t40\n2000\tMSG\t1\t# x\n"
)
ARIA = "tracking_timestamp_us,yaw_rads_cpf,pitch_rads_cpf,depth_m\n1,0.5,0.2,1.5\n20001,,,\n"
BIDS = "0\t10.5\t20.5\t100\n4\tn/a\tn/a\t0\n"
BIDS_META = {
    "PhysioType": "eyetrack", "SamplingFrequency": 250, "StartTime": 0, "RecordedEye": "left",
    "Columns": ["timestamp", "x_coordinate", "y_coordinate", "pupil_size"],
    "timestamp": {"Units": "ms"}, "x_coordinate": {"Units": "pixel"}, "y_coordinate": {"Units": "pixel"},
}  # fmt: skip
EGO4D = (
    "component_idx,component_timestamp_s,canonical_timestamp_s,world_index,confidence,norm_pos_x,norm_pos_y\n"
    "0,0.0,0.0,10583.0,1.0,0.4422,0.4403\n0,0.004,0.004,10583.0,1.0,0.4444,0.4417\n"
)
TABLES = {
    "csv": (OWN, "gaze.csv"),
    "neon-csv": (NEON, "gaze.csv"),
    "tobii-pro-lab": (PRO_LAB, "export.tsv"),
    "aria-mps": (ARIA, "general_eye_gaze.csv"),
    "eyelink-asc": (ASC, "x.asc"),
    "smi-text": (SMI, "x.txt"),
}
"""Text of each format that is one file, and the name of the file."""


def targets() -> Iterator[FuzzTarget]:
    """Yield the targets."""
    for name, (text, file_name) in TABLES.items():
        read = partial(_read, format=name)
        yield of_file(f"gaze-{name}", read, partial(_encodings, text), file_name=file_name)
    every = [text.encode() for text, _ in TABLES.values()] + [STUDIO.encode(), EGO4D.encode(), G2.encode()]
    yield of_file("gaze-any", _read, lambda: [*every, G3.encode(), TSLV], file_name="gaze.tsv")
    yield of_file("gaze-studio", _read, partial(_encodings, STUDIO), file_name="studio.tsv")
    yield of_file("gaze-ego4d", _read_sized, partial(_encodings, EGO4D), file_name="uid.csv")
    yield of_file(
        "gaze-glasses2", partial(_read, format="tobii-glasses2"), _glasses2, file_name="livedata.json"
    )
    yield of_file(
        "gaze-glasses3", partial(_read, format="tobii-glasses3"), _glasses3, file_name="gazedata.gz"
    )
    yield of_file("gaze-pupil-core", _read_pupil, lambda: [PUPIL.encode()], file_name="gaze_positions.csv")
    yield FuzzTarget("gaze-neon-native", _read_neon, _neon)
    yield FuzzTarget(
        "gaze-bids", _read_bids, lambda: [json.dumps(BIDS_META).encode() + b"\0" + BIDS.encode()]
    )


def _read(path: Path, format: str | None = None) -> None:
    """Read a recording, and check what every recording keeps to."""
    recording = recordings.read(path, format=format)
    times = [sample.time_ns for sample in recording.samples]
    assert times == sorted(set(times))
    assert all(0 <= sample.confidence <= 1 for sample in recording.samples)
    assert not any(math.isinf(sample.x_px) or math.isinf(sample.y_px) for sample in recording.samples)
    fit_gaze(recording, size=(1080, 1920))


def _read_sized(path: Path) -> None:
    recordings.read(path, format="ego4d", frame_size=(480, 640))


def _encodings(text: str) -> list[bytes]:
    """Return the text as it is, with a byte order mark, as UTF-16 and packed."""
    plain = text.encode()
    return [plain, b"\xef\xbb\xbf" + plain, text.encode("utf-16"), gzip.compress(plain, mtime=0)]


def _glasses2() -> list[bytes]:
    return [G2.encode(), gzip.compress(G2.encode(), mtime=0), TSLV]


def _glasses3() -> list[bytes]:
    return [G3.encode(), gzip.compress(G3.encode(), mtime=0)]


def _read_pupil(path: Path) -> None:
    video = path.with_name("world.avi")
    if not video.is_file():
        writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (64, 48))
        writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.release()
    _read(path.parent)


def _neon() -> list[bytes]:
    gaze = struct.pack("<4f", 1.0, 2.0, 800.0, 600.0)
    times = struct.pack("<2q", 10**18, 10**18 + 5_000_000)
    return [struct.pack("<HH", len(gaze), len(times)) + gaze + times + b"\xff\xff"]


def _read_neon(data: bytes) -> None:
    """The lengths of two files, then the files: positions, times, and what is left: whether the device is worn."""
    if len(data) < 4:
        return
    gaze, times = struct.unpack_from("<HH", data)
    folder = work_folder("neon")
    (folder / "gaze ps1.raw").write_bytes(data[4 : 4 + gaze])
    (folder / "gaze ps1.time").write_bytes(data[4 + gaze : 4 + gaze + times])
    (folder / "worn ps1.raw").write_bytes(data[4 + gaze + times :])
    _read(folder, format="neon-native")


def _read_bids(data: bytes) -> None:
    """The description and the table, with a zero byte between them."""
    meta, _, table = data.partition(b"\0")
    path = work_folder("bids") / "sub-01_task-x_recording-eye1_physio.tsv.gz"
    path.with_name("sub-01_task-x_recording-eye1_physio.json").write_bytes(meta)
    path.write_bytes(table)
    _read(path, format="bids")
