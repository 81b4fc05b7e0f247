"""A Ray cluster as the engine: one task for each recording. Tasks get paths and small values, and no pixels.

Tasks, not actors: a task whose node is lost runs elsewhere, and the model opens in a second or two. Short
recordings share tasks, because Ray needs some milliseconds for each task.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sam_edge.batch.executor import OnOutcome, Work
from sam_edge.batch.outcome import ErrorClass, Outcome
from sam_edge.batch.ray_cluster import RayCluster, import_ray
from sam_edge.batch.ray_worker import RayJob, TaskResult, run_task
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.batch.work import process
from sam_edge.errors import EngineError, InputError

MAX_LOST_NODES = 10
"""A recording whose node is lost is tried again this often; that is no fault of the recording."""
CANCEL_S = 10.0
"""Tasks that are cancelled get this much time, seconds, to remove their files before their processes are ended."""
LOOK_S = 5.0
"""How often the size of the cluster is asked for, seconds: nodes come and go."""
SHORT_TASK_S, LONG_TASK_S = 0.2, 1.0
"""After a task shorter than the first, tasks take twice as many recordings; after one longer than the second, half."""
MOST_TOGETHER = 64
"""Recordings of one task, at most."""


@dataclass(slots=True)
class _Try:
    """A recording, and how often it was tried."""

    recording: Recording
    attempts: int = 1
    lost_nodes: int = 0
    share: int = 1
    """CPUs and memory it gets, as a multiple of the usual: doubled after a lack of memory."""


class RayExecutor:
    """Processes recordings on a Ray cluster."""

    def __init__(
        self, address: str | None, workers: int | None, settings: Settings, *, work: Work = process
    ) -> None:
        """Prepare the engine; the cluster is connected to when it is first needed.

        Args:
            address: `ray://HOST:PORT`, or `HOST:PORT` of a cluster that this machine is part of; None: the cluster of
                `RAY_ADDRESS` or of this machine, else a new one on this machine.
            workers: recordings at once; None: as many as the cluster has CPUs and memory for.
            settings: threads and memory of one worker.
            work: what is done with each recording; importable by name on the nodes.

        Raises:
            InputError: `workers` is not positive.
            MissingExtraError: Ray is not installed.
        """
        if workers is not None and workers < 1:
            raise InputError(f"workers: {workers} is not accepted; give 1 or more")
        import_ray()
        self._address, self._limit, self._settings, self._work = address, workers, settings, work

    @property
    def workers(self) -> int:
        """Recordings at once: as asked for, or as many as the cluster has room for now. Connects to the cluster."""
        if self._limit is not None:
            return self._limit
        with RayCluster(self._address, self._settings) as cluster:
            return max(1, cluster.slots())

    def run(
        self, recordings: Sequence[Recording], settings: Settings, store: Store, on_outcome: OnOutcome
    ) -> None:
        """Process the recordings, as `Executor.run` says.

        Raises:
            EngineError: the cluster does not answer, or its nodes cannot do the work.
        """
        with RayCluster(self._address, settings) as cluster:
            job = _Job(cluster, RayJob(self._work, settings, store), on_outcome, self._limit)
            try:
                job.run(recordings)
            finally:
                job.stop()


class _Job:
    """One call of `run`: the tasks in flight, and those that are tried again."""

    def __init__(self, cluster: RayCluster, job: RayJob, on_outcome: OnOutcome, limit: int | None) -> None:
        self._ray, self._cluster, self._on_outcome, self._limit = import_ray(), cluster, on_outcome, limit
        self._function = self._ray.remote(run_task)
        self._job = self._ray.put(job)
        self._again: deque[_Try] = deque()
        self._in_flight: dict[Any, list[_Try]] = {}
        self._most_in_flight = 1
        self._together = 1
        self._next_look_s = 0.0

    def run(self, recordings: Sequence[Recording]) -> None:
        """Keep a bounded number of tasks in flight until all recordings are settled."""
        waiting = iter(recordings)
        while self._submit(waiting):
            ready, _ = self._ray.wait(list(self._in_flight), num_returns=1, timeout=LOOK_S)
            for reference in ready:
                tries = self._in_flight.pop(reference)
                for each, outcome in zip(tries, self._outcomes_of(reference, tries), strict=True):
                    self._settle(each, outcome)

    def stop(self) -> None:
        """Cancel what is in flight: interrupted first, so that temporary files are removed, then ended."""
        left = list(self._in_flight)
        # Without its head the cluster is gone, and the tasks are with it.
        with suppress(self._ray.exceptions.RayError, ConnectionError):
            for force in (False, True):
                for reference in left:
                    self._ray.cancel(reference, force=force)
                if left:
                    _, left = self._ray.wait(left, num_returns=len(left), timeout=CANCEL_S)
        self._in_flight.clear()

    def _submit(self, waiting: Iterator[Recording]) -> bool:
        """Submit tasks up to the limit, and say whether any are in flight."""
        self._look()
        while len(self._in_flight) < self._most_in_flight:
            again = bool(self._again)
            tries = (
                [self._again.popleft()] if again else [_Try(each) for each in islice(waiting, self._together)]
            )
            if not tries:
                break
            options = self._cluster.options(tries[0].share)
            recordings = tuple(each.recording for each in tries)
            reference = self._function.options(**options).remote(recordings, self._job, again)
            self._in_flight[reference] = tries
        return bool(self._in_flight)

    def _look(self) -> None:
        """Adapt the number of tasks in flight to the size of the cluster: twice its room, so that no CPU waits."""
        now_s = time.monotonic()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._most_in_flight = self._limit or 2 * max(1, self._cluster.slots()) + 2

    def _outcomes_of(self, reference: Any, tries: list[_Try]) -> Sequence[Outcome | None]:
        """Return what a finished task returned, or what became of its worker; None where its node is gone."""
        errors = self._ray.exceptions
        try:
            result: TaskResult = self._ray.get(reference)
        except errors.OutOfMemoryError as error:
            return [_lost(each, "memory", error) for each in tries]
        except errors.NodeDiedError as error:
            for each in tries:
                each.lost_nodes += 1
            return [
                None if each.lost_nodes <= MAX_LOST_NODES else _lost(each, "lost", error) for each in tries
            ]
        except errors.RayTaskError as error:
            cause = " ".join(str(error.cause or error).split())
            raise EngineError(f"on: a node of the cluster cannot do the work: {cause}") from error
        except errors.RayError as error:
            return [_lost(each, "lost", error) for each in tries]
        self._adapt(len(tries), result.seconds)
        return result.outcomes

    def _adapt(self, count: int, seconds: float) -> None:
        """Choose how many recordings the next tasks take, from how long one of `count` recordings took."""
        if seconds < SHORT_TASK_S and count >= self._together:
            self._together = min(MOST_TOGETHER, 2 * self._together)
        elif seconds > LONG_TASK_S:
            self._together = max(1, self._together // 2)

    def _settle(self, task: _Try, outcome: Outcome | None) -> None:
        """Report an outcome, or try again."""
        if outcome is None:
            self._again.append(task)
            return
        outcome = replace(outcome, attempts=task.attempts)
        if outcome.may_retry:
            task.attempts += 1
            task.share *= 2 if outcome.error_class == "memory" else 1
            self._again.append(task)
        else:
            self._on_outcome(outcome)


def _lost(task: _Try, kind: ErrorClass, error: Exception) -> Outcome:
    message = " ".join(str(error).split())[:300]
    return Outcome(task.recording.id, "failed", kind, message)
