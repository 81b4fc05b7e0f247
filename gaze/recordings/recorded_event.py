"""Events of a recording: moments that a person or a program marked with a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.tables import Table, names_header, open_table


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A named moment."""

    time_ns: int
    """When it was, nanoseconds on the clock of `GazeSample.time_ns`."""
    name: str
    """Its name, as in the recording."""

    def shifted(self, shift_ns: int) -> RecordedEvent:
        """Return the event with `shift_ns` added to its time."""
        return replace(self, time_ns=self.time_ns + shift_ns)


def read_annotations(path: Path) -> Iterator[RecordedEvent]:
    """Yield the annotations of Pupil Player (`annotations.csv`), in seconds on the clock of the gaze."""
    return _read(path, "timestamp", "label", lambda table, text, at: table.time_ns(text, at))


def read_cloud_events(path: Path) -> Iterator[RecordedEvent]:
    """Yield the events of Pupil Cloud and Neon Player (`events.csv`), in UTC nanoseconds."""
    return _read(path, "timestamp [ns]", "name", lambda table, text, at: table.whole(text, at))


def read_phone_events(folder: Path) -> list[RecordedEvent]:
    """Return the events that the phone of Neon and Invisible recorded (`event.time`, `event.txt`), in UTC nanoseconds.

    Raises:
        GazeDataError: a file cannot be read.
    """
    times, names = folder / "event.time", folder / "event.txt"
    if not (times.is_file() and names.is_file()):
        return []
    try:
        times_ns = np.fromfile(times, "<i8").tolist()
        texts = names.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GazeDataError(f"{names}: cannot be read ({error}); copy the recording again") from error
    return [RecordedEvent(time_ns, text.strip()) for time_ns, text in zip(times_ns, texts, strict=False)]


def _read(
    path: Path, time_column: str, name_column: str, to_ns: Callable[[Table, str, int], int]
) -> Iterator[RecordedEvent]:
    if not path.is_file():
        return
    with open_table(path, names_header(time_column, name_column)) as table:
        if table.find(time_column) is None or table.find(name_column) is None:
            return
        time_at, name_at = table.index(time_column), table.index(name_column)
        for row in table.rows([time_at, name_at]):
            yield RecordedEvent(to_ns(table, row[time_at], time_at), row[name_at].strip())
