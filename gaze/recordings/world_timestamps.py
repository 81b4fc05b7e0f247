"""`world_timestamps.csv`: when each frame of a scene video was taken, as Pupil Player and Pupil Cloud export it."""

from __future__ import annotations

from pathlib import Path

from sam_edge.gaze.recordings.tables import open_table, plain_name

FILE_NAME = "world_timestamps.csv"
_NANOSECONDS = "timestamp [ns]"
_SECONDS = ("# timestamps [seconds]", "timestamps [seconds]", "timestamp")
_NAMES = {plain_name(name) for name in (_NANOSECONDS, *_SECONDS)}


def read_world_timestamps(path: Path) -> list[int]:
    """Return the times of the frames, nanoseconds on the recording's own clock; empty where there is no such file.

    Pupil Cloud writes whole nanoseconds, Pupil Player seconds.

    Raises:
        GazeDataError: the file is damaged, or has neither column.
    """
    if not path.is_file():
        return []
    with open_table(path, lambda cells: not _NAMES.isdisjoint(map(plain_name, cells))) as table:
        column = table.find(_NANOSECONDS)
        if column is not None:
            return [table.whole_ns(row[column], column) for row in table.rows([column])]
        column = table.index(*_SECONDS)
        return [table.time_ns(row[column], column) for row in table.rows([column])]
