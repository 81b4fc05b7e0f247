"""What is known about each recording from the output alone: done, failed, running, or left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

from sam_edge.batch.done import Done, read_done
from sam_edge.batch.files import is_remote
from sam_edge.batch.outcome import FINAL, Outcome
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.batch.work import start_path

Progress: TypeAlias = Literal["done", "failed", "running", "left"]
READS_AT_ONCE = 32
"""Files that are read from a remote place at once."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RecordingState:
    """A recording, and what became of it so far."""

    recording: Recording
    done: Done | None = None
    """Its results, where it is finished."""
    failure: Outcome | None = None
    """How the last attempt failed, where it is not finished."""
    started: datetime | None = None
    """When a worker began it, where it is neither finished nor failed since."""

    @property
    def progress(self) -> Progress:
        """Where it stands. `running` may also be a worker that was killed."""
        if self.done is not None:
            return "done"
        if self.failure is not None:
            return "failed"
        return "left" if self.started is None else "running"

    def is_settled(self, *, retry_failed: bool) -> bool:
        """Whether a run leaves the recording as it is."""
        if self.done is not None or self.recording.problem:
            return True
        return self.failure is not None and self.failure.error_class in FINAL and not retry_failed

    def after(self, outcome: Outcome, store: Store) -> RecordingState:
        """Return the state after an outcome."""
        if outcome.state == "done":
            return replace(self, done=read_done(store, self.recording.id), failure=None, started=None)
        return replace(self, failure=outcome, started=None)


def read_states(
    store: Store, recordings: Sequence[Recording], fingerprint: str, *, started: bool = False
) -> list[RecordingState]:
    """Read what became of recordings.

    Args:
        store: the output.
        recordings: the recordings.
        fingerprint: results and failures with another one do not count.
        started: read also who has begun recordings that are not finished.
    """

    def read(recording: Recording) -> RecordingState:
        done = read_done(store, recording.id)
        if done is not None and done.fingerprint == fingerprint:
            return RecordingState(recording, done)
        if recording.problem:
            return RecordingState(recording, failure=refuse(recording))
        failure = read_failure(store, recording.id, fingerprint)
        begun = _read_start(store, recording.id) if started and failure is None else None
        return RecordingState(recording, None, failure, begun)

    return read_all(store, read, recordings)


Item = TypeVar("Item")


def read_all(store: Store, read: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Read something for each item: one after the other from a disk, many at once from a remote place."""
    if not is_remote(store.url):
        return list(map(read, items))
    with ThreadPoolExecutor(READS_AT_ONCE, "sam-edge-read") as pool:
        return list(pool.map(read, items))


def refuse(recording: Recording) -> Outcome:
    """Return the failure of a recording that the check before the work refused."""
    return Outcome(recording.id, "failed", recording.problem_class, recording.problem, attempts=0)


def failure_path(recording_id: str) -> str:
    """Return the path of the file that says how the last attempt failed."""
    return f"recordings/{recording_id}/failed.json"


def write_failure(store: Store, outcome: Outcome, fingerprint: str) -> None:
    """Keep a failure in the output."""
    values = {"fingerprint": fingerprint, "outcome": outcome.to_json()}
    store.write(failure_path(outcome.id), (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())


def read_failure(store: Store, recording_id: str, fingerprint: str) -> Outcome | None:
    """Return how the last attempt failed; None where none did, or with other settings."""
    values = _read_json(store, failure_path(recording_id))
    try:
        return Outcome.from_json(values["outcome"]) if values.get("fingerprint") == fingerprint else None
    except (ValueError, KeyError, TypeError):
        return None


def _read_start(store: Store, recording_id: str) -> datetime | None:
    try:
        return datetime.fromisoformat(_read_json(store, start_path(recording_id))["started"])
    except (ValueError, KeyError, TypeError):
        return None


def _read_json(store: Store, path: str) -> dict[str, Any]:
    content = store.read(path)
    if content is None:
        return {}
    try:
        values = json.loads(content)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
