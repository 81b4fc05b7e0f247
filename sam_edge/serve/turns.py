"""One model for several parties: whoever waits gets its turn, in a round."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from sam_edge.runtimes.base import Float, Runtime


class Turns:
    """Gives the model to one party at a time.

    A party is never held up by itself: its own threads run at once, as they would with a model of their own. While
    others wait, a party that is done goes to the end of the round, however much more it wants.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._changed = threading.Condition()
        self._holder: int | None = None
        self._running = 0
        self._round: deque[int] = deque()
        self._waiting: dict[int, int] = {}
        self._admitted: dict[int, int] = {}
        self._next = 0

    def join(self) -> int:
        """Return the number of a new party."""
        with self._changed:
            self._next += 1
            return self._next

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn now."""
        with self._changed:
            return sum(self._waiting.values())

    @contextmanager
    def turn(self, party: int) -> Iterator[None]:
        """Wait for the party's turn, and hold it in the block."""
        self._enter(party)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, party: int) -> None:
        with self._changed:
            if not self._round and self._holder in (None, party):
                self._holder = party
                self._running += 1
                return
            if party not in self._waiting:
                self._round.append(party)
            self._waiting[party] = self._waiting.get(party, 0) + 1
            self._changed.wait_for(lambda: self._admitted.get(party, 0) > 0)
            self._admitted[party] -= 1
            if not self._admitted[party]:
                del self._admitted[party]

    def _leave(self) -> None:
        with self._changed:
            self._running -= 1
            if self._running:
                return
            self._holder = None
            if self._round:
                self._holder = self._round.popleft()
                self._running = self._waiting.pop(self._holder)
                self._admitted[self._holder] = self._admitted.get(self._holder, 0) + self._running
                self._changed.notify_all()


class SharedRuntime(Runtime):
    """One party's access to a runtime that others use, too. Closing it leaves the runtime open."""

    def __init__(self, runtime: Runtime, turns: Turns) -> None:
        """Join the round."""
        self._runtime = runtime
        self._turns = turns
        self._party = turns.join()
        self.name, self.precision = runtime.name, runtime.precision
        self.device, self.threads = runtime.device, runtime.threads

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`; waits for the party's turn."""
        with self._turns.turn(self._party):
            return self._runtime.encode(image)

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`; waits for the party's turn."""
        with self._turns.turn(self._party):
            return self._runtime.decode(embedding, points, labels, mask, has_mask)

    def close(self) -> None:
        """Do nothing: the runtime belongs to the server."""
