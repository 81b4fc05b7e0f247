"""Credit-based flow control of frames: at most a window of unanswered frames, and at most a granted rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

POLL_S = 0.005
"""Polling interval while only the rate, and not an answer, delays the next frame."""
SLACK = 0.2
"""A frame may be sent early by this share of the interval, because a camera's interval differs from the granted one."""


class CreditWindow:
    """The server's window and rate, and the frames in flight. Thread-safe."""

    def __init__(self, window: int, max_per_s: float, now: Callable[[], float] = time.monotonic) -> None:
        """Start without frames in flight.

        Args:
            window: most unanswered frames.
            max_per_s: rate above which the server ends the connection, frames per second.
            now: returns seconds on a monotonic clock.
        """
        self._changed = threading.Condition()
        self._now = now
        self._in_flight: set[int] = set()
        self._max_per_s = max_per_s
        self._due_s = 0.0
        self._ended = False
        self.window = window
        """Most unanswered frames."""
        self.frames_per_s = 0.0
        """Frame rate that the server asks for; 0: no limit."""

    def grant(self, window: int, frames_per_s: float) -> None:
        """Apply a grant of the server."""
        with self._changed:
            self.window, self.frames_per_s = window, frames_per_s
            self._due_s = min(self._due_s, self._now() + self._interval_s)
            self._changed.notify_all()

    def take(self, number: int) -> bool:
        """Count a frame as in flight if one may be sent now. Returns whether it was counted."""
        with self._changed:
            if not self._may_send():
                return False
            self._in_flight.add(number)
            # A frame that the camera delivered late does not delay the next one, so that the mean rate is met.
            self._due_s = max(self._due_s, self._now() - self._interval_s) + self._interval_s
            return True

    def answered(self, number: int) -> None:
        """Remove a frame from those in flight."""
        with self._changed:
            self._in_flight.discard(number)
            self._changed.notify_all()

    def end(self) -> None:
        """Wake all waiting threads: the connection has ended."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def in_flight(self) -> int:
        """Number of frames in flight."""
        with self._changed:
            return len(self._in_flight)

    @property
    def open(self) -> bool:
        """Whether a frame may be sent now."""
        with self._changed:
            return self._may_send()

    def wait(self, timeout_s: float) -> bool:
        """Wait until a frame may be sent. Returns False after `timeout_s`, or when the connection has ended."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._may_send() and not self._ended and (left_s := deadline_s - time.monotonic()) > 0:
                full = len(self._in_flight) >= self.window
                self._changed.wait(left_s if full else min(left_s, POLL_S))
            return self._may_send()

    @property
    def _interval_s(self) -> float:
        return 1.0 / min(self.frames_per_s or self._max_per_s, self._max_per_s)

    def _may_send(self) -> bool:
        due = self._now() >= self._due_s - SLACK * self._interval_s
        return due and len(self._in_flight) < self.window
