"""Blinks, from how far the eyes are open."""

from __future__ import annotations

from collections import deque

import numpy as np

_OPEN_QUANTILE = 0.7
_FIRST_OPEN = 0.22
_LEAST_FRAMES = 15


class BlinkDetector:
    """Tells when the lids are shut, by comparison with how far this person's eyes are open usually.

    Lids come down when one looks down, too: an eye counts as shut below `shut` of the usual opening, which no look at a
    screen reaches, and as open again above `opened`.
    """

    def __init__(self, *, shut: float = 0.55, opened: float = 0.65, remember: int = 300) -> None:
        """Compare with the last `remember` frames."""
        self._shut = shut
        self._opened = opened
        self._seen: deque[float] = deque(maxlen=remember)
        self._closed = False

    @property
    def usual(self) -> float:
        """How far the eyes are open usually: `Eye.openness`."""
        if len(self._seen) < _LEAST_FRAMES:
            return _FIRST_OPEN
        return float(np.quantile(self._seen, _OPEN_QUANTILE))

    def update(self, openness: float) -> bool:
        """Take one frame's openness and return whether the eyes are shut in it."""
        usual = self.usual
        self._closed = openness < (self._opened if self._closed else self._shut) * usual
        self._seen.append(openness)
        return self._closed
