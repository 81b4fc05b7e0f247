"""How much a signal jumps from frame to frame though the eye rests: the noise of single samples, as it goes."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

_WINDOW = 45
_LEAST = 8
_GAP_NS = 250_000_000


class JitterEstimate:
    """Keeps the newest positions and tells their noise as a covariance.

    From second differences, whose median size does not know of drift and is not moved by a few saccades among them.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._last: deque[tuple[int, float, float]] = deque(maxlen=2)
        self._bends: deque[tuple[float, float]] = deque(maxlen=_WINDOW)

    def update(self, time_ns: int, x: float, y: float) -> None:
        """Take a position."""
        if self._last and time_ns - self._last[-1][0] > _GAP_NS:
            self._last.clear()
        if len(self._last) == 2:
            (_, x0, y0), (_, x1, y1) = self._last
            self._bends.append((x0 - 2 * x1 + x, y0 - 2 * y1 + y))
        self._last.append((time_ns, x, y))

    def covariance(self, at_first: float) -> tuple[float, float, float]:
        """Return the covariance (xx, xy, yy) of one sample; of deviation `at_first` until enough was seen."""
        if len(self._bends) < _LEAST:
            return at_first**2, 0.0, at_first**2
        # A second difference of white noise has 6 times its variance; 0.6745 takes the median to a deviation.
        x_sd, y_sd = np.median(np.abs(np.array(self._bends)), axis=0) / (0.6745 * math.sqrt(6.0))
        return float(x_sd**2), 0.0, float(y_sd**2)
