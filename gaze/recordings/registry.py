"""The registry of recording formats, and recognition of a file's format by its content."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.read_options import ReadOptions
from sam_edge.gaze.recordings.recording import GazeRecording, discard_low_confidence
from sam_edge.gaze.recordings.tables import describe_table

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


class FormatWithOptions(RecordingFormat, Protocol):
    """The interface of a format that takes more than a path."""

    def read_with(self, path: Path, options: ReadOptions) -> GazeRecording:
        """Read a file or folder of this format, as the options say. Raises `GazeDataError`."""
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
    "ego4d": "sam_edge.gaze.recordings.ego4d",
}
_OPTIONS: dict[str, tuple[str, ...]] = {
    "tobii-pro-lab": ("recording_name", "frame_size"),
    "neon-csv": ("recording_name",),
    "pupil-core": ("frame_size",),
    "ego4d": ("frame_size",),
}
"""Formats that use a field of `ReadOptions`, and the fields: they have a function `read_with`."""


def formats() -> tuple[str, ...]:
    """Return the names of all formats that can be read."""
    return tuple(_MODULES)


def reader(name: str) -> RecordingFormat:
    """Return the reader of a format. Raises `GazeDataError` for an unknown name."""
    if name not in _MODULES:
        raise GazeDataError(f"format is {name!r}; accepted: {', '.join(formats())}")
    return cast(RecordingFormat, importlib.import_module(_MODULES[name]))


def uses_frame_size(path: Path, format: str | None) -> bool:
    """Return whether the format of a recording may need the size of the video's frames. Raises `GazeDataError`."""
    return "frame_size" in _OPTIONS.get(recognise(path) if format is None else format, ())


def recognise(path: Path) -> str:
    """Return the name of the format of a file or folder, recognised by its content.

    Raises `GazeDataError` when the path does not exist, or not exactly one format fits.
    """
    if not path.exists():
        raise GazeDataError(f"{path}: no such file or folder")
    if path.is_file() and path.stat().st_size == 0:
        raise GazeDataError(f"{path}: the file is empty; give a recording with samples")
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
    """Return how a file was read as a table, and the columns that sam-edge's own CSV needs; empty for no table."""
    table = describe_table(path)
    return f". {table}; a gaze CSV needs {', '.join(OWN_COLUMNS)}" if table else ""


def read(
    path: str | Path,
    *,
    format: str | None = None,
    min_confidence: float | None = None,
    recording_name: str | None = None,
    frame_size: tuple[int, int] | None = None,
) -> GazeRecording:
    """Read a gaze recording, a file or a folder.

    Args:
        path: the recording's file or folder.
        format: a name from `formats()`; None recognises the format by content.
        min_confidence: samples of lower confidence, 0..1, count as lost: their positions are NaN. None: the format's
            own threshold, 0.6 for Pupil Core and 0 for the others.
        recording_name: name of the recording to read, where a file holds several (`tobii-pro-lab`, `neon-csv`).
        frame_size: (height, width) of the video's frames, pixels, for formats whose positions are shares of it.

    Raises:
        GazeDataError: the path does not exist, the format is unknown or ambiguous, the content is damaged, or it holds
            several recordings and none is chosen.
        InputError: `min_confidence` is not in 0..1.
    """
    path = Path(path)
    name = recognise(path) if format is None else format
    module, options = reader(name), ReadOptions(recording_name, frame_size)
    used = _OPTIONS.get(name, ())
    if recording_name is not None and "recording_name" not in used:
        several = ", ".join(each for each, fields in _OPTIONS.items() if "recording_name" in fields)
        raise GazeDataError(
            f"{path}: recording_name is {recording_name!r}, and a file of the format {name} holds one recording; "
            f"accepted: none (formats with several: {several})"
        )
    found = cast(FormatWithOptions, module).read_with(path, options) if used else module.read(path)
    return discard_low_confidence(found, module.MIN_CONFIDENCE if min_confidence is None else min_confidence)
