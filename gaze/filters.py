"""Smoothing of gaze positions for drawing and prompting. Never feed a filtered signal to the event detector.

Both filters take `GazeSample` streams with irregular times. A sample without a position passes through unchanged and
teaches nothing; after a gap, and when time runs backwards, a filter begins anew. `reset()` equals a fresh object.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sam_edge.errors import InputError
from sam_edge.gaze.samples import GazeSample

MAX_GAP_S = 0.3
"""After a longer loss the old position says nothing: blinks last 0.1 to 0.4 s and a saccade often goes with them."""


def _positive(name: str, value: float, *, zero: bool = False) -> float:
    if not (math.isfinite(value) and (value > 0.0 or (zero and value == 0.0))):
        raise InputError(f"{name} is {value!r}; give a finite number {'of at least' if zero else 'above'} 0.")
    return float(value)


class OneEuroFilter:
    """Low-pass filter whose cut-off rises with speed: calm at rest, quick in a saccade.

    Casiez, Roussel and Vogel, CHI 2012, doi:10.1145/2207676.2208639. Speeds are in degrees a second, so that the same
    setting suits every screen and camera.
    """

    def __init__(
        self,
        *,
        px_per_deg: float,
        min_cutoff_hz: float = 1.0,
        beta: float = 0.3,
        speed_cutoff_hz: float = 1.0,
        max_gap_s: float = MAX_GAP_S,
    ) -> None:
        """Set the trade between jitter and lag.

        Args:
            px_per_deg: scene pixels per degree at the gaze.
            min_cutoff_hz: cut-off at rest; lower means calmer. The paper starts tuning at 1.
            beta: hertz of cut-off won per degree a second; higher means less lag in motion.
            speed_cutoff_hz: cut-off of the speed that steers; the paper fixes it at 1.
            max_gap_s: a longer time without a position begins the filter anew.

        Raises:
            InputError: when a value is out of its range.
        """
        self._px_per_deg = _positive("px_per_deg", px_per_deg)
        self._min_cutoff_hz = _positive("min_cutoff_hz", min_cutoff_hz)
        self._beta = _positive("beta", beta, zero=True)
        self._speed_cutoff_hz = _positive("speed_cutoff_hz", speed_cutoff_hz)
        self._max_gap_s = _positive("max_gap_s", max_gap_s)
        self.reset()

    def reset(self) -> None:
        """Forget everything: from here on the filter equals a fresh one."""
        self._time_ns: int | None = None
        self._raw = self._smooth = self._speed = (0.0, 0.0)

    def update(self, sample: GazeSample) -> GazeSample:
        """Return `sample` with its position smoothed; an invalid sample comes back as it is."""
        if not sample.valid:
            return sample
        raw = (sample.x_px, sample.y_px)
        step_s = None if self._time_ns is None else (sample.time_ns - self._time_ns) * 1e-9
        if step_s is None or step_s < 0.0 or step_s > self._max_gap_s:
            self._raw, self._smooth, self._speed = raw, raw, (0.0, 0.0)
        elif step_s > 0.0:
            self._step(raw, step_s)
        self._time_ns = sample.time_ns
        return replace(sample, x_px=self._smooth[0], y_px=self._smooth[1])

    def _step(self, raw: tuple[float, float], step_s: float) -> None:
        share = _share(self._speed_cutoff_hz, step_s)
        speed = (
            self._speed[0] + share * ((raw[0] - self._raw[0]) / step_s - self._speed[0]),
            self._speed[1] + share * ((raw[1] - self._raw[1]) / step_s - self._speed[1]),
        )
        cutoff = self._min_cutoff_hz + self._beta * math.hypot(*speed) / self._px_per_deg
        share = _share(cutoff, step_s)
        self._smooth = (
            self._smooth[0] + share * (raw[0] - self._smooth[0]),
            self._smooth[1] + share * (raw[1] - self._smooth[1]),
        )
        self._raw, self._speed = raw, speed


def _share(cutoff_hz: float, step_s: float) -> float:
    """How much of a new value a first-order low-pass takes up in `step_s`."""
    turn = 2.0 * math.pi * cutoff_hz * step_s
    return turn / (turn + 1.0)


class KalmanFilter:
    """Position and velocity by a Kalman filter for constant velocity with white acceleration noise.

    Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and Navigation (2001), section 6.2. Both
    axes share one gain; a step that no steady motion explains (a saccade) begins the filter anew, else it would be
    followed late and overshot.
    """

    def __init__(
        self,
        *,
        px_per_deg: float,
        noise_deg: float = 0.1,
        velocity_walk_deg_s: float = 10.0,
        gate_sigma: float = 6.0,
        max_gap_s: float = MAX_GAP_S,
    ) -> None:
        """Say how noisy positions are and how fast velocity may change.

        Args:
            px_per_deg: scene pixels per degree at the gaze.
            noise_deg: standard deviation of one sample's position on one axis.
            velocity_walk_deg_s: how much velocity wanders, as the standard deviation of its change over one second
                (degrees a second). Pursuit changes by about ten; saccades are caught by the gate instead.
            gate_sigma: a residual beyond so many standard deviations is a saccade.
            max_gap_s: a longer time without a position begins the filter anew.

        Raises:
            InputError: when a value is out of its range.
        """
        px_per_deg = _positive("px_per_deg", px_per_deg)
        self._noise_px2 = (_positive("noise_deg", noise_deg) * px_per_deg) ** 2
        self._power = (_positive("velocity_walk_deg_s", velocity_walk_deg_s) * px_per_deg) ** 2
        self._gate = _positive("gate_sigma", gate_sigma) ** 2
        self._max_gap_s = _positive("max_gap_s", max_gap_s)
        self._start_speed_px2 = (30.0 * px_per_deg) ** 2
        self.reset()

    def reset(self) -> None:
        """Forget everything: from here on the filter equals a fresh one."""
        self._time_ns: int | None = None
        self._place = self._velocity = (0.0, 0.0)
        self._pp = self._pv = self._vv = 0.0

    @property
    def velocity_px_s(self) -> tuple[float, float]:
        """Velocity after the last valid sample, pixels a second."""
        return self._velocity

    def update(self, sample: GazeSample) -> GazeSample:
        """Return `sample` with its position and covariance replaced; an invalid sample comes back as it is."""
        if not sample.valid:
            return sample
        raw = (sample.x_px, sample.y_px)
        step_s = None if self._time_ns is None else (sample.time_ns - self._time_ns) * 1e-9
        if step_s is None or step_s < 0.0 or step_s > self._max_gap_s:
            self._begin(raw)
        else:
            self._predict(step_s)
            self._correct(raw)
        self._time_ns = sample.time_ns
        return replace(
            sample, x_px=self._place[0], y_px=self._place[1], covariance_px2=(self._pp, 0.0, self._pp)
        )

    def _begin(self, raw: tuple[float, float]) -> None:
        self._place, self._velocity = raw, (0.0, 0.0)
        self._pp, self._pv, self._vv = self._noise_px2, 0.0, self._start_speed_px2

    def _predict(self, step_s: float) -> None:
        power = self._power * step_s
        self._place = (
            self._place[0] + self._velocity[0] * step_s,
            self._place[1] + self._velocity[1] * step_s,
        )
        self._pp += step_s * (2.0 * self._pv + step_s * self._vv) + power * step_s * step_s / 3.0
        self._pv += step_s * self._vv + power * step_s / 2.0
        self._vv += power

    def _correct(self, raw: tuple[float, float]) -> None:
        dx, dy = raw[0] - self._place[0], raw[1] - self._place[1]
        total = self._pp + self._noise_px2
        if dx * dx + dy * dy > self._gate * total:
            self._begin(raw)
            return
        gain, speed_gain = self._pp / total, self._pv / total
        self._place = (self._place[0] + gain * dx, self._place[1] + gain * dy)
        self._velocity = (self._velocity[0] + speed_gain * dx, self._velocity[1] + speed_gain * dy)
        self._vv -= speed_gain * self._pv
        self._pp *= 1.0 - gain
        self._pv *= 1.0 - gain
