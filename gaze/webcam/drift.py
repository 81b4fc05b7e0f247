"""Drift correction while in use: what is clicked or selected was looked at just before.

People look at what they click (Huang, White and Buscher, CHI 2012: the eye is there when the button goes down). Each
such moment is one more look at a known place; together they say how far the gaze has drifted since the calibration.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from sam_edge.errors import InputError
from sam_edge.gaze.calibration.targets import robust_centre, valid_positions
from sam_edge.gaze.samples import GazeSample

_LOOK_BACK_NS = 400_000_000
_BEFORE_NS = 60_000_000
"""The eye moves on to the next target about when the hand presses."""
_LEAST_SAMPLES = 4
_LATEST = 8


class DriftCorrector:
    """Learns a shift from clicks and adds it to samples.

    A Kalman filter of a shift that wanders: each click counts by how sure it is, clicks long ago count less, and one
    that is impossibly far off (the person did not look there) does not count.
    """

    def __init__(
        self, *, click_sd_px: float, wander_px_per_s: float = 0.0, prior_sd_px: float | None = None
    ) -> None:
        """Begin without a shift.

        Args:
            click_sd_px: standard deviation of the distance between click and measured gaze.
            wander_px_per_s: how fast the shift may change: standard deviation after one second.
            prior_sd_px: how large the shift may be before any click; None is three times `click_sd_px`.

        Raises:
            InputError: a value is not above 0.
        """
        prior = 3 * click_sd_px if prior_sd_px is None else prior_sd_px
        if not (click_sd_px > 0 and prior > 0 and wander_px_per_s >= 0):
            raise InputError(
                f"click_sd_px is {click_sd_px}, prior_sd_px {prior}, wander_px_per_s {wander_px_per_s}; accepted: "
                "above 0, wander 0 or more"
            )
        self._click_var = click_sd_px**2
        self._wander_var = wander_px_per_s**2
        self._var = prior**2
        self._shift = np.zeros(2)
        self._time_ns: int | None = None
        self._recent: deque[GazeSample] = deque(maxlen=512)
        self.clicks = 0
        """Clicks that counted."""

    @property
    def shift_px(self) -> tuple[float, float]:
        """What is added to samples, pixels."""
        return float(self._shift[0]), float(self._shift[1])

    @property
    def sd_px(self) -> float:
        """How far the shift may still be off, standard deviation on each axis, pixels."""
        return float(np.sqrt(self._var))

    def apply(self, sample: GazeSample) -> GazeSample:
        """Remember a sample as it came and return it shifted."""
        self._recent.append(sample)
        if not sample.valid:
            return sample
        return replace(sample, x_px=sample.x_px + self.shift_px[0], y_px=sample.y_px + self.shift_px[1])

    def record_click(self, target_px: tuple[float, float], time_ns: int, *, size_px: float = 0.0) -> bool:
        """Tell that something was clicked or selected.

        Args:
            target_px: the click, or the middle of the object that was clicked.
            time_ns: host time of the click.
            size_px: size of that object: gaze may rest anywhere on it.

        Returns:
            Whether the click counted: there was gaze just before it, and not impossibly far away.
        """
        begin, end = time_ns - _LOOK_BACK_NS, time_ns + _BEFORE_NS
        seen = tuple(sample for sample in self._recent if begin <= sample.time_ns <= end)
        positions = valid_positions(seen)[-_LATEST:]
        if len(positions) < _LEAST_SAMPLES:
            return False
        if self._time_ns is not None:
            self._var += self._wander_var * max(0.0, (time_ns - self._time_ns) / 1e9)
        self._time_ns = time_ns
        missing = np.array(target_px) - robust_centre(positions)[0] - self._shift
        # Gaze may rest anywhere on an object of width w: its standard deviation is w / sqrt(12).
        noise = self._click_var + size_px**2 / 12.0
        if float(missing @ missing) > 9.0 * (self._var + noise):
            return False
        gain = self._var / (self._var + noise)
        self._shift = self._shift + gain * missing
        self._var *= 1.0 - gain
        self.clicks += 1
        return True
