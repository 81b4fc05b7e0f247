"""Pupil Core: the folder that Pupil Player exports (`gaze_positions.csv`, `world_timestamps.csv`, `world.mp4`).

Positions are `norm_pos` (origin bottom-left, 0..1, the scene lens's distortion included). Time 0 is the first world
frame. Source: docs.pupil-labs.com/core, "Raw data export" and "Terminology: coordinate system".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.read_options import ReadOptions
from sam_edge.gaze.recordings.recorded_event import read_annotations
from sam_edge.gaze.recordings.recorded_fixation import FOREIGN_FIXATIONS, RecordedFixation
from sam_edge.gaze.recordings.recording import GazeRecording, make_recording
from sam_edge.gaze.recordings.tables import Table, has_header, names_header, open_table, plain_name
from sam_edge.gaze.recordings.video import frame_size
from sam_edge.gaze.recordings.world_timestamps import FILE_NAME, read_world_timestamps
from sam_edge.gaze.samples import GazeRay, GazeSample

FORMAT = "pupil-core"
SUMMARY = "Pupil Core: folder exported by Pupil Player (gaze_positions.csv, world_timestamps.csv, world.mp4)"
MIN_CONFIDENCE = 0.6
"""The default of "Minimum data confidence" in Pupil Player."""
_VIDEOS = ("world.mp4", "world.mkv", "world.mjpeg", "world.avi")


def recognise(path: Path) -> bool:
    """Return True for an export folder, or for its gaze_positions.csv."""
    return has_header(_gaze_file(path), _is_header)


def read(path: Path) -> GazeRecording:
    """Read an export. Raises `GazeDataError` when it is damaged or the size of the world video is unknown."""
    return read_with(path, ReadOptions())


def read_with(path: Path, options: ReadOptions) -> GazeRecording:
    """Read an export; a given `frame_size` counts where no world video lies there. Raises `GazeDataError`."""
    gaze_file = _gaze_file(path)
    folder = gaze_file.parent
    size = _world_size(folder, options.frame_size)
    notes = ["positions include the scene lens's distortion"]
    with open_table(gaze_file, _is_header) as table:
        samples = list(_samples(table, size))
    frame_times_ns = read_world_timestamps(folder / FILE_NAME)
    if frame_times_ns:
        start_ns = frame_times_ns[0]
    else:
        start_ns = min((sample.time_ns for sample in samples), default=0)
        notes.append("no world_timestamps.csv: time 0 is the first gaze sample")
    shifted = (replace(sample, time_ns=sample.time_ns - start_ns) for sample in samples)
    return make_recording(
        shifted,
        path=path,
        format=FORMAT,
        frame_size=size,
        notes=notes,
        frame_times_ns=[time_ns - start_ns for time_ns in frame_times_ns],
        fixations=[
            fixation.shifted(-start_ns) for fixation in _fixations(folder / "fixations.csv", size, notes)
        ],
        events=[event.shifted(-start_ns) for event in read_annotations(folder / "annotations.csv")],
    )


def _samples(table: Table, size: tuple[int, int]) -> Iterator[GazeSample]:
    time_at = table.index("gaze_timestamp", "timestamp")
    confidence_at, x_at, y_at = (table.index(name) for name in ("confidence", "norm_pos_x", "norm_pos_y"))
    base_at = table.find("base_data")
    point_at = [table.find(f"gaze_point_3d_{axis}") for axis in "xyz"]
    eyes_at = [[table.find(f"eye_center{eye}_3d_{axis}") for axis in "xyz"] for eye in (0, 1)]
    mono_at = [table.find(f"eye_center_3d_{axis}") for axis in "xyz"]
    height, width = size
    for row in table.rows([time_at, confidence_at, x_at, y_at]):
        x, y = table.number(row[x_at], x_at), table.number(row[y_at], y_at)
        confidence = table.number(row[confidence_at], confidence_at)
        if not 0.0 <= confidence <= 1.0:
            raise table.error(confidence_at, row[confidence_at], "0..1")
        if math.isnan(x) or math.isnan(y):
            x = y = math.nan
        ray, depth_m = _ray(table, row, point_at, [*eyes_at, mono_at])
        left, right = _eyes(row[base_at] if base_at is not None and base_at < len(row) else "")
        time_ns = table.time_ns(row[time_at], time_at)
        yield GazeSample(
            time_ns,
            x * width,
            (1.0 - y) * height,
            confidence,
            device_time_ns=time_ns,
            left_valid=left,
            right_valid=right,
            ray=ray,
            depth_m=depth_m,
        )


def _fixations(path: Path, size: tuple[int, int], notes: list[str]) -> Iterator[RecordedFixation]:
    """Yield the fixations of Pupil Player's detector, on the clock of the gaze; their duration is in milliseconds."""
    if not path.is_file():
        return
    height, width = size
    names = ("id", "start_timestamp", "duration", "norm_pos_x", "norm_pos_y")
    with open_table(path, names_header(*names)) as table:
        if any(table.find(name) is None for name in names):
            notes.append(FOREIGN_FIXATIONS)
            return
        id_at, start_at, duration_at, x_at, y_at = needed = [table.index(name) for name in names]
        for row in table.rows(needed):
            start_ns = table.time_ns(row[start_at], start_at)
            duration_ms = table.number(row[duration_at], duration_at)
            if not duration_ms >= 0.0:
                raise table.error(duration_at, row[duration_at], "milliseconds, 0 or more")
            yield RecordedFixation(
                table.whole(row[id_at], id_at),
                start_ns,
                start_ns + round(duration_ms * 1e6),
                table.number(row[x_at], x_at) * width,
                (1.0 - table.number(row[y_at], y_at)) * height,
            )


def _ray(
    table: Table, row: list[str], point_at: list[int | None], eyes_at: list[list[int | None]]
) -> tuple[GazeRay | None, float | None]:
    """Ray from between the eyes to the 3-D gaze point; the export has both in millimetres, camera space."""
    point = _triple(table, row, point_at)
    if point is None:
        return None, None
    eyes = [eye for eye in (_triple(table, row, at) for at in eyes_at) if eye is not None] or [
        (0.0, 0.0, 0.0)
    ]
    origin = [sum(axis) / len(eyes) for axis in zip(*eyes, strict=True)]
    along = [p - o for p, o in zip(point, origin, strict=True)]
    length = math.hypot(*along)
    if length == 0.0:
        return None, None
    x, y, z = (value / length for value in along)
    return GazeRay((origin[0] / 1e3, origin[1] / 1e3, origin[2] / 1e3), (x, y, z)), length / 1e3


def _triple(table: Table, row: list[str], at: list[int | None]) -> tuple[float, float, float] | None:
    if any(column is None or column >= len(row) for column in at):
        return None
    x, y, z = (table.number(row[column], column) for column in at if column is not None)
    return None if math.isnan(x) or math.isnan(y) or math.isnan(z) else (x, y, z)


def _eyes(base_data: str) -> tuple[bool | None, bool | None]:
    """Return whether (left, right) was seen. Base data are `timestamp-eye` words; eye 0 is right, 1 left."""
    ids = {word.rpartition("-")[2] for word in base_data.split() if "-" in word[1:]}
    return ("1" in ids, "0" in ids) if ids & {"0", "1"} else (None, None)


def _gaze_file(path: Path) -> Path:
    return path / "gaze_positions.csv" if path.is_dir() else path


def _is_header(cells: list[str]) -> bool:
    """Say whether a line names the columns; those of Ego4D have its own time in addition."""
    names = {plain_name(cell) for cell in cells}
    return {"norm_pos_x", "gaze_point_3d_x"} <= names and "canonical_timestamp_s" not in names


def _world_size(folder: Path, given: tuple[int, int] | None) -> tuple[int, int]:
    places = [folder, folder.parent.parent] if folder.parent.name == "exports" else [folder]
    for place in places:
        for name in _VIDEOS:
            if (place / name).is_file():
                return frame_size(place / name)
    if given is not None:
        return given
    raise GazeDataError(
        f"{folder}: no world video ({', '.join(_VIDEOS)}), so positions cannot be turned into pixels; "
        "put it into the folder"
    )
