"""A bounded queue between a reader thread and the application: in order of time, with every loss counted."""

from __future__ import annotations

import bisect
import threading
from collections import deque
from dataclasses import replace
from statistics import median
from typing import Literal

from sam_edge.errors import InputError, SamEdgeError
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats

StatName = Literal[
    "dropped",
    "duplicates",
    "dropped_late",
    "gaps",
    "malformed",
    "reconnects",
    "clock_jumps",
    "reordered",
    "lost",
    "foreign",
]
"""The counts of a `SourceStats` that a reader adds to."""

_RECENT_KEYS = 512
_INTERVALS = 32
_MIN_INTERVALS = 8


class SampleBuffer:
    """Holds samples until they are read, and drops the oldest when it is full. All methods are thread-safe.

    Samples are ordered by the tracker's own time where it has one, by host time otherwise. Host times of returned
    samples never run backwards, even when the mapping of clocks was corrected slightly in between.
    """

    def __init__(self, capacity: int = 8192, *, changed: threading.Condition | None = None) -> None:
        """Make an empty buffer.

        Args:
            capacity: most samples that wait (8192 is 40 s at 200 Hz).
            changed: condition that guards the buffer, notified on every change; its own when left out.

        Raises:
            InputError: `capacity` is below 1.
        """
        if capacity < 1:
            raise InputError(f"capacity is {capacity}; accepted is 1 sample or more")
        self._capacity = capacity
        self._changed = changed or threading.Condition()
        self._waiting: deque[tuple[tuple[int, int], GazeSample]] = deque()
        self._recent: deque[tuple[int, int]] = deque(maxlen=_RECENT_KEYS)
        self._recent_set: set[tuple[int, int]] = set()
        self._read_key: tuple[int, int] | None = None
        self._read_ns: int | None = None
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._usual_ns: float | None = None
        self._since_usual = 0
        self._counts: dict[StatName, int] = {}
        self._taken = 0
        self._invalid = 0
        self._error: SamEdgeError | None = None
        self._ended = False

    @property
    def stats(self) -> SourceStats:
        """Counts of samples, losses and faults so far."""
        with self._changed:
            return SourceStats(
                received=self._taken + len(self._waiting),
                invalid=self._invalid,
                **self._counts,
            )

    @property
    def ended(self) -> bool:
        """True when no sample waits and no further sample can come."""
        with self._changed:
            return self._ended and not self._waiting

    def count(self, name: StatName, times: int = 1) -> None:
        """Add to one of the counts of `stats`."""
        with self._changed:
            self._add(name, times)

    def push(self, sample: GazeSample, *, epoch: int = 0) -> bool:
        """Add a sample; return False when it repeats another one or arrives too late to be put in order.

        Args:
            sample: the sample, with host time.
            epoch: rises with each jump of the device's clock; samples are put in order within one epoch.
        """
        device_ns = sample.device_time_ns
        key = (epoch, sample.time_ns if device_ns is None else device_ns)
        with self._changed:
            if self._ended:
                return False
            if key in self._recent_set:
                self._add("duplicates")
                return False
            if self._read_key is not None and key <= self._read_key:
                self._add("dropped_late")
                return False
            self._remember(key)
            if not self._waiting or key > self._waiting[-1][0]:
                self._append(key, sample)
            else:
                self._insert(key, sample)
            if not sample.valid:
                self._invalid += 1
            while len(self._waiting) > self._capacity:
                self._mark_read(*self._waiting.popleft())
                self._add("dropped")
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float = 0.0) -> list[GazeSample]:
        """Return the waiting samples; wait up to `timeout_s` seconds for the first one.

        Raises:
            SamEdgeError: the error passed to `fail`, after all samples before it were returned.
        """
        with self._changed:
            if not self._waiting and not self._ended and timeout_s > 0.0:
                self._changed.wait_for(lambda: bool(self._waiting) or self._ended, timeout_s)
            if not self._waiting:
                if self._error is not None:
                    # Raised again and again: with its old traceback it would hold the frames of every time.
                    raise self._error.with_traceback(None)
                return []
            samples = [sample for _, sample in self._waiting]
            self._mark_read(*self._waiting[-1])
            self._waiting.clear()
            self._taken += len(samples)
            return samples

    def fail(self, error: SamEdgeError) -> None:
        """End the stream with an error; `take` raises it once no sample waits."""
        with self._changed:
            if self._error is None:
                self._error = error
            self._ended = True
            self._changed.notify_all()

    def end(self) -> None:
        """End the stream: waiting samples can still be taken, further ones are refused."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _add(self, name: StatName, times: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + times

    def _mark_read(self, key: tuple[int, int], sample: GazeSample) -> None:
        self._read_key = key
        self._read_ns = sample.time_ns

    def _remember(self, key: tuple[int, int]) -> None:
        if len(self._recent) == _RECENT_KEYS:
            self._recent_set.discard(self._recent[0])
        self._recent.append(key)
        self._recent_set.add(key)

    def _append(self, key: tuple[int, int], sample: GazeSample) -> None:
        last_ns = self._waiting[-1][1].time_ns if self._waiting else self._read_ns
        if last_ns is not None:
            if sample.time_ns <= last_ns:
                sample = replace(sample, time_ns=last_ns + 1)
            self._watch_interval(sample.time_ns - last_ns)
        self._waiting.append((key, sample))

    def _insert(self, key: tuple[int, int], sample: GazeSample) -> None:
        place = bisect.bisect_left(self._waiting, key, key=lambda entry: entry[0])
        before_ns = self._waiting[place - 1][1].time_ns if place else self._read_ns
        after_ns = self._waiting[place][1].time_ns
        time_ns = min(sample.time_ns, after_ns)
        if before_ns is not None:
            time_ns = max(time_ns, before_ns)
        self._waiting.insert(place, (key, replace(sample, time_ns=time_ns)))
        self._add("reordered")

    def _watch_interval(self, interval_ns: int) -> None:
        if self._usual_ns is not None and interval_ns > 3 * self._usual_ns:
            self._add("gaps")
        self._intervals.append(interval_ns)
        self._since_usual += 1
        if len(self._intervals) >= _MIN_INTERVALS and self._since_usual >= _MIN_INTERVALS:
            self._since_usual = 0
            self._usual_ns = median(self._intervals)
