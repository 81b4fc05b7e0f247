"""A connection to a Ray cluster: what it has room for, and what a task asks for."""

from __future__ import annotations

import os
import warnings
from types import TracebackType
from typing import Any

from sam_edge.batch.settings import Settings
from sam_edge.cores import available_cores
from sam_edge.errors import EngineError, MissingExtraError, SamEdgeWarning

OBJECT_STORE_BYTES = 100_000_000
"""Ray's shared memory on a cluster that is started here: tasks exchange paths and small values only."""


class RayCluster:
    """A cluster that is connected to within a block. A context manager."""

    def __init__(self, address: str | None, settings: Settings) -> None:
        """Prepare the connection.

        Args:
            address: as in `RayExecutor`.
            settings: threads and memory of one worker.
        """
        self._address = address
        self._threads = settings.threads
        self._memory_bytes = settings.worker_memory_bytes
        self._connected_here = False
        self._warned = False

    def __enter__(self) -> RayCluster:
        """Connect, unless the program has connected itself.

        Raises:
            EngineError: the cluster does not answer.
        """
        ray = import_ray()
        if not ray.is_initialized():
            self._connect(ray)
            self._connected_here = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect; a cluster that was started here ends."""
        if self._connected_here:
            import_ray().shutdown()

    def slots(self) -> int:
        """Return how many tasks have room at once on the nodes that are there now."""
        nodes = [node["Resources"] for node in import_ray().nodes() if node["Alive"]]
        room = sum(
            min(int(node.get("CPU", 0) // self._threads), int(node.get("memory", 0) // self._memory_bytes))
            for node in nodes
        )
        if not room and not self._warned:
            self._warned = True
            largest = max((node.get("CPU", 0), node.get("memory", 0)) for node in nodes or [{}])
            warnings.warn(
                f"on: a worker needs {self._threads} CPUs and {self._memory_bytes / 1e9:.1f} GB, and the largest node "
                f"has {largest[0]:g} and {largest[1] / 1e9:.1f} GB; waiting for a larger one. Or give fewer --threads "
                "or less --memory",
                SamEdgeWarning,
                stacklevel=2,
            )
        return room

    def options(self, share: int) -> dict[str, Any]:
        """Return what a task asks for, as options of a Ray task. Ray retries nothing: `RayExecutor` does, by the error.

        Args:
            share: multiple of the usual CPUs and memory, as far as the largest node has them.
        """
        cpus, memory = self._threads, self._memory_bytes
        if share > 1:
            nodes = [node["Resources"] for node in import_ray().nodes() if node["Alive"]]
            cpus = max(cpus, min(cpus * share, max(int(node.get("CPU", 0)) for node in nodes)))
            memory = max(memory, min(memory * share, max(int(node.get("memory", 0)) for node in nodes)))
        return {"num_cpus": cpus, "memory": memory, "max_retries": 0, "scheduling_strategy": "SPREAD"}

    def _connect(self, ray: Any) -> None:
        quiet = {"log_to_driver": False, "logging_level": "error"}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            if self._address is not None:
                ray.init(self._address, **quiet)
                return
            try:
                ray.init("auto", **quiet)
            except ConnectionError:
                ray.init(
                    num_cpus=available_cores(),
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    **quiet,
                )
        except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"on: {self._address or 'ray'}: no Ray cluster answers ({' '.join(str(error).split())}); check the "
                "address, that the cluster runs, and that Python and Ray have the same versions there"
            ) from error


def import_ray() -> Any:
    """Import Ray.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtraError("ray", extra="ray", purpose="--on ray") from error
    return ray
