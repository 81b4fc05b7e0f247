"""Tobii Pro Glasses 2: the segment folder of the SD card (`livedata.json.gz`, `et.tslv.gz`).

`livedata.json.gz` has one measurement per line: `gp` the gaze point (0..1, origin top-left, lens distortion included),
`gp3` in millimetres, `gd` the direction of one eye, `s` 0 when good, `ts` microseconds. `et.tslv.gz` holds the same
in binary, and the scene camera's calibration. Time 0 is where `vts`, the scene video's own clock, is 0; it stands
still while the video is not recorded, and gaze then follows its newest value.
Source: Niehorster, Hessels, Benjamins (2020), GlassesViewer, doi 10.3758/s13428-019-01314-1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import first_json_object, json_objects, numbers, read_head
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.recordings.tobii_camera import TobiiCamera
from sam_edge.gaze.recordings.tobii_tslv import Measurement, is_tslv, measurements, read_camera
from sam_edge.gaze.recordings.video_clock import VideoMark, follow_video
from sam_edge.gaze.samples import GazeSample

FORMAT = "tobii-glasses2"
SUMMARY = "Tobii Pro Glasses 2: segment folder (livedata.json.gz, et.tslv.gz)"
MIN_CONFIDENCE = 0.0
_LOGS = ("livedata.json.gz", "livedata.json", "et.tslv.gz", "et.tslv")
_SIZE = (1080, 1920)


@dataclass(slots=True)
class _Moment:
    """Measurements of one instant."""

    time_us: int
    gaze: tuple[float, ...] | None = None
    point_mm: tuple[float, ...] | None = None
    left: bool | None = None
    right: bool | None = None


def recognise(path: Path) -> bool:
    """Return True for a segment or recording folder, or for one of its two logs."""
    log = _find_log(path)
    if log is None:
        return False
    head = read_head(log)
    return is_tslv(head) or {"ts", "s"} <= first_json_object(head).keys()


def read(path: Path) -> GazeRecording:
    """Read a segment. Raises `GazeDataError` when it is damaged."""
    log = _find_log(path)
    if log is None:
        raise GazeDataError(f"{path}: none of {', '.join(_LOGS)} is there; accepted: a segment folder")
    notes = ["positions include the scene lens's distortion"]
    stream = measurements(log, notes) if is_tslv(read_head(log)) else _from_json(log, notes)
    moments, marks = _gather(log, stream)
    if not marks:
        marks = [VideoMark(next((moment.time_us for moment in moments), 0), 0)]
        notes.append("no scene video clock: time 0 is the first gaze sample")
    times_us = follow_video([moment.time_us for moment in moments], marks, notes)
    camera = _camera(log)
    if camera is None:
        notes.append(
            "no camera calibration (et.tslv.gz): a scene video of 1920x1080 is assumed, and samples have no rays"
        )
    return make_recording(
        [
            _sample(moment, time_us, camera)
            for moment, time_us in zip(moments, times_us, strict=True)
            if time_us is not None
        ],
        path=path,
        format=FORMAT,
        frame_size=camera.size if camera else _SIZE,
        px_per_deg=camera.px_per_deg if camera else None,
        notes=notes,
    )


def _find_log(path: Path) -> Path | None:
    if path.is_file():
        return path
    for folder in (path, path / "segments" / "1"):
        for name in _LOGS:
            if (folder / name).is_file():
                return folder / name
    return None


def _from_json(path: Path, notes: list[str]) -> Iterator[Measurement]:
    for entry in json_objects(path, notes):
        time_us, status = entry.get("ts"), entry.get("s")
        if type(time_us) is not int or type(status) is not int or abs(time_us) >= 2**53:
            raise GazeDataError(f"{path}: {str(entry)[:80]}; accepted: whole numbers ts and s in every line")
        index = entry.get("gidx")
        index = index if type(index) is int else None
        good = status == 0
        if "gp" in entry:
            yield Measurement("gaze", time_us, index, good, numbers(entry["gp"], 2))
        elif "gp3" in entry:
            yield Measurement("point", time_us, index, good, numbers(entry["gp3"], 3))
        elif "gd" in entry and entry.get("eye") in ("left", "right"):
            yield Measurement(entry["eye"], time_us, index, good, numbers(entry["gd"], 3))
        elif "vts" in entry and good:
            yield Measurement("video", time_us, None, good, numbers([entry["vts"]], 1))


def _gather(path: Path, stream: Iterator[Measurement]) -> tuple[list[_Moment], list[VideoMark]]:
    """Group measurements by instant; return the instants with gaze, and where the video's clock was read."""
    moments: dict[int, _Moment] = {}
    marks: list[VideoMark] = []
    for measurement in stream:
        if measurement.kind == "video":
            if measurement.values is not None:
                marks.append(VideoMark(measurement.time_us, round(measurement.values[0])))
            continue
        moment = moments.setdefault(
            measurement.time_us if measurement.index is None else measurement.index,
            _Moment(measurement.time_us),
        )
        if len(moments) > MAX_SAMPLES:
            raise GazeDataError(f"{path}: more than {MAX_SAMPLES} samples; split the recording")
        good = measurement.good and measurement.values is not None
        if measurement.kind == "gaze":
            moment.gaze = (
                measurement.values if good and measurement.values is not None else (math.nan, math.nan)
            )
        elif measurement.kind == "point":
            moment.point_mm = measurement.values if good else None
        elif measurement.kind == "left":
            moment.left = good
        else:
            moment.right = good
    return [moment for moment in moments.values() if moment.gaze is not None], marks


def _sample(moment: _Moment, time_us: int, camera: TobiiCamera | None) -> GazeSample:
    x, y = moment.gaze or (math.nan, math.nan)
    height, width = camera.size if camera else _SIZE
    ray = depth_m = None
    if camera is not None and moment.point_mm is not None:
        ray, depth_m = camera.ray_to(moment.point_mm)
    return GazeSample(
        time_us * 1000,
        x * width,
        y * height,
        0.0 if math.isnan(x) else 1.0,
        device_time_ns=moment.time_us * 1000,
        left_valid=moment.left,
        right_valid=moment.right,
        ray=ray,
        depth_m=depth_m,
    )


def _camera(log: Path) -> TobiiCamera | None:
    for path in (log, log.parent / "et.tslv.gz", log.parent / "et.tslv"):
        if path.is_file() and is_tslv(read_head(path)):
            return read_camera(path)
    return None
