"""Run an archive: leave what is settled, process the rest, and keep the overview in the output up to date."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sam_edge.batch.executor import Executor
from sam_edge.batch.manifest import FILE_NAME as MANIFEST
from sam_edge.batch.manifest import join, read_run_manifest, to_csv
from sam_edge.batch.outcome import Outcome, StorageError
from sam_edge.batch.overview import write_overview
from sam_edge.batch.progress import ProgressLine, Tally
from sam_edge.batch.run_file import claim_place
from sam_edge.batch.settings import Settings
from sam_edge.batch.shard import Shard
from sam_edge.batch.states import RecordingState, read_states, write_failure
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording

OVERVIEW_S = 20.0
"""The overview is written again this often at most, seconds; where writing takes long, 20 times as rarely as that."""
STORAGE_FAILURES = 3
"""After this many failures of storage in a row the run ends: the rest would be computed in vain."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run treats what is there."""

    shard: Shard | None = None
    """The part of the recordings that this run processes; None: all."""
    force: bool = False
    """Whether results that were made with other settings are replaced."""
    retry_failed: bool = False
    """Whether recordings whose input had failed are tried again."""


@dataclass(slots=True)
class RunResult:
    """What a run did."""

    total: int = 0
    """Recordings of this run."""
    skipped: int = 0
    """Those that had been done before."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Outcomes of those that were processed."""
    failures: list[Outcome] = field(default_factory=list)
    """Every failure: of this run, of the check before the work, and of earlier runs that is not tried again."""
    seconds: float = 0.0
    """Time of the work."""

    @property
    def frames(self) -> int:
        """Frames that were processed."""
        return sum(outcome.frames for outcome in self.outcomes)

    @property
    def done(self) -> int:
        """Recordings that were finished in this run."""
        return sum(outcome.state == "done" for outcome in self.outcomes)


def run_batch(
    recordings: Sequence[Recording],
    settings: Settings,
    store: Store,
    executor: Executor,
    options: RunOptions | None = None,
    *,
    progress: bool = False,
) -> RunResult:
    """Process every recording that is not settled yet.

    Args:
        recordings: the recordings, longest first, as `Finder.find` and `read_manifest` return them.
        settings: resolved settings.
        store: the output.
        executor: the engine that runs the work.
        options: which part, and what is done again.
        progress: show a line on stderr.

    Raises:
        InputError: the place belongs to a run with other settings, or to something else.
        StorageError: the output cannot be written, or storage failed several times in a row. What is done is kept.
        KeyboardInterrupt: the run was interrupted; what is done is kept, and the overview is written.
    """
    options = options or RunOptions()
    claim_place(store, settings, force=options.force)
    everything = join(read_run_manifest(store), recordings)
    store.write(MANIFEST, to_csv(everything))
    chosen = list(recordings) if options.shard is None else options.shard.choose(recordings)
    run = _Run(settings, store, everything, options)
    return run.carry_out(chosen, executor, progress=progress)


class _Run:
    """One run: the states of its recordings, and what follows from an outcome."""

    def __init__(
        self, settings: Settings, store: Store, everything: Sequence[Recording], options: RunOptions
    ) -> None:
        self._settings, self._store = settings, store
        self._everything, self._options = everything, options
        self._fingerprint = settings.fingerprint()
        self._result = RunResult()
        self._states: dict[str, RecordingState] = {}
        self._next_overview_s = 0.0
        self._storage_failures = 0

    def carry_out(self, chosen: Sequence[Recording], executor: Executor, *, progress: bool) -> RunResult:
        """Process the recordings that are not settled, and write the overview."""
        states = read_states(self._store, self._everything, self._fingerprint)
        self._states = {state.recording.id: state for state in states}
        todo = [each for each in chosen if not self._is_settled(each)]
        self._result.total = len(chosen)
        self._count_settled(chosen)
        tally = Tally(len(todo), sum(recording.cost for recording in todo))
        started = time.monotonic()
        try:
            with ProgressLine(tally, silent=not progress) as line:
                if todo:
                    self._write_overview(final=False)

                def on_outcome(outcome: Outcome) -> None:
                    self._take(outcome, tally, line)

                executor.run(todo, self._settings, self._store, on_outcome)
        finally:
            self._result.seconds = time.monotonic() - started
            self._write_overview(final=True)
        return self._result

    def _is_settled(self, recording: Recording) -> bool:
        return self._states[recording.id].is_settled(retry_failed=self._options.retry_failed)

    def _count_settled(self, chosen: Sequence[Recording]) -> None:
        for recording in chosen:
            state = self._states[recording.id]
            if state.done is not None:
                self._result.skipped += 1
            elif state.failure is not None and self._is_settled(recording):
                self._result.failures.append(state.failure)

    def _take(self, outcome: Outcome, tally: Tally, line: ProgressLine) -> None:
        """Keep an outcome, show it, and write the overview from time to time."""
        state = self._states[outcome.id]
        self._result.outcomes.append(outcome)
        tally.settled += 1
        tally.settled_cost += state.recording.cost
        tally.frames += outcome.frames
        if outcome.state == "failed":
            tally.failed += 1
            self._result.failures.append(outcome)
            line.message(f"failed: {state.recording.uri}: {outcome.error_class}: {outcome.message}")
            write_failure(self._store, outcome, self._fingerprint)
        self._states[outcome.id] = state.after(outcome, self._store)
        line.update()
        self._watch_storage(outcome)
        self._write_overview(final=False)

    def _watch_storage(self, outcome: Outcome) -> None:
        """End the run when storage fails again and again."""
        self._storage_failures = self._storage_failures + 1 if outcome.error_class == "storage" else 0
        if self._storage_failures >= STORAGE_FAILURES:
            raise StorageError(
                f"storage failed {STORAGE_FAILURES} times in a row, at last: {outcome.message}; the run has ended, and "
                "what is done is kept: correct it, and give the same command again"
            )

    def _write_overview(self, *, final: bool) -> None:
        """Write the tables and the page, unless that was done a moment ago."""
        now_s = time.monotonic()
        if not final and now_s < self._next_overview_s:
            return
        states = list(self._states.values())
        if final and self._options.shard is not None:
            # Other shards may have finished since.
            states = read_states(self._store, self._everything, self._fingerprint)
        write_overview(self._store, states, final=final)
        took_s = time.monotonic() - now_s
        self._next_overview_s = now_s + max(OVERVIEW_S, 20 * took_s)
