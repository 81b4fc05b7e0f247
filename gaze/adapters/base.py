"""What every live source shares: the reader thread, reconnecting, silence, and how errors reach the application."""

from __future__ import annotations

import abc
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

from sam_edge.errors import InputError, SamEdgeError, SessionError, TrackerError
from sam_edge.gaze.buffer import SampleBuffer, Trouble
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats

POLL_S = 0.05
"""How long a reader may wait for the network before it looks whether it was told to stop."""
_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 2.0
_JOIN_S = 0.9
_PAST_LIMIT_NS = 30_000_000_000
_FUTURE_LIMIT_NS = 5_000_000_000
_IMPLAUSIBLE_LIMIT = 200

_Source = TypeVar("_Source", bound="LiveSource")


class ConnectionLost(TrackerError):
    """The connection broke in a way that connecting again may mend."""


class LiveSource(abc.ABC):
    """A tracker that is read by a background thread. Nothing is opened before `open()` or `with`.

    A lost connection is made again for as long as the source is open, first after 0.1 s, then ever later up to every
    2 s, and counted in the report. When `timeout_s` pass without a sample, `read` raises `TrackerError` (again after
    every further `timeout_s`) and the source keeps trying; whether to give up is the application's decision. An error
    that trying again cannot mend ends the source: `read` raises it each time, and `finished` is true.
    """

    _connect_floor_s = 0.0
    """Seconds that connecting may take at least, for protocols whose discovery is slow."""

    def __init__(self, name: str, *, timeout_s: float = 5.0, buffer_samples: int = 8192) -> None:
        """Describe the source; no connection is made yet.

        Args:
            name: how messages call it, usually the URL.
            timeout_s: seconds without a sample after which the tracker counts as silent; also the time to connect.
            buffer_samples: samples kept for a slow reader; beyond it the oldest are dropped and counted.
        """
        if not 0.0 < timeout_s <= 3600.0:
            raise InputError(f"timeout_s is {timeout_s}; accepted are more than 0 and up to 3600 seconds")
        self.name = name
        self._timeout_s = timeout_s
        self._buffer = SampleBuffer(buffer_samples)
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem: SamEdgeError | OSError | None = None
        self._heard_ns = 0
        self._sample_ns = 0
        self._connections = 0
        self._epoch: int | None = None
        self._order = 0
        self._implausible = 0

    @abc.abstractmethod
    def _serve(self) -> None:
        """Connect, call `_connected`, then deliver samples until `_stopping` is set.

        Raise `ConnectionLost` or let an `OSError` out to be called again; any other error of ours ends the source.
        """

    def open(self) -> None:
        """Start reading and wait for the connection. Opening an open source does nothing.

        Raises:
            TrackerError: the tracker cannot be reached within the time-out.
            SessionError: the source was closed before.
        """
        if self._stopping.is_set():
            raise SessionError(f"{self.name} was closed; make a new source to read from it again")
        if self._thread is not None:
            return
        self._prepare()
        self._heard_ns = host_now_ns()
        self._thread = threading.Thread(target=self._run, name=f"gaze {self.name}", daemon=True)
        self._thread.start()
        wait_s = max(self._timeout_s, self._connect_floor_s)
        self._ready.wait(wait_s)
        if self._connections:
            return
        self.close()
        self._buffer.take()
        raise TrackerError(
            f"{self.name} cannot be reached within {wait_s:g} s: {self._problem or 'no answer'}. "
            "Check that the tracker streams, that address and port are right, and that no firewall is between"
        )

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        """Return all samples that came since the last call, in order of time; see `GazeSource.read`."""
        if self._thread is None and not self._stopping.is_set():
            raise SessionError(f"{self.name} is not open; use it in a with statement, or call open() first")
        deadline_ns = host_now_ns() + round(max(0.0, timeout_s) * 1e9)
        while True:
            now_ns = host_now_ns()
            silent_at_ns = self._heard_ns + round(self._timeout_s * 1e9)
            samples = self._buffer.take(max(0.0, (min(deadline_ns, silent_at_ns) - now_ns) / 1e9))
            if samples or self._stopping.is_set():
                return samples
            if self._buffer.ended:
                raise TrackerError(
                    f"{self.name}: the reader has ended unexpectedly; close the source and open a new one"
                )
            now_ns = host_now_ns()
            if now_ns >= self._heard_ns + round(self._timeout_s * 1e9):
                self._heard_ns = now_ns
                raise TrackerError(
                    f"{self.name} sent no gaze for {self._timeout_s:g} s: "
                    f"{self._problem or 'the connection stands, nothing comes'}. "
                    "Reading on waits for it; check that the tracker is worn, calibrated and streaming"
                )
            if now_ns >= deadline_ns:
                return []

    @property
    def stats(self) -> SourceStats:
        """Counts of everything that happened to the stream so far."""
        return self._buffer.stats

    @property
    def finished(self) -> bool:
        """True when no further sample can come: the source was closed or ended with an error, and all was read."""
        return self._buffer.ended

    def close(self) -> None:
        """Stop the reader and give back what it holds. Closing twice is allowed."""
        self._stopping.set()
        self._interrupt()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)
        self._buffer.end()

    def __enter__(self: _Source) -> _Source:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[GazeSample]:
        """Yield samples until the source is finished; raises what `read` raises."""
        while not self.finished:
            yield from self.read(0.1)
        # An error that came together with the last samples is still to be told.
        yield from self._buffer.take()

    def _prepare(self) -> None:
        """Check in the application's thread what needs no connection, such as optional libraries."""
        return

    def _interrupt(self) -> None:
        """Wake a reader that waits in a way that polling cannot end."""
        return

    def _connected(self) -> None:
        """Tell that the connection stands; every time but the first counts as a reconnect."""
        self._connections += 1
        self._sample_ns = host_now_ns()
        if self._connections > 1:
            self._buffer.count("reconnects")
        self._ready.set()

    def _count(self, trouble: Trouble, times: int = 1) -> None:
        if times:
            self._buffer.count(trouble, times)

    def _deliver(self, sample: GazeSample, *, arrival_ns: int, epoch: int = 0) -> None:
        """Hand over a sample that came at `arrival_ns`; one whose time cannot be true is counted as malformed.

        Raises:
            TrackerError: no sample's time can be true for a long while.
        """
        ahead_ns = sample.time_ns - arrival_ns
        if not -_PAST_LIMIT_NS <= ahead_ns <= _FUTURE_LIMIT_NS:
            self._count("malformed")
            self._implausible += 1
            if self._implausible >= _IMPLAUSIBLE_LIMIT:
                raise TrackerError(
                    f"{self.name}: the times of {self._implausible} samples in a row are wrong, the last by "
                    f"{ahead_ns / 1e9:.3f} s. Its clock unit is not what the protocol states, or its clock was set; "
                    "restart the tracker"
                )
            return
        self._implausible = 0
        self._problem = None
        if self._epoch is not None and epoch != self._epoch:
            self._count("clock_jumps")
        if epoch != self._epoch:
            self._epoch = epoch
            self._order += 1
        self._heard_ns = self._sample_ns = host_now_ns()
        self._buffer.push(sample, epoch=self._order)

    def _check_silence(self, hint: str = "it fell silent") -> None:
        """Raise `ConnectionLost` when the connection has brought no sample for the time-out."""
        if host_now_ns() - self._sample_ns > self._timeout_s * 1e9:
            raise ConnectionLost(f"{hint} (no gaze for {self._timeout_s:g} s)")

    def _run(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        try:
            while not self._stopping.is_set():
                before = self._connections
                try:
                    self._serve()
                except (ConnectionLost, OSError) as error:
                    self._problem = error
                except SamEdgeError as error:
                    self._problem = error
                    if self._connections > before or not before:
                        self._buffer.fail(error)
                        return
                    # It worked before: a tracker that is still starting may refuse a while.
                if self._connections > before:
                    backoff_s = _FIRST_BACKOFF_S
                self._stopping.wait(backoff_s)
                backoff_s = min(_LONGEST_BACKOFF_S, backoff_s * 2)
        finally:
            # Reached on every way out, so that a reader never waits for a thread that is gone.
            self._buffer.end()
            self._ready.set()
