"""BIDS eye-tracking, written: a headerless `_physio.tsv.gz` and its JSON.

Every field of a sample is kept, in additional columns where BIDS has none, and the same recording gives the same
bytes. Source: Brain Imaging Data Structure, "Physiological recordings: eye-tracking".
"""

from __future__ import annotations

import gzip
import json
import math
from itertools import compress
from pathlib import Path
from typing import Any

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.bids_columns import EXTRAS, extra_values
from sam_edge.gaze.recordings.files import replacing
from sam_edge.gaze.recordings.recording import GazeRecording

_DATA, _META = "_physio.tsv.gz", "_physio.json"
_SCREEN_FORMATS = ("eyelink-asc", "smi-text")


def write(
    prefix: str | Path,
    recording: GazeRecording,
    *,
    recorded_eye: str = "cyclopean",
    coordinate_system: str | None = None,
) -> tuple[Path, Path]:
    """Write a recording as BIDS eye-tracking and return the paths of the tsv.gz and the JSON.

    `prefix` is the path without its ending, as in `sub-01/beh/sub-01_task-look`; `_recording-eye1` is added when it
    names no recording. Missing folders are made. `recorded_eye` is `left`, `right` or `cyclopean`. `coordinate_system`
    is `gaze-on-screen` or `gaze-in-world`; by default it follows from the recording's format. Raises `GazeDataError`.
    """
    if recorded_eye not in ("left", "right", "cyclopean"):
        raise GazeDataError(f"recorded_eye is {recorded_eye!r}; accepted: left, right, cyclopean")
    if coordinate_system is None:
        coordinate_system = "gaze-on-screen" if recording.format in _SCREEN_FORMATS else "gaze-in-world"
    if coordinate_system not in ("gaze-on-screen", "gaze-in-world"):
        raise GazeDataError(
            f"coordinate_system is {coordinate_system!r}; accepted: gaze-on-screen, gaze-in-world"
        )
    if recording.rate_hz is None:
        raise GazeDataError(
            f"{recording.name}: {len(recording.samples)} samples; BIDS needs two or more for the rate"
        )
    data, meta = bids_paths(Path(prefix))
    used = [False] * len(EXTRAS)
    for sample in recording.samples:
        used = [was or value is not None for was, value in zip(used, extra_values(sample), strict=True)]
    facts = _facts(recording, list(compress(EXTRAS, used)), recorded_eye, coordinate_system)
    with replacing(data) as data_part, replacing(meta) as meta_part:
        meta_part.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        with data_part.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            for sample in recording.samples:
                values = (sample.time_ns, sample.x_px, sample.y_px, *compress(extra_values(sample), used))
                packed.write(("\t".join(map(_text, values)) + "\n").encode("ascii"))
    return data, meta


def bids_paths(prefix: Path) -> tuple[Path, Path]:
    """Return the paths that `write` writes for a prefix: the tsv.gz and the JSON."""
    name = prefix.name if "_recording-" in prefix.name else f"{prefix.name}_recording-eye1"
    return prefix.with_name(name + _DATA), prefix.with_name(name + _META)


def _facts(recording: GazeRecording, names: list[str], recorded_eye: str, system: str) -> dict[str, Any]:
    first = recording.samples[0].time_ns
    facts: dict[str, Any] = {
        "SamplingFrequency": recording.rate_hz,
        "StartTime": first / 1e9,
        "Columns": ["timestamp", "x_coordinate", "y_coordinate", *names],
        "PhysioType": "eyetrack",
        "RecordedEye": recorded_eye,
        "SampleCoordinateSystem": system,
        "EnvironmentCoordinates": "top-left",
        "timestamp": {"Description": "Time of the sample; 0 is the first frame shown", "Units": "ns"},
        "x_coordinate": {"Description": "Gaze position, from the left edge", "Units": "pixel"},
        "y_coordinate": {"Description": "Gaze position, from the top edge", "Units": "pixel"},
    }
    for name in names:
        units, text = EXTRAS[name]
        facts[name] = {"Description": text, "Units": units}
    if recording.frame_size is not None:
        facts["SceneResolution"] = [recording.frame_size[1], recording.frame_size[0]]
    if recording.px_per_deg is not None:
        facts["PixelsPerDegree"] = recording.px_per_deg
    return facts


def _text(value: float | int | None) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    return str(int(value)) if isinstance(value, int) else repr(float(value))
