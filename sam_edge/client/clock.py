"""Estimates the offset of the server's clock from the shortest of the last round trips (as NTP does, RFC 5905)."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from sam_edge.wire.messages import Ping, Pong

FIRST_PINGS, FIRST_INTERVAL_S, INTERVAL_S = 5, 0.1, 1.0
"""The first pings follow each other quickly, later ones at the longer interval."""
ROUND_TRIPS_KEPT = 12


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How the server's clock relates to this machine's."""

    offset_ns: int
    """Server's minus own clock."""
    uncertainty_ns: int
    """Half of the shortest round trip."""


class ClockSync:
    """Decides when to ping, and estimates the offset from the answers. Thread-safe."""

    def __init__(self) -> None:
        """Start without an estimate; a ping is due."""
        self._lock = threading.Lock()
        self._round_trips: deque[ClockOffset] = deque(maxlen=ROUND_TRIPS_KEPT)
        self._ping_id = 0
        self._next_s = 0.0

    @property
    def offset(self) -> ClockOffset | None:
        """The best estimate; None before the first answer."""
        with self._lock:
            return min(self._round_trips, key=lambda trip: trip.uncertainty_ns, default=None)

    def due(self) -> Ping | None:
        """Return the ping to send now; None if none is due."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return None
        self._ping_id += 1
        self._next_s = now_s + (FIRST_INTERVAL_S if self._ping_id <= FIRST_PINGS else INTERVAL_S)
        known = self.offset
        if known is None:
            return Ping(self._ping_id, time.monotonic_ns(), 0, None)
        return Ping(self._ping_id, time.monotonic_ns(), known.offset_ns, known.uncertainty_ns)

    def answered(self, pong: Pong, now_ns: int) -> None:
        """Add the answer to a ping; `now_ns` is its arrival on this machine's clock."""
        half_ns = max(0, (now_ns - pong.client_sent_ns) - (pong.sent_ns - pong.received_ns)) // 2
        offset_ns = ((pong.received_ns - pong.client_sent_ns) + (pong.sent_ns - now_ns)) // 2
        with self._lock:
            self._round_trips.append(ClockOffset(offset_ns, half_ns))
