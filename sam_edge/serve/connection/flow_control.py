"""How many frames a client should have on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

WINDOW = 2
"""Frames on the way while there is time: one is looked at while the next one travels."""
PERIOD_S = 1.0
"""The window is thought over this often."""
OVERLOADED, AT_EASE = 0.9, 0.6
"""Shares of the time in which frames are looked at: above the first the window closes to one frame, below the second it
opens again."""
WAITED_MS = 15.0
"""Frames that wait longer than this would better be newer."""

RATES = (0.0, 20.0, 16.0, 12.0, 10.0, 8.0)
"""Frames a second that are granted to each of several, from no limit down."""
SLOW_MS, QUICK_MS = 110.0, 55.0
"""When whole frames are encoded later than the first, fewer frames are granted; when earlier than the second, more."""
QUICK_PERIODS = 3
"""More frames are granted when that has held for so many periods."""


class FlowControl:
    """Watches one client's frames and says how many should be on the way. Not thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with the window of `WINDOW`."""
        self._now = now
        self._since = now()
        self._window = WINDOW
        self._frames = 0
        self._busy_s = 0.0
        self._waited_ms = 0.0

    @property
    def window(self) -> int:
        """Most frames on the way now."""
        return self._window

    def note(self, waited_ms: float, busy_s: float) -> None:
        """Note one frame: how long it waited, and how long it was looked at."""
        self._frames += 1
        self._busy_s += busy_s
        self._waited_ms += waited_ms
        passed_s = self._now() - self._since
        if passed_s < PERIOD_S:
            return
        busy, waited_ms = self._busy_s / passed_s, self._waited_ms / self._frames
        self._since, self._frames, self._busy_s, self._waited_ms = self._now(), 0, 0.0, 0.0
        if busy > OVERLOADED and waited_ms > WAITED_MS:
            self._window = 1
        elif busy < AT_EASE:
            self._window = WINDOW


class LoadShedder:
    """Everybody who shares the model, and how many frames a second make sense for each. Thread-safe.

    Looking at frames takes from the same machine as encoding them. When many share it, whole frames are encoded so
    late that what is selected is not found any more: fewer frames, found well, are worth more. Everybody gets the
    same number, so that nobody is served more than others. Who is alone gets as many as it sends.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody."""
        self._lock = threading.Lock()
        self._now = now
        self._since = now()
        self._present = 0
        self._step = 0
        self._encode_ms: list[float] = []
        self._quick = 0

    def enter(self) -> None:
        """Count one in."""
        with self._lock:
            self._present += 1

    def leave(self) -> None:
        """Count one out."""
        with self._lock:
            self._present -= 1
            if self._present <= 1:
                self._step = 0

    @property
    def frames_per_s(self) -> float:
        """Frames a second that make sense for each; 0 while there is no limit."""
        with self._lock:
            return RATES[self._step]

    def note(self, encode_ms: float) -> None:
        """Note how long a whole frame waited for its encoding, and took."""
        with self._lock:
            if self._present <= 1:
                self._since, self._encode_ms = self._now(), []
                return
            self._encode_ms.append(encode_ms)
            if self._now() - self._since < PERIOD_S:
                return
            mean_ms = sum(self._encode_ms) / len(self._encode_ms)
            self._since, self._encode_ms = self._now(), []
            self._quick = self._quick + 1 if mean_ms < QUICK_MS else 0
            if mean_ms > SLOW_MS:
                self._step = min(self._step + (2 if mean_ms > 2 * SLOW_MS else 1), len(RATES) - 1)
            elif self._quick >= QUICK_PERIODS:
                self._step, self._quick = max(self._step - 1, 0), 0
