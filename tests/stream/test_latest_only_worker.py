"""The thread that works on the newest job: what waits is replaced, errors surface once, closing never hangs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sam_edge.errors import EngineError
from sam_edge.stream.latest_only_worker import LatestOnlyWorker

LONG_S = 20.0


class Gate:
    """Work that tells when it has begun, and goes on when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.taken: list[int] = []

    def __call__(self, job: int) -> int | None:
        self.taken.append(job)
        self.begun.release()
        self.let.acquire(timeout=LONG_S)
        if job < 0:
            raise EngineError(f"job {job} stumbled")
        return None if job == 0 else 10 * job

    def wait_begun(self) -> None:
        assert self.begun.acquire(timeout=LONG_S)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def thread(gate: Gate) -> Iterator[LatestOnlyWorker[int, int]]:
    made = LatestOnlyWorker(gate, name="test-newest")
    yield made
    gate.let.release(100)
    made.close()


def test_nothing_is_there_before_the_first_result(thread: LatestOnlyWorker[int, int]) -> None:
    assert thread.newest() is None
    assert not thread.busy
    assert thread.wait_idle(0.0)


def test_the_newest_job_replaces_those_that_wait(thread: LatestOnlyWorker[int, int], gate: Gate) -> None:
    thread.offer(1)
    gate.wait_begun()
    for job in (2, 3, 4):
        thread.offer(job)
    assert thread.newest() is None
    assert thread.busy
    gate.let.release(2)
    assert thread.finished(LONG_S) == 40
    assert gate.taken == [1, 4]
    assert not thread.busy


def test_the_last_result_stays_while_another_job_is_worked_on(
    thread: LatestOnlyWorker[int, int], gate: Gate
) -> None:
    gate.let.release()
    thread.offer(1)
    assert thread.finished(LONG_S) == 10
    thread.offer(2)
    gate.begun.acquire()
    gate.wait_begun()
    assert thread.newest() == 10
    assert not thread.wait_idle(0.0)
    assert thread.finished(0.0) == 10
    gate.let.release()
    assert thread.finished(LONG_S) == 20


def test_an_error_surfaces_once_and_the_thread_goes_on(
    thread: LatestOnlyWorker[int, int], gate: Gate
) -> None:
    gate.let.release(3)
    thread.offer(1)
    assert thread.finished(LONG_S) == 10
    thread.offer(-1)
    with pytest.raises(EngineError, match="job -1 stumbled"):
        thread.finished(LONG_S)
    assert thread.newest() == 10
    thread.offer(3)
    assert thread.finished(LONG_S) == 30


def test_a_result_that_is_none_is_a_result(thread: LatestOnlyWorker[int, int], gate: Gate) -> None:
    gate.let.release(2)
    thread.offer(1)
    assert thread.finished(LONG_S) == 10
    thread.offer(0)
    assert thread.finished(LONG_S) is None


def test_what_is_forgotten_is_neither_given_nor_begun(thread: LatestOnlyWorker[int, int], gate: Gate) -> None:
    gate.let.release()
    thread.offer(1)
    assert thread.finished(LONG_S) == 10
    thread.offer(2)
    gate.begun.acquire()
    gate.wait_begun()
    thread.offer(3)
    thread.forget()
    assert thread.newest() is None
    gate.let.release(2)
    assert thread.wait_idle(LONG_S)
    assert 3 not in gate.taken


def test_a_job_that_was_begun_before_forgetting_gives_nothing(
    thread: LatestOnlyWorker[int, int], gate: Gate
) -> None:
    """Otherwise what a person released would come back for a moment."""
    thread.offer(1)
    gate.wait_begun()
    thread.forget()
    gate.let.release()
    assert thread.finished(LONG_S) is None
    gate.let.release()
    thread.offer(2)
    assert thread.finished(LONG_S) == 20


def test_closing_waits_for_the_job_at_work_and_drops_the_one_that_waits(gate: Gate) -> None:
    thread = LatestOnlyWorker(gate, name="test-close")
    thread.offer(1)
    gate.wait_begun()
    thread.offer(2)
    closer = threading.Thread(target=thread.close)
    closer.start()
    gate.let.release(2)
    closer.join(LONG_S)
    assert not closer.is_alive()
    assert gate.taken == [1]
    thread.close()


def test_closing_does_not_hang_on_a_job_that_never_ends(gate: Gate) -> None:
    thread = LatestOnlyWorker(gate, name="test-stuck")
    thread.offer(1)
    gate.wait_begun()
    thread.close(timeout_s=0.0)
    gate.let.release()


def test_the_work_may_close_its_own_thread() -> None:
    made: list[LatestOnlyWorker[int, int]] = []
    done = threading.Event()

    def work(job: int) -> int:
        made[0].close()
        done.set()
        return job

    made.append(LatestOnlyWorker(work, name="test-own"))
    made[0].offer(1)
    assert done.wait(LONG_S)
    made[0].close()
