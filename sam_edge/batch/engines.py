"""Choose the engine that runs the work, and how many workers it has."""

from __future__ import annotations

from sam_edge.batch.executor import Executor
from sam_edge.batch.local_pool import LocalPool
from sam_edge.batch.oom import free_memory_bytes
from sam_edge.batch.settings import Settings
from sam_edge.cores import available_cores
from sam_edge.errors import InputError

USUAL_MEMORY_BYTES = 1_500_000_000
"""Memory of a worker where `Settings.memory_bytes` does not state it."""


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
    raise InputError(f"on: {on!r}; accepted: local")


def choose_workers(settings: Settings) -> int:
    """Return how many workers this machine has cores and memory for; at least 1."""
    by_cores = available_cores() // settings.threads
    free = free_memory_bytes()
    by_memory = by_cores if free is None else free // (settings.memory_bytes or USUAL_MEMORY_BYTES)
    return max(1, min(by_cores, by_memory))
