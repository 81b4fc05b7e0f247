"""One recording after the other as a callable: for those who have a pipeline of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sam_edge.batch.done import read_done
from sam_edge.batch.find import identify
from sam_edge.batch.outcome import Outcome
from sam_edge.batch.places import open_store
from sam_edge.batch.run_file import claim_place
from sam_edge.batch.scratch import scratch_folder
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.batch.work import process
from sam_edge.errors import InputError

COLUMNS = ("gaze", "participant", "px_per_deg")
"""Columns of a row that may stand next to `recording`; others are passed on."""


class Worker:
    """Processes the recording that a row names. It opens the model once, for its first recording.

    Make one in each process of a pipeline. A recording that is done with the same settings is not processed again, and
    an error is in the row that is returned: nothing is raised for it.

    Example:
        worker = Worker("results", Settings(do=("track",), threads=2))
        row = worker({"recording": "study/P01/walk"})
        row["state"], row["results"]  # "done", "results/recordings/.../attempts/..."
    """

    def __init__(self, out: str | Path, settings: Settings | None = None) -> None:
        """Open the output.

        Args:
            out: folder or URL (`s3://...`), shared by all workers.
            settings: what is made; None is everything, with one thread.

        Raises:
            InputError: the output belongs to a run with other settings, or to something else.
            StorageError: it cannot be written.
        """
        self._settings = (settings or Settings()).resolve()
        self._store: Store = open_store(str(out))
        claim_place(self._store, self._settings, force=False)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Process the recording of a row.

        Args:
            row: `recording`, a path or URL; if need be `gaze`, `recording_name`, `participant` and `px_per_deg`, as in
                a manifest.

        Returns:
            The row with what `Outcome` holds, and `results`: the folder or URL of the files, empty when failed.

        Raises:
            InputError: the row has no `recording`.
        """
        if not row.get("recording"):
            raise InputError(f"row: {sorted(row)}: no `recording`; accepted: recording, {', '.join(COLUMNS)}")
        uri = str(row["recording"])
        gaze, scale = row.get("gaze") or None, row.get("px_per_deg") or None
        px_per_deg = None if scale is None else float(scale)
        name, participant = (str(row.get(column) or "") for column in ("recording_name", "participant"))
        try:
            identity, size = identify(uri, gaze, recording_name=name, px_per_deg=px_per_deg)
        except InputError as error:
            return self._answer(row, Outcome("", "failed", "input", str(error)))
        recording = Recording(identity, uri, gaze, name, participant, bytes=size, px_per_deg=px_per_deg)
        return self._answer(row, self._settle(recording))

    def _settle(self, recording: Recording) -> Outcome:
        """Return the outcome of a recording, which is not processed when it is done."""
        done = read_done(self._store, recording.id)
        if done is not None and done.fingerprint == self._settings.fingerprint():
            return Outcome(recording.id, "done", attempts=0, host=done.host)
        with scratch_folder(self._settings.scratch) as scratch:
            return process(recording, self._settings, self._store, scratch)

    def _answer(self, row: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
        done = read_done(self._store, outcome.id) if outcome.state == "done" else None
        results = "" if done is None else f"{self._store.url}/{done.attempt}"
        return {**row, **outcome.to_json(), "results": results}
