"""The pool of processes: real processes, which are killed, hang, and run out of memory as they are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sam_edge.batch import Outcome, Recording, Settings
from sam_edge.batch.find import Finder
from sam_edge.batch.local_pool import LocalPool
from sam_edge.batch.local_store import LocalStore
from sam_edge.errors import InputError
from tests.batch.archive import FAKE, Inline, named, obey, results_of


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def run_pool(
    recordings: list[Recording],
    store: LocalStore,
    scratch: Path,
    *,
    workers: int = 1,
    settings: Settings = FAKE,
) -> dict[str, Outcome]:
    outcomes: list[Outcome] = []
    settings = replace(settings, scratch=str(scratch))
    LocalPool(workers, work=obey).run(recordings, settings, store, outcomes.append)
    assert list(scratch.iterdir()) == []
    assert len({outcome.id for outcome in outcomes}) == len(outcomes)
    return {outcome.id: outcome for outcome in outcomes}


def attempts(store: LocalStore, name: str) -> int:
    return len(store.read(f"count/{name}") or b"")


def test_lost_workers_cost_one_attempt_of_one_recording_each(store: LocalStore, scratch: Path) -> None:
    recordings = [named("a"), named("b", "kill once"), named("c", "kill"), named("d")]
    outcomes = run_pool(recordings, store, scratch)
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "a": "done",
        "b": "done",
        "c": "failed",
        "d": "done",
    }
    assert (outcomes["b"].attempts, attempts(store, "b")) == (2, 2)
    assert (outcomes["c"].error_class, outcomes["c"].attempts, attempts(store, "c")) == ("lost", 3, 3)
    assert outcomes["c"].message == "the worker's process ended with signal SIGKILL"


def test_a_lack_of_memory_is_tried_again(store: LocalStore, scratch: Path) -> None:
    outcomes = run_pool([named("a", "memory once"), named("b", "memory")], store, scratch, workers=2)
    assert (outcomes["a"].state, outcomes["a"].attempts) == ("done", 2)
    assert (outcomes["b"].error_class, outcomes["b"].attempts) == ("memory", 3)


def test_a_recording_that_takes_too_long_is_given_up(store: LocalStore, scratch: Path) -> None:
    settings = replace(FAKE, min_timeout_s=1.0)
    outcomes = run_pool([named("a", "sleep"), named("b")], store, scratch, settings=settings)
    assert (outcomes["a"].state, outcomes["a"].error_class, attempts(store, "a")) == ("failed", "timeout", 1)
    assert outcomes["a"].message == "not finished after 1 s, 20 times its duration"
    assert outcomes["b"].state == "done"


INTERRUPTED = """
import signal, sys
from dataclasses import replace
from sam_edge.batch.local_pool import LocalPool
from sam_edge.batch.local_store import LocalStore
from tests.batch.archive import FAKE, named, obey

# Whoever started the tests may have had it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
LocalPool(1, work=obey).run([named("a", "sleep")], replace(FAKE, scratch=sys.argv[2]), LocalStore(sys.argv[1]), print)
"""


def test_an_interrupt_ends_the_workers_and_removes_their_files(
    store: LocalStore, scratch: Path, repo_dir: Path
) -> None:
    command = [sys.executable, "-c", INTERRUPTED, store.url, str(scratch)]
    environment = {**os.environ, "PYTHONPATH": str(repo_dir)}
    with subprocess.Popen(
        command, cwd=repo_dir, env=environment, stderr=subprocess.PIPE, text=True
    ) as driver:
        while not store.list("sleeping"):
            assert driver.poll() is None
            time.sleep(0.01)
        driver.send_signal(signal.SIGINT)
        _, errors = driver.communicate(timeout=60)
    assert errors.endswith("KeyboardInterrupt\n")
    (process,) = (int(store.read(path) or b"") for path in store.list("sleeping"))
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert list(scratch.iterdir()) == []


def test_an_error_of_the_driver_ends_the_workers(store: LocalStore, scratch: Path) -> None:
    def refuse(outcome: Outcome) -> None:
        raise OSError("full")

    settings = replace(FAKE, scratch=str(scratch))
    with pytest.raises(OSError, match="full"):
        LocalPool(2, work=obey).run([named("a"), named("b", "sleep")], settings, store, refuse)
    assert list(scratch.iterdir()) == []


def test_results_do_not_depend_on_where_they_were_made(
    archive: Path, store: LocalStore, settings: Settings, scratch: Path, tmp_path: Path
) -> None:
    recordings = Finder().find([str(archive)])
    alone = LocalStore(str(tmp_path / "alone"))
    outcomes: list[Outcome] = []
    Inline(scratch).run(recordings, settings, alone, outcomes.append)
    LocalPool(2).run(recordings, replace(settings, scratch=str(scratch)), store, outcomes.append)
    assert [outcome.state for outcome in outcomes] == ["done"] * 6
    names = [
        "masks.jsonl.gz",
        "fixations.csv",
        "aoi_metrics.csv",
        "transitions.csv",
        "events.csv",
        "scanpath.txt",
    ]
    for recording in recordings:
        assert results_of(store, recording.id, names) == results_of(alone, recording.id, names)


def test_what_a_killed_run_left_is_removed(store: LocalStore, scratch: Path) -> None:
    gone = scratch / f"sam-edge-batch-{os.uname().nodename}-4194305-x"
    other = scratch / "sam-edge-batch-elsewhere-4194305-x"
    for folder in (gone, other):
        folder.mkdir(parents=True)
    settings = replace(FAKE, scratch=str(scratch))
    LocalPool(1, work=obey).run([named("a")], settings, store, lambda outcome: None)
    assert list(scratch.iterdir()) == [other]


def test_no_workers_are_refused() -> None:
    with pytest.raises(InputError, match="workers: 0 is not accepted"):
        LocalPool(0)
