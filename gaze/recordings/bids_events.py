"""Fixations of a BIDS eye-tracking recording: `..._physioevents.tsv.gz` (no header line) and its JSON.

The JSON names the columns, and in `OnsetSource` the column of `_physio` whose clock the onsets are on. Durations are
seconds. Fixations are the rows whose `trial_type` is `fixation`. Source: Brain Imaging Data Structure 1.11,
"Physiological recordings", and its schema's rules for `physioevents`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sam_edge.gaze.recordings.files import json_object, lines, open_binary
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation, number_fixations
from sam_edge.gaze.recordings.tables import Table

COLUMNS = ("onset", "duration", "trial_type")
CLOCK = "timestamp"
KIND = "fixation"
MAX_DURATION_S = 1e6


def read_bids_fixations(
    data: Path, to_ns: Callable[[float, str], int], notes: list[str]
) -> tuple[RecordedFixation, ...]:
    """Read the fixations next to a recording, numbered from 1; none where no file of events lies there.

    Args:
        data: the recording's `..._physio.tsv.gz`.
        to_ns: gives the time, nanoseconds on the clock of the samples, of a value of `timestamp` and its unit; an empty
            unit is that of the samples.
        notes: gets what is not read.

    Raises:
        GazeDataError: a file is damaged.
    """
    events = data.with_name(data.name.replace("_physio.tsv.gz", "_physioevents.tsv.gz"))
    meta = events.with_name(events.name.replace(".tsv.gz", ".json"))
    if not (events.is_file() and meta.is_file()):
        return ()
    facts = json_object(meta)
    columns = facts.get("Columns")
    if not isinstance(columns, list) or not set(COLUMNS) <= set(map(str, columns)):
        notes.append(f"{events.name} is not read: its JSON names no columns {', '.join(COLUMNS)}")
        return ()
    if facts.get("OnsetSource") != CLOCK:
        notes.append(f"{events.name} is not read: OnsetSource is {facts.get('OnsetSource')!r}, not {CLOCK!r}")
        return ()
    with open_binary(events) as handle:
        text = lines(events, handle)
        table = Table(events, _with_header(columns, text), delimiter="\t", first_line=0)
        unit = _unit(facts)
        return number_fixations(_rows(table, lambda value: to_ns(value, unit)))


def _with_header(columns: list[Any], text: Iterator[str]) -> Iterator[str]:
    yield "\t".join(map(str, columns)) + "\n"
    yield from text


def _unit(facts: dict[str, Any]) -> str:
    described = facts.get("onset")
    return str(described.get("Units", "")) if isinstance(described, dict) else ""


def _rows(table: Table, to_ns: Callable[[float], int]) -> Iterator[RecordedFixation]:
    onset_at, duration_at, kind_at = (table.index(name) for name in COLUMNS)
    for row in table.rows([onset_at, duration_at, kind_at]):
        if row[kind_at].strip() != KIND:
            continue
        whole = _whole(row[onset_at])
        onset = table.number(row[onset_at], onset_at) if whole is None else whole
        duration_s = table.number(row[duration_at], duration_at)
        if not math.isfinite(onset) or abs(onset) >= 2**63:
            raise table.error(onset_at, row[onset_at], "a number")
        if not 0 <= duration_s < MAX_DURATION_S:
            raise table.error(duration_at, row[duration_at], "seconds, 0 or more")
        onset_ns = to_ns(onset)
        yield RecordedFixation(0, onset_ns, onset_ns + round(duration_s * 1e9))


def _whole(text: str) -> int | None:
    """Return a whole number exactly: nanoseconds have more digits than a float."""
    try:
        return int(text)
    except ValueError:
        return None
