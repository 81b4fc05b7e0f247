"""How many frames per second clients may send while they share the model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PERIOD_S = 1.0
"""Seconds between two decisions."""
RATES = (0.0, 20.0, 16.0, 12.0, 10.0, 8.0)
"""Frames per second that each of several clients may send, from no limit (0) down."""
SLOW_MS, QUICK_MS = 110.0, 55.0
"""Lower the rate when whole frames take longer than the first until they are encoded; raise it below the second."""
QUICK_PERIODS = 3
"""Raise the rate after this many quick periods in a row."""


class LoadShedder:
    """Lowers the frame rate of all clients while the model is too slow for them. Thread-safe.

    Following objects takes time from the same machine as encoding. When many clients share it, whole frames are encoded
    so late that objects are no longer found: fewer frames give better selections. Every client gets the same rate. A
    single client has no limit.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without clients. `now` returns seconds of a monotonic clock."""
        self._lock = threading.Lock()
        self._now = now
        self._period_start_s = now()
        self._clients = 0
        self._rate_index = 0
        self._encode_ms: list[float] = []
        self._quick_periods = 0

    def add_client(self) -> None:
        """Count a client in."""
        with self._lock:
            self._clients += 1

    def remove_client(self) -> None:
        """Count a client out. The last one left has no limit."""
        with self._lock:
            self._clients -= 1
            if self._clients <= 1:
                self._rate_index = 0

    @property
    def frames_per_s(self) -> float:
        """Frames per second that each client may send; 0 is no limit."""
        with self._lock:
            return RATES[self._rate_index]

    def record(self, encode_ms: float) -> None:
        """Note how long a whole frame took to be encoded, with the time that it waited for its turn."""
        with self._lock:
            if self._clients <= 1:
                self._period_start_s, self._encode_ms = self._now(), []
                return
            self._encode_ms.append(encode_ms)
            if self._now() - self._period_start_s < PERIOD_S:
                return
            mean_ms = sum(self._encode_ms) / len(self._encode_ms)
            self._period_start_s, self._encode_ms = self._now(), []
            self._change_rate(mean_ms)

    def _change_rate(self, mean_ms: float) -> None:
        self._quick_periods = self._quick_periods + 1 if mean_ms < QUICK_MS else 0
        if mean_ms > SLOW_MS:
            steps = 2 if mean_ms > 2 * SLOW_MS else 1
            self._rate_index = min(self._rate_index + steps, len(RATES) - 1)
        elif self._quick_periods >= QUICK_PERIODS:
            self._rate_index, self._quick_periods = max(self._rate_index - 1, 0), 0
