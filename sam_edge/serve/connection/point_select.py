"""Pinning the object at a point, for headsets that never stream gaze: gaze at the point is simulated for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.selection import Selection, State
from sam_edge.wire.messages import Command

INTERVAL_NS = 5_000_000
"""Time between simulated samples: 200 per second."""
BEFORE_NS = 200_000_000
"""The simulated fixation starts this long before the command: people look first, then pinch."""
MAX_GAZE_NS = 400_000_000
"""After a pause of frames, at most this much gaze is simulated."""
TIMEOUT_S = 1.2
"""When no object was found at the point within this time, there is none."""
NEAR_DEG = 0.5
"""A mask this close to the point counts as being at the point."""


class PointSelect:
    """Simulates gaze at one point until the object there is focused."""

    def __init__(
        self,
        command: Command,
        point_px: tuple[float, float],
        *,
        after_ns: int | None,
        newest_ns: int | None,
        px_per_deg: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the search.

        Args:
            command: the pin command of the client.
            point_px: the point, frame pixels.
            after_ns: time of the newest gaze sample that the session has; simulated samples come after it.
            newest_ns: time of the newest frame; None before the first one.
            px_per_deg: frame pixels in a degree of visual angle.
            now: returns seconds of a monotonic clock.
        """
        self.command = command
        self._point_px = point_px
        self._from_ns = None if newest_ns is None else newest_ns - BEFORE_NS
        self._after_ns = after_ns
        self._near_px = max(1, round(NEAR_DEG * px_per_deg))
        self._now = now
        self._deadline_s = now() + TIMEOUT_S

    @property
    def remaining_s(self) -> float:
        """Seconds until the search times out."""
        return self._deadline_s - self._now()

    def samples(self, until_ns: int) -> list[GazeSample]:
        """Return simulated gaze, from the end of the last call's samples to the time of a frame."""
        start_ns = (
            until_ns - BEFORE_NS if self._from_ns is None else max(self._from_ns, until_ns - MAX_GAZE_NS)
        )
        if self._after_ns is not None:
            start_ns = max(start_ns, self._after_ns + INTERVAL_NS)
        times_ns = range(start_ns, until_ns + 1, INTERVAL_NS)
        if len(times_ns):
            self._from_ns = times_ns[-1] + INTERVAL_NS
        x_px, y_px = self._point_px
        return [GazeSample(time_ns, x_px, y_px) for time_ns in times_ns]

    def matches(self, selection: Selection) -> bool:
        """Return whether the focused object lies at the point."""
        if selection.mask is None or selection.state not in (State.FOCUSED, State.HELD):
            return False
        x, y, near = int(self._point_px[0]), int(self._point_px[1]), self._near_px
        part = selection.mask[max(0, y - near) : y + near + 1, max(0, x - near) : x + near + 1]
        return bool(np.any(part))
