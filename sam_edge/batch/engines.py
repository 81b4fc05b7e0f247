"""Choose the engine that runs the work, and how many workers it has."""

from __future__ import annotations

from sam_edge.batch.executor import Executor
from sam_edge.batch.local_pool import LocalPool
from sam_edge.batch.oom import free_memory_bytes
from sam_edge.batch.settings import Settings
from sam_edge.cores import available_cores
from sam_edge.errors import InputError


def open_executor(on: str, workers: int | None, settings: Settings) -> Executor:
    """Return an engine by its name.

    Args:
        on: `local`: processes of this machine; `ray`: a Ray cluster that this machine is part of, or a new one on it;
            `ray://HOST:PORT`: a cluster elsewhere.
        workers: recordings at once; None: as many as cores and memory allow.
        settings: threads and memory of one worker.

    Raises:
        InputError: the name is not known, or `workers` is not positive.
        MissingExtraError: Ray is not installed.
    """
    if on == "local":
        return LocalPool(choose_workers(settings) if workers is None else workers)
    if on == "ray" or on.startswith("ray://"):
        from sam_edge.batch.ray_executor import RayExecutor

        return RayExecutor(None if on == "ray" else on, workers, settings)
    raise InputError(f"on: {on!r}; accepted: local, ray, ray://HOST:PORT")


def choose_workers(settings: Settings) -> int:
    """Return how many workers this machine has cores and memory for; at least 1."""
    by_cores = available_cores() // settings.threads
    free = free_memory_bytes()
    by_memory = by_cores if free is None else free // settings.worker_memory_bytes
    return max(1, min(by_cores, by_memory))
