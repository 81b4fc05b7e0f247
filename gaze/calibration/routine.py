"""The calibration routine as a state machine: which target to show now, and when enough has been seen.

It draws nothing and reads no clock. Give it the time and the newest samples; it says what to show.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from sam_edge.errors import InputError
from sam_edge.gaze.calibration.targets import TargetSamples, robust_centre, valid_positions
from sam_edge.gaze.samples import GazeSample

_LEAST_STEP_NS = 200_000
_CHECK_EVERY_NS = 20_000_000
_SLOW_FACTOR = 3
"""A target whose samples come too slowly to judge it by the timeout gets up to this times as long."""


class RoutinePhase(str, Enum):
    """What the routine is doing."""

    SETTLE = "settle"
    """A target has just appeared and the eye is on its way; samples do not count yet."""
    COLLECT = "collect"
    """Samples of the target are collected until the gaze has been steady for long enough."""
    DONE = "done"
    """All targets are through."""


@dataclass(frozen=True, slots=True)
class RoutineStep:
    """What to show now."""

    phase: RoutinePhase
    """What the routine is doing."""
    target_px: tuple[float, float] | None
    """Where the target is, pixels; None when done."""
    progress: float
    """How much of the steady gaze at this target has been seen, 0..1."""
    collected: int
    """Targets that are through."""
    given_up: int
    """Targets at which the gaze was never steady."""
    total: int
    """All targets."""


class CalibrationRoutine:
    """Leads through targets one by one; a target with unsteady gaze comes again at the end."""

    def __init__(
        self,
        targets_px: Sequence[tuple[float, float]],
        *,
        max_spread_px: float,
        settle_ms: float = 500.0,
        collect_ms: float = 800.0,
        timeout_ms: float = 4000.0,
        min_samples: int = 15,
        min_valid: float = 0.7,
        retries: int = 2,
    ) -> None:
        """Prepare a routine.

        Args:
            targets_px: where the targets are, in the order they are shown.
            max_spread_px: the gaze is steady when its robust standard deviation (both axes) is below this; about
                1.5 degrees in the tracker's pixels.
            settle_ms: time from a target's appearance until samples count.
            collect_ms: how long the gaze must be steady; longer where samples come slowly, until there are enough.
            timeout_ms: a target that was not steady this long after it appeared is tried again at the end; up to three
                times as long where too few samples came to judge it.
            min_samples: valid samples needed.
            min_valid: share of valid samples needed.
            retries: how often a target may come again.

        Raises:
            InputError: there are no targets, or a value is out of range.
        """
        if not targets_px:
            raise InputError("targets_px is empty; accepted: one target or more")
        for name, value in (("max_spread_px", max_spread_px), ("collect_ms", collect_ms)):
            if not value > 0:
                raise InputError(f"{name} is {value}; accepted: above 0")
        if not 0 <= settle_ms < settle_ms + collect_ms <= timeout_ms:
            raise InputError(f"timeout_ms is {timeout_ms}; accepted: settle_ms + collect_ms or more")
        if min_samples < 1 or not 0 <= min_valid <= 1 or retries < 0:
            raise InputError(
                f"min_samples is {min_samples}, min_valid {min_valid}, retries {retries}; accepted: 1 or more, 0..1, "
                "0 or more"
            )
        self._queue = deque((index, 0) for index in range(len(targets_px)))
        self._targets = tuple(targets_px)
        self._max_spread_px = max_spread_px
        self._settle_ns = round(settle_ms * 1e6)
        self._collect_ns = round(collect_ms * 1e6)
        self._timeout_ns = round(timeout_ms * 1e6)
        self._min_samples = min_samples
        self._min_valid = min_valid
        self._window_samples = math.ceil(min_samples / max(min_valid, 0.5))
        self._retries = retries
        self._shown_ns: int | None = None
        self._check_ns = -(2**63)
        self._window: deque[GazeSample] = deque()
        self._done: dict[int, TargetSamples] = {}
        self._given_up: list[int] = []

    @property
    def finished(self) -> bool:
        """True when no target is left to show."""
        return not self._queue

    @property
    def collected(self) -> tuple[TargetSamples, ...]:
        """The samples of the completed targets, in the order of the targets."""
        return tuple(self._done[index] for index in sorted(self._done))

    def update(self, time_ns: int, samples: Iterable[GazeSample] = ()) -> RoutineStep:
        """Take the host time and the samples that came since the last call, and say what to show now."""
        if self._queue and self._shown_ns is None:
            self._shown_ns = time_ns
        for sample in samples:
            self._take(sample)
        if self._timed_out(time_ns):
            index, tries = self._queue.popleft()
            if tries < self._retries:
                self._queue.append((index, tries + 1))
            else:
                self._given_up.append(index)
            self._next(time_ns)
        return self._step(time_ns)

    def _timed_out(self, time_ns: int) -> bool:
        if not self._queue or self._shown_ns is None:
            return False
        too_few = 0 < len(self._window) < self._window_samples
        return time_ns - self._shown_ns >= self._timeout_ns * (_SLOW_FACTOR if too_few else 1)

    def _take(self, sample: GazeSample) -> None:
        if not self._queue or self._shown_ns is None or sample.time_ns < self._shown_ns + self._settle_ns:
            return
        # No tracker is faster than 5 kHz: what comes closer is a repetition or a flood, and must not pile up.
        if self._window and sample.time_ns - self._window[-1].time_ns < _LEAST_STEP_NS:
            return
        self._window.append(sample)
        while len(self._window) > self._window_samples and self._seen_ns() > self._collect_ns:
            self._window.popleft()
        if self._seen_ns() < self._collect_ns * 0.98 or sample.time_ns < self._check_ns:
            return
        self._check_ns = sample.time_ns + _CHECK_EVERY_NS
        if self._steady():
            index, _ = self._queue.popleft()
            self._done[index] = TargetSamples(self._targets[index], tuple(self._window))
            self._next(sample.time_ns)

    def _next(self, time_ns: int) -> None:
        self._window.clear()
        self._check_ns = -(2**63)
        self._shown_ns = time_ns

    def _seen_ns(self) -> int:
        return self._window[-1].time_ns - self._window[0].time_ns if self._window else 0

    def _steady(self) -> bool:
        positions = valid_positions(tuple(self._window))
        if len(positions) < max(self._min_samples, self._min_valid * len(self._window)):
            return False
        centre, kept = robust_centre(positions)
        if kept.mean() < self._min_valid:
            return False
        spread = float(np.sqrt(np.mean(np.sum((positions[kept] - centre) ** 2, axis=1))))
        return spread <= self._max_spread_px

    def _step(self, time_ns: int) -> RoutineStep:
        phase, target, progress = RoutinePhase.DONE, None, 1.0
        if self._queue and self._shown_ns is not None:
            settling = time_ns - self._shown_ns < self._settle_ns
            phase = RoutinePhase.SETTLE if settling else RoutinePhase.COLLECT
            target = self._targets[self._queue[0][0]]
            progress = min(1.0, self._seen_ns() / self._collect_ns)
        return RoutineStep(phase, target, progress, len(self._done), len(self._given_up), len(self._targets))
