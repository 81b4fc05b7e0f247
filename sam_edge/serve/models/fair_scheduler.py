"""A fair scheduler: many clients share one model. Urgent calls go first, and no client starves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sam_edge.runtimes.base import Float, FollowerBatch, Runtime

PARALLEL_CLIENTS = 2
"""Clients that use the model at the same time, each with its share of the threads. Two inferences in parallel on one
core each take less time than one after the other on two cores: each has serial parts, in which a second core idles."""
MAX_OVERTAKEN = 4
"""An ordinary call lets at most this many later calls go first."""
ACTIVE_S = 2.0
"""A client is active if its last call ended within this time."""


class Priority(Enum):
    """How soon a call must run."""

    NORMAL = "normal"
    """Whole frames: the result is used when it is there."""
    URGENT = "urgent"
    """Close-ups: a frame of the camera waits for the result."""


@dataclass(slots=True, eq=False)
class PendingCall:
    """A call that waits for its turn."""

    client: int
    """Number of the client, from `FairScheduler.add_client`."""
    priority: Priority
    """Urgent calls go before others."""
    overtaken: int = 0
    """Number of later calls that went first."""
    admitted: bool = False
    """Whether the call may run now."""


class FairScheduler:
    """Decides which client's call runs next. Thread-safe.

    A client that is alone never waits: all its threads run at once, as with a model of its own. While several clients
    wait, each runs one call at a time, and the client that was served longest ago is next, however much others ask for.
    """

    def __init__(self, parallel_clients: int = 1) -> None:
        """Start without clients. `parallel_clients` may run at the same time."""
        self._changed = threading.Condition()
        self._parallel_clients = parallel_clients
        self._running: dict[int, int] = {}
        self._waiting: list[PendingCall] = []
        self._last_turn: dict[int, int] = {}
        self._last_active_s: dict[int, float] = {}
        self._turn = 0
        self._clients = 0

    def add_client(self) -> int:
        """Return the number of a new client."""
        with self._changed:
            self._clients += 1
            return self._clients

    @property
    def waiting(self) -> int:
        """Number of calls that wait now."""
        with self._changed:
            return len(self._waiting)

    @property
    def shared(self) -> bool:
        """Whether more than one client is active."""
        with self._changed:
            since_s = time.monotonic() - ACTIVE_S
            self._last_active_s = {
                client: at_s for client, at_s in self._last_active_s.items() if at_s >= since_s
            }
            return len(self._last_active_s) > 1

    @contextmanager
    def turn(self, client: int, priority: Priority = Priority.NORMAL) -> Iterator[None]:
        """Wait for the client's turn, and hold it during the block."""
        call = PendingCall(client, priority)
        with self._changed:
            self._waiting.append(call)
            self._admit_calls()
            self._changed.wait_for(lambda: call.admitted)
        try:
            yield
        finally:
            with self._changed:
                self._last_active_s[client] = time.monotonic()
                self._running[client] -= 1
                if not self._running[client]:
                    del self._running[client]
                self._admit_calls()

    def _admit_calls(self) -> None:
        while (call := self._next_call()) is not None:
            for earlier in self._waiting[: self._waiting.index(call)]:
                earlier.overtaken += 1
            self._waiting.remove(call)
            self._turn += 1
            self._last_turn[call.client] = self._turn
            self._running[call.client] = self._running.get(call.client, 0) + 1
            call.admitted = True
        self._changed.notify_all()

    def _next_call(self) -> PendingCall | None:
        """Return the call that may run now; None when all must wait."""
        clients = {call.client for call in self._waiting} | set(self._running)
        if len(clients) == 1 and self._waiting:
            return self._waiting[0]
        if len(self._running) >= self._parallel_clients:
            return None
        ready = [call for call in self._waiting if call.client not in self._running]
        return min(ready, key=self._rank, default=None)

    def _rank(self, call: PendingCall) -> tuple[bool, int]:
        first = call.priority is Priority.URGENT or call.overtaken >= MAX_OVERTAKEN
        return not first, self._last_turn.get(call.client, 0)


class SharedRuntime(Runtime):
    """One client's access to a runtime that others use as well. Closing it leaves the runtime open."""

    def __init__(
        self,
        runtime: Runtime,
        scheduler: FairScheduler,
        *,
        client: int | None = None,
        priority: Priority = Priority.NORMAL,
        runtime_when_shared: Callable[[], Runtime] | None = None,
    ) -> None:
        """Take part in the scheduling.

        Args:
            runtime: used while the client is alone.
            scheduler: gives each call its turn.
            client: number of the client; None adds a new client.
            priority: of each call.
            runtime_when_shared: returns the runtime to use while several clients are active; None is `runtime`.
        """
        self._runtime = runtime
        self._runtime_when_shared = runtime_when_shared
        self._scheduler = scheduler
        self._client = scheduler.add_client() if client is None else client
        self._priority = priority
        self.name, self.precision = runtime.name, runtime.precision
        self.device, self.threads = runtime.device, runtime.threads

    def with_priority(self, priority: Priority) -> SharedRuntime:
        """Return the same client's access with another priority."""
        return SharedRuntime(
            self._runtime,
            self._scheduler,
            client=self._client,
            priority=priority,
            runtime_when_shared=self._runtime_when_shared,
        )

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """Wait for the client's turn, then encode; see `Runtime.encode`."""
        with self._scheduler.turn(self._client, self._priority):
            return self._current.encode(image)

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """Wait for the client's turn, then decode; see `Runtime.decode`."""
        with self._scheduler.turn(self._client, self._priority):
            return self._current.decode(embedding, points, labels, mask, has_mask)

    def follow(self, crops: FollowerBatch) -> tuple[Float, Float, Float]:
        """Wait for the client's turn, then follow; see `Runtime.follow`."""
        with self._scheduler.turn(self._client, self._priority):
            return self._current.follow(crops)

    @property
    def _current(self) -> Runtime:
        if self._runtime_when_shared is not None and self._scheduler.shared:
            return self._runtime_when_shared()
        return self._runtime

    def close(self) -> None:
        """Do nothing: the runtime belongs to the server."""
