"""How many frames one client may have in flight: sent, and not answered yet."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW = 2
"""Frames in flight while there is time: one is processed while the next one travels."""
PERIOD_S = 1.0
"""Seconds between two decisions."""
OVERLOADED, RELAXED = 0.9, 0.6
"""Shares of the time in which the session is busy. Above the first, the window is one frame; below the second, it opens
again."""
MAX_WAIT_MS = 15.0
"""When frames wait longer than this, a newer frame would be better."""


class FlowControl:
    """Measures one client's frames and sets its window. Not thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start with a window of `WINDOW`. `now` returns seconds of a monotonic clock."""
        self._now = now
        self._period_start_s = now()
        self._window = WINDOW
        self._frames = 0
        self._busy_s = 0.0
        self._waited_ms = 0.0

    @property
    def window(self) -> int:
        """Most frames in flight now."""
        return self._window

    def record(self, waited_ms: float, busy_s: float) -> None:
        """Note one frame: how long it waited, and how long its processing took."""
        self._frames += 1
        self._busy_s += busy_s
        self._waited_ms += waited_ms
        passed_s = self._now() - self._period_start_s
        if passed_s < PERIOD_S:
            return
        busy, waited_ms = self._busy_s / passed_s, self._waited_ms / self._frames
        self._period_start_s, self._frames, self._busy_s, self._waited_ms = self._now(), 0, 0.0, 0.0
        if busy > OVERLOADED and waited_ms > MAX_WAIT_MS:
            self._window = 1
        elif busy < RELAXED:
            self._window = WINDOW
