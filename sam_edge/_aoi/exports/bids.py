"""Gaze and fixations as a BIDS data set of one recording: `_physio`, and `_physioevents` with the objects.

Source: Brain Imaging Data Structure 1.11, "Physiological recordings", and its schema's rules for `physioevents`: a
headerless `_physioevents.tsv.gz`; the JSON names its columns, and in `OnsetSource` the column of `_physio` that the
onsets refer to.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge._aoi.area_hits import NO_OBJECT
from sam_edge._aoi.object_labels import object_labels
from sam_edge._aoi.study import Study
from sam_edge.errors import InputError
from sam_edge.gaze.recordings import bids_write
from sam_edge.gaze.recordings.recording import GazeRecording
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.atomic import write_atomically
from sam_edge.timeline import TimelineTables
from sam_edge.version import __version__

BIDS_VERSION = "1.11.0"
TASK = "look"
COLUMNS: dict[str, dict[str, Any]] = {
    "onset": {"Description": "When the event begins, on the clock of the column timestamp", "Units": "ns"},
    "duration": {"Description": "How long it lasts", "Units": "s"},
    "trial_type": {
        "Description": "What it is",
        "Levels": {"fixation": "Gaze rests", "pursuit": "Gaze follows something that moves"},
    },
    "object": {"Description": "Number of the object that the gaze was on"},
    "label": {"Description": "Label of that object"},
    "on_object": {"Description": "Probability that the gaze was on it, 0 to 1"},
}


def write_bids(folder: Path, tables: TimelineTables, study: Study) -> None:
    """Write a BIDS data set: the samples as `_physio`, the fixations as `_physioevents`.

    Raises:
        InputError: the recording has fewer than two samples.
        MediaError: a file cannot be written.
    """
    subject = re.sub(r"[^A-Za-z0-9]", "", study.recording) or "01"
    prefix = folder / f"sub-{subject}" / "beh" / f"sub-{subject}_task-{TASK}_recording-eye1"
    samples = _samples(tables)
    if len(samples) < 2:
        raise InputError(
            f"{study.recording}: {len(samples)} gaze samples; a BIDS recording needs two or more"
        )
    bids_write.write(prefix, _recording(samples, study))
    _write_json(folder / "dataset_description.json", {"Name": study.recording, "BIDSVersion": BIDS_VERSION})
    _write_json(prefix.with_name(f"{prefix.name}_physioevents.json"), _facts())
    with (
        write_atomically(prefix.with_name(f"{prefix.name}_physioevents.tsv.gz")) as part,
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
    ):
        packed.writelines("\t".join(row).encode() + b"\n" for row in _rows(tables, study))


def _description(study: Study) -> dict[str, Any]:
    return {
        "Name": study.recording,
        "BIDSVersion": BIDS_VERSION,
        "GeneratedBy": [{"Name": "sam-edge", "Version": __version__}],
    }


def _facts() -> dict[str, Any]:
    return {
        "Description": "Fixations, and the objects that they were on",
        "TaskName": TASK,
        "Columns": list(COLUMNS),
        "OnsetSource": "timestamp",
        **COLUMNS,
    }


def _rows(tables: TimelineTables, study: Study) -> Iterator[tuple[str, ...]]:
    fixations, labels = tables.fixations.values, object_labels(tables)
    columns = (fixations[name].tolist() for name in ("object", "start_s", "end_s", "kind", "on_object"))
    for shown, start_ns, end_ns, kind, on_object in zip(*columns, strict=True):
        number = shown if on_object >= study.options.min_on_object else NO_OBJECT
        on = ("n/a",) * 3
        if number != NO_OBJECT:
            on = str(number), _plain(labels.get(number, "n/a")), _number(on_object)
        yield str(start_ns), f"{(end_ns - start_ns) / 1e9:.9f}", kind, *on


def _samples(tables: TimelineTables) -> list[GazeSample]:
    values = tables.samples.values
    columns = (values[name].tolist() for name in ("time_s", "x_px", "y_px"))
    return [GazeSample(time_ns, x_px, y_px) for time_ns, x_px, y_px in zip(*columns, strict=True)]


def _recording(samples: list[GazeSample], study: Study) -> GazeRecording:
    step_ns = float(np.median(np.diff([sample.time_ns for sample in samples])))
    return GazeRecording(
        tuple(samples), study.recording, "sam-edge", rate_hz=1e9 / step_ns, frame_size=study.frame_size
    )


def _plain(text: str) -> str:
    """Return a text without tabs and line ends, which separate cells."""
    return " ".join(text.split())


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.4f}"


def _write_json(path: Path, facts: dict[str, Any]) -> None:
    with write_atomically(path) as part:
        part.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
