"""The mouse as a tracker: for demonstrations and tests without one.

A window tells positions only when the mouse moves. Eye-movement detectors need a steady rate, so the position is
held and sampled at `rate_hz`: a mouse at rest is a fixation.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from types import TracebackType

from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.buffer import SampleBuffer
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.registry import SourceAddress
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats


class MouseSource:
    """Samples of where the mouse is, at a steady rate.

    Feed it from the window's callback: `move` and `leave`, or `watch_window` for a window of OpenCV. Before the first
    move there are no samples; while the mouse is outside they are invalid.
    """

    def __init__(self, *, rate_hz: float = 60.0, name: str = "mouse://", buffer_samples: int = 8192) -> None:
        """Describe the source.

        Args:
            rate_hz: samples a second, 1 to 2000.
            name: how messages call it.
            buffer_samples: samples kept for a slow reader; beyond it the oldest are dropped and counted.
        """
        if not 1.0 <= rate_hz <= 2000.0:
            raise InputError(f"rate_hz is {rate_hz}; accepted are 1 to 2000 samples a second")
        self.name = name
        self._interval_ns = round(1e9 / rate_hz)
        self._capacity = buffer_samples
        self._buffer = SampleBuffer(buffer_samples)
        self._changed = threading.Condition()
        self._position: tuple[float, float] | None = None
        self._event_ns = 0
        self._next_tick_ns: int | None = None
        self._closed = False

    def open(self) -> None:
        """Do nothing: a mouse needs no connection."""
        if self._closed:
            raise SessionError(f"{self.name} was closed; make a new source to read from it again")

    def move(self, x_px: float, y_px: float, time_ns: int | None = None) -> None:
        """Tell where the mouse is.

        Args:
            x_px: horizontal position in scene pixels.
            y_px: vertical position in scene pixels.
            time_ns: host time of the event; now unless given. One older than the event before is ignored and counted
                as reordered.
        """
        if not (math.isfinite(x_px) and math.isfinite(y_px)):
            raise InputError(f"the mouse is at ({x_px}, {y_px}); accepted are finite pixels, or leave()")
        self._event((x_px, y_px), time_ns)

    def leave(self, time_ns: int | None = None) -> None:
        """Tell that the mouse left the window: samples are invalid until it moves in again."""
        self._event(None, time_ns)

    def watch_window(self, window: str) -> None:
        """Follow the mouse in an OpenCV window.

        Args:
            window: title of a window that exists (`cv2.namedWindow` or `cv2.imshow`).
        """
        import cv2

        def moved(_event: int, x: int, y: int, _flags: int, _data: object) -> None:
            if not self._closed:
                # The middle of the pixel that OpenCV names by its index.
                self.move(x + 0.5, y + 0.5)

        cv2.setMouseCallback(window, moved)

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        """Return the samples since the last call; see `GazeSource.read`."""
        deadline_ns = host_now_ns() + round(max(0.0, timeout_s) * 1e9)
        with self._changed:
            while True:
                now_ns = host_now_ns()
                self._tick_until(now_ns)
                samples = self._buffer.take()
                if samples or self._closed or now_ns >= deadline_ns:
                    return samples
                until_ns = deadline_ns if self._next_tick_ns is None else min(deadline_ns, self._next_tick_ns)
                self._changed.wait(max(0, until_ns - now_ns) / 1e9)

    @property
    def stats(self) -> SourceStats:
        """Counts of everything that happened so far."""
        return self._buffer.stats

    @property
    def finished(self) -> bool:
        """True after `close`, when all was read."""
        return self._buffer.ended

    def close(self) -> None:
        """Stop sampling. Closing twice is allowed."""
        with self._changed:
            self._closed = True
            self._buffer.end()
            self._changed.notify_all()

    def __enter__(self) -> MouseSource:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[GazeSample]:
        """Yield samples until the source is closed."""
        while not self.finished:
            yield from self.read(0.1)

    def _event(self, position: tuple[float, float] | None, time_ns: int | None) -> None:
        time_ns = host_now_ns() if time_ns is None else time_ns
        with self._changed:
            if self._closed:
                raise SessionError(f"{self.name} was closed; it takes no more events")
            if self._next_tick_ns is None:
                if position is None:
                    return
                self._next_tick_ns = time_ns
            elif time_ns < self._event_ns:
                self._buffer.count("dropped_late")
                return
            else:
                self._tick_until(time_ns - 1)
            self._event_ns = time_ns
            self._position = position
            self._changed.notify_all()

    def _tick_until(self, time_ns: int) -> None:
        if self._next_tick_ns is None or self._closed:
            return
        due = (time_ns - self._next_tick_ns) // self._interval_ns + 1
        if due > self._capacity:
            self._buffer.count("dropped", due - self._capacity)
            self._next_tick_ns += (due - self._capacity) * self._interval_ns
        x_px, y_px = self._position or (math.nan, math.nan)
        while self._next_tick_ns <= time_ns:
            confidence = 0.0 if self._position is None else 1.0
            self._buffer.push(GazeSample(self._next_tick_ns, x_px, y_px, confidence))
            self._next_tick_ns += self._interval_ns


def from_address(address: SourceAddress) -> MouseSource:
    """Make the source of a `mouse://` URL."""
    return MouseSource(
        rate_hz=address.number("rate_hz", 60.0, least=1.0, most=2000.0),
        name=address.url,
        buffer_samples=address.buffer_samples(),
    )
