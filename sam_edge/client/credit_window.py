"""Whether a client should send another frame: so many on the way, so many a second, as the server wants it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOOK_S = 0.005
"""A rate opens by itself, without any answer: it is looked at this often."""
SLACK = 0.2
"""A frame may go out so much of the interval early: cameras have intervals of their own."""


class Room:
    """The server's window and rate, and what is on the way. Thread-safe."""

    def __init__(self, window: int, most_per_s: float, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing on the way.

        Args:
            window: most frames unanswered.
            most_per_s: frames a second beyond which the server ends the connection.
            now: seconds on a monotonic clock.
        """
        self._changed = threading.Condition()
        self._now = now
        self._on_the_way: set[int] = set()
        self._most_per_s = most_per_s
        self._due_s = 0.0
        self._ended = False
        self.window = window
        """Most frames unanswered now."""
        self.frames_per_s = 0.0
        """Frames a second that make sense now; 0 while the server gives no advice."""

    def grant(self, window: int, frames_per_s: float) -> None:
        """Take what the server wants from here on."""
        with self._changed:
            self.window, self.frames_per_s = window, frames_per_s
            self._due_s = min(self._due_s, self._now() + self._interval_s)
            self._changed.notify_all()

    def take(self, number: int) -> bool:
        """Count a frame as on its way, if there is room; say whether there was."""
        with self._changed:
            if not self._open():
                return False
            self._on_the_way.add(number)
            # What a camera's own interval made late is made good by the next one, so that the rate comes true.
            self._due_s = max(self._due_s, self._now() - self._interval_s) + self._interval_s
            return True

    def answered(self, number: int) -> None:
        """Count a frame as answered."""
        with self._changed:
            self._on_the_way.discard(number)
            self._changed.notify_all()

    def end(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def in_flight(self) -> int:
        """Frames on the way."""
        with self._changed:
            return len(self._on_the_way)

    @property
    def open(self) -> bool:
        """Whether there is room now."""
        with self._changed:
            return self._open()

    def wait(self, timeout_s: float) -> bool:
        """Wait for room; say whether there is some."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._open() and not self._ended and (left_s := until_s - time.monotonic()) > 0:
                full = len(self._on_the_way) >= self.window
                self._changed.wait(left_s if full else min(left_s, LOOK_S))
            return self._open()

    @property
    def _interval_s(self) -> float:
        return 1.0 / min(self.frames_per_s or self._most_per_s, self._most_per_s)

    def _open(self) -> bool:
        due = self._now() >= self._due_s - SLACK * self._interval_s
        return due and len(self._on_the_way) < self.window
