"""Tobii Pro Glasses 3: the recording folder (`recording.g3`, `gazedata.gz`), or its `gazedata.gz` alone.

`gazedata.gz` has one JSON object per line: `{"type": "gaze", "timestamp": s, "data": {"gaze2d": [x, y], "gaze3d":
[mm, mm, mm], "eyeleft": {...}, "eyeright": {...}}}`; what is invalid is absent. `gaze2d` is 0..1, origin top-left,
lens distortion included. Timestamps are the scene video's: 0 is its first frame. Source: Tobii Pro Glasses 3
developer guide, "Recording file structure".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import first_json_object, json_object, json_objects, numbers, read_head
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.recordings.tobii_camera import TobiiCamera
from sam_edge.gaze.samples import GazeSample

FORMAT = "tobii-glasses3"
SUMMARY = "Tobii Pro Glasses 3: recording folder (recording.g3, gazedata.gz)"
MIN_CONFIDENCE = 0.0
_SIZE = (1080, 1920)
_EYE_PARTS = ("gazeorigin", "gazedirection")


def recognise(path: Path) -> bool:
    """Return True for a recording folder, or for its gazedata.gz."""
    return {"type", "timestamp", "data"} <= first_json_object(read_head(_log(path))).keys()


def read(path: Path) -> GazeRecording:
    """Read a recording. Raises `GazeDataError` when it is damaged."""
    log = _log(path)
    notes = ["positions include the scene lens's distortion"]
    camera = _camera(log.parent / "recording.g3")
    if camera is None:
        is_there = (log.parent / "recording.g3").is_file()
        why = "recording.g3 states no camera-calibration" if is_there else "no recording.g3"
        notes.append(f"{why}: a scene video of 1920x1080 is assumed, and samples have no rays")
    samples = list(_samples(log, camera, notes))
    return make_recording(
        samples,
        path=path,
        format=FORMAT,
        frame_size=camera.size if camera else _SIZE,
        px_per_deg=camera.px_per_deg if camera else None,
        notes=notes,
    )


def _log(path: Path) -> Path:
    if not path.is_dir():
        return path
    packed = path / "gazedata.gz"
    return packed if packed.is_file() else path / "gazedata"


def _samples(log: Path, camera: TobiiCamera | None, notes: list[str]) -> Iterator[GazeSample]:
    height, width = camera.size if camera else _SIZE
    count = 0
    for entry in json_objects(log, notes):
        if entry.get("type") != "gaze":
            continue
        count += 1
        if count > MAX_SAMPLES:
            raise GazeDataError(f"{log}: more than {MAX_SAMPLES} samples; split the recording")
        data = entry.get("data")
        known = numbers([entry.get("timestamp")], 1)
        if known is None or abs(known[0]) > 1e9 or not isinstance(data, dict):
            raise GazeDataError(
                f"{log}: {str(entry)[:80]}; accepted: timestamp in seconds and an object data"
            )
        time_ns = round(known[0] * 1e9)
        gaze = numbers(data.get("gaze2d"), 2)
        point = numbers(data.get("gaze3d"), 3)
        ray, depth_m = camera.ray_to(point) if camera and point else (None, None)
        x, y = gaze or (math.nan, math.nan)
        yield GazeSample(
            time_ns,
            x * width,
            y * height,
            1.0 if gaze else 0.0,
            device_time_ns=time_ns,
            left_valid=_is_valid(data.get("eyeleft")),
            right_valid=_is_valid(data.get("eyeright")),
            ray=ray,
            depth_m=depth_m,
        )


def _is_valid(eye: object) -> bool:
    return isinstance(eye, dict) and all(numbers(eye.get(part), 3) for part in _EYE_PARTS)


def _camera(path: Path) -> TobiiCamera | None:
    if not path.is_file():
        return None
    facts: Any = json_object(path).get("scenecamera")
    facts = facts.get("camera-calibration") if isinstance(facts, dict) else None
    if not isinstance(facts, dict):
        return None
    rows: Any = facts.get("rotation")
    whole = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    rotation = numbers([value for row in rows for value in row], 9) if whole else None
    translation, focal = numbers(facts.get("position"), 3), numbers(facts.get("focal-length"), 2)
    size = numbers(facts.get("resolution"), 2)
    if rotation is None or translation is None or focal is None or size is None or min(*focal, *size) <= 0:
        raise GazeDataError(
            f"{path}: camera-calibration is incomplete; expected position, rotation, focal-length and resolution"
        )
    return TobiiCamera(rotation, translation, focal, (int(size[1]), int(size[0])))
