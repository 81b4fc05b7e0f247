"""Pupil Labs Neon and Invisible: the "Timeseries Data" folder that Pupil Cloud or Neon Player exports.

`gaze.csv` holds UTC nanoseconds and scene pixels (origin top-left, lens distortion included). Time 0 is the first
line of `world_timestamps.csv`. Source: docs.pupil-labs.com/neon, "Recording format".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import json_object
from sam_edge.gaze.recordings.read_options import ReadOptions
from sam_edge.gaze.recordings.recorded_event import read_cloud_events
from sam_edge.gaze.recordings.recorded_fixation import FOREIGN_FIXATIONS, RecordedFixation
from sam_edge.gaze.recordings.recording import GazeRecording, make_recording
from sam_edge.gaze.recordings.tables import Table, has_header, names_header, open_table
from sam_edge.gaze.recordings.video import frame_size
from sam_edge.gaze.recordings.world_timestamps import FILE_NAME, read_world_timestamps
from sam_edge.gaze.samples import GazeRay, GazeSample

FORMAT = "neon-csv"
SUMMARY = "Pupil Labs Neon and Invisible: Timeseries Data folder (gaze.csv, world_timestamps.csv)"
MIN_CONFIDENCE = 0.0
_NEON_SIZE = (1200, 1600)
_INVISIBLE_SIZE = (1080, 1088)
_IS_HEADER = names_header("timestamp [ns]", "gaze x [px]")


def recognise(path: Path) -> bool:
    """Return True for an export folder, or for its gaze.csv."""
    return has_header(_gaze_file(path), _IS_HEADER)


def read(path: Path) -> GazeRecording:
    """Read an export of one recording. Raises `GazeDataError` when it is damaged or holds several."""
    return read_with(path, ReadOptions())


def read_with(path: Path, options: ReadOptions) -> GazeRecording:
    """Read an export, or one recording of several by its `recording id`. Raises `GazeDataError`."""
    gaze_file = _gaze_file(path)
    folder = gaze_file.parent
    notes = ["positions include the scene lens's distortion", "samples within a blink have confidence 0"]
    frame_times_ns = read_world_timestamps(folder / FILE_NAME)
    start_ns = frame_times_ns[0] if frame_times_ns else None
    with open_table(gaze_file, _IS_HEADER) as table:
        if start_ns is None:
            notes.append("no world_timestamps.csv: time 0 is the first gaze sample")
        samples = list(_samples(table, start_ns, options))
    begin_ns = _device_ns(samples[0]) - samples[0].time_ns if samples else 0
    return make_recording(
        samples,
        path=path,
        format=FORMAT,
        frame_size=_scene_size(folder),
        px_per_deg=_px_per_deg(folder / "scene_camera.json"),
        notes=notes,
        frame_times_ns=[time_ns - frame_times_ns[0] for time_ns in frame_times_ns],
        fixations=[fixation.shifted(-begin_ns) for fixation in _fixations(folder / "fixations.csv", notes)],
        events=[event.shifted(-begin_ns) for event in read_cloud_events(folder / "events.csv")],
    )


def _samples(table: Table, start_ns: int | None, options: ReadOptions) -> Iterator[GazeSample]:
    time_at, x_at, y_at = (table.index(name) for name in ("timestamp [ns]", "gaze x [px]", "gaze y [px]"))
    worn_at, blink_at = table.find("worn"), table.find("blink id")
    angles_at = [table.find("azimuth [deg]"), table.find("elevation [deg]")]
    needed = [time_at, x_at, y_at, *(at for at in (worn_at, blink_at, *angles_at) if at is not None)]
    recording_at = table.find("recording id")
    rows = list(table.rows([*needed, *([] if recording_at is None else [recording_at])]))
    if recording_at is not None and rows:
        (chosen,) = options.choose(table.path, ((row[recording_at],) for row in rows))
        rows = [row for row in rows if row[recording_at] == chosen]
    for row in rows:
        device_ns = table.whole_ns(row[time_at], time_at)
        start_ns = device_ns if start_ns is None else start_ns
        x, y = table.number(row[x_at], x_at), table.number(row[y_at], y_at)
        if math.isnan(x) or math.isnan(y):
            x = y = math.nan
        worn = worn_at is None or table.number(row[worn_at], worn_at) != 0.0
        blinking = blink_at is not None and not math.isnan(table.number(row[blink_at], blink_at))
        yield GazeSample(
            device_ns - start_ns,
            x,
            y,
            1.0 if worn and not blinking else 0.0,
            device_time_ns=device_ns,
            ray=_ray(table, row, angles_at),
        )


def _fixations(path: Path, notes: list[str]) -> Iterator[RecordedFixation]:
    """Yield the fixations of Pupil Cloud or Neon Player, in UTC nanoseconds."""
    if not path.is_file():
        return
    names = ("fixation id", "start timestamp [ns]", "end timestamp [ns]")
    with open_table(path, names_header(*names)) as table:
        if any(table.find(name) is None for name in names):
            notes.append(FOREIGN_FIXATIONS)
            return
        id_at, start_at, end_at = needed = [table.index(name) for name in names]
        x_at, y_at = table.find("fixation x [px]"), table.find("fixation y [px]")
        for row in table.rows([*needed, *(at for at in (x_at, y_at) if at is not None)]):
            yield RecordedFixation(
                table.whole(row[id_at], id_at),
                table.whole(row[start_at], start_at),
                table.whole(row[end_at], end_at),
                math.nan if x_at is None else table.number(row[x_at], x_at),
                math.nan if y_at is None else table.number(row[y_at], y_at),
            )


def _device_ns(sample: GazeSample) -> int:
    return sample.time_ns if sample.device_time_ns is None else sample.device_time_ns


def _ray(table: Table, row: list[str], at: list[int | None]) -> GazeRay | None:
    azimuth_at, elevation_at = at
    if azimuth_at is None or elevation_at is None:
        return None
    azimuth = math.radians(table.number(row[azimuth_at], azimuth_at))
    elevation = math.radians(table.number(row[elevation_at], elevation_at))
    if math.isnan(azimuth) or math.isnan(elevation):
        return None
    x, z = math.cos(elevation) * math.sin(azimuth), math.cos(elevation) * math.cos(azimuth)
    return GazeRay((0.0, 0.0, 0.0), (x, -math.sin(elevation), z))


def _gaze_file(path: Path) -> Path:
    return path / "gaze.csv" if path.is_dir() else path


def _scene_size(folder: Path) -> tuple[int, int] | None:
    videos = sorted(folder.glob("*.mp4"))
    if videos:
        return frame_size(videos[0])
    info = folder / "info.json"
    if not info.is_file():
        return None
    facts = json_object(info)
    if "module_serial_number" in facts:
        return _NEON_SIZE
    return _INVISIBLE_SIZE if "scene_camera_serial_number" in facts else None


def _px_per_deg(path: Path) -> float | None:
    if not path.is_file():
        return None
    matrix = json_object(path).get("camera_matrix")
    row = matrix[0] if isinstance(matrix, list) and matrix else None
    focal = row[0] if isinstance(row, list) and row else None
    if isinstance(focal, bool) or not isinstance(focal, (int, float)) or not 0 < focal < 1e6:
        raise GazeDataError(f"{path}: camera_matrix[0][0] is {focal!r}; accepted: the focal length in pixels")
    return float(focal) * math.pi / 180.0
