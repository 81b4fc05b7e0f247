"""BIDS eye-tracking, read: `..._recording-eye1_physio.tsv.gz` (no header line) and its JSON.

Columns are `timestamp`, `x_coordinate`, `y_coordinate` and others that the JSON names; `n/a` is a missing value. The
first sample's time is `StartTime` seconds. `bids_events.py` reads the fixations. Source: Brain Imaging Data Structure,
"Physiological recordings: eye-tracking" (PhysioType `eyetrack`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.bids_columns import EXTRAS
from sam_edge.gaze.recordings.bids_events import read_bids_fixations
from sam_edge.gaze.recordings.files import json_object, lines, open_binary
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.recordings.tables import Table
from sam_edge.gaze.samples import GazeRay, GazeSample

FORMAT = "bids"
SUMMARY = "BIDS eye-tracking: _physio.tsv.gz with its JSON"
MIN_CONFIDENCE = 0.0
_DATA, _META = "_physio.tsv.gz", "_physio.json"
_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "μs": 1e3, "ns": 1.0}
_PIXELS = ("pixel", "pixels", "px")


@dataclass(frozen=True, slots=True)
class _Clock:
    """How values of the column `timestamp` become times of samples."""

    first: float
    start_ns: int
    ns_per_unit: int

    def time_ns(self, value: float, unit: str) -> int:
        """Return the time of a value; of the samples' unit if `unit` is not known."""
        scale = int(_NS.get(unit, self.ns_per_unit))
        return self.start_ns + round(value * scale - self.first * self.ns_per_unit)


def recognise(path: Path) -> bool:
    """Return True for a file of such a pair, or for a folder that holds exactly one pair."""
    try:
        data, meta = _pair(path)
        return data.is_file() and json_object(meta).get("PhysioType") == "eyetrack"
    except GazeDataError:
        return False


def read(path: Path) -> GazeRecording:
    """Read one recording: its tsv.gz, its JSON, or a folder that holds one pair. Raises `GazeDataError`."""
    data, meta = _pair(path)
    facts = json_object(meta)
    columns = facts.get("Columns")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise GazeDataError(f"{meta}: Columns is {columns!r}; accepted: a list of column names")
    for axis in ("x_coordinate", "y_coordinate"):
        unit = _units(facts, axis)
        if unit not in _PIXELS:
            raise GazeDataError(f"{meta}: Units of {axis} is {unit!r}; accepted: {', '.join(_PIXELS)}")
    header = "\t".join(columns) + "\n"
    with open_binary(data) as handle:
        table = Table(data, _with_header(header, lines(data, handle)), delimiter="\t", first_line=0)
        rows = list(_rows(table))
    if not rows:
        raise GazeDataError(f"{data}: holds no gaze samples")
    notes: list[str] = []
    clock, times_ns = _times_ns(meta, facts, [row[0] for row in rows], notes)
    samples = (replace(sample, time_ns=time_ns) for (_, sample), time_ns in zip(rows, times_ns, strict=True))
    if facts.get("SampleCoordinateSystem") is not None:
        notes.append(f"positions are {facts['SampleCoordinateSystem']}")
    return make_recording(
        samples,
        path=data,
        format=FORMAT,
        frame_size=_frame_size(facts.get("SceneResolution")),
        px_per_deg=_positive(facts.get("PixelsPerDegree")),
        fixations=read_bids_fixations(data, clock.time_ns, notes),
        stated_rate_hz=_positive(facts.get("SamplingFrequency")),
        notes=notes,
    )


def _rows(table: Table) -> Iterator[tuple[str, GazeSample]]:
    """Yield timestamp text and sample of each row; times are set later, when their unit is known."""
    time_at, x_at, y_at = (table.index(name) for name in ("timestamp", "x_coordinate", "y_coordinate"))
    at = {name: table.find(name) for name in EXTRAS}
    for count, row in enumerate(
        table.rows([time_at, x_at, y_at, *(c for c in at.values() if c is not None)])
    ):
        if count >= MAX_SAMPLES:
            raise GazeDataError(f"{table.path}: more than {MAX_SAMPLES} samples; split the recording")

        def number(name: str, row: list[str] = row) -> float | None:
            column = at[name]
            value = math.nan if column is None else _number(table, row, column)
            return None if math.isnan(value) else value

        def whole(name: str, row: list[str] = row) -> int | None:
            column = at[name]
            if column is None or row[column] == "n/a":
                return None
            try:
                return int(row[column])
            except ValueError:
                raise table.error(column, row[column], "a whole number, or n/a") from None

        def vector(*names: str) -> tuple[float, ...] | None:
            values = [number(name) for name in names]
            return None if None in values else tuple(value for value in values if value is not None)

        x, y = _number(table, row, x_at), _number(table, row, y_at)
        confidence = number("confidence")
        if confidence is not None and not 0.0 <= confidence <= 1.0:
            raise table.error(at["confidence"] or 0, str(confidence), "0..1")
        left, right = whole("left_valid"), whole("right_valid")
        origin = vector("ray_origin_x", "ray_origin_y", "ray_origin_z")
        direction = vector("ray_x", "ray_y", "ray_z")
        spread = vector("covariance_xx", "covariance_xy", "covariance_yy")
        known = not (math.isnan(x) or math.isnan(y))
        yield (
            row[time_at],
            GazeSample(
                0,
                x if known else math.nan,
                y if known else math.nan,
                confidence if confidence is not None else (1.0 if known else 0.0),
                device_time_ns=whole("device_timestamp"),
                offset_uncertainty_ns=whole("clock_uncertainty"),
                left_valid=None if left is None else bool(left),
                right_valid=None if right is None else bool(right),
                ray=GazeRay(_three(origin), _three(direction)) if origin and direction else None,
                depth_m=number("depth"),
                covariance_px2=_three(spread) if spread else None,
            ),
        )


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    return values[0], values[1], values[2]


def _number(table: Table, row: list[str], column: int) -> float:
    return math.nan if row[column] == "n/a" else table.number(row[column], column)


def _times_ns(
    meta: Path, facts: dict[str, Any], texts: list[str], notes: list[str]
) -> tuple[_Clock, list[int]]:
    start = facts.get("StartTime", 0)
    if isinstance(start, bool) or not isinstance(start, (int, float)) or not abs(start) < 1e10:
        raise GazeDataError(f"{meta}: StartTime is {start!r}; accepted: a number of seconds")
    unit = _units(facts, "timestamp")
    try:
        values: list[int] | list[float] = [int(text) for text in texts]
    except ValueError:
        try:
            values = [float(text) for text in texts]
        except ValueError as error:
            raise GazeDataError(f"{meta}: a timestamp is no number ({error})") from error
    if not all(map(math.isfinite, values)) or max(map(abs, values)) >= 2**63:
        raise GazeDataError(f"{meta}: a timestamp is not finite, or larger than 2**63")
    if unit not in _NS:
        unit = _guess_unit(meta, facts, np.array(values, float))
        notes.append(f"the timestamps' unit is not stated; the sampling frequency says {unit}")
    start_ns, scale = round(start * 1e9), int(_NS[unit])
    if isinstance(values[0], int) and abs(values[0] * scale - start_ns) < 1000:
        start_ns = values[0] * scale
    return _Clock(values[0], start_ns, scale), [
        start_ns + round((value - values[0]) * scale) for value in values
    ]


def _guess_unit(meta: Path, facts: dict[str, Any], values: np.ndarray) -> str:
    rate = _positive(facts.get("SamplingFrequency"))
    step = float(np.median(np.diff(values))) if len(values) > 1 else 0.0
    if rate is None or step <= 0.0:
        raise GazeDataError(f"{meta}: timestamp has no Units; accepted: {', '.join(_NS)}")
    return min(("s", "ms", "us", "ns"), key=lambda unit: abs(math.log(step * _NS[unit] / 1e9 * rate)))


def _units(facts: dict[str, Any], column: str) -> str:
    described = facts.get(column)
    return str(described.get("Units", "")) if isinstance(described, dict) else ""


def _with_header(header: str, text: Iterator[str]) -> Iterator[str]:
    yield header
    yield from text


def _pair(path: Path) -> tuple[Path, Path]:
    if path.is_dir():
        found = sorted(path.glob(f"*_recording-*{_DATA}"))
        if len(found) != 1:
            names = ", ".join(p.name for p in found) or "none"
            raise GazeDataError(f"{path}: eye-tracking recordings here: {names}; name the one to read")
        path = found[0]
    for end in (_DATA, _META):
        if path.name.endswith(end):
            stem = path.name[: -len(end)]
            return path.with_name(stem + _DATA), path.with_name(stem + _META)
    raise GazeDataError(f"{path}: accepted: a file that ends in {_DATA} or {_META}, or its folder")


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        return None
    return float(value)


def _frame_size(value: object) -> tuple[int, int] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    width, height = _positive(value[0]), _positive(value[1])
    return None if width is None or height is None else (round(height), round(width))
