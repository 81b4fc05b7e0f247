"""Mapping from a tracker's clock to the host's: offset, drift, jumps, and the uncertainty in nanoseconds.

Host time is `time.monotonic_ns()` everywhere. There are two kinds of observation:

* two-way (`ClockMap`): the tracker answered a request for its time, or relates two of its clocks. Half of the round
  trip bounds the error, so the shortest round trips are used (Mills, RFC 5905, section 10).
* one-way (`ArrivalClock`): only the arrival time of a packet is known. The smallest difference between arrival and
  device time is the best estimate; the constant part of the latency remains unknown.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from sam_edge.errors import InputError, TrackerError

_MIN_FIT_SPAN_NS = 5_000_000_000
_MIN_FIT_POINTS = 8
_UNFITTED_DRIFT = 100e-6
"""Drift assumed until one is fitted: quartz clocks stay within 100 ppm."""
_FITTED_DRIFT = 20e-6
_WINDOW_LIMIT = 512
_SMALL_STEP_NS, _SMALL_STEP_JITTERS, _JITTER_LIMIT_NS = 30_000_000, 6.0, 15_000_000
"""A one-way clock set back by more than both, in nanoseconds and as multiples of the jitter (which counts up to the
limit), is found. A step adds to the jitter, and must not hide itself."""
_SMALL_STEP_WAIT_NS = 600_000_000
"""All packets must be late for this long, and evenly so: a network that stalls recovers or gets worse."""
_SMALL_STEP_PACKETS = 5


def host_now_ns() -> int:
    """Return the host time: monotonic nanoseconds, the time base of every `GazeSample`."""
    return time.monotonic_ns()


@dataclass(frozen=True, slots=True)
class MappedTime:
    """A device time on the host's clock."""

    host_ns: int
    """Host time, monotonic nanoseconds."""
    uncertainty_ns: int
    """Uncertainty of `host_ns` as a half-width, nanoseconds."""
    epoch: int
    """Rises by one with each jump of the device's clock, after which the mapping starts again."""


class RateGuard:
    """Detects a device clock in another unit than its protocol states, by the rate at which it runs.

    A wrong unit makes the clock run a thousand times too fast or too slow, which no oscillator does. Where packets wait
    for a busy machine, or are worked off afterwards, a clock that ran right seems to run wrong for a while: after a
    right beginning, a wrong rate must last.
    """

    def __init__(
        self, *, step_ns: int = 100_000_000, steps: int = 7, lasting_ns: int = 30_000_000_000
    ) -> None:
        """Compare over steps of at least `step_ns` of host time and judge by the median of the last `steps`.

        Where the rate was right for more than half of the time, it must be wrong for `lasting_ns`.
        """
        self._step_ns = step_ns
        self._lasting_ns = lasting_ns
        self._ratios: deque[float] = deque(maxlen=steps)
        self._last: tuple[int, int] | None = None
        self._right_ns = self._total_ns = 0
        self._wrong_since_ns: int | None = None

    def add(self, device_ns: int, host_ns: int) -> None:
        """Add one pair of times.

        Raises:
            TrackerError: the device's clock runs at less than 0.5 or more than 2 times the host's rate.
        """
        if self._last is None:
            self._last = (device_ns, host_ns)
            return
        elapsed_ns = host_ns - self._last[1]
        if elapsed_ns < self._step_ns:
            return
        ratio = (device_ns - self._last[0]) / elapsed_ns
        self._ratios.append(ratio)
        self._last = (device_ns, host_ns)
        self._total_ns += elapsed_ns
        self._right_ns += elapsed_ns if 0.5 <= ratio <= 2.0 else 0
        if len(self._ratios) < (self._ratios.maxlen or 1):
            return
        rate = float(np.median(self._ratios))
        if 0.5 <= rate <= 2.0:
            self._wrong_since_ns = None
            return
        if self._wrong_since_ns is None:
            self._wrong_since_ns = host_ns
        began_right = 2 * self._right_ns > self._total_ns
        if not began_right or host_ns - self._wrong_since_ns >= self._lasting_ns:
            raise TrackerError(
                f"the tracker's clock runs at {rate:.4g} times the host's rate (accepted: 0.5 to 2): "
                "its unit is not the one its protocol states, or it has stopped. Check the tracker's time setting"
            )


class ClockMap:
    """Maps a device clock to host time from two-way observations, robust to drift and jumps.

    Keeps a window of observations and uses those whose uncertainty is near the best. Drift is the median of pairwise
    slopes (Theil 1950, Sen 1968). An observation that contradicts the fit starts a new one.
    """

    def __init__(
        self, *, window: int = 64, jump_tolerance_ns: int = 5_000_000, max_drift_ppm: float = 500.0
    ) -> None:
        """Make an empty map; `map` needs at least one observation.

        Args:
            window: number of observations kept, 2..512.
            jump_tolerance_ns: an observation farther than this outside both uncertainties is a jump.
            max_drift_ppm: limit of the fitted drift, parts per million.

        Raises:
            InputError: `window` is out of range.
        """
        if not 2 <= window <= _WINDOW_LIMIT:
            raise InputError(f"window is {window}; accepted are 2 to {_WINDOW_LIMIT} observations")
        self._observations: deque[tuple[int, int, int]] = deque(maxlen=window)
        self._jump_tolerance_ns = jump_tolerance_ns
        self._max_drift = max_drift_ppm * 1e-6
        self._reference_ns = 0
        self._base_offset_ns = 0
        self._offset_ns = 0.0
        self._drift = 0.0
        self._fitted = False
        self._spread_ns = 0.0
        self._guard = RateGuard()
        self.epoch = 0

    @property
    def ready(self) -> bool:
        """True after the first observation."""
        return bool(self._observations)

    @property
    def drift_ppm(self) -> float:
        """Fitted rate of host against device time, parts per million; 0 until enough time has passed."""
        return self._drift * 1e6

    def observe(self, device_ns: int, host_ns: int, uncertainty_ns: int) -> bool:
        """Add one observation: the device's clock showed `device_ns` at host time `host_ns`.

        Args:
            device_ns: device time, nanoseconds.
            host_ns: host time of the same instant, nanoseconds; for a round trip the middle of it.
            uncertainty_ns: uncertainty of the pair as a half-width; for a round trip half of it.

        Returns:
            True when the device's clock jumped, so that the map starts again with this observation.

        Raises:
            TrackerError: the device's clock runs at an impossible rate.
        """
        self._guard.add(device_ns, host_ns)
        jumped = False
        if self._observations:
            expected = self.map(device_ns)
            slack_ns = uncertainty_ns + expected.uncertainty_ns + self._jump_tolerance_ns
            jumped = abs(host_ns - expected.host_ns) > slack_ns
        if jumped:
            self._observations.clear()
            self._drift = 0.0
            self._fitted = False
            self.epoch += 1
        if not self._observations:
            self._base_offset_ns = host_ns - device_ns
        self._observations.append((device_ns, host_ns - device_ns, max(0, uncertainty_ns)))
        self._fit()
        return jumped

    def map(self, device_ns: int) -> MappedTime:
        """Return `device_ns` on the host's clock.

        Raises:
            InputError: there was no observation yet.
        """
        if not self._observations:
            raise InputError("the clock map has no observation yet; call observe() before map()")
        offset_ns = self._offset_ns + self._drift * (device_ns - self._reference_ns)
        age_ns = abs(device_ns - self._observations[-1][0])
        drift_ns = age_ns * (_FITTED_DRIFT if self._fitted else _UNFITTED_DRIFT)
        return MappedTime(
            host_ns=device_ns + self._base_offset_ns + round(offset_ns),
            uncertainty_ns=round(self._spread_ns + drift_ns),
            epoch=self.epoch,
        )

    def _fit(self) -> None:
        best_ns = min(uncertainty for _, _, uncertainty in self._observations)
        near = [o for o in self._observations if o[2] <= 2 * best_ns + 50_000]
        self._reference_ns = near[-1][0]
        device = np.array([d - self._reference_ns for d, _, _ in near], dtype=np.float64)
        offset = np.array([o - self._base_offset_ns for _, o, _ in near], dtype=np.float64)
        span_ns = float(np.ptp(device))
        self._fitted = len(near) >= _MIN_FIT_POINTS and span_ns >= _MIN_FIT_SPAN_NS
        self._drift = _median_slope(device, offset, self._max_drift) if self._fitted else 0.0
        residual = offset - self._drift * device
        self._offset_ns = float(np.median(residual))
        self._spread_ns = best_ns + 1.5 * float(np.median(np.abs(residual - self._offset_ns)))


class _Lateness:
    """By how much packets have been late since one was, in four quarters of a wait."""

    def __init__(self, since_ns: int, tolerance_ns: float) -> None:
        self._since_ns = since_ns
        self._tolerance_ns = tolerance_ns
        self._least_ns: dict[int, int] = {}
        self._count = 0

    def add(self, late_ns: int, arrival_ns: int) -> bool:
        """Add a late packet; return True when the wait is over and all its quarters were equally late."""
        elapsed_ns = arrival_ns - self._since_ns
        quarter = min(3, 4 * elapsed_ns // _SMALL_STEP_WAIT_NS)
        self._least_ns[quarter] = min(late_ns, self._least_ns.get(quarter, late_ns))
        self._count += 1
        if elapsed_ns < _SMALL_STEP_WAIT_NS or self._count < _SMALL_STEP_PACKETS:
            return False
        spread_ns = max(self._least_ns.values()) - min(self._least_ns.values())
        if len(self._least_ns) >= 3 and spread_ns <= self._tolerance_ns:
            return True
        # It changes: a stall. What comes from now on is compared with itself.
        self._since_ns, self._least_ns, self._count = arrival_ns, {0: late_ns}, 1
        return False


class ArrivalClock:
    """Maps a device clock to host time when only the arrival times of packets are known.

    The smallest values of (arrival - device time) follow the clock; what exceeds them is network jitter. The constant
    part of the latency cannot be measured one-way; `base_uncertainty_ns` stands for it.

    A clock that is set forward shows at once: packets seem to arrive before they were sent. One that is set back makes
    packets late, as a stalled network does; it counts as set back when every packet has been late by the same time,
    give or take the jitter, for 0.6 s. Where it was the network, the next packet that is in time puts the map right.
    """

    def __init__(
        self,
        *,
        jump_ns: int = 500_000_000,
        bucket_ns: int = 1_000_000_000,
        buckets: int = 60,
        base_uncertainty_ns: int = 1_000_000,
    ) -> None:
        """Make an empty map.

        Args:
            jump_ns: a device time off by more than this is a jump of its clock, not jitter.
            bucket_ns: length of the intervals of which the smallest difference is kept.
            buckets: number of intervals kept.
            base_uncertainty_ns: assumed latency of every packet.
        """
        self._jump_ns = jump_ns
        self._bucket_ns = bucket_ns
        self._base_uncertainty_ns = base_uncertainty_ns
        self._floors: deque[tuple[int, int]] = deque(maxlen=buckets)
        self._guard = RateGuard()
        self._begun = False
        self._newest_device_ns = 0
        self._bucket_began_ns = 0
        self._bucket_floor: tuple[int, int] = (0, 0)
        self._reference_ns = 0
        self._floor_ns = 0
        self._drift = 0.0
        self._jitter_ns = 0.0
        self._late: tuple[int, int] | None = None
        self._behind: _Lateness | None = None
        self.epoch = 0

    def observe(self, device_ns: int, arrival_ns: int) -> MappedTime:
        """Add the device time of a packet and the host time of its arrival; return the packet's host time.

        Raises:
            TrackerError: the device's clock runs at an impossible rate.
        """
        self._guard.add(device_ns, arrival_ns)
        offset_ns = arrival_ns - device_ns
        if not self._begun:
            self._begin(device_ns, arrival_ns)
        elif self._has_jumped(device_ns, arrival_ns):
            self.epoch += 1
            self._begin(device_ns, arrival_ns)
        self._newest_device_ns = max(self._newest_device_ns, device_ns)
        if offset_ns < self._bucket_floor[1]:
            self._bucket_floor = (device_ns, offset_ns)
        if arrival_ns - self._bucket_began_ns >= self._bucket_ns:
            self._floors.append(self._bucket_floor)
            self._bucket_floor = (device_ns, offset_ns)
            self._bucket_began_ns = arrival_ns
            self._fit()
        floor_ns = self._floor_at(device_ns)
        if offset_ns < floor_ns:
            self._floor_ns -= floor_ns - offset_ns
            floor_ns = offset_ns
        if self._behind is None:
            self._jitter_ns += 0.02 * (offset_ns - floor_ns - self._jitter_ns)
        return MappedTime(
            host_ns=device_ns + floor_ns,
            uncertainty_ns=self._base_uncertainty_ns + round(self._jitter_ns),
            epoch=self.epoch,
        )

    def _floor_at(self, device_ns: int) -> int:
        return self._floor_ns + round(self._drift * (device_ns - self._reference_ns))

    def _has_jumped(self, device_ns: int, arrival_ns: int) -> bool:
        if device_ns < self._newest_device_ns - self._jump_ns:
            return True
        late_ns = arrival_ns - device_ns - self._floor_at(device_ns)
        if late_ns < -self._jump_ns:
            return True
        if self._is_set_back(late_ns, arrival_ns):
            return True
        if late_ns <= self._jump_ns:
            self._late = None
            return False
        # Late packets are a stall of the network, unless everything stays late: then the clock was set back.
        since_ns, _ = self._late or (arrival_ns, late_ns)
        self._late = (since_ns, late_ns)
        return arrival_ns - since_ns >= 2_000_000_000

    def _is_set_back(self, late_ns: int, arrival_ns: int) -> bool:
        """Return True when all packets of a while were late by about the same time."""
        tolerance_ns = max(_SMALL_STEP_NS, _SMALL_STEP_JITTERS * min(self._jitter_ns, _JITTER_LIMIT_NS))
        if late_ns <= tolerance_ns:
            self._behind = None
            return False
        if self._behind is None:
            self._behind = _Lateness(arrival_ns, tolerance_ns)
        return self._behind.add(late_ns, arrival_ns)

    def _begin(self, device_ns: int, arrival_ns: int) -> None:
        self._begun = True
        self._floors.clear()
        self._newest_device_ns = device_ns
        self._bucket_began_ns = arrival_ns
        self._bucket_floor = (device_ns, arrival_ns - device_ns)
        self._reference_ns = device_ns
        self._floor_ns = arrival_ns - device_ns
        self._drift = 0.0
        self._jitter_ns = 0.0
        self._late = None
        self._behind = None

    def _fit(self) -> None:
        base_ns = self._floors[0][1]
        reference_ns = self._floors[-1][0]
        device = np.array([d - reference_ns for d, _ in self._floors], dtype=np.float64)
        offset = np.array([o - base_ns for _, o in self._floors], dtype=np.float64)
        fitted = len(device) >= _MIN_FIT_POINTS and float(np.ptp(device)) >= _MIN_FIT_SPAN_NS
        self._drift = _median_slope(device, offset, 500e-6) if fitted else 0.0
        self._reference_ns = reference_ns
        self._floor_ns = base_ns + round(float(np.min(offset - self._drift * device)))


def _median_slope(x: np.ndarray, y: np.ndarray, limit: float) -> float:
    """Return the median of the slopes between points at least a quarter of the span apart (Theil, Sen)."""
    first, second = np.triu_indices(len(x), k=1)
    run = x[second] - x[first]
    far = np.abs(run) >= np.ptp(x) / 4
    slope = float(np.median((y[second] - y[first])[far] / run[far]))
    return min(limit, max(-limit, slope))
