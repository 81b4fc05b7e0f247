"""Frames and gaze meet in time: each frame is stepped with the gaze up to the moment at which it was taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sam_edge.errors import TrackerError
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import GazeSource

HELD_NS = 10_000_000_000
"""Samples that are this much newer than the newest frame are given up: their frames will not come."""
POLL_S = 0.005


class GazeMeeting:
    """Holds gaze until the frame of its time has come, and waits a little for gaze that is later than its frame."""

    def __init__(
        self, source: GazeSource, *, wait_ms: float, on_problem: Callable[[TrackerError], None]
    ) -> None:
        """Read from an open source.

        Args:
            source: the gaze, on the host's clock.
            wait_ms: longest wait for gaze that is as new as a frame.
            on_problem: is told when the tracker is silent; reading goes on.
        """
        self._source = source
        self._wait_ns = round(wait_ms * 1e6)
        self._on_problem = on_problem
        self._held: deque[GazeSample] = deque()
        self.waited_ms = 0.0
        """How long the last frame waited for its gaze."""
        self.given_up = 0
        """Samples whose frames never came."""

    def until(self, time_ns: int) -> list[GazeSample]:
        """Return the samples up to a frame's time, in order; later ones are kept for the frames to come."""
        began_ns = host_now_ns()
        self._read(0.0)
        while not self._has_reached(time_ns):
            left_ns = began_ns + self._wait_ns - host_now_ns()
            if left_ns <= 0 or self._source.finished:
                break
            self._read(min(POLL_S, left_ns / 1e9))
        self.waited_ms = (host_now_ns() - began_ns) / 1e6
        due = []
        while self._held and self._held[0].time_ns <= time_ns:
            due.append(self._held.popleft())
        while self._held and self._held[-1].time_ns - self._held[0].time_ns > HELD_NS:
            self._held.popleft()
            self.given_up += 1
        return due

    def _has_reached(self, time_ns: int) -> bool:
        return bool(self._held) and self._held[-1].time_ns >= time_ns

    def _read(self, timeout_s: float) -> None:
        try:
            self._held.extend(self._source.read(timeout_s))
        except TrackerError as error:
            if self._source.finished:
                raise
            self._on_problem(error)
