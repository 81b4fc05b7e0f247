"""The progress of a run in one line: recordings, frames a second, time left, failures."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import TextIO

from sam_edge.closing import Closing

REDRAW_S = 1.0
"""On a terminal the line is drawn again this often, so that the time left goes down."""
LOG_S = 30.0
"""In a log, there is a line at most this often, and one at the end."""


@dataclass(slots=True)
class Tally:
    """What is done of a run."""

    total: int
    """Recordings to process."""
    total_cost: float
    """Sum of `Recording.cost` over them."""
    settled: int = 0
    """Recordings that are done or failed."""
    settled_cost: float = 0.0
    failed: int = 0
    frames: int = 0
    """Frames of finished recordings."""

    def describe(self, elapsed_s: float) -> str:
        """Return the line after `elapsed_s` seconds of work."""
        parts = [f"{self.settled}/{self.total} recordings"]
        if self.frames:
            parts.append(f"{self.frames / max(elapsed_s, 1e-9):.1f} frames/s")
        left_s = self.time_left_s(elapsed_s)
        if left_s is not None:
            parts.append(f"{describe_time(left_s)} left")
        parts.append(f"{self.failed} failed")
        return ", ".join(parts)

    def time_left_s(self, elapsed_s: float) -> float | None:
        """Return the time that the rest takes at the speed so far, seconds; None before anything is done."""
        if not self.settled_cost or self.settled >= self.total:
            return None
        return (self.total_cost - self.settled_cost) * elapsed_s / self.settled_cost


def describe_time(seconds: float) -> str:
    """Return a time as people write it: `40 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


class ProgressLine(Closing):
    """Shows a tally on stderr. A context manager."""

    def __init__(self, tally: Tally, *, silent: bool = False, stream: TextIO | None = None) -> None:
        """Begin; `silent` writes nothing."""
        self._tally = tally
        self._stream = stream if stream is not None else sys.stderr
        self._silent = silent or not tally.total
        self._terminal = not self._silent and self._stream.isatty()
        self._start_s = time.monotonic()
        self._shown_s = self._start_s
        self._lock = threading.Lock()
        self._ended = threading.Event()
        if self._terminal:
            threading.Thread(target=self._redraw, name="batch-progress", daemon=True).start()

    def update(self) -> None:
        """Show that the tally has changed."""
        if self._silent:
            return
        if self._terminal:
            self._draw()
        elif time.monotonic() - self._shown_s >= LOG_S:
            self._shown_s = time.monotonic()
            self._write(f"batch: {self._text()}\n")

    def message(self, text: str) -> None:
        """Write a line of its own, above the progress."""
        if not self._silent:
            self._write(f"{chr(13)}{text}\x1b[K\n" if self._terminal else f"{text}\n")

    def close(self) -> None:
        """Write the last state. Closing twice is allowed."""
        if self._ended.is_set():
            return
        self._ended.set()
        if not self._silent:
            self._write(f"\rbatch: {self._text()}\x1b[K\n" if self._terminal else f"batch: {self._text()}\n")

    def _text(self) -> str:
        return self._tally.describe(time.monotonic() - self._start_s)

    def _redraw(self) -> None:
        while not self._ended.wait(REDRAW_S):
            self._draw()

    def _draw(self) -> None:
        self._write(f"\rbatch: {self._text()}\x1b[K")

    def _write(self, text: str) -> None:
        with self._lock:
            self._stream.write(text)
            self._stream.flush()
