"""What runs on a node of a Ray cluster: recordings, each within its time, with the driver's version and model."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from socket import gethostname

from sam_edge.batch.done import read_done
from sam_edge.batch.executor import Work
from sam_edge.batch.outcome import Outcome, StorageError
from sam_edge.batch.scratch import scratch_folder
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.errors import EngineError
from sam_edge.version import __version__

LAST_RESORT_S = 60.0
"""A worker that is still busy after it was interrupted gets this much time, seconds, before its process ends."""


@dataclass(frozen=True, slots=True)
class RayJob:
    """What every task of a run has in common."""

    work: Work
    """What is done with each recording."""
    settings: Settings
    """Resolved settings."""
    store: Store
    """The output."""
    version: str = __version__
    """The driver's version of sam-edge."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task returns."""

    outcomes: tuple[Outcome, ...]
    """Outcome of each recording, in their order."""
    seconds: float
    """How long the task took."""


def run_task(recordings: Sequence[Recording], job: RayJob, again: bool) -> TaskResult:
    """Process recordings on this node, one after the other.

    Args:
        recordings: the recordings.
        job: what is done with them.
        again: whether they were tried before: those that are done by now are not done twice.

    Raises:
        EngineError: this node has another version of sam-edge, or another model.
    """
    began_s = time.monotonic()
    check_node(job.version, job.settings)
    outcomes = []
    for recording in recordings:
        done = _outcome_of_earlier(recording, job) if again else None
        outcomes.append(done or _run_one(recording, job))
    return TaskResult(tuple(outcomes), time.monotonic() - began_s)


def _outcome_of_earlier(recording: Recording, job: RayJob) -> Outcome | None:
    """Return the outcome of a recording whose worker was lost after it had been done."""
    try:
        done = read_done(job.store, recording.id)
    except StorageError:
        return None
    if done is None or done.fingerprint != job.settings.fingerprint():
        return None
    return Outcome(recording.id, "done", frames=done.figures.frames, host=done.host, seconds=done.seconds)


def _run_one(recording: Recording, job: RayJob) -> Outcome:
    limit_s = job.settings.timeout_s(recording.duration_s)
    try:
        with scratch_folder(job.settings.scratch) as scratch, _Deadline(limit_s) as deadline:
            try:
                return job.work(recording, job.settings, job.store, scratch)
            except KeyboardInterrupt:
                if not deadline.passed:
                    raise  # the run was cancelled
    except StorageError as error:
        return Outcome(recording.id, "failed", "storage", str(error), host=gethostname())
    message = f"not finished after {limit_s:.0f} s, {job.settings.timeout_factor:g} times its duration"
    return Outcome(recording.id, "failed", "timeout", message, host=gethostname(), seconds=limit_s)


@lru_cache(maxsize=4)
def check_node(version: str, settings: Settings) -> None:
    """Refuse work when results would differ from what the run's fingerprint says.

    Raises:
        EngineError: names both versions, or both models.
    """
    if version != __version__:
        raise EngineError(
            f"sam-edge {__version__} is installed on {gethostname()}, and the driver has {version}; install the same "
            "version on every node"
        )
    if settings.model_sha256:
        here = replace(settings, model_sha256="").resolve().model_sha256
        if here != settings.model_sha256:
            raise EngineError(
                f"model: {settings.model or 'the model in the package'} on {gethostname()} has the hash {here[:12]}, "
                f"and the driver's has {settings.model_sha256[:12]}; put the same model on every node"
            )


class _Deadline:
    """Interrupts the main thread when a time is over. A context manager."""

    def __init__(self, limit_s: float) -> None:
        self.passed = False
        self._over = threading.Event()
        self._mask: set[int | signal.Signals] = set()
        self._limit_s = limit_s
        self._thread = threading.Thread(target=self._watch, name="deadline", daemon=True)

    def __enter__(self) -> _Deadline:
        if sys.platform != "win32":
            # Ray starts its workers with this signal blocked.
            self._mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _watch(self) -> None:
        if self._over.wait(self._limit_s):
            return
        self.passed = True
        # A signal ends a wait in the main thread as well, which `_thread.interrupt_main` does not.
        if sys.platform == "win32":
            signal.raise_signal(signal.SIGINT)
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if not self._over.wait(LAST_RESORT_S):
            os._exit(1)
