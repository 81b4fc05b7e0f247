"""What every live source shares: the reader thread, reconnecting, silence, and errors that reach the application."""

from __future__ import annotations

import abc
import threading

from sam_edge.errors import InputError, SamEdgeError, SessionError, TrackerError
from sam_edge.gaze.adapters.buffered import BufferedSource
from sam_edge.gaze.buffer import SampleBuffer, StatName
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats

POLL_S = 0.05
"""Longest wait for the network between two checks whether the source was closed, seconds."""
_FIRST_BACKOFF_S = 0.1
_JOIN_S = 0.9
_PAST_LIMIT_NS = 30_000_000_000
_FUTURE_LIMIT_NS = 5_000_000_000
_IMPLAUSIBLE_LIMIT = 200


class ConnectionLost(TrackerError):
    """The connection broke, and a new connection may succeed."""


class LiveSource(BufferedSource):
    """A tracker that is read by a background thread. The connection is made by `open()` or `with`.

    A lost connection is made again while the source is open: after 0.1 s, then at growing intervals up to half a
    second. Each new connection counts as a reconnect. When `timeout_s` pass without a sample, `read` raises
    `TrackerError` (again after every further `timeout_s`), and the source keeps trying; the application decides
    whether to give up. An error that a new connection cannot mend ends the source: `read` raises it each time, and
    `finished` is true.
    """

    _longest_backoff_s = 0.5
    """Longest pause between two tries to connect, seconds."""
    _connect_floor_s = 0.0
    """Shortest time-out of connecting, seconds, for protocols with slow discovery."""

    def __init__(self, name: str, *, timeout_s: float = 5.0, buffer_samples: int = 8192) -> None:
        """Describe the source; no connection is made yet.

        Args:
            name: name of the source in messages, usually its URL.
            timeout_s: seconds without a sample after which the tracker counts as silent; also the time to connect.
            buffer_samples: samples kept for a slow reader; when more wait, the oldest are dropped and counted.

        Raises:
            InputError: `timeout_s` or `buffer_samples` is out of range.
        """
        if not 0.0 < timeout_s <= 3600.0:
            raise InputError(f"timeout_s is {timeout_s}; accepted are more than 0 and up to 3600 seconds")
        super().__init__(name)
        self._timeout_s = timeout_s
        self._buffer = SampleBuffer(buffer_samples, changed=self._changed)
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem: SamEdgeError | OSError | None = None
        self._silent_since_ns = 0
        self._sample_ns = 0
        self._connections = 0
        self._epoch: int | None = None
        self._order = 0
        self._implausible = 0

    @abc.abstractmethod
    def _serve(self) -> None:
        """Connect, call `_connected`, then deliver samples until `_stopping` is set.

        Raise `ConnectionLost` or an `OSError` to be called again; any other `SamEdgeError` ends the source.
        """

    def _start(self) -> None:
        if self._thread is not None:
            return
        self._prepare()
        self._silent_since_ns = host_now_ns()
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
            "Check that the tracker streams, that address and port are right, and that no firewall blocks them"
        )

    @property
    def stats(self) -> SourceStats:
        """Counts of samples, losses and faults so far."""
        return self._buffer.stats

    @property
    def finished(self) -> bool:
        """True when the source was closed or ended with an error, and all samples were read."""
        return self._buffer.ended

    def close(self) -> None:
        """Stop the reader thread and free its resources. Closing twice is allowed."""
        self._stopping.set()
        self._interrupt()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)
        self._buffer.end()

    def _take_due(self, now_ns: int) -> list[GazeSample]:
        closed = self._stopping.is_set()
        if self._thread is None and not closed:
            raise SessionError(f"{self.name} is not open; use it in a with statement, or call open() first")
        samples = self._buffer.take()
        if samples or closed:
            return samples
        if self._buffer.ended:
            raise TrackerError(
                f"{self.name}: the reader has ended unexpectedly; close the source and open a new one"
            )
        if now_ns >= self._silent_at_ns():
            self._silent_since_ns = now_ns
            raise TrackerError(
                f"{self.name} sent no gaze for {self._timeout_s:g} s: "
                f"{self._problem or 'the connection stands, but no gaze arrives'}. "
                "Call read() again to keep waiting; check that the tracker is worn, calibrated and streaming"
            )
        return []

    def _retry_ns(self, now_ns: int) -> int | None:
        return None if self._stopping.is_set() else self._silent_at_ns()

    def _silent_at_ns(self) -> int:
        """Host time at which the tracker counts as silent unless a sample arrives."""
        return self._silent_since_ns + round(self._timeout_s * 1e9)

    def _prepare(self) -> None:
        """Check in the application's thread what needs no connection, such as optional libraries."""
        return

    def _interrupt(self) -> None:
        """Wake a reader thread that waits in a way that polling cannot end."""
        return

    def _connected(self) -> None:
        """Note that the connection stands; every connection after the first counts as a reconnect."""
        self._connections += 1
        self._sample_ns = host_now_ns()
        if self._connections > 1:
            self._buffer.count("reconnects")
        self._ready.set()

    def _count(self, name: StatName, times: int = 1) -> None:
        if times:
            self._buffer.count(name, times)

    def _deliver(self, sample: GazeSample, *, arrival_ns: int, epoch: int = 0) -> None:
        """Pass on a sample that arrived at `arrival_ns`; one with an impossible time counts as malformed.

        Raises:
            TrackerError: the times of many samples in a row are impossible.
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
        self._silent_since_ns = self._sample_ns = host_now_ns()
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
                    # It worked before: a tracker that is still starting may refuse for a while.
                if self._connections > before:
                    backoff_s = _FIRST_BACKOFF_S
                self._stopping.wait(backoff_s)
                backoff_s = min(self._longest_backoff_s, backoff_s * 2)
        finally:
            # Reached on every way out, so that a reader never waits for a thread that has ended.
            self._buffer.end()
            self._ready.set()
