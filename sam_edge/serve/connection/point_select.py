"""A point at the moment of a pinch, for headsets that never stream gaze: looked at as if the eyes rested there."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.selection import Selection, State
from sam_edge.wire.messages import Command

INTERVAL_NS = 5_000_000
"""Time between the samples that stand for the point: 200 a second."""
BEFORE_NS = 200_000_000
"""The gaze is taken to have rested there this long already: whoever pinches has looked before."""
LONGEST_NS = 400_000_000
"""After a pause of frames no more than this much gaze is made up."""
PATIENCE_S = 1.2
"""A point on which nothing was found for so long has nothing on it."""
NEAR_DEG = 0.5
"""A mask this close to the point is on it."""


class PointSelect:
    """One point that something is looked for at."""

    def __init__(
        self,
        trigger: Command,
        place_px: tuple[float, float],
        *,
        after_ns: int | None,
        newest_ns: int | None,
        px_per_deg: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to look.

        Args:
            trigger: what asked for it.
            place_px: the point, pixels.
            after_ns: time of the newest gaze that the session knows; what is made up comes after it.
            newest_ns: time of the newest frame; None when there was none.
            px_per_deg: frame pixels in a degree of visual angle.
            now: seconds on a monotonic clock.
        """
        self.trigger = trigger
        self._place = place_px
        self._from_ns = None if newest_ns is None else newest_ns - BEFORE_NS
        self._after_ns = after_ns
        self._near_px = max(1, round(NEAR_DEG * px_per_deg))
        self._now = now
        self._until = now() + PATIENCE_S

    @property
    def left_s(self) -> float:
        """Seconds until nothing more is waited for."""
        return self._until - self._now()

    def samples(self, until_ns: int) -> list[GazeSample]:
        """Return gaze at the point, from where it was last given up to the time of a frame."""
        begin = until_ns - BEFORE_NS if self._from_ns is None else max(self._from_ns, until_ns - LONGEST_NS)
        if self._after_ns is not None:
            begin = max(begin, self._after_ns + INTERVAL_NS)
        times = range(begin, until_ns + 1, INTERVAL_NS)
        if len(times):
            self._from_ns = times[-1] + INTERVAL_NS
        x_px, y_px = self._place
        return [GazeSample(time_ns, x_px, y_px) for time_ns in times]

    def found(self, selection: Selection) -> bool:
        """Say whether what is selected now is what lies at the point."""
        if selection.mask is None or selection.state not in (State.FOCUSED, State.HELD):
            return False
        x, y, near = int(self._place[0]), int(self._place[1]), self._near_px
        part = selection.mask[max(0, y - near) : y + near + 1, max(0, x - near) : x + near + 1]
        return bool(np.any(part))
