"""Make the overview of a run again from its parts, and remove what no finished recording needs."""

from __future__ import annotations

from sam_edge.batch.manifest import read_run_manifest
from sam_edge.batch.overview import write_overview
from sam_edge.batch.run_file import require_run
from sam_edge.batch.states import RecordingState, read_states
from sam_edge.batch.store import Store


def merge(store: Store) -> list[RecordingState]:
    """Write `summary`, `aoi_metrics`, `failed.csv` and `index.html` from what is in the output; return the states.

    Files of attempts that came too late are removed, of finished recordings alone: no attempt of those can count.

    Raises:
        InputError: the place holds no run, or a damaged one.
        StorageError: it cannot be read or written.
    """
    run = require_run(store)
    states = read_states(store, read_run_manifest(store), run.fingerprint)
    for state in states:
        _remove_other_attempts(store, state)
    write_overview(store, states, final=True)
    return states


def _remove_other_attempts(store: Store, state: RecordingState) -> None:
    if state.done is None:
        return
    prefix = f"{state.recording.folder}/attempts/"
    attempts = {path[len(prefix) :].partition("/")[0] for path in store.list(prefix)}
    for name in attempts - {state.done.attempt.rpartition("/")[2]}:
        store.remove(prefix + name)
