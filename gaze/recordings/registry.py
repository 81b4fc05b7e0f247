"""The registry of recording formats, and recognition of a file's format by its content."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import read_head
from sam_edge.gaze.recordings.recording import GazeRecording, discard_low_confidence

MAX_SHOWN = 300
"""Most characters of column names that an error shows."""
OWN_COLUMNS = ("timestamp_s", "x_px", "y_px")
"""Columns that a gaze CSV of sam-edge must have."""


class RecordingFormat(Protocol):
    """The interface of a format's module."""

    FORMAT: str
    """Name of the format."""
    SUMMARY: str
    """One line that describes it."""
    MIN_CONFIDENCE: float
    """Samples of lower confidence, 0..1, count as lost unless the caller gives another threshold."""

    def recognise(self, path: Path) -> bool:
        """Return whether the file or folder looks like this format. Raises nothing, whatever the content."""
        ...

    def read(self, path: Path) -> GazeRecording:
        """Read a file or folder of this format. Raises `GazeDataError`."""
        ...


_MODULES: dict[str, str] = {
    "csv": "sam_edge.gaze.recordings.plain",
    "pupil-core": "sam_edge.gaze.recordings.pupil_core",
    "neon-csv": "sam_edge.gaze.recordings.neon_csv",
    "neon-native": "sam_edge.gaze.recordings.neon_native",
    "tobii-glasses2": "sam_edge.gaze.recordings.tobii_glasses2",
    "tobii-glasses3": "sam_edge.gaze.recordings.tobii_glasses3",
    "tobii-pro-lab": "sam_edge.gaze.recordings.tobii_pro_lab",
    "aria-mps": "sam_edge.gaze.recordings.aria",
    "eyelink-asc": "sam_edge.gaze.recordings.eyelink",
    "smi-text": "sam_edge.gaze.recordings.smi",
    "bids": "sam_edge.gaze.recordings.bids",
}


def formats() -> tuple[str, ...]:
    """Return the names of all formats that can be read."""
    return tuple(_MODULES)


def reader(name: str) -> RecordingFormat:
    """Return the reader of a format. Raises `GazeDataError` for an unknown name."""
    if name not in _MODULES:
        raise GazeDataError(f"format is {name!r}; accepted: {', '.join(formats())}")
    return cast(RecordingFormat, importlib.import_module(_MODULES[name]))


def recognise(path: Path) -> str:
    """Return the name of the format of a file or folder, recognised by its content.

    Raises `GazeDataError` when the path does not exist, or not exactly one format fits.
    """
    if not path.exists():
        raise GazeDataError(f"{path}: no such file or folder")
    names = [name for name in formats() if reader(name).recognise(path)]
    if not names:
        raise GazeDataError(
            f"{path}: not a gaze recording of a known format; accepted: {', '.join(formats())}"
            f"{_describe_columns(path)}"
        )
    if len(names) > 1:
        raise GazeDataError(
            f"{path}: could be any of {', '.join(names)}; say which with format=... (--format)"
        )
    return names[0]


def _describe_columns(path: Path) -> str:
    """Return the columns that a file has, and those that sam-edge's own CSV needs; empty when it is no table."""
    first = read_head(path).decode("utf-8-sig", "replace").partition("\n")[0].strip()
    delimiter = next((character for character in ",;\t" if character in first), None)
    if delimiter is None or (not first.isprintable() and delimiter != "\t"):
        return ""
    columns = ", ".join(name.strip() for name in first.split(delimiter))
    columns = columns if len(columns) <= MAX_SHOWN else f"{columns[:MAX_SHOWN]} ..."
    return f". Its columns are {columns}; a gaze CSV needs {', '.join(OWN_COLUMNS)}, with commas between them"


def read(
    path: str | Path, *, format: str | None = None, min_confidence: float | None = None
) -> GazeRecording:
    """Read a gaze recording, a file or a folder.

    Args:
        path: the recording's file or folder.
        format: a name from `formats()`; None recognises the format by content.
        min_confidence: samples of lower confidence, 0..1, count as lost: their positions are NaN. None: the format's
            own threshold, 0.6 for Pupil Core and 0 for the others.

    Raises:
        GazeDataError: the path does not exist, the format is unknown or ambiguous, or the content is damaged.
        InputError: `min_confidence` is not in 0..1.
    """
    path = Path(path)
    module = reader(recognise(path) if format is None else format)
    return discard_low_confidence(
        module.read(path), module.MIN_CONFIDENCE if min_confidence is None else min_confidence
    )
