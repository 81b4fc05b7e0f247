"""A recording as a source: at its own pace, faster, or one step at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.registry import SourceAddress
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats

_LONGEST_WAIT_S = 0.5


class ReplaySource:
    """The samples of a recording, in order of time, each exactly once; nothing is ever dropped."""

    def __init__(
        self,
        samples: Sequence[GazeSample],
        *,
        speed: float = 1.0,
        clock: str = "recording",
        name: str = "replay",
    ) -> None:
        """Take the samples; those out of order are put in order and counted.

        Args:
            samples: what to replay.
            speed: 1 for the recording's own pace, 2 for twice as fast, ...; 0 waits for `advance_to`.
            clock: `recording` leaves times as they were recorded; `host` moves them to host time, so that the first
                sample is at the moment of opening (and, at another speed than 1, draws them together), and keeps
                the recorded time as device time.
            name: how messages call it.
        """
        if not 0.0 <= speed <= 1000.0:
            raise InputError(f"speed is {speed}; accepted are 0 (stepped) to 1000")
        if clock not in ("recording", "host"):
            raise InputError(f"clock is {clock!r}; accepted are 'recording' and 'host'")
        if clock == "host" and speed == 0.0:
            raise InputError("a stepped replay has no host time; use clock='recording', or a speed above 0")
        self.name = name
        self._speed = speed
        self._on_host_clock = clock == "host"
        self._samples = sorted(samples, key=lambda sample: sample.time_ns)
        self._resorted = sum(a.time_ns > b.time_ns for a, b in pairwise(samples))
        self._next = 0
        self._invalid = 0
        self._opened_ns: int | None = None
        self._stepped_to_ns: int | None = None
        self._closed = False
        self._changed = threading.Condition()

    def open(self) -> None:
        """Start the replay's clock. Opening an open source does nothing."""
        with self._changed:
            if self._closed:
                raise SessionError(f"{self.name} was closed; make a new source to replay it again")
            if self._opened_ns is None:
                self._opened_ns = host_now_ns()

    def advance_to(self, time_ns: int) -> None:
        """Let all samples up to and including `time_ns` of the recording come; only with speed 0.

        Raises:
            SessionError: the replay is not stepped.
            InputError: time would run backwards.
        """
        with self._changed:
            if self._speed != 0.0:
                raise SessionError(f"{self.name} replays at speed {self._speed:g}; advance_to needs speed=0")
            if self._stepped_to_ns is not None and time_ns < self._stepped_to_ns:
                raise InputError(f"time_ns is {time_ns}; the replay is already at {self._stepped_to_ns}")
            self._stepped_to_ns = time_ns
            self._changed.notify_all()

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        """Return the samples that are due; see `GazeSource.read`."""
        if self._opened_ns is None and not self._closed:
            self.open()
        deadline_ns = host_now_ns() + round(max(0.0, timeout_s) * 1e9)
        with self._changed:
            while True:
                due = self._take_due()
                now_ns = host_now_ns()
                if due or self._closed or self._next >= len(self._samples) or now_ns >= deadline_ns:
                    return due
                self._changed.wait(min(self._wait_s(), (deadline_ns - now_ns) / 1e9))

    @property
    def stats(self) -> SourceStats:
        """Counts of what was delivered so far."""
        return SourceStats(received=self._next, invalid=self._invalid, reordered=self._resorted)

    @property
    def finished(self) -> bool:
        """True at the end of the recording, or after `close`."""
        return self._closed or self._next >= len(self._samples)

    def close(self) -> None:
        """Stop the replay. Closing twice is allowed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __enter__(self) -> ReplaySource:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[GazeSample]:
        """Yield samples until the end of the recording; a stepped replay must be advanced from another thread."""
        while not self.finished:
            yield from self.read(0.1)

    def _take_due(self) -> list[GazeSample]:
        if self._closed:
            return []
        first = self._next
        position_ns = self._position_ns()
        while (
            position_ns is not None
            and self._next < len(self._samples)
            and self._samples[self._next].time_ns <= position_ns
        ):
            self._next += 1
        due = self._samples[first : self._next]
        self._invalid += sum(not sample.valid for sample in due)
        return [self._to_host_clock(sample) for sample in due] if self._on_host_clock else due

    def _position_ns(self) -> int | None:
        """How far the recording has come, in its own time."""
        if self._speed == 0.0 or self._opened_ns is None or not self._samples:
            return self._stepped_to_ns
        return self._samples[0].time_ns + round((host_now_ns() - self._opened_ns) * self._speed)

    def _wait_s(self) -> float:
        position_ns = self._position_ns()
        if self._speed == 0.0 or position_ns is None:
            return _LONGEST_WAIT_S
        missing_ns = self._samples[self._next].time_ns - position_ns
        return min(_LONGEST_WAIT_S, max(0.0005, missing_ns / self._speed / 1e9))

    def _to_host_clock(self, sample: GazeSample) -> GazeSample:
        since_first_ns = round((sample.time_ns - self._samples[0].time_ns) / self._speed)
        device_ns = sample.time_ns if sample.device_time_ns is None else sample.device_time_ns
        return replace(sample, time_ns=(self._opened_ns or 0) + since_first_ns, device_time_ns=device_ns)


def from_address(address: SourceAddress) -> ReplaySource:
    """Make the source of a `replay+file:` URL."""
    from sam_edge.gaze.recordings import read

    path = address.host + address.path
    if not path:
        raise InputError(f"url {address.url!r} names no file; accepted is replay+file:PATH?speed=1")
    speed = address.number("speed", 1.0, least=0.0, most=1000.0)
    clock = address.text("clock", "recording", choices=("recording", "host")) or "recording"
    return ReplaySource(read(Path(path)).samples, speed=speed, clock=clock, name=address.url)
