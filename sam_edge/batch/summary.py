"""Tables over all recordings: a line a recording, and the metrics of all objects of all participants."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sam_edge._aoi.metric_tables import METRIC_COLUMNS
from sam_edge.batch.outcome import StorageError
from sam_edge.batch.results import METRICS
from sam_edge.batch.states import RecordingState, read_all
from sam_edge.batch.store import Store
from sam_edge.timeline import Table, read_table
from sam_edge.timeline.columns import Cell, Column
from sam_edge.timeline.readers import to_values
from sam_edge.timeline.table import text_values

SUMMARY_COLUMNS = (
    Column("id", "text"),
    Column("recording", "text"),
    Column("participant", "text"),
    Column("uri", "text"),
    Column("state", "text"),
    Column("duration_s", "float", 3),
    Column("frames", "int"),
    Column("samples", "int"),
    Column("valid_gaze", "float", 4),
    Column("fixations", "int"),
    Column("objects", "int"),
    Column("coverage", "float", 4),
    Column("warnings", "text"),
    Column("error_class", "text"),
    Column("message", "text"),
    Column("attempts", "int"),
    Column("host", "text"),
    Column("cpu", "text"),
    Column("engine", "text"),
    Column("precision", "text"),
    Column("threads", "int"),
    Column("seconds", "float", 3),
    Column("frames_per_s", "float", 2),
    Column("peak_memory_mb", "float", 1),
    Column("finished", "text"),
    Column("results", "text"),
)
"""A line a recording; `results` is the path of its folder in the output."""
JOINED_COLUMNS = (Column("participant", "text"), Column("recording id", "text"), *METRIC_COLUMNS)
"""A line an object, section and recording."""


def summary_table(states: Sequence[RecordingState]) -> Table:
    """Return a line a recording, in order of participant and name."""
    ordered = sorted(states, key=lambda state: (state.recording.participant, state.recording.uri))
    rows = [_row(state) for state in ordered]
    return Table.from_values(
        SUMMARY_COLUMNS,
        {
            column.name: to_values([row.get(column.name) for row in rows], column)
            for column in SUMMARY_COLUMNS
        },
    )


def join_metrics(store: Store, states: Sequence[RecordingState]) -> Table | None:
    """Return the metrics of every finished recording in one table; None where none has metrics."""
    finished = [state for state in states if state.done is not None and state.done.has(METRICS)]
    if not finished:
        return None
    finished.sort(key=lambda state: (state.recording.participant, state.recording.uri))
    tables = read_all(store, lambda state: _read_metrics(store, state), finished)
    parts = {
        column.name: np.concatenate([table.values[column.name] for table in tables])
        for column in METRIC_COLUMNS
    }
    counts = [len(table) for table in tables]
    owners = [state for state, count in zip(finished, counts, strict=True) for _ in range(count)]
    parts["participant"] = text_values([state.recording.participant for state in owners])
    parts["recording id"] = text_values([state.recording.id for state in owners])
    return Table.from_values(JOINED_COLUMNS, parts)


def _row(state: RecordingState) -> dict[str, Cell]:
    recording, done, failure = state.recording, state.done, state.failure
    row: dict[str, Cell] = {
        "id": recording.id,
        "recording": recording.name,
        "participant": recording.participant,
        "uri": recording.uri,
        "state": state.progress,
        "duration_s": recording.duration_s,
        "frames": recording.frames,
    }
    if failure is not None:
        row |= {
            "error_class": failure.error_class,
            "message": failure.message,
            "attempts": failure.attempts,
            "host": failure.host or None,
        }
    if done is not None:
        figures = done.figures
        row |= {
            "duration_s": figures.duration_s,
            "frames": figures.frames,
            "samples": figures.samples,
            "valid_gaze": figures.valid_gaze,
            "fixations": figures.fixations,
            "objects": figures.objects,
            "coverage": figures.coverage,
            "warnings": "; ".join(figures.warnings) or None,
            "host": done.host,
            "cpu": done.cpu,
            "engine": figures.engine or None,
            "precision": figures.precision or None,
            "threads": done.threads,
            "seconds": done.seconds,
            "frames_per_s": figures.frames / done.seconds if done.seconds else None,
            "peak_memory_mb": done.peak_memory_mb,
            "finished": done.finished,
            "results": done.attempt,
        }
    return row


def _read_metrics(store: Store, state: RecordingState) -> Table:
    path_there = state.done.path_of(METRICS) if state.done is not None else ""
    content = store.read(path_there)
    if content is None:
        raise StorageError(
            f"{store.url}/{path_there}: is missing, though the recording is finished; remove {state.recording.folder} "
            "and run `sam-edge batch run` again"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, METRICS)
        path.write_bytes(content)
        return read_table(path, METRIC_COLUMNS)
