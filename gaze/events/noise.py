"""How much the measured speed scatters while the eye rests."""

from __future__ import annotations

from math import log

START_LOG_SPEED = log(6.0)
"""Log of 5 degrees a second plus the floor of `motion`: a desk-mounted tracker of middling precision."""
GAIN_PER_S = 5.0


class NoiseEstimate:
    """Running median of the log speed at rest: robust, because one sample moves it by a fixed step at most."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = START_LOG_SPEED

    def learn(self, log_speed: float, interval_s: float) -> None:
        """Take the log speed of a sample at rest."""
        off = (log_speed - self.level) / 0.2
        self.level += GAIN_PER_S * interval_s * min(1.0, max(-1.0, off))
