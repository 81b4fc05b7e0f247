"""The interface of every gaze source: a live tracker, the mouse, or a replayed recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from sam_edge.gaze.samples import GazeSample


@dataclass(frozen=True, slots=True)
class SourceStats:
    """Counts of samples, losses and faults since the source was opened."""

    received: int = 0
    """Samples delivered or waiting, invalid ones included."""
    invalid: int = 0
    """Samples that the tracker marked as invalid (delivered, with NaN)."""
    dropped: int = 0
    """Oldest samples dropped because they were not read in time."""
    duplicates: int = 0
    """Samples that repeated an earlier device time (not delivered)."""
    dropped_late: int = 0
    """Samples that arrived later than a newer one was read (not delivered)."""
    gaps: int = 0
    """Stretches of more than three usual sample intervals without a sample."""
    malformed: int = 0
    """Packets that could not be understood (not delivered)."""
    reconnects: int = 0
    """Connections made again after a loss."""
    clock_jumps: int = 0
    """Jumps of the device's clock, after which the mapping to host time was started again."""
    reordered: int = 0
    """Samples that arrived late and were put in order (delivered)."""
    lost: int = 0
    """Packets that never arrived, by the protocol's own numbering."""
    foreign: int = 0
    """Packets of another sender than the one in use (not delivered)."""


class GazeSource(Protocol):
    """A stream of gaze samples. A context manager; leaving it closes the source.

    Implementations raise `TrackerError` when the tracker cannot be reached, breaks its protocol or stays silent for
    longer than their time-out. An error in a background thread is raised by the next call of `read`.
    """

    name: str
    """The URL it was opened with, or a short description."""

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        """Return all samples that arrived since the last call, in order of time.

        Waits up to `timeout_s` seconds for the first one. An empty list means that none arrived in that time.
        """
        ...

    @property
    def stats(self) -> SourceStats:
        """Counts of samples, losses and faults so far."""
        ...

    @property
    def finished(self) -> bool:
        """True when no further sample can arrive: a recording at its end, or a closed source."""
        ...

    def close(self) -> None:
        """Stop the stream and free its resources. Closing twice is allowed."""
        ...

    def __enter__(self) -> GazeSource: ...

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def __iter__(self) -> Iterator[GazeSample]:
        """Yield samples until the source is finished."""
        ...
