"""How a server's clock relates to a client's: the shortest of the last round trips counts (as in NTP, RFC 5905)."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from sam_edge.wire.messages import Ping, Pong

PINGS_AT_FIRST, FIRST_S, PING_S = 5, 0.1, 1.0
"""So many pings, so long after each other; then one so often."""
PINGS_KEPT = 12
"""Round trips that are remembered."""


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How the server's clock relates to this machine's."""

    offset_ns: int
    """Server's minus own clock."""
    uncertainty_ns: int
    """Half of the shortest round trip."""


class RelatedClocks:
    """Says when to ask the server for its time, and what the answers tell. Thread-safe."""

    def __init__(self) -> None:
        """Begin without knowing anything; a ping is due."""
        self._lock = threading.Lock()
        self._trips: deque[ClockOffset] = deque(maxlen=PINGS_KEPT)
        self._number = 0
        self._next_s = 0.0

    @property
    def offset(self) -> ClockOffset | None:
        """The best that is known; None before the first answer."""
        with self._lock:
            return min(self._trips, key=lambda one: one.uncertainty_ns, default=None)

    def due(self) -> Ping | None:
        """Return the ping that is to be sent now; None until the next one is due."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return None
        self._number += 1
        self._next_s = now_s + (FIRST_S if self._number <= PINGS_AT_FIRST else PING_S)
        known = self.offset
        if known is None:
            return Ping(self._number, time.monotonic_ns(), 0, None)
        return Ping(self._number, time.monotonic_ns(), known.offset_ns, known.uncertainty_ns)

    def answered(self, pong: Pong, now_ns: int) -> None:
        """Take the answer to a ping, which came at a time of the own clock."""
        half_ns = max(0, (now_ns - pong.asked_ns) - (pong.sent_ns - pong.received_ns)) // 2
        offset_ns = ((pong.received_ns - pong.asked_ns) + (pong.sent_ns - now_ns)) // 2
        with self._lock:
            self._trips.append(ClockOffset(offset_ns, half_ns))
