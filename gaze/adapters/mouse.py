"""The mouse as a tracker, for demonstrations and tests without an eye tracker.

A window reports positions only when the mouse moves. Eye-movement detectors need a steady rate, so the position is
held and sampled at `rate_hz`: a mouse at rest is a fixation.
"""

from __future__ import annotations

import math

from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.adapters.buffered import BufferedSource
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.buffer import SampleBuffer
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats


class MouseSource(BufferedSource):
    """Positions of the mouse as samples, at a steady rate.

    Feed it from the window's callback: `move` and `leave`, or `watch_window` for a window of OpenCV. Before the first
    move there are no samples; while the mouse is outside they are invalid.
    """

    def __init__(self, *, rate_hz: float = 60.0, name: str = "mouse://", buffer_samples: int = 8192) -> None:
        """Describe the source.

        Args:
            rate_hz: samples a second, 1 to 2000.
            name: name of the source in messages.
            buffer_samples: samples kept for a slow reader; when more wait, the oldest are dropped and counted.
        """
        if not 1.0 <= rate_hz <= 2000.0:
            raise InputError(f"rate_hz is {rate_hz}; accepted are 1 to 2000 samples a second")
        super().__init__(name)
        self._interval_ns = round(1e9 / rate_hz)
        self._capacity = buffer_samples
        self._buffer = SampleBuffer(buffer_samples, changed=self._changed)
        self._position: tuple[float, float] | None = None
        self._event_ns = 0
        self._next_tick_ns: int | None = None

    def move(self, x_px: float, y_px: float, time_ns: int | None = None) -> None:
        """Report the position of the mouse.

        Args:
            x_px: horizontal position in scene pixels.
            y_px: vertical position in scene pixels.
            time_ns: host time of the event; None is now. An event older than the one before is ignored and counted
                as `dropped_late`.

        Raises:
            InputError: a coordinate is not finite.
            SessionError: the source was closed.
        """
        if not (math.isfinite(x_px) and math.isfinite(y_px)):
            raise InputError(f"the mouse is at ({x_px}, {y_px}); accepted are finite pixels, or leave()")
        self._event((x_px, y_px), time_ns)

    def leave(self, time_ns: int | None = None) -> None:
        """Report that the mouse left the window: samples are invalid until it moves in again."""
        self._event(None, time_ns)

    def watch_window(self, window: str) -> None:
        """Follow the mouse in an OpenCV window.

        Args:
            window: title of a window that exists (`cv2.namedWindow` or `cv2.imshow`).
        """
        import cv2

        def on_mouse(_event: int, x: int, y: int, _flags: int, _data: object) -> None:
            if not self._stopping.is_set():
                # The middle of the pixel that OpenCV names by its index.
                self.move(x + 0.5, y + 0.5)

        cv2.setMouseCallback(window, on_mouse)

    @property
    def stats(self) -> SourceStats:
        """Counts of samples and losses so far."""
        return self._buffer.stats

    @property
    def finished(self) -> bool:
        """True after `close`, when all samples were read."""
        return self._buffer.ended

    def close(self) -> None:
        """Stop sampling. Closing twice is allowed."""
        self._buffer.end()
        super().close()

    def _take_due(self, now_ns: int) -> list[GazeSample]:
        self._tick_until(now_ns)
        return self._buffer.take()

    def _retry_ns(self, now_ns: int) -> int | None:
        return self._next_tick_ns

    def _event(self, position: tuple[float, float] | None, time_ns: int | None) -> None:
        time_ns = host_now_ns() if time_ns is None else time_ns
        with self._changed:
            if self._stopping.is_set():
                raise SessionError(f"{self.name} was closed; it accepts no more events")
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
        if self._next_tick_ns is None or self._stopping.is_set():
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
    """Return the source of a `mouse://` URL."""
    return MouseSource(
        rate_hz=address.number("rate_hz", 60.0, least=1.0, most=2000.0),
        name=address.url,
        buffer_samples=address.buffer_samples(),
    )
