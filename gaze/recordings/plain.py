"""sam-edge's own gaze CSV: `timestamp_s,x_px,y_px,confidence`.

Time 0 is the instant the first frame is shown; positions are scene pixels (origin top-left), empty or NaN
when invalid. Three more columns, `covariance_xx_px2,covariance_xy_px2,covariance_yy_px2`, may state the uncertainty of
each position, square pixels, empty where it is not known. Other columns are ignored. A file `NAME.csv.json` next to
`NAME.csv` may state `px_per_deg`, `width_px` and `height_px`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import (
    replacing,
    seconds_from_ns,
)
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.recordings.tables import Table, has_header, open_table, plain_name
from sam_edge.gaze.samples import GazeSample

FORMAT = "csv"
SUMMARY = "sam-edge's own: timestamp_s,x_px,y_px,confidence"
MIN_CONFIDENCE = 0.0
COLUMNS = ("timestamp_s", "x_px", "y_px", "confidence")
COVARIANCE_COLUMNS = ("covariance_xx_px2", "covariance_xy_px2", "covariance_yy_px2")
"""Written when a sample states its uncertainty; all three or none are read."""


def recognise(path: Path) -> bool:
    """Return True when the first line names two columns of this format; `read` then reports a missing one."""
    return has_header(path, _is_header)


def read(path: Path) -> GazeRecording:
    """Read a gaze CSV.

    Raises `GazeDataError`, naming file, line, value and what is accepted, when a column is missing, a cell is
    not a finite number, times do not strictly rise, a confidence is outside 0..1, or there is no sample.
    """
    with open_table(path, _is_header) as table:
        samples = list(_samples(table))
    frame_size, px_per_deg = _read_sidecar(path)
    return make_recording(samples, path=path, format=FORMAT, frame_size=frame_size, px_per_deg=px_per_deg)


def timestamp_texts(path: Path) -> list[str]:
    """Return the `timestamp_s` cells of a gaze CSV, with decimal points, else unchanged."""
    with open_table(path, _is_header) as table:
        column = table.index("timestamp_s")
        return [table.point(row[column]) for row in table.rows([column])]


def write(path: Path, samples: Iterable[GazeSample]) -> None:
    """Write samples as a gaze CSV, atomically; with the columns of the covariance when any sample states one.

    Raises `GazeDataError` when times do not strictly rise, a value is not accepted, or the file cannot be
    written.
    """
    samples = list(samples)
    uncertain = any(sample.covariance_px2 is not None for sample in samples)
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
        handle.write(",".join((*COLUMNS, *(COVARIANCE_COLUMNS if uncertain else ()))) + "\n")
        before: int | None = None
        for number, sample in enumerate(samples):
            _check(number, sample, before)
            before = sample.time_ns
            valid = math.isfinite(sample.x_px) and math.isfinite(sample.y_px)
            position = f"{float(sample.x_px)!r},{float(sample.y_px)!r}" if valid else ","
            error = _covariance_cells(sample) if uncertain else ""
            handle.write(
                f"{seconds_from_ns(sample.time_ns)},{position},{float(sample.confidence)!r}{error}\n"
            )


def write_sidecar(path: Path, recording: GazeRecording) -> Path:
    """Write frame size and scale of a recording to `NAME.csv.json` next to the gaze CSV; return its path."""
    facts: dict[str, float] = {}
    if recording.px_per_deg is not None:
        facts["px_per_deg"] = recording.px_per_deg
    if recording.frame_size is not None:
        facts["height_px"], facts["width_px"] = recording.frame_size
    target = path.with_name(path.name + ".json")
    with replacing(target) as part:
        part.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return target


def _is_header(cells: list[str]) -> bool:
    return len({plain_name(cell) for cell in cells} & set(COLUMNS[:3])) >= 2


def _samples(table: Table) -> Iterator[GazeSample]:
    time_at, x_at, y_at = (table.index(name) for name in COLUMNS[:3])
    table.check_unit(time_at, ("s", "sec", "secs", "second", "seconds"))
    for at in (x_at, y_at):
        table.check_unit(at, ("px", "pixel", "pixels"))
    confidence_at = table.find("confidence")
    needed = [time_at, x_at, y_at] if confidence_at is None else [time_at, x_at, y_at, confidence_at]
    covariance_at = _covariance_columns(table)
    needed += covariance_at
    before: int | None = None
    for count, row in enumerate(table.rows(needed)):
        if count >= MAX_SAMPLES:
            raise GazeDataError(f"{table.path}: more than {MAX_SAMPLES} samples; split the recording")
        time_ns = table.time_ns(row[time_at], time_at)
        if before is not None and time_ns <= before:
            raise table.error(
                time_at, row[time_at], f"a time after the line before it ({seconds_from_ns(before)})"
            )
        before = time_ns
        x, y = table.number(row[x_at], x_at), table.number(row[y_at], y_at)
        if math.isnan(x) or math.isnan(y):
            x = y = math.nan
        if confidence_at is None:
            confidence = 1.0
        else:
            confidence = table.number(row[confidence_at], confidence_at)
            if not 0.0 <= confidence <= 1.0:
                if not (math.isnan(confidence) and math.isnan(x)):
                    raise table.error(confidence_at, row[confidence_at], "0..1")
                confidence = 0.0
        covariance = _covariance(table, row, covariance_at) if covariance_at else None
        yield GazeSample(time_ns, x, y, confidence, covariance_px2=covariance)


def _covariance_columns(table: Table) -> list[int]:
    """Return the indices of the covariance's columns; none when the table has none of them."""
    if all(table.find(name) is None for name in COVARIANCE_COLUMNS):
        return []
    return [table.index(name) for name in COVARIANCE_COLUMNS]


def _covariance(table: Table, row: list[str], columns: list[int]) -> tuple[float, float, float] | None:
    """Return the covariance (xx, xy, yy) of a row; None when its cells are empty."""
    xx, xy, yy = (table.number(row[column], column) for column in columns)
    if all(map(math.isnan, (xx, xy, yy))):
        return None
    # A rounded xy may exceed its bound by a little.
    if not (xx >= 0.0 and yy >= 0.0 and xy * xy <= xx * yy * 1.001 + 1e-6):
        cells = ",".join(row[column] for column in columns)
        raise table.error(
            columns[0], cells, "a covariance: xx and yy of 0 or more, xy * xy of xx * yy or less"
        )
    return xx, xy, yy


def _covariance_cells(sample: GazeSample) -> str:
    """Return a comma and the three cells of a sample's covariance; empty cells when it states none."""
    if sample.covariance_px2 is None:
        return ",,,"
    return "".join(f",{float(value)!r}" for value in sample.covariance_px2)


def _check(number: int, sample: GazeSample, before: int | None) -> None:
    if before is not None and sample.time_ns <= before:
        raise GazeDataError(
            f"sample {number}: time_ns is {sample.time_ns}; accepted: above the one before, {before}"
        )
    if not 0.0 <= sample.confidence <= 1.0:
        raise GazeDataError(f"sample {number}: confidence is {sample.confidence}; accepted: 0..1")
    if math.isinf(sample.x_px) or math.isinf(sample.y_px):
        raise GazeDataError(
            f"sample {number}: position is ({sample.x_px}, {sample.y_px}); accepted: finite or NaN"
        )


def _read_sidecar(path: Path) -> tuple[tuple[int, int] | None, float | None]:
    sidecar = path.with_name(path.name + ".json")
    if not sidecar.is_file():
        return None, None
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise GazeDataError(f"{sidecar}: not readable JSON ({error}); correct or delete it") from error
    if not isinstance(facts, dict):
        raise GazeDataError(
            f"{sidecar}: expected an object with px_per_deg, width_px, height_px; correct or delete it"
        )
    numbers: dict[str, float] = {}
    for key in ("px_per_deg", "width_px", "height_px"):
        value = facts.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
            raise GazeDataError(f"{sidecar}: {key} is {value!r}; accepted: a number above 0 and below 1e6")
        numbers[key] = float(value)
    size = None
    if "width_px" in numbers and "height_px" in numbers:
        size = (round(numbers["height_px"]), round(numbers["width_px"]))
    return size, numbers.get("px_per_deg")
