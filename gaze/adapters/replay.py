"""A recording as a source: at its own pace, faster, or one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.adapters.buffered import BufferedSource
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats

_SHORTEST_WAIT_NS = 500_000


class ReplaySource(BufferedSource):
    """The samples of a recording, in order of time, each exactly once. No sample is dropped."""

    def __init__(
        self,
        samples: Sequence[GazeSample],
        *,
        speed: float = 1.0,
        clock: str = "recording",
        name: str = "replay",
    ) -> None:
        """Prepare a replay; samples out of order are put in order and counted.

        Args:
            samples: the recording's samples.
            speed: 1 for the recording's own pace, 2 for twice as fast, ...; 0 waits for `advance_to`.
            clock: `recording` keeps the recorded times. `host` maps them to host time, with the first sample at the
                moment of opening and intervals divided by `speed`, and keeps the recorded time as device time.
            name: name of the source in messages.

        Raises:
            InputError: `speed` or `clock` is not accepted, or they exclude each other.
        """
        if not 0.0 <= speed <= 1000.0:
            raise InputError(f"speed is {speed}; accepted are 0 (stepped) to 1000")
        if clock not in ("recording", "host"):
            raise InputError(f"clock is {clock!r}; accepted are 'recording' and 'host'")
        if clock == "host" and speed == 0.0:
            raise InputError("a stepped replay has no host time; use clock='recording', or a speed above 0")
        super().__init__(name)
        self._speed = speed
        self._on_host_clock = clock == "host"
        self._samples = sorted(samples, key=lambda sample: sample.time_ns)
        self._reordered = sum(a.time_ns > b.time_ns for a, b in pairwise(samples))
        self._next = 0
        self._invalid = 0
        self._opened_ns: int | None = None
        self._stepped_to_ns: int | None = None

    def _start(self) -> None:
        """Start the replay's clock, once."""
        with self._changed:
            if self._opened_ns is None:
                self._opened_ns = host_now_ns()

    def advance_to(self, time_ns: int) -> None:
        """Deliver all samples up to and including `time_ns` of the recording; only with speed 0.

        A stepped replay that is iterated over must be advanced from another thread.

        Raises:
            SessionError: the replay is not stepped.
            InputError: `time_ns` is earlier than in the call before.
        """
        with self._changed:
            if self._speed != 0.0:
                raise SessionError(f"{self.name} replays at speed {self._speed:g}; advance_to needs speed=0")
            if self._stepped_to_ns is not None and time_ns < self._stepped_to_ns:
                raise InputError(
                    f"time_ns is {time_ns}; the replay is already at {self._stepped_to_ns}; give a later time"
                )
            self._stepped_to_ns = time_ns
            self._changed.notify_all()

    @property
    def stats(self) -> SourceStats:
        """Counts of what was delivered so far."""
        return SourceStats(received=self._next, invalid=self._invalid, reordered=self._reordered)

    @property
    def finished(self) -> bool:
        """True at the end of the recording, or after `close`."""
        return self._stopping.is_set() or self._next >= len(self._samples)

    def _take_due(self, now_ns: int) -> list[GazeSample]:
        if self._stopping.is_set():
            return []
        self._start()
        first = self._next
        position_ns = self._position_ns(now_ns)
        while (
            position_ns is not None
            and self._next < len(self._samples)
            and self._samples[self._next].time_ns <= position_ns
        ):
            self._next += 1
        due = self._samples[first : self._next]
        self._invalid += sum(not sample.valid for sample in due)
        return [self._to_host_clock(sample) for sample in due] if self._on_host_clock else due

    def _retry_ns(self, now_ns: int) -> int | None:
        position_ns = self._position_ns(now_ns)
        if self._speed == 0.0 or position_ns is None:
            return None
        missing_ns = self._samples[self._next].time_ns - position_ns
        return now_ns + max(_SHORTEST_WAIT_NS, round(missing_ns / self._speed))

    def _position_ns(self, now_ns: int) -> int | None:
        """How far the recording has come, in its own time."""
        if self._speed == 0.0 or self._opened_ns is None or not self._samples:
            return self._stepped_to_ns
        return self._samples[0].time_ns + round((now_ns - self._opened_ns) * self._speed)

    def _to_host_clock(self, sample: GazeSample) -> GazeSample:
        since_first_ns = round((sample.time_ns - self._samples[0].time_ns) / self._speed)
        device_ns = sample.time_ns if sample.device_time_ns is None else sample.device_time_ns
        return replace(sample, time_ns=(self._opened_ns or 0) + since_first_ns, device_time_ns=device_ns)


def from_address(address: SourceAddress) -> ReplaySource:
    """Return the source of a `replay+file:` URL."""
    from sam_edge.gaze.recordings import read

    path = address.host + address.path
    if not path:
        raise InputError(f"url {address.url!r} names no file; accepted is replay+file:PATH?speed=1")
    speed = address.number("speed", 1.0, least=0.0, most=1000.0)
    clock = address.text("clock", "recording", choices=("recording", "host")) or "recording"
    return ReplaySource(read(Path(path)).samples, speed=speed, clock=clock, name=address.url)
