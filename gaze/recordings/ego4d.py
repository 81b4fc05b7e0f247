"""Ego4D: the gaze CSV of one video (`UID.csv`), in shares of the video's size.

Columns are those of Pupil Player, with `canonical_timestamp_s` for the time in the published video, whose first frame
is time 0. As in Pupil Player, the origin of `norm_pos_x` and `norm_pos_y` is bottom-left. The size of the frames is
that of the video, which has the same name and lies next to the CSV, or is given. Source: Ego4D's documentation, "Gaze".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.read_options import ReadOptions
from sam_edge.gaze.recordings.recording import GazeRecording, make_recording
from sam_edge.gaze.recordings.tables import Table, has_header, names_header, open_table
from sam_edge.gaze.recordings.video import frame_size
from sam_edge.gaze.samples import GazeSample

FORMAT = "ego4d"
SUMMARY = "Ego4D: gaze CSV of a video (canonical_timestamp_s, norm_pos_x, norm_pos_y)"
MIN_CONFIDENCE = 0.0
_IS_HEADER = names_header("canonical_timestamp_s", "norm_pos_x", "norm_pos_y")
_VIDEO_ENDINGS = (".mp4", ".mkv", ".mov", ".avi")


def recognise(path: Path) -> bool:
    """Return True for a CSV with Ego4D's times."""
    return has_header(path, _IS_HEADER)


def read(path: Path) -> GazeRecording:
    """Read a CSV whose video lies next to it. Raises `GazeDataError`."""
    return read_with(path, ReadOptions())


def read_with(path: Path, options: ReadOptions) -> GazeRecording:
    """Read a CSV. Raises `GazeDataError` when it is damaged, or the size of the frames is not known."""
    size = options.frame_size or _size_of_video(path)
    with open_table(path, _IS_HEADER) as table:
        samples = list(_samples(table, size))
    notes = ["the origin of norm_pos is taken as bottom-left, as in Pupil Player"]
    return make_recording(samples, path=path, format=FORMAT, frame_size=size, notes=notes)


def _samples(table: Table, size: tuple[int, int]) -> Iterator[GazeSample]:
    time_at, x_at, y_at = (
        table.index(name) for name in ("canonical_timestamp_s", "norm_pos_x", "norm_pos_y")
    )
    confidence_at = table.find("confidence")
    device_at = table.find("component_timestamp_s")
    height, width = size
    for row in table.rows([at for at in (time_at, x_at, y_at, confidence_at, device_at) if at is not None]):
        x, y = table.number(row[x_at], x_at), table.number(row[y_at], y_at)
        if math.isnan(x) or math.isnan(y):
            x = y = math.nan
        confidence = 1.0 if confidence_at is None else table.number(row[confidence_at], confidence_at)
        if confidence_at is not None and not 0.0 <= confidence <= 1.0:
            raise table.error(confidence_at, row[confidence_at], "0..1")
        time_ns = table.time_ns(row[time_at], time_at)
        device_ns = time_ns if device_at is None else table.time_ns(row[device_at], device_at)
        yield GazeSample(time_ns, x * width, (1.0 - y) * height, confidence, device_time_ns=device_ns)


def _size_of_video(path: Path) -> tuple[int, int]:
    for ending in _VIDEO_ENDINGS:
        if path.with_suffix(ending).is_file():
            return frame_size(path.with_suffix(ending))
    raise GazeDataError(
        f"{path}: positions are shares of the video's size, and there is no {path.with_suffix('.mp4').name}; give the "
        "video (track VIDEO --gaze FILE, gaze info --video VIDEO), or its size as frame_size=(height, width)"
    )
