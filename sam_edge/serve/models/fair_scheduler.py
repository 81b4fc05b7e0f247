"""One model for several parties: whoever waits gets its turn, in a round, what is urgent first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.runtimes.base import Float, Runtime
from sam_edge.stream.closeup import SIDE

AT_A_TIME = 2
"""Parties that have the model at a time, each with its share of the threads. Two inferences side by side on one core
each take less than one after the other on two: their parts that do not divide wait for nobody."""
PASSED_OVER = 4
"""What is not urgent lets so many urgent calls go first, and no more."""
RECENTLY_S = 2.0
"""A party that called within this long is there."""


@dataclass(slots=True, eq=False)
class Call:
    """A call that waits for its turn."""

    party: int
    """Whose it is."""
    urgent: bool
    """Whether it goes before those that are not."""
    passed_over: int = 0
    """How often another one went first that had come later."""
    admitted: bool = False
    """Whether its turn has come."""


class FairScheduler:
    """Gives the model to some parties at a time.

    A party that is alone is never held up by itself: its own threads run at once, as they would with a model of their
    own. While others wait, each has one call at a time, and who was served last comes last, however much more it wants.
    """

    def __init__(self, at_a_time: int = 1) -> None:
        """Begin with nobody."""
        self._changed = threading.Condition()
        self._at_a_time = at_a_time
        self._running: dict[int, int] = {}
        self._waiting: list[Call] = []
        self._served: dict[int, int] = {}
        self._seen_s: dict[int, float] = {}
        self._turn = 0
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
            return len(self._waiting)

    @property
    def shared(self) -> bool:
        """Whether more than one party called lately."""
        with self._changed:
            since_s = time.monotonic() - RECENTLY_S
            self._seen_s = {party: at_s for party, at_s in self._seen_s.items() if at_s >= since_s}
            return len(self._seen_s) > 1

    @contextmanager
    def turn(self, party: int, *, urgent: bool = False) -> Iterator[None]:
        """Wait for the party's turn, and hold it in the block."""
        call = Call(party, urgent)
        with self._changed:
            self._waiting.append(call)
            self._admit()
            self._changed.wait_for(lambda: call.admitted)
        try:
            yield
        finally:
            with self._changed:
                self._seen_s[party] = time.monotonic()
                self._running[party] -= 1
                if not self._running[party]:
                    del self._running[party]
                self._admit()

    def _admit(self) -> None:
        while (call := self._first()) is not None:
            for other in self._waiting[: self._waiting.index(call)]:
                other.passed_over += 1
            self._waiting.remove(call)
            self._turn += 1
            self._served[call.party] = self._turn
            self._running[call.party] = self._running.get(call.party, 0) + 1
            call.admitted = True
        self._changed.notify_all()

    def _first(self) -> Call | None:
        """Return the call whose turn it is; None when all that wait have to."""
        alone = {call.party for call in self._waiting} | set(self._running)
        if len(alone) == 1 and self._waiting:
            return self._waiting[0]
        free = len(self._running) < self._at_a_time
        others = [call for call in self._waiting if free and call.party not in self._running]
        return min(others, key=self._rank, default=None)

    def _rank(self, call: Call) -> tuple[bool, int]:
        late = call.urgent or call.passed_over >= PASSED_OVER
        return not late, self._served.get(call.party, 0)


class SharedRuntime(Runtime):
    """One party's access to a runtime that others use, too. Closing it leaves the runtime open."""

    def __init__(
        self, runtime: Runtime, turns: FairScheduler, several: Callable[[], Runtime] | None = None
    ) -> None:
        """Join the round.

        Args:
            runtime: for who is alone.
            turns: taken for each call.
            several: gives the one that serves while several parties are there; None is the same.
        """
        self._runtime = runtime
        self._several = several
        self._turns = turns
        self._party = turns.join()
        self.name, self.precision = runtime.name, runtime.precision
        self.device, self.threads = runtime.device, runtime.threads

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`; waits for the party's turn. Close-ups, which a camera's frame waits for, go first."""
        with self._turns.turn(self._party, urgent=image.shape[1:3] == (SIDE, SIDE)):
            return self._chosen.encode(image)

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`; waits for the party's turn. Close-ups go first."""
        with self._turns.turn(self._party, urgent=embedding.shape[2:] == (SIDE // 16, SIDE // 16)):
            return self._chosen.decode(embedding, points, labels, mask, has_mask)

    @property
    def _chosen(self) -> Runtime:
        return self._several() if self._several is not None and self._turns.shared else self._runtime

    def close(self) -> None:
        """Do nothing: the runtime belongs to the server."""
