"""Tobii Pro Lab and Tobii Studio: the table of a data export, from screen-based trackers and from glasses.

Column names changed over the years (`Gaze point X`, `Gaze point X [MCS px]`, `Gaze point X (MCSpx)`,
`GazePointX (ADCSpx)`), so each is found under any of its names. Without a common gaze point, the mean of both eyes is
read, then gaze that is mapped onto one picture, then fixation points. Time 0 is the start of the recording, which for
glasses is the first frame of the scene video. Rows of other sensors and of events are left out. Source: Tobii Pro Lab
user manual, "Data export: TSV"; Tobii Studio user manual, "Data export".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.read_options import ReadOptions
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.recordings.tables import Table, has_header, open_table
from sam_edge.gaze.recordings.tobii_columns import (
    NS_PER_UNIT,
    PositionKind,
    TobiiColumns,
    find_columns,
    is_tobii_header,
    mapped_media,
)
from sam_edge.gaze.recordings.two_eyes import mean_of_eyes
from sam_edge.gaze.samples import GazeSample

FORMAT = "tobii-pro-lab"
SUMMARY = "Tobii Pro Lab and Studio: data export (TSV, or a spreadsheet's text)"
MIN_CONFIDENCE = 0.0
FIXATION_STEP_NS = 10_000_000
"""Where each fixation is one row, samples at its position are made at these intervals, nanoseconds."""
MAX_CLOCK_ERROR_NS = 5_000_000
"""The eye tracker's clock is used where it keeps this close to the recording's, nanoseconds."""


class _Row(NamedTuple):
    """One row of the eye tracker."""

    owner: tuple[str, ...]
    time: float
    fine_us: float
    eyes: tuple[tuple[float, float], ...]
    """Position of each pair of columns; NaN where it is missing or not valid."""
    left: bool | None
    right: bool | None
    width: float
    height: float
    fixation: int | None
    duration_ms: float


def recognise(path: Path) -> bool:
    """Return True for a table that names a recording timestamp and a gaze point."""
    return has_header(path, is_tobii_header)


def read(path: Path) -> GazeRecording:
    """Read an export of one recording. Raises `GazeDataError` when it is damaged or holds several."""
    return read_with(path, ReadOptions())


def read_with(path: Path, options: ReadOptions) -> GazeRecording:
    """Read an export, or one recording of it by its participant, its name, or both. Raises `GazeDataError`."""
    with open_table(path, is_tobii_header) as table:
        columns = find_columns(path, table.columns)
        rows = list(_rows(table, columns))
        media = mapped_media(table.columns)
    if not rows:
        raise GazeDataError(f"{path}: holds no gaze samples; export it with the eye tracker's rows")
    owner = options.choose(path, (row.owner for row in rows))
    rows = [row for row in rows if row.owner == owner]
    notes: list[str] = []
    _note_positions(path, columns, media, notes)
    size = _size(rows) if columns.positions.kind is not PositionKind.MAPPED else None
    size = size or options.frame_size
    if columns.positions.normalised and size is None:
        raise GazeDataError(
            f"{path}: positions are 0..1 and no resolution is named; export 'Recording resolution width' and "
            "'height' too, or positions in pixels, or give frame_size=(height, width)"
        )
    times_ns = _times_ns(rows, columns, notes)
    fixations = _fixations(rows, times_ns)
    height, width = (size or (1, 1)) if columns.positions.normalised else (1, 1)
    samples = [
        _sample(row, time_ns, columns.positions.kind, width, height)
        for row, time_ns in zip(rows, times_ns, strict=True)
    ]
    if columns.positions.kind is PositionKind.FIXATION and _is_one_row_each(rows):
        samples = list(_fill_fixations(samples, rows))
        notes.append("each fixation is one row; it is read as samples at its position every 10 ms")
    return make_recording(
        samples, path=path, format=FORMAT, frame_size=size, notes=notes, fixations=fixations
    )


def _note_positions(path: Path, columns: TobiiColumns, media: list[str], notes: list[str]) -> None:
    positions = columns.positions
    if positions.kind is PositionKind.GAZE:
        return
    if positions.media and len(media) > 1:
        raise GazeDataError(
            f"{path}: gaze is mapped onto several pictures: {', '.join(media)}; export 'Gaze point X' and 'Y', or one "
            "of them"
        )
    onto = f" {media[0]!r}, in its pixels" if positions.media else ""
    notes.append(f"the export has no 'Gaze point X' and 'Y'; positions are the {positions.kind.value}{onto}")


def _rows(table: Table, columns: TobiiColumns) -> Iterator[_Row]:
    owner: tuple[str, ...] = ()
    for count, row in enumerate(table.rows([columns.time])):
        if count >= 4 * MAX_SAMPLES:
            raise GazeDataError(f"{table.path}: more than {MAX_SAMPLES} samples; split the recording")
        if columns.sensor is not None and not _is_eye_tracker(_cell(row, columns.sensor)):
            continue
        if columns.sensor is None and _is_event(row, columns):
            continue
        named = tuple(_cell(row, at) for at in columns.owners)
        owner = named if any(named) else owner
        time = _number(table, row, columns.time)
        if math.isnan(time) or abs(time) > 2**53:
            raise table.error(columns.time, row[columns.time], "a time")
        fixation = _fixation(table, row, columns)
        yield _Row(
            owner,
            time,
            _number(table, row, columns.fine_time),
            _positions(table, row, columns),
            _valid(row, columns.left),
            _valid(row, columns.right),
            _number(table, row, columns.width),
            _number(table, row, columns.height),
            fixation,
            _number(table, row, columns.duration) if fixation is not None else math.nan,
        )


def _positions(table: Table, row: list[str], columns: TobiiColumns) -> tuple[tuple[float, float], ...]:
    """Return the position of each pair of columns; NaN for one that is missing, or whose eyes were not seen."""
    validity = [_valid(row, columns.left), _valid(row, columns.right)]
    found = []
    for number, (x_at, y_at) in enumerate(columns.positions.pairs):
        x, y = _number(table, row, x_at), _number(table, row, y_at)
        lost = validity[number] is False if len(columns.positions.pairs) == 2 else validity == [False, False]
        found.append((math.nan, math.nan) if lost or math.isnan(x) or math.isnan(y) else (x, y))
    return tuple(found)


def _is_eye_tracker(sensor: str) -> bool:
    return sensor.lower().replace(" ", "").replace("-", "") == "eyetracker"


def _is_event(row: list[str], columns: TobiiColumns) -> bool:
    """Return whether a row of an export without the column `Sensor` is no row of the eye tracker."""
    if any(_cell(row, at) for pair in columns.positions.pairs for at in pair):
        return False
    validity = [at for at in (columns.left, columns.right) if at is not None]
    if validity:
        return not any(_cell(row, at) for at in validity)
    return any(_cell(row, at) for at in columns.events)


def _fixation(table: Table, row: list[str], columns: TobiiColumns) -> int | None:
    """Return the number of the fixation that a row belongs to; None where it belongs to none, or has no number."""
    if columns.movement is None or columns.movement_index is None:
        return None
    index = _cell(row, columns.movement_index)
    is_fixation = _cell(row, columns.movement).lower() == "fixation" and index
    return table.whole(index, columns.movement_index) if is_fixation else None


def _times_ns(rows: Sequence[_Row], columns: TobiiColumns, notes: list[str]) -> list[int]:
    """Return the times of rows: those of the eye tracker's finer clock, where it agrees with the recording's."""
    times = np.array([row.time for row in rows])
    unit = columns.time_unit
    if not unit:
        # Trackers run at 10 to 2000 Hz: 0.5 to 100 ms, or 500 to 100 000 us, between samples. Fixations are further
        # apart, in milliseconds.
        steps = np.diff(times)
        is_micro = (
            len(steps) and np.median(steps) > 200 and columns.positions.kind is not PositionKind.FIXATION
        )
        unit = "us" if is_micro else "ms"
        notes.append(f"the header names no unit of time; {unit} follows from the intervals")
    coarse_ns = times * NS_PER_UNIT[unit]
    fine_ns = np.array([row.fine_us for row in rows]) * 1e3
    if unit == "ms" and len(rows) > 2 and np.isfinite(fine_ns).all() and np.ptp(fine_ns) > 0:
        fine_ns = fine_ns - fine_ns[0]
        drift = np.polyfit(fine_ns / 1e9, (coarse_ns - fine_ns) / 1e9, 1)
        fitted_ns = fine_ns + np.polyval(drift, fine_ns / 1e9) * 1e9
        if np.abs(fitted_ns - coarse_ns).max() <= MAX_CLOCK_ERROR_NS:
            notes.append("times are those of the eye tracker's clock, which is finer than the recording's")
            return [round(value) for value in fitted_ns.tolist()]
    return [round(value) for value in coarse_ns.tolist()]


def _sample(row: _Row, time_ns: int, kind: PositionKind, width: float, height: float) -> GazeSample:
    if kind is PositionKind.EYES:
        eyes = {
            side: None if math.isnan(x) else (x * width, y * height)
            for side, (x, y) in zip(("left", "right"), row.eyes, strict=True)
        }
        return mean_of_eyes(time_ns, time_ns, eyes)
    x, y = row.eyes[0]
    return GazeSample(
        time_ns,
        x * width,
        y * height,
        0.0 if math.isnan(x) else 1.0,
        device_time_ns=time_ns,
        left_valid=row.left,
        right_valid=row.right,
    )


def _fixations(rows: Sequence[_Row], times_ns: Sequence[int]) -> list[RecordedFixation]:
    """Return the fixations of Tobii's filter, each from its first row to its last one, or as long as it states."""
    spans: dict[int, tuple[int, int]] = {}
    one_row_each = _is_one_row_each(rows)
    for row, time_ns in zip(rows, times_ns, strict=True):
        if row.fixation is not None:
            end_ns = time_ns + round(row.duration_ms * 1e6) if one_row_each else time_ns
            spans[row.fixation] = (spans.get(row.fixation, (time_ns, time_ns))[0], end_ns)
    return [RecordedFixation(fixation, first, last) for fixation, (first, last) in spans.items()]


def _is_one_row_each(rows: Sequence[_Row]) -> bool:
    """Return whether every row is a fixation of its own, with a duration."""
    numbers = [row.fixation for row in rows if row.fixation is not None]
    return (
        len(numbers) > 0
        and len(set(numbers)) == len(numbers)
        and all(math.isfinite(row.duration_ms) for row in rows if row.fixation is not None)
    )


def _fill_fixations(samples: Sequence[GazeSample], rows: Sequence[_Row]) -> Iterator[GazeSample]:
    """Yield samples at the position of each fixation, as long as it lasts; other rows once."""
    for sample, row in zip(samples, rows, strict=True):
        last_ns = 0 if row.fixation is None else round(row.duration_ms * 1e6)
        for after_ns in range(0, min(last_ns, 60_000_000_000) + 1, FIXATION_STEP_NS):
            time_ns = sample.time_ns + after_ns
            yield replace(sample, time_ns=time_ns, device_time_ns=time_ns)


def _cell(row: list[str], at: int | None) -> str:
    return row[at].strip() if at is not None and at < len(row) else ""


def _number(table: Table, row: list[str], at: int | None) -> float:
    text = _cell(row, at)
    return math.nan if at is None or not text else table.number(text, at)


def _valid(row: list[str], at: int | None) -> bool | None:
    """Pro Lab writes words, Studio 0 (sure) to 4 (lost)."""
    text = _cell(row, at).strip('"').lower()
    return None if not text else text in ("valid", "0", "1")


def _size(rows: Sequence[_Row]) -> tuple[int, int] | None:
    for row in rows:
        if 1 <= row.width < 1e5 and 1 <= row.height < 1e5:
            return round(row.height), round(row.width)
    return None
