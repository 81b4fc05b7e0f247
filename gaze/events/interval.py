"""The usual time between samples, learned from the stream."""

from __future__ import annotations

GAIN = 0.05
STATED_WEIGHT = 20
SLOWEST_S = 0.1
"""A first step longer than this is a gap, not a rate."""


class IntervalEstimate:
    """Running mean of the steps, each clipped so that a gap or a burst moves it by little."""

    __slots__ = ("_count", "value_s")

    def __init__(self, stated_s: float = 0.0) -> None:
        """Begin with the stated interval, or with the first step when it is 0."""
        self.value_s = stated_s
        self._count = STATED_WEIGHT if stated_s else 0

    def learn(self, step_s: float) -> None:
        """Take one step of time between two samples; must be positive."""
        self._count += 1
        if self._count == 1:
            self.value_s = min(step_s, SLOWEST_S)
            return
        clipped = min(max(step_s, 0.5 * self.value_s), 2.0 * self.value_s)
        self.value_s += (clipped - self.value_s) * max(GAIN, 1.0 / self._count)
