"""The one interface of every source of gaze: a live tracker, the mouse, or a recording that is replayed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from sam_edge.gaze.samples import GazeSample


@dataclass(frozen=True, slots=True)
class SourceStats:
    """What happened to the stream since the source was opened. Nothing that went wrong is hidden."""

    received: int = 0
    """Good samples delivered or waiting."""
    invalid: int = 0
    """Samples whose gaze the tracker itself called invalid (delivered, with NaN)."""
    dropped: int = 0
    """Oldest samples let go because nobody read them in time."""
    duplicates: int = 0
    """Samples that repeated an earlier device time (not delivered)."""
    dropped_late: int = 0
    """Samples older than one already delivered (not delivered)."""
    gaps: int = 0
    """Times that more than three usual sample intervals passed without a sample."""
    malformed: int = 0
    """Packets that could not be understood (not delivered)."""
    reconnects: int = 0
    """Times the connection was lost and made again."""
    clock_jumps: int = 0
    """Times the device's clock jumped and the mapping to host time was begun anew."""
    reordered: int = 0
    """Samples that came late and were put back in order before anybody read them (delivered)."""
    lost: int = 0
    """Packets that never came, by the protocol's own numbering."""
    foreign: int = 0
    """Packets of another sender than the one that is listened to (not delivered)."""


class GazeSource(Protocol):
    """A stream of gaze samples. A context manager; leaving it closes the source.

    Implementations raise `TrackerError` when the tracker cannot be reached, breaks its protocol or stays silent for
    longer than their time-out. An error in a background thread is raised by the next call of `read`.
    """

    name: str
    """The URL it was opened with, or a short description."""

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        """Return all samples that came since the last call, in order of time.

        Waits up to `timeout_s` seconds for the first one. An empty list means that none came in that time.
        """
        ...

    @property
    def stats(self) -> SourceStats:
        """Counts of everything that happened to the stream so far."""
        ...

    @property
    def finished(self) -> bool:
        """True when no further sample can come: a recording at its end, or a source that was closed."""
        ...

    def close(self) -> None:
        """Stop the stream and give back what it holds. Closing twice is allowed."""
        ...

    def __enter__(self) -> GazeSource: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[GazeSample]:
        """Yield samples until the source is finished."""
        ...
