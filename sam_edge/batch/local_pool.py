"""A pool of processes on this machine. A worker that is lost costs one attempt of one recording."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import gethostname

from sam_edge.batch.executor import OnOutcome, Work
from sam_edge.batch.oom import count_oom_kills
from sam_edge.batch.outcome import ErrorClass, Outcome
from sam_edge.batch.pool_worker import READY, run_worker
from sam_edge.batch.scratch import scratch_folder
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.batch.work import process
from sam_edge.errors import EngineError, InputError

STOP_S = 5.0
"""A worker that is told to end gets this much time, seconds, before it is killed."""
FAILED_STARTS = 3
"""After this many workers in a row that end before they are ready, the run ends."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What numerical libraries read when they are loaded; engines do not, and get their threads from `Settings`."""


@dataclass(slots=True)
class _Task:
    recording: Recording
    attempts: int = 1


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    task: _Task | None = None
    deadline_s: float = float("inf")
    """When its recording has taken too long, on the monotonic clock."""
    begun_s: float = 0.0

    def hand(self, task: _Task, settings: Settings) -> None:
        """Give it a recording."""
        self.task = task
        self.begun_s = time.monotonic()
        self.deadline_s = self.begun_s + settings.timeout_s(task.recording.duration_s)
        # A worker that is gone is noticed by its process.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(task.recording)

    def end(self) -> None:
        """End the process: with SIGTERM, or where that is not heeded with SIGKILL."""
        if self.process.is_alive():
            self.process.terminate()
        self.process.join(STOP_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


class LocalPool:
    """Processes recordings on this machine, `workers` at once, each in a process of its own that stays."""

    def __init__(self, workers: int, *, work: Work = process) -> None:
        """Prepare the pool; processes start with `run`.

        Args:
            workers: processes.
            work: what is done with each recording; importable by name.

        Raises:
            InputError: `workers` is not positive.
        """
        if workers < 1:
            raise InputError(f"workers: {workers} is not accepted; give 1 or more")
        self.workers = workers
        self._work = work

    def run(
        self, recordings: Sequence[Recording], settings: Settings, store: Store, on_outcome: OnOutcome
    ) -> None:
        """Process the recordings, as `Executor.run` says.

        Raises:
            EngineError: the processes cannot be started.
        """
        with scratch_folder(settings.scratch) as scratch:
            job = _Job(self._work, settings, store, on_outcome, scratch, self.workers)
            job.tasks.extend(_Task(recording) for recording in recordings)
            try:
                job.run()
            finally:
                job.stop()


class _Job:
    """One call of `run`: the workers, and what is left to do."""

    def __init__(
        self, work: Work, settings: Settings, store: Store, on_outcome: OnOutcome, scratch: Path, limit: int
    ) -> None:
        self.tasks: deque[_Task] = deque()
        self._work, self._settings, self._store = work, settings, store
        self._on_outcome, self._scratch, self._limit = on_outcome, scratch, limit
        self._workers: list[_Worker] = []
        self._started = 0
        self._failed_starts = 0
        self._oom_kills = count_oom_kills()

    def run(self) -> None:
        """Hand out the recordings until all are done."""
        while self.tasks or any(worker.task for worker in self._workers):
            self._hand_out()
            soonest_s = min(worker.deadline_s for worker in self._workers)
            left_s = None if soonest_s == float("inf") else max(0.0, soonest_s - time.monotonic())
            ready = wait([each for w in self._workers for each in (w.connection, w.process.sentinel)], left_s)
            for worker in list(self._workers):
                if worker.connection in ready:
                    self._receive(worker)
                elif worker.process.sentinel in ready:
                    self._lose(worker)
                elif time.monotonic() >= worker.deadline_s:
                    self._give_up(worker)

    def stop(self) -> None:
        """End all workers."""
        for worker in self._workers:
            if worker.process.is_alive() and worker.task is None:
                with suppress(OSError):
                    worker.connection.send(None)
            elif worker.process.is_alive():
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(STOP_S)
            worker.end()
        self._workers.clear()

    def _hand_out(self) -> None:
        """Give recordings to idle workers, start workers that are missing, and end those that are too many."""
        for worker in [worker for worker in self._workers if worker.ready and worker.task is None]:
            if len(self._workers) > self._limit:
                self._workers.remove(worker)
                worker.end()
            elif self.tasks:
                worker.hand(self.tasks.popleft(), self._settings)
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(self._limit - len(self._workers), len(self.tasks) - starting)):
            self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._started += 1
        arguments = (
            theirs,
            self._work,
            self._settings,
            self._store,
            self._scratch / f"worker-{self._started}",
        )
        with _thread_variables(self._settings.threads):
            child = context.Process(target=run_worker, args=arguments, name="sam-edge-batch", daemon=True)
            child.start()
        theirs.close()
        self._workers.append(_Worker(child, ours))

    def _receive(self, worker: _Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._lose(worker)
            return
        if message == READY:
            worker.ready = True
            self._failed_starts = 0
            return
        task = worker.task
        worker.task, worker.deadline_s = None, float("inf")
        if task is not None and isinstance(message, Outcome):
            self._finish(task, message)

    def _lose(self, worker: _Worker) -> None:
        """Take a worker off that has ended by itself; its recording is tried again."""
        self._workers.remove(worker)
        # Its connection closes before it has printed why; it ends by itself and keeps its exit status.
        worker.process.join(STOP_S)
        worker.end()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise EngineError(
                    f"workers: {self._failed_starts} processes in a row ended before they could work (exit status "
                    f"{worker.process.exitcode}); in a script, call it below `if __name__ == '__main__':`"
                )
        if worker.task is None:
            return
        kills = count_oom_kills()
        killed_for_memory = kills > self._oom_kills and worker.process.exitcode == -signal.SIGKILL
        self._oom_kills = kills
        if killed_for_memory:
            error: ErrorClass = "memory"
            message = "the system killed the worker for lack of memory; give fewer workers"
        else:
            error, message = "lost", f"the worker's process ended with {_describe_exit(worker.process)}"
        self._finish(worker.task, self._failure(worker, worker.task, error, message))

    def _give_up(self, worker: _Worker) -> None:
        """End a worker whose recording takes too long."""
        self._workers.remove(worker)
        worker.process.kill()
        worker.end()
        if worker.task is not None:
            limit_s = self._settings.timeout_s(worker.task.recording.duration_s)
            message = (
                f"not finished after {limit_s:.0f} s, {self._settings.timeout_factor:g} times its duration"
            )
            self._finish(worker.task, self._failure(worker, worker.task, "timeout", message))

    def _failure(self, worker: _Worker, task: _Task, error: ErrorClass, message: str) -> Outcome:
        return Outcome(
            task.recording.id,
            "failed",
            error,
            message,
            host=gethostname(),
            seconds=time.monotonic() - worker.begun_s,
        )

    def _finish(self, task: _Task, outcome: Outcome) -> None:
        """Report an outcome, or try again."""
        outcome = replace(outcome, attempts=task.attempts)
        if outcome.error_class == "memory":
            self._limit = max(1, self._limit // 2)
        if outcome.may_retry:
            task.attempts += 1
            self.tasks.appendleft(task)
        else:
            self._on_outcome(outcome)


def _describe_exit(child: SpawnProcess) -> str:
    code = child.exitcode
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"


@contextmanager
def _thread_variables(threads: int) -> Iterator[None]:
    """Set the variables for processes that are started in the block."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
