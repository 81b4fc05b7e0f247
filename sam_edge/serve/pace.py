"""How many frames a client should have on the way."""

from __future__ import annotations

import time
from collections.abc import Callable

from sam_edge.serve.messages import Grant

WINDOW = 2
"""Frames on the way while there is time: one is looked at while the next one travels."""
PERIOD_S = 1.0
"""The window is thought over this often."""
OVERLOADED, AT_EASE = 0.9, 0.6
"""Shares of the time in which frames are looked at: above the first the window closes to one frame, below the second it
opens again."""
WAITED_MS = 15.0
"""Frames that wait longer than this would better be newer."""


class Pace:
    """Watches one client's frames and says when the window should change. Not thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with the window of `WINDOW`."""
        self._now = now
        self._since = now()
        self._window = WINDOW
        self._frames = 0
        self._busy_s = 0.0
        self._waited_ms = 0.0

    def note(self, waited_ms: float, busy_s: float) -> Grant | None:
        """Note one frame: how long it waited, and how long it was looked at. Return what is to be granted anew."""
        self._frames += 1
        self._busy_s += busy_s
        self._waited_ms += waited_ms
        passed_s = self._now() - self._since
        if passed_s < PERIOD_S:
            return None
        busy, waited_ms = self._busy_s / passed_s, self._waited_ms / self._frames
        rate = self._frames / passed_s
        self._since, self._frames, self._busy_s, self._waited_ms = self._now(), 0, 0.0, 0.0
        if self._window > 1 and busy > OVERLOADED and waited_ms > WAITED_MS:
            self._window = 1
            return Grant(1, rate)
        if self._window == 1 and busy < AT_EASE:
            self._window = WINDOW
            return Grant(WINDOW)
        return None
