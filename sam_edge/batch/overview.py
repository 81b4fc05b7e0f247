"""What a person looks at: `failed.csv`, `index.html`, `summary.csv` and the metrics of all recordings in one table."""

from __future__ import annotations

import csv
import importlib.util
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sam_edge.batch.page import to_html
from sam_edge.batch.states import RecordingState
from sam_edge.batch.store import Store
from sam_edge.batch.summary import join_metrics, summary_table
from sam_edge.timeline import Table

FAILED = "failed.csv"
PAGE = "index.html"
SUMMARY = "summary"
METRICS = "aoi_metrics"
FAILED_COLUMNS = ("id", "uri", "participant", "class", "message", "attempts", "host", "log")


def write_overview(store: Store, states: Sequence[RecordingState], *, final: bool) -> None:
    """Write the overview of a run.

    Args:
        store: the output.
        states: every recording, the longest first.
        final: write the tables over all recordings as well; they need the metrics of each.
    """
    store.write(FAILED, failed_csv(states))
    store.write(PAGE, to_html(states).encode())
    if final:
        _write_table(store, SUMMARY, summary_table(states))
        metrics = join_metrics(store, states)
        if metrics is not None:
            _write_table(store, METRICS, metrics)


def failed_csv(states: Sequence[RecordingState]) -> bytes:
    """Return the content of `failed.csv`: a line a recording whose last attempt failed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FAILED_COLUMNS)
    for state in states:
        failure = state.failure
        if failure is not None:
            recording = state.recording
            writer.writerow(
                (
                    recording.id,
                    recording.uri,
                    recording.participant,
                    failure.error_class,
                    failure.message,
                    failure.attempts,
                    failure.host,
                    failure.log,
                )
            )
    return text.getvalue().encode()


def _write_table(store: Store, name: str, table: Table) -> None:
    """Write a table as CSV, and as Parquet where pyarrow is installed."""
    endings = (".csv", ".parquet") if importlib.util.find_spec("pyarrow") else (".csv",)
    with tempfile.TemporaryDirectory() as folder:
        for ending in endings:
            path = Path(folder, name + ending)
            table.write(path)
            store.write(path.name, path.read_bytes())
