"""What every source shares: opening once, reads that wait for samples, iteration and closing."""

from __future__ import annotations

import abc
import threading
from collections.abc import Iterator
from typing import TypeVar

from sam_edge.closing import Closing
from sam_edge.errors import SessionError
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats

_ITERATION_WAIT_S = 0.1

_Source = TypeVar("_Source", bound="BufferedSource")


class BufferedSource(Closing, abc.ABC):
    """A source whose samples wait until they are read. Entering it as a context manager opens it.

    A subclass says which samples are due and when the next read is worth a try. It notifies `_changed` when a
    sample is due earlier than stated. All methods are thread-safe.
    """

    def __init__(self, name: str) -> None:
        """Describe the source.

        Args:
            name: name of the source in messages, usually its URL.
        """
        self.name = name
        self._changed = threading.Condition()
        """Guards the samples, and is notified when some arrive and when the source ends."""
        self._stopping = threading.Event()
        """Set when the source is closed."""

    @property
    @abc.abstractmethod
    def stats(self) -> SourceStats:
        """Counts of samples, losses and faults so far."""

    @property
    @abc.abstractmethod
    def finished(self) -> bool:
        """True when no further sample can arrive."""

    @abc.abstractmethod
    def _take_due(self, now_ns: int) -> list[GazeSample]:
        """Return and remove the samples that are due at host time `now_ns`. Called with `_changed` held."""

    @abc.abstractmethod
    def _retry_ns(self, now_ns: int) -> int | None:
        """Return the host time at which `_take_due` is worth another try; None when `_changed` will be notified."""

    def open(self) -> None:
        """Start the source. Opening an open source does nothing.

        Raises:
            SessionError: the source was closed before.
            TrackerError: the tracker cannot be reached within the time-out.
        """
        if self._stopping.is_set():
            raise SessionError(f"{self.name} was closed; make a new source to read from it again")
        self._start()

    def _start(self) -> None:
        """Do what opening needs; called by each `open()`."""
        return

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        """Return all samples since the last call, in order of time; see `GazeSource.read`."""
        deadline_ns = host_now_ns() + round(max(0.0, timeout_s) * 1e9)
        with self._changed:
            while True:
                now_ns = host_now_ns()
                samples = self._take_due(now_ns)
                if samples or self.finished or now_ns >= deadline_ns:
                    return samples
                retry_ns = self._retry_ns(now_ns)
                until_ns = deadline_ns if retry_ns is None else min(deadline_ns, retry_ns)
                self._changed.wait(max(0, until_ns - now_ns) / 1e9)

    def close(self) -> None:
        """Stop the source and free its resources. Closing twice is allowed."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def __enter__(self: _Source) -> _Source:
        self.open()
        return self

    def __iter__(self) -> Iterator[GazeSample]:
        """Yield samples until the source is finished; raises what `read` raises."""
        while not self.finished:
            yield from self.read(_ITERATION_WAIT_S)
        # An error that arrived together with the last samples is raised here.
        yield from self.read()
