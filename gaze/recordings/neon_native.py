"""Pupil Labs Neon and Invisible: the recording as the phone writes it (`gaze ps1.raw`, `gaze ps1.time`, ...).

Each part is a pair of files: little-endian float32 x, y in scene pixels (lens distortion included), and int64 UTC
nanoseconds. `gaze_200hz`, where it stands, was computed afterwards at the full rate and is preferred. Time 0 is the
first frame of the scene camera. Source: the MIT-licensed reader pupil-labs/pl-neon-recording.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.recorded_event import read_phone_events
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation, number_fixations
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.samples import GazeSample

FORMAT = "neon-native"
SUMMARY = "Pupil Labs Neon and Invisible: native recording folder (gaze ps1.raw, gaze ps1.time)"
MIN_CONFIDENCE = 0.0
_SCENES = {"Neon Scene Camera": (1200, 1600), "PI world": (1080, 1088)}
_FIELD = re.compile(r'\(\s*"(\w+)"\s*,\s*"(float32|float64|int32|int64|uint8)"\s*\)')
_FIXATION_FIELDS = ("start_timestamp_ns", "end_timestamp_ns")
_FIXATION = 1
"""The value of `event_type` that stands for a fixation; 0 is a saccade."""
_TYPES = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8", "uint8": "<u1"}


def recognise(path: Path) -> bool:
    """Return True for a recording folder."""
    return path.is_dir() and bool(_parts(path))


def read(path: Path) -> GazeRecording:
    """Read a native recording folder. Raises `GazeDataError` when it is damaged."""
    notes = ["positions include the scene lens's distortion"]
    parts = _parts(path)
    if not parts:
        raise GazeDataError(
            f"{path}: no gaze_200hz.raw and no 'gaze ps1.raw'; accepted: a native recording folder"
        )
    record = _record(path / "gaze.dtype")
    samples: list[GazeSample] = []
    frame_times_ns, size = _scene(path, notes)
    start_ns = frame_times_ns[0] if frame_times_ns else None
    if start_ns is None:
        notes.append("no scene camera times: time 0 is the first gaze sample")
    for raw_file in parts:
        device_ns = _array(raw_file.with_suffix(".time"), np.dtype("<i8"), notes)
        gaze = _array(raw_file, record, notes)
        worn = _worn(path, raw_file, notes)
        count = min(len(device_ns), len(gaze))
        if len(device_ns) != len(gaze):
            notes.append(
                f"{raw_file.name}: {len(gaze)} positions for {len(device_ns)} times; {count} were read"
            )
        if count and start_ns is None:
            start_ns = int(device_ns[0])
        seen = (worn[:count] > 0).tolist() if worn is not None and len(worn) >= count else [True] * count
        for time_ns, x, y, on in zip(
            device_ns[:count].tolist(),
            gaze["x"][:count].tolist(),
            gaze["y"][:count].tolist(),
            seen,
            strict=True,
        ):
            known = math.isfinite(x) and math.isfinite(y)
            samples.append(
                GazeSample(
                    time_ns - (start_ns or 0),
                    x if known else math.nan,
                    y if known else math.nan,
                    1.0 if on else 0.0,
                    device_time_ns=time_ns,
                )
            )
    return make_recording(
        samples,
        path=path,
        format=FORMAT,
        frame_size=size,
        px_per_deg=_px_per_deg(path / "calibration.bin"),
        notes=notes,
        frame_times_ns=[time_ns - frame_times_ns[0] for time_ns in frame_times_ns],
        fixations=[fixation.shifted(-(start_ns or 0)) for fixation in _fixations(path, notes)],
        events=[event.shifted(-(start_ns or 0)) for event in read_phone_events(path)],
    )


def _parts(folder: Path) -> list[Path]:
    if (folder / "gaze_200hz.raw").is_file() and (folder / "gaze_200hz.time").is_file():
        return [folder / "gaze_200hz.raw"]
    return _numbered_files(folder, "gaze ps*.raw")


def _numbered_files(folder: Path, pattern: str) -> list[Path]:
    """Files `... ps1.raw`, `... ps2.raw`, in order of their numbers."""
    found = ((re.search(r" ps(\d+)$", path.stem), path) for path in folder.glob(pattern))
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def _record(path: Path) -> np.dtype[Any]:
    fields = _fields(path) if path.is_file() else [("x", "<f4"), ("y", "<f4")]
    names = [name for name, _ in fields]
    if len(set(names)) != len(names) or not {"x", "y"} <= set(names):
        raise GazeDataError(f"{path}: fields are {names}; accepted: numbers named once, among them x and y")
    return np.dtype(fields)


def _fields(path: Path) -> list[tuple[str, str]]:
    """Return the names and types that a `.dtype` file lists."""
    text = _first(path, 4096).decode("utf-8", "replace")
    return [(name, _TYPES[kind]) for name, kind in _FIELD.findall(text)]


def _fixations(folder: Path, notes: list[str]) -> tuple[RecordedFixation, ...]:
    """Return the fixations of the phone's detector, in UTC nanoseconds, numbered from 1.

    Their positions are left out: they lack the wearer's `gaze_offset`, which the samples have.
    """
    fields = _fields(folder / "fixations.dtype") if (folder / "fixations.dtype").is_file() else []
    if not set(_FIXATION_FIELDS) <= {name for name, _ in fields}:
        return ()
    found: list[RecordedFixation] = []
    for raw_file in _numbered_files(folder, "fixations ps*.raw"):
        events = _array(raw_file, np.dtype(fields), notes)
        names = events.dtype.names or ()
        if "event_type" in names:
            events = events[events["event_type"] == _FIXATION]
        onsets_ns, ends_ns = (events[name].tolist() for name in _FIXATION_FIELDS)
        found += map(RecordedFixation, [0] * len(events), onsets_ns, ends_ns)
    return number_fixations(found)


def _array(path: Path, record: np.dtype[Any], notes: list[str]) -> np.ndarray:
    try:
        size = path.stat().st_size
        if size // record.itemsize > MAX_SAMPLES:
            raise GazeDataError(
                f"{path}: {size} bytes is more than {MAX_SAMPLES} samples; split the recording"
            )
        data = path.read_bytes()
    except OSError as error:
        raise GazeDataError(f"{path}: cannot be read ({error.strerror or error})") from error
    whole = len(data) // record.itemsize
    if whole * record.itemsize != len(data):
        notes.append(f"{path.name}: cut off within a sample; {whole} whole samples were read")
    return np.frombuffer(data, record, whole)


def _first(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(size)
    except OSError as error:
        raise GazeDataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _worn(folder: Path, raw_file: Path, notes: list[str]) -> np.ndarray | None:
    path = folder / raw_file.name.replace("gaze", "worn")
    return _array(path, np.dtype("<u1"), notes) if path.is_file() else None


def _scene(folder: Path, notes: list[str]) -> tuple[list[int], tuple[int, int] | None]:
    """Return the times of the scene camera's frames, nanoseconds, in all its files, and their size."""
    for name, size in _SCENES.items():
        files = _numbered_files(folder, f"{name}*.time")
        times = [time_ns for path in files for time_ns in _array(path, np.dtype("<i8"), notes).tolist()]
        if times:
            return times, size
    return [], None


def _px_per_deg(path: Path) -> float | None:
    """Focal length out of Neon's calibration: version u8, serial 6 bytes, 3x3 float64 camera matrix, ..."""
    if not path.is_file():
        return None
    data = _first(path, 15)
    focal = struct.unpack_from("<d", data, 7)[0] if len(data) == 15 else math.nan
    return focal * math.pi / 180.0 if 0 < focal < 1e6 else None
