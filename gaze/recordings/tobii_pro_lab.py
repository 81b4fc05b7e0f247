"""Tobii Pro Lab and Tobii Studio: the TSV of a data export, from screen-based trackers and from glasses.

Column names changed over the years (`Gaze point X`, `Gaze point X [MCS px]`, `Gaze point X (MCSpx)`,
`GazePointX (ADCSpx)`), so each is found under any of its names. Time 0 is the start of the recording, which for
glasses is the first frame of the scene video. Rows of other sensors are left out. Source: Tobii Pro Lab user manual,
"Data export: TSV".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import Table, lines, open_binary, read_head
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.samples import GazeSample

FORMAT = "tobii-pro-lab"
SUMMARY = "Tobii Pro Lab and Studio: TSV data export"
MIN_CONFIDENCE = 0.0
_NS = {"ms": 1e6, "us": 1e3, "s": 1e9}
_PLACES = ("dacspx", "adcspx", "", "px", "mcspx", "dacsnorm", "mcsnorm", "norm")
"""Units and spaces of a gaze point's column, best first: pixels of the screen, of the scene, then 0..1."""


@dataclass(frozen=True, slots=True)
class _ProLabColumns:
    """Indices of the columns, found by any of their names."""

    time: int
    time_unit: str
    x: int
    y: int
    normalised: bool
    sensor: int | None
    left: int | None
    right: int | None
    width: int | None
    height: int | None
    names: tuple[int, ...]
    movement: int | None
    movement_index: int | None


def recognise(path: Path) -> bool:
    """Return True for a TSV whose first line names a recording timestamp and a gaze point."""
    first = read_head(path).partition(b"\n")[0].decode("utf-8", "replace")
    names = {_split(name)[0] for name in first.lstrip("\ufeff").split("\t")}
    return {"recordingtimestamp", "gazepointx"} <= names


def read(path: Path) -> GazeRecording:
    """Read an export of one recording. Raises `GazeDataError` when it is damaged or holds several."""
    with open_binary(path) as handle:
        table = Table(path, lines(path, handle), delimiter="\t")
        columns = _find(table)
        rows = list(_rows(table, columns))
    if not rows:
        raise GazeDataError(f"{path}: holds no gaze samples; export it with the eye tracker's rows")
    notes = []
    unit = columns.time_unit
    if not unit:
        unit = _guess_unit(row[0] for row in rows)
        notes.append(f"the header names no unit of time; {unit} follows from the intervals")
    size = _size(rows)
    if columns.normalised and size is None:
        raise GazeDataError(
            f"{path}: positions are 0..1 and no resolution is named; export 'Recording resolution width' and "
            "'height' too, or positions in pixels"
        )
    height, width = (size or (1, 1)) if columns.normalised else (1, 1)
    samples = [
        GazeSample(
            round(time * _NS[unit]),
            x * width,
            y * height,
            0.0 if math.isnan(x) else 1.0,
            device_time_ns=round(time * _NS[unit]),
            left_valid=left,
            right_valid=right,
        )
        for time, x, y, left, right, *_ in rows
    ]
    return make_recording(
        samples, path=path, format=FORMAT, frame_size=size, notes=notes, fixations=_fixations(rows, _NS[unit])
    )


_Row = tuple[float, float, float, "bool | None", "bool | None", float, float, "int | None"]
"""Time, x, y, validity of the left and right eye, width and height, and the number of the fixation."""


def _fixations(rows: list[_Row], ns_per_unit: float) -> list[RecordedFixation]:
    """Return the fixations of Tobii's filter, each from its first row to its last one."""
    spans: dict[int, tuple[float, float]] = {}
    for time, *_, fixation in rows:
        if fixation is not None:
            spans[fixation] = (spans.get(fixation, (time, time))[0], time)
    return [
        RecordedFixation(fixation, round(first * ns_per_unit), round(last * ns_per_unit))
        for fixation, (first, last) in spans.items()
    ]


def _find(table: Table) -> _ProLabColumns:
    index: dict[tuple[str, str], int] = {}
    for at, name in enumerate(table.columns):
        index.setdefault(_split(name), at)

    def column(*names: str) -> int | None:
        return next((at for name in names for (base, _), at in index.items() if base == name), None)

    time = column("recordingtimestamp")
    pairs = ((index.get(("gazepointx", p)), index.get(("gazepointy", p)), p) for p in _PLACES)
    position = next(((x, y, p) for x, y, p in pairs if x is not None and y is not None), None)
    if time is None or position is None:
        raise GazeDataError(
            f"{table.path}: no 'Recording timestamp' or no 'Gaze point X' and 'Y' in pixels; the columns are "
            f"{', '.join(table.columns)[:300]}"
        )
    unit = _split(table.columns[time])[1]
    if unit not in (*_NS, ""):
        raise GazeDataError(f"{table.path}: {table.columns[time]!r}; accepted units: {', '.join(_NS)}")
    owners = (column("participantname"), column("recordingname"))
    names = tuple(at for at in owners if at is not None)
    return _ProLabColumns(
        time,
        unit,
        position[0],
        position[1],
        position[2].endswith("norm"),
        column("sensor"),
        column("validityleft"),
        column("validityright"),
        column("recordingresolutionwidth", "recordingmediawidth"),
        column("recordingresolutionheight", "recordingmediaheight"),
        names,
        column("eyemovementtype", "gazeeventtype"),
        column("eyemovementtypeindex", "fixationindex"),
    )


def _rows(table: Table, columns: _ProLabColumns) -> Iterator[_Row]:
    of: tuple[str, ...] | None = None
    for count, row in enumerate(table.rows([columns.time])):
        if count >= 4 * MAX_SAMPLES:
            raise GazeDataError(f"{table.path}: more than {MAX_SAMPLES} samples; split the recording")
        if columns.sensor is not None and _cell(row, columns.sensor).lower() != "eye tracker":
            continue
        names = tuple(_cell(row, at) for at in columns.names)
        if of is not None and names != of:
            raise GazeDataError(
                f"{table.path}, line {table.line}: {' '.join(names)!r} after {' '.join(of)!r}; accepted: one "
                "recording a file (in Pro Lab: one file per recording)"
            )
        of = names
        time = _number(table, row, columns.time)
        if math.isnan(time) or abs(time) > 2**53:
            raise table.error(columns.time, row[columns.time], "a time")
        x, y = _number(table, row, columns.x), _number(table, row, columns.y)
        left, right = _valid(row, columns.left), _valid(row, columns.right)
        if math.isnan(x) or math.isnan(y) or (left is False and right is False):
            x = y = math.nan
        width, height = _number(table, row, columns.width), _number(table, row, columns.height)
        yield time, x, y, left, right, width, height, _fixation(table, row, columns)


def _fixation(table: Table, row: list[str], columns: _ProLabColumns) -> int | None:
    """Return the number of the fixation that a row belongs to; None where it belongs to none, or has no number."""
    if columns.movement is None or columns.movement_index is None:
        return None
    index = _cell(row, columns.movement_index)
    is_fixation = _cell(row, columns.movement).lower() == "fixation" and index
    return table.whole(index, columns.movement_index) if is_fixation else None


def _split(name: str) -> tuple[str, str]:
    """('gazepointx', 'mcspx') of `Gaze point X [MCS px]`; micro signs become u."""
    match = re.fullmatch(r"\s*([^\[(]*)(?:[\[(]([^\])]*)[\])])?\s*", name)
    base, unit = (match[1], match[2] or "") if match else (name, "")
    plain = (
        re.sub(r"\s+", "", part).lower().replace("\u00b5", "u").replace("\u03bc", "u")
        for part in (base, unit)
    )
    first, second = plain
    return first, second


def _cell(row: list[str], at: int | None) -> str:
    return row[at].strip() if at is not None and at < len(row) else ""


def _number(table: Table, row: list[str], at: int | None) -> float:
    """A cell's number; some systems export a comma for the decimal point."""
    text = _cell(row, at)
    return (
        table.number(text.replace(",", ".") if text.count(",") == 1 else text, at)
        if at is not None
        else math.nan
    )


def _valid(row: list[str], at: int | None) -> bool | None:
    """Pro Lab writes words, Studio 0 (sure) to 4 (lost)."""
    text = _cell(row, at).lower()
    return None if not text else text in ("valid", "0", "1")


def _guess_unit(times: Iterable[float]) -> str:
    """Trackers run at 10 to 2000 Hz: 0.5 to 100 ms, or 500 to 100 000 us, between samples."""
    steps = np.diff(np.fromiter(times, float))
    return "us" if len(steps) and np.median(steps) > 200 else "ms"


def _size(rows: list[_Row]) -> tuple[int, int] | None:
    for *_, width, height, _ in rows:
        if 1 <= width < 1e5 and 1 <= height < 1e5:
            return round(height), round(width)
    return None
