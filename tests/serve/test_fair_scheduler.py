"""Turns on one shared model: a client alone never waits, urgent calls go first, and no client starves."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.geometry import View
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.serve.models.fair_scheduler import MAX_OVERTAKEN, FairScheduler, Priority, SharedRuntime
from sam_edge.stream.session import GazeSession

PATIENCE_S = 20.0


class TurnHolder(threading.Thread):
    """Takes one turn and holds it until `end`."""

    def __init__(self, scheduler: FairScheduler, client: int, order: list[int]) -> None:
        super().__init__(daemon=True)
        self.inside = threading.Event()
        self.finish = threading.Event()
        self._scheduler, self._client, self._order = scheduler, client, order
        self.start()

    def run(self) -> None:
        with self._scheduler.turn(self._client):
            self._order.append(self._client)
            self.inside.set()
            self.finish.wait(PATIENCE_S)

    def end(self) -> None:
        self.finish.set()
        self.join(PATIENCE_S)


def wait_until_waiting(scheduler: FairScheduler, count: int) -> None:
    waited = threading.Event()
    for _ in range(2000):
        if scheduler.waiting == count:
            return
        waited.wait(0.005)
    pytest.fail(f"{scheduler.waiting} wait, not {count}")


def test_a_client_alone_never_waits() -> None:
    scheduler, order = FairScheduler(), list[int]()
    client = scheduler.add_client()
    first, second = TurnHolder(scheduler, client, order), TurnHolder(scheduler, client, order)
    assert first.inside.wait(PATIENCE_S)
    assert second.inside.wait(PATIENCE_S)
    first.end()
    second.end()
    third = TurnHolder(scheduler, scheduler.add_client(), order)
    assert third.inside.wait(PATIENCE_S)
    third.end()


def test_the_client_served_longest_ago_is_next() -> None:
    scheduler, order = FairScheduler(), list[int]()
    greedy, other, third = scheduler.add_client(), scheduler.add_client(), scheduler.add_client()
    holding = TurnHolder(scheduler, greedy, order)
    assert holding.inside.wait(PATIENCE_S)
    waiting = [TurnHolder(scheduler, other, order)]
    wait_until_waiting(scheduler, 1)
    for count, client in enumerate((greedy, greedy, third, other), start=2):
        waiting.append(TurnHolder(scheduler, client, order))
        wait_until_waiting(scheduler, count)
    assert not any(holder.inside.is_set() for holder in waiting)
    for holder in waiting:
        holder.finish.set()
    holding.end()
    for holder in waiting:
        holder.join(PATIENCE_S)
    assert order == [greedy, other, third, greedy, other, greedy]
    assert scheduler.waiting == 0


def test_two_clients_run_in_parallel_with_one_call_each() -> None:
    scheduler, order = FairScheduler(2), list[int]()
    client, other, third = scheduler.add_client(), scheduler.add_client(), scheduler.add_client()
    first, second = TurnHolder(scheduler, client, order), TurnHolder(scheduler, other, order)
    assert first.inside.wait(PATIENCE_S)
    assert second.inside.wait(PATIENCE_S)
    again = TurnHolder(scheduler, client, order)
    wait_until_waiting(scheduler, 1)
    last = TurnHolder(scheduler, third, order)
    wait_until_waiting(scheduler, 2)
    second.end()
    assert last.inside.wait(PATIENCE_S), "its first call goes before the other's second one"
    assert not again.inside.is_set()
    first.end()
    assert again.inside.wait(PATIENCE_S)
    for holder in (again, last):
        holder.end()


def test_urgent_calls_go_first_until_an_ordinary_call_was_overtaken_often_enough() -> None:
    scheduler, done = FairScheduler(), list[str]()
    clients = [scheduler.add_client() for _ in range(8)]

    def call(client: int, name: str, priority: Priority) -> threading.Thread:
        def work() -> None:
            with scheduler.turn(client, priority):
                done.append(name)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    with scheduler.turn(clients[0]):
        threads = [call(clients[1], "whole", Priority.NORMAL)]
        wait_until_waiting(scheduler, 1)
        for index, client in enumerate(clients[2:]):
            threads.append(call(client, f"close-up {index}", Priority.URGENT))
            wait_until_waiting(scheduler, 2 + index)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert done.index("whole") == MAX_OVERTAKEN
    assert [name for name in done if name != "whole"] == [f"close-up {index}" for index in range(6)]


def test_a_whole_frame_as_small_as_a_closeup_is_not_urgent() -> None:
    """Whole frames of near-square cameras are encoded at 224x224, the size of close-ups."""
    scheduler, runtime = FairScheduler(), Counting()
    clients = [SharedRuntime(runtime, scheduler) for _ in range(3)]
    clients.append(clients[-1].with_priority(Priority.URGENT))
    threads = []
    with scheduler.turn(scheduler.add_client()):
        for count, (client, size) in enumerate(
            zip(clients, ((448, 672), (448, 672), (224, 224), (224, 224)), strict=True), start=1
        ):
            image = np.full((1, *size, 3), count, np.uint8)
            threads.append(threading.Thread(target=client.encode, args=(image,), daemon=True))
            threads[-1].start()
            wait_until_waiting(scheduler, count)
    for thread in threads:
        thread.join(PATIENCE_S)
    # The third client's close-up goes first; its whole frame then waits for the others'.
    assert runtime.order == [4, 1, 2, 3]


class ViewNoting(Segmenter):
    """Notes which view of the frame each call encodes, and the encoder's input size."""

    def __init__(self) -> None:
        super().__init__(Fake())
        self.encoded: list[tuple[View | None, tuple[int, int] | None]] = []

    def encode(
        self,
        image: NDArray[np.uint8],
        *,
        size: tuple[int, int] | None = None,
        view: View | None = None,
        time_ns: int = 0,
    ) -> Embedding:
        self.encoded.append((view, size))
        return super().encode(image, size=size, view=view, time_ns=time_ns)


def test_a_session_encodes_closeups_with_the_closeup_model_and_whole_frames_with_the_other() -> None:
    """Both have 224x224 input for frames of 1088x1080."""
    model, closeup_model = ViewNoting(), ViewNoting()
    image = np.full((1080, 1088, 3), 40, np.uint8)
    image[490:590, 490:590] = (200, 60, 60)
    with GazeSession(model, closeup_model=closeup_model, mode="live") as session:
        for step in range(1, 601):
            time_ns = 30_000_000 * step
            session.feed([GazeSample(time_ns - 5_000_000 * back, 540.0, 540.0) for back in range(5, -1, -1)])
            session.step(image, time_ns)
            if len(closeup_model.encoded) >= 3:
                break
            time.sleep(0.01)
    assert set(model.encoded) == {(None, (224, 224))}
    assert len(closeup_model.encoded) >= 3
    assert all(view is not None and size == (224, 224) for view, size in closeup_model.encoded)


def test_an_error_inside_gives_the_turn_back() -> None:
    scheduler, order = FairScheduler(), list[int]()
    with pytest.raises(ValueError, match="inside"), scheduler.turn(scheduler.add_client()):
        raise ValueError("inside")
    after = TurnHolder(scheduler, scheduler.add_client(), order)
    assert after.inside.wait(PATIENCE_S)
    after.end()


class Counting(Fake):
    """Counts what it encodes by brightness, and that two clients are never inside at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[int] = Counter()
        self.inside: set[int] = set()
        self.mixed = False
        self.order: list[int] = []

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        client = int(image[0, 0, 0, 0])
        self.inside.add(client)
        self.mixed |= len(self.inside) > 1
        self.order.append(client)
        self.seen[client] += 1
        result = super().encode(image)
        self.inside.discard(client)
        return result


def test_four_clients_get_equal_shares() -> None:
    """Each wants as much as it can get; one of them with three threads."""
    runtime, scheduler = Counting(), FairScheduler()
    clients = [SharedRuntime(runtime, scheduler) for _ in range(4)]
    stop = threading.Event()

    def work(index: int) -> None:
        image = np.full((1, 64, 64, 3), index, np.uint8)
        while not stop.is_set() and len(runtime.order) < 2000:
            clients[index].encode(image)

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in (0, 1, 2, 3, 3, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    stop.set()
    assert not runtime.mixed
    assert len(runtime.order) >= 2000
    # While all of them wait, each is served about equally often, the one with three threads as well.
    middle = Counter(runtime.order[200:1800])
    assert set(middle) == {0, 1, 2, 3}
    equal = [middle[index] for index in (0, 1, 2)]
    assert min(equal) / max(equal) > 0.5


def test_a_shared_runtime_stays_open_when_a_client_leaves() -> None:
    runtime = Fake()
    shared = SharedRuntime(runtime, FairScheduler())
    shared.close()
    assert shared.encode(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 256, 4, 4)
    assert shared.name == "fake"
