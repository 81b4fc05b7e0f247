"""The engines that run the work, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from sam_edge.batch.outcome import Outcome
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording

Work: TypeAlias = Callable[[Recording, Settings, Store, Path], Outcome]
"""Processes one recording, with a folder for temporary files; `work.process`, or a stand-in. It raises nothing."""
OnOutcome: TypeAlias = Callable[[Outcome], None]
"""Receives the final outcome of each recording, in the driver's process and thread."""


class Executor(Protocol):
    """Runs the work on every recording."""

    @property
    def workers(self) -> int:
        """Recordings that are processed at once, at most."""
        ...

    def run(
        self, recordings: Sequence[Recording], settings: Settings, store: Store, on_outcome: OnOutcome
    ) -> None:
        """Process the recordings in this order, and report each one's outcome once, as soon as it is final.

        A recording whose worker is lost or out of memory is tried again (`Outcome.may_retry`), after a lack of memory
        with half the workers. When `on_outcome` or a signal raises, work that goes on is stopped, and its temporary
        files are removed, before the exception is passed on.
        """
        ...
