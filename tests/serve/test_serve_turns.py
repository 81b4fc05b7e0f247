"""FairScheduler on one model: nobody is held up by itself, and nobody is passed over."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import EngineError, InputError
from sam_edge.runtimes.base import Runtime
from sam_edge.runtimes.fake import Fake
from sam_edge.serve.connection.flow_control import FlowControl, LoadShedder
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.models.fair_scheduler import PASSED_OVER, FairScheduler, SharedRuntime
from sam_edge.wire.binary import Code, ProtocolError

PATIENCE_S = 20.0


class Party(threading.Thread):
    """Takes one turn and holds it until it is told to let go."""

    def __init__(self, turns: FairScheduler, party: int, order: list[int]) -> None:
        super().__init__(daemon=True)
        self.inside = threading.Event()
        self.let_go = threading.Event()
        self._turns, self._party, self._order = turns, party, order
        self.start()

    def run(self) -> None:
        with self._turns.turn(self._party):
            self._order.append(self._party)
            self.inside.set()
            self.let_go.wait(PATIENCE_S)

    def end(self) -> None:
        self.let_go.set()
        self.join(PATIENCE_S)


def wait_until_waiting(turns: FairScheduler, count: int) -> None:
    waited = threading.Event()
    for _ in range(2000):
        if turns.waiting == count:
            return
        waited.wait(0.005)
    pytest.fail(f"{turns.waiting} wait, not {count}")


def test_a_party_alone_never_waits() -> None:
    turns, order = FairScheduler(), list[int]()
    one = turns.join()
    first, second = Party(turns, one, order), Party(turns, one, order)
    assert first.inside.wait(PATIENCE_S)
    assert second.inside.wait(PATIENCE_S)
    first.end()
    second.end()
    third = Party(turns, turns.join(), order)
    assert third.inside.wait(PATIENCE_S)
    third.end()


def test_who_waits_goes_before_who_wants_more() -> None:
    turns, order = FairScheduler(), list[int]()
    greedy, other, third = turns.join(), turns.join(), turns.join()
    holding = Party(turns, greedy, order)
    assert holding.inside.wait(PATIENCE_S)
    waiting = [Party(turns, other, order)]
    wait_until_waiting(turns, 1)
    for count, party in enumerate((greedy, greedy, third, other), start=2):
        waiting.append(Party(turns, party, order))
        wait_until_waiting(turns, count)
    assert not any(one.inside.is_set() for one in waiting)
    for one in waiting:
        one.let_go.set()
    holding.end()
    for one in waiting:
        one.join(PATIENCE_S)
    # Who was served longest ago is next.
    assert order == [greedy, other, third, greedy, other, greedy]
    assert turns.waiting == 0


def test_two_parties_at_a_time_and_one_call_of_each() -> None:
    turns, order = FairScheduler(2), list[int]()
    one, other, third = turns.join(), turns.join(), turns.join()
    first, second = Party(turns, one, order), Party(turns, other, order)
    assert first.inside.wait(PATIENCE_S)
    assert second.inside.wait(PATIENCE_S)
    again = Party(turns, one, order)
    wait_until_waiting(turns, 1)
    last = Party(turns, third, order)
    wait_until_waiting(turns, 2)
    second.end()
    assert last.inside.wait(PATIENCE_S), "its first call goes before the other's second one"
    assert not again.inside.is_set()
    first.end()
    assert again.inside.wait(PATIENCE_S)
    for party in (again, last):
        party.end()


def test_what_is_urgent_goes_first_but_not_for_ever() -> None:
    turns, done = FairScheduler(), list[str]()
    parties = [turns.join() for _ in range(8)]

    def call(party: int, name: str, *, urgent: bool) -> threading.Thread:
        def work() -> None:
            with turns.turn(party, urgent=urgent):
                done.append(name)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    with turns.turn(parties[0]):
        threads = [call(parties[1], "whole", urgent=False)]
        wait_until_waiting(turns, 1)
        for index, party in enumerate(parties[2:]):
            threads.append(call(party, f"close-up {index}", urgent=True))
            wait_until_waiting(turns, 2 + index)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert done.index("whole") == PASSED_OVER
    assert [name for name in done if name != "whole"] == [f"close-up {index}" for index in range(6)]


def test_several_are_served_by_an_engine_with_half_the_threads_once_it_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sam_edge.serve.models.fair_scheduler.RECENTLY_S", 1e9)
    with Engines(runtime="onnxruntime", threads=2) as engines:
        one, other = engines.segmenter(), engines.segmenter()
        picture = np.zeros((120, 160, 3), np.uint8)
        opened = engines.opened("onnxruntime")
        alone = one.encode(picture, size=(224, 224)).data
        assert opened.for_several is opened.runtime, "nothing is warm yet"
        engines.warm_up(one, (120, 160))
        opened.wait(60)
        second = opened.for_several
        assert (opened.runtime.threads, second.threads) == (2, 1)
        called: list[Runtime] = []
        watch(opened.runtime, called)
        watch(second, called)
        other.encode(picture, size=(224, 224))
        shared = one.encode(picture, size=(224, 224)).data
        assert called == [opened.runtime, second], "who comes as the first one is alone yet"
        np.testing.assert_allclose(shared, alone, atol=1e-3)


def test_who_may_only_come_alone_has_one_engine() -> None:
    with Engines(runtime="onnxruntime", threads=2, several=False) as engines:
        engines.warm_up(engines.segmenter(), (120, 160))
        opened = engines.opened("onnxruntime")
        opened.wait(60)
        assert opened.for_several is opened.runtime


def test_a_second_engine_that_cannot_be_opened_is_logged_and_the_first_serves_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Runtime:
        raise EngineError("no memory")

    with Engines(runtime="onnxruntime", threads=2) as engines:
        monkeypatch.setattr("sam_edge.serve.models.engine_pool.open_runtime", fail)
        opened = engines.opened("onnxruntime")
        engines.warm_up(engines.segmenter(), (120, 160))
        opened.wait(60)
        assert opened.for_several is opened.runtime
        assert "no memory" in caplog.text


def watch(runtime: Runtime, called: list[Runtime]) -> None:
    """Note a runtime when it encodes."""
    encode = runtime.encode

    def noted(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        called.append(runtime)
        return encode(image)

    runtime.encode = noted  # type: ignore[method-assign]


def test_an_error_inside_gives_the_turn_back() -> None:
    turns, order = FairScheduler(), list[int]()
    with pytest.raises(ValueError, match="inside"), turns.turn(turns.join()):
        raise ValueError("inside")
    after = Party(turns, turns.join(), order)
    assert after.inside.wait(PATIENCE_S)
    after.end()


class Counting(Fake):
    """Counts what it encodes by brightness, and that two parties are never inside at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[int] = Counter()
        self.inside: set[int] = set()
        self.mixed = False
        self.order: list[int] = []

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        who = int(image[0, 0, 0, 0])
        self.inside.add(who)
        self.mixed |= len(self.inside) > 1
        self.order.append(who)
        self.seen[who] += 1
        result = super().encode(image)
        self.inside.discard(who)
        return result


def test_four_parties_are_served_alike() -> None:
    """Each wants as much as it can get; one of them with three threads."""
    runtime, turns = Counting(), FairScheduler()
    parties = [SharedRuntime(runtime, turns) for _ in range(4)]
    stop = threading.Event()

    def work(index: int) -> None:
        image = np.full((1, 64, 64, 3), index, np.uint8)
        while not stop.is_set() and len(runtime.order) < 2000:
            parties[index].encode(image)

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in (0, 1, 2, 3, 3, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    stop.set()
    assert not runtime.mixed
    assert len(runtime.order) >= 2000
    # In any stretch in which all of them wait, each comes about as often; the one with three threads thrice in a turn.
    middle = Counter(runtime.order[200:1800])
    assert set(middle) == {0, 1, 2, 3}
    alike = [middle[index] for index in (0, 1, 2)]
    assert min(alike) / max(alike) > 0.5


def test_a_shared_runtime_stays_open_when_one_leaves() -> None:
    runtime = Fake()
    one = SharedRuntime(runtime, FairScheduler())
    one.close()
    assert one.encode(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 256, 4, 4)
    assert one.name == "fake"


def test_engines_are_opened_once_and_only_those_on_offer(engines: Engines) -> None:
    assert engines.offers[0].name == "fake"
    assert engines.segmenter(shared=True) is engines.segmenter("fake", shared=True)
    assert engines.segmenter() is not engines.segmenter()
    for name in ("torch", "abacus"):
        with pytest.raises(ProtocolError, match="not offered") as caught:
            engines.segmenter(name)
        assert caught.value.code is Code.SETTING
    assert engines.check_size((448, 672)) == (448, 672)
    with pytest.raises(InputError, match="672x448"):
        engines.check_size((447, 672))


def test_the_window_closes_under_load_and_opens_again() -> None:
    now = 0.0
    pace = FlowControl(lambda: now)
    for waited_ms, busy_s, window in ((30.0, 0.098, 1), (0.0, 0.08, 1), (0.0, 0.02, 2)):
        for _ in range(15):
            now += 0.1
            pace.note(waited_ms, busy_s)
        assert pace.window == window


def test_a_crowd_gets_fewer_frames_while_the_model_is_late() -> None:
    now = 0.0
    crowd = LoadShedder(lambda: now)
    crowd.enter()

    def go_on(encode_ms: float, seconds: int) -> float:
        nonlocal now
        for _ in range(10 * seconds):
            now += 0.1
            crowd.note(encode_ms)
        return crowd.frames_per_s

    assert go_on(500.0, 5) == 0, "who is alone gets as many as it sends"
    crowd.enter()
    assert go_on(60.0, 3) == 0
    assert go_on(150.0, 2) in (12.0, 16.0, 20.0)
    assert go_on(500.0, 9) == 8.0
    assert go_on(80.0, 9) == 8.0, "neither late nor early: it stays"
    assert go_on(20.0, 40) == 0
    assert go_on(500.0, 9) == 8.0
    crowd.leave()
    assert crowd.frames_per_s == 0
