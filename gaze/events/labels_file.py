"""Labels of a recording's samples as a CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sam_edge.gaze.events.types import LabelledSample
from sam_edge.gaze.recordings.files import replacing


def write_labels(path: Path, times_s: Iterable[str], labels: Sequence[LabelledSample]) -> None:
    """Write a line a sample: its time, the kind of its event, and the event's number.

    Args:
        path: file to write; a failed write keeps an older one.
        times_s: time of each sample in seconds, as text.
        labels: label of each sample.

    Raises:
        GazeDataError: the file cannot be written.
    """
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
        handle.write("timestamp_s,label,event_id\n")
        for time, label in zip(times_s, labels, strict=True):
            handle.write(f"{time},{label.kind.value},{label.event_id}\n")
