"""Gaze recordings of many eye trackers, read into one `GazeRecording`.

    from sam_edge.gaze import recordings

    recording = recordings.read("exports/000")          # the format is recognised by content
    recordings.write_csv("gaze.csv", recording.samples)

`recordings.formats()` lists the formats, and docs/reference/gaze_formats.md describes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sam_edge.gaze.recordings import plain
from sam_edge.gaze.recordings.bids_write import write as write_bids
from sam_edge.gaze.recordings.recording import GazeRecording, make_recording
from sam_edge.gaze.recordings.registry import formats, read, recognise
from sam_edge.gaze.samples import GazeSample

__all__ = [
    "GazeRecording",
    "formats",
    "make_recording",
    "read",
    "read_csv",
    "recognise",
    "write_bids",
    "write_csv",
]


def read_csv(path: str | Path) -> GazeRecording:
    """Read sam-edge's own gaze CSV (`timestamp_s,x_px,y_px,confidence`). Raises `GazeDataError`."""
    return plain.read(Path(path))


def write_csv(path: str | Path, samples: Iterable[GazeSample]) -> None:
    """Write samples as sam-edge's own gaze CSV; a failed write keeps an older file. Raises `GazeDataError`."""
    plain.write(Path(path), samples)
