"""Tables of recordings: the one that a person gives, and `manifest.csv` of a run."""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sam_edge.batch.files import is_remote, local_path
from sam_edge.batch.find import Finder, identify
from sam_edge.batch.outcome import check_error_class
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording, longest_first, make_id
from sam_edge.errors import InputError, SamEdgeWarning

FILE_NAME = "manifest.csv"
COLUMNS = (
    "id",
    "uri",
    "gaze",
    "recording_name",
    "participant",
    "format",
    "duration_s",
    "frames",
    "bytes",
    "px_per_deg",
    "problem_class",
    "problem",
)
"""Columns of a run's `manifest.csv`."""
GIVEN = ("recording", "gaze", "recording_name", "participant", "px_per_deg")
"""Columns of a person's manifest; `recording` is needed."""


def read_manifest(path: Path, finder: Finder) -> list[Recording]:
    """Read a person's manifest, a line a recording, and check each recording.

    Args:
        path: CSV file with a column `recording`, and perhaps the other columns of `GIVEN`. Paths are relative to the
            folder of the file.
        finder: checks the recordings.

    Raises:
        InputError: the file cannot be read, a column or a value is missing, or a recording stands twice.
    """
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"manifest: {path} cannot be read ({error})") from error
    if not lines or "recording" not in lines[0]:
        raise InputError(
            f"manifest: {path}: has no line, or no column `recording`; accepted: {', '.join(GIVEN)}"
        )
    ignored = [str(name) for name in lines[0] if name not in GIVEN]
    if ignored:
        warnings.warn(
            f"manifest: {path}: columns that are not used: {', '.join(ignored)}; used: {', '.join(GIVEN)}",
            SamEdgeWarning,
            stacklevel=2,
        )
    found: dict[tuple[str, str | None, str], Recording] = {}
    for number, line in enumerate(lines, start=2):
        recording = _from_line(line, path, number)
        if _key(recording) in found:
            raise InputError(f"manifest: {path}, line {number}: {recording.uri} stands twice")
        found[_key(recording)] = finder.check(recording)
    return longest_first(found.values())


def _from_line(line: dict[str, str], path: Path, number: int) -> Recording:
    place = f"manifest: {path}, line {number}"
    text = (line.get("recording") or "").strip()
    if not text:
        raise InputError(f"{place}: recording is empty")
    uri = _resolve(text, path.parent)
    gaze_text = (line.get("gaze") or "").strip()
    gaze = _resolve(gaze_text, path.parent) if gaze_text else None
    name = (line.get("recording_name") or "").strip()
    scale = _scale((line.get("px_per_deg") or "").strip(), place)
    participant = (line.get("participant") or "").strip()
    problem, size = "", 0
    try:
        identity, size = identify(uri, gaze, recording_name=name, px_per_deg=scale)
    except InputError as error:
        identity = make_id(uri, (), gaze=gaze, recording_name=name, px_per_deg=scale)
        problem = str(error)
    recording = Recording(
        id=identity,
        uri=uri,
        gaze=gaze,
        recording_name=name,
        participant=participant,
        bytes=size,
        px_per_deg=scale,
        problem_class="input" if problem else "",
        problem=problem,
    )
    return recording if participant else replace(recording, participant=name or recording.name)


def _resolve(text: str, folder: Path) -> str:
    return text if is_remote(text) else str((folder / local_path(text)).absolute())


def _scale(text: str, place: str) -> float | None:
    if not text:
        return None
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not (scale > 0 and math.isfinite(scale)):
        raise InputError(f"{place}: px_per_deg is {text!r}; accepted: a positive number, or an empty cell")
    return scale


def to_csv(recordings: Iterable[Recording]) -> bytes:
    """Return the content of `manifest.csv`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for recording in recordings:
        values = (getattr(recording, name) for name in COLUMNS)
        writer.writerow("" if value is None else value for value in values)
    return text.getvalue().encode()


def read_run_manifest(store: Store) -> list[Recording]:
    """Return the recordings of a run's `manifest.csv`; none where it has none.

    Raises:
        InputError: the file is damaged.
    """
    content = store.read(FILE_NAME)
    if content is None:
        return []
    try:
        return [_from_row(row) for row in csv.DictReader(io.StringIO(content.decode()))]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{store.url}/{FILE_NAME}: is damaged ({error!r}); remove it, and run `sam-edge batch run` again"
        ) from error


def join(earlier: Iterable[Recording], now: Iterable[Recording]) -> list[Recording]:
    """Return the recordings of all runs into one place; of a recording that has changed, the newest."""
    newest = {_key(each): each for each in (*earlier, *now)}
    return longest_first(newest.values())


def _key(recording: Recording) -> tuple[str, str | None, str]:
    """Return what tells two recordings apart, also when their files have changed."""
    return recording.uri, recording.gaze, recording.recording_name


def _from_row(row: dict[str, str]) -> Recording:
    return Recording(
        id=row["id"],
        uri=row["uri"],
        gaze=row["gaze"] or None,
        recording_name=row["recording_name"],
        participant=row["participant"],
        format=row["format"],
        duration_s=float(row["duration_s"]) if row["duration_s"] else None,
        frames=int(row["frames"]) if row["frames"] else None,
        bytes=int(row["bytes"]),
        px_per_deg=float(row["px_per_deg"]) if row["px_per_deg"] else None,
        problem_class=check_error_class(row["problem_class"]),
        problem=row["problem"],
    )
