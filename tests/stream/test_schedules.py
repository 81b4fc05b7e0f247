"""The two schedules: what a step computes, what it waits for, and what their parts have to know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream import GazeSession, State
from sam_edge.stream.attention import GazeAttention
from sam_edge.stream.dwell_tracker import DwellTracker
from sam_edge.stream.intent_judge import IntentJudge
from sam_edge.stream.latest_only_worker import LatestOnlyWorker
from sam_edge.stream.live import LiveSchedule
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.object_follower import ObjectFollower
from sam_edge.stream.schedule import Schedule
from sam_edge.stream.sequential import SequentialSchedule
from sam_edge.stream.session import small_size
from sam_edge.stream.tuning import SelectionTuning
from sam_edge.stream.worker_jobs import SessionFrame

INPUT = (224, 320)
MS = 1_000_000
FRAME_NS = 40 * MS
LONG_S = 20.0
OBJECT = (40.0, 30.0, 80.0, 70.0)
ON_IT = (60.0, 50.0)
Texture = Callable[..., NDArray[np.uint8]]
MakeGaze = Callable[..., list[GazeSample]]
Stages = list[dict[str, float]]


class Parts:
    """The parts of a session, of which a test makes a schedule."""

    def __init__(self, world: Callable[..., Any], samples: list[GazeSample]) -> None:
        self.model = Segmenter(world(OBJECT))
        self.dwells = DwellTracker(8)
        self.dwells.feed(samples)
        self.motion = FrameMotion()
        self.threads: set[str] = set()
        self.follower = ObjectFollower(self.model, self.motion)
        self.judge = IntentJudge(
            GazeAttention(self.model, px_per_deg=8),
            self.dwells,
            self.motion,
            encode=self.encode,
            track_at=self.follower.track_at,
        )

    def encode(self, frame: SessionFrame) -> Embedding:
        self.threads.add(threading.current_thread().name)
        return self.model.encode(frame.image, size=INPUT, time_ns=frame.time_ns)

    def sequential(self, encode_every: int = 1) -> SequentialSchedule:
        return SequentialSchedule(self.judge, self.motion, encode_every=encode_every)

    def live(self, tuning: SelectionTuning) -> LiveSchedule:
        return LiveSchedule(self.judge, self.follower, self.dwells, self.motion, px_per_deg=8, tuning=tuning)


@pytest.fixture
def parts(world: Callable[..., Any], gaze_at: MakeGaze) -> Parts:
    return Parts(world, gaze_at((400, *ON_IT)))


@pytest.fixture
def live(parts: Parts) -> Iterator[LiveSchedule]:
    schedule = parts.live(SelectionTuning(step_budget_ms=1e4, slow_closeup_ms=1e4))
    yield schedule
    schedule.close()


def test_a_sequential_step_assesses_in_its_own_thread(parts: Parts, texture: Texture) -> None:
    schedule = parts.sequential()
    stages: dict[str, float] = {}
    selection = schedule.step(SessionFrame(texture(), 0), stages)
    assert selection.state is State.FOCUSED
    assert parts.threads == {threading.current_thread().name}
    assert list(stages) == ["motion", "propagate", "encode", "attend"]
    assert schedule.wait_idle(0.0)
    schedule.forget()
    stages = {}
    assert schedule.step(SessionFrame(texture(1), FRAME_NS), stages).origin == "encoded"
    schedule.close()


def test_only_steps_that_assess_report_their_stages(parts: Parts, texture: Texture) -> None:
    schedule = parts.sequential(encode_every=3)
    assessed = []
    for index in range(7):
        stages: dict[str, float] = {}
        schedule.step(SessionFrame(texture(index), index * FRAME_NS), stages)
        assessed.append("encode" in stages)
    assert assessed == [True, False, False, True, False, False, True]


def test_a_live_step_leaves_whole_frames_to_a_thread(
    parts: Parts, live: LiveSchedule, texture: Texture
) -> None:
    first: dict[str, float] = {}
    assert live.step(SessionFrame(texture(), 0), first).state is State.NONE
    assert list(first) == ["motion", "propagate", "closeup", "show"]
    assert live.wait_idle(LONG_S)
    assert parts.threads == {"sam-edge-encoder"}
    second: dict[str, float] = {}
    selection = live.step(SessionFrame(texture(), FRAME_NS), second)
    assert selection.state is State.FOCUSED
    assert {"encode", "attend"} <= set(second)
    third: dict[str, float] = {}
    live.step(SessionFrame(texture(), 2 * FRAME_NS), third)
    assert "encode" not in third


@pytest.mark.parametrize(("slow_closeup_ms", "waits"), [(1e4, True), (0.0, False)])
def test_a_live_step_waits_only_for_close_ups_that_are_fast_enough(
    parts: Parts, texture: Texture, monkeypatch: pytest.MonkeyPatch, slow_closeup_ms: float, waits: bool
) -> None:
    waited_s: list[float] = []
    finished = LatestOnlyWorker.finished

    def note(worker: LatestOnlyWorker[Any, Any], timeout_s: float = 0.0) -> object:
        waited_s.append(timeout_s)
        return finished(worker, timeout_s)

    monkeypatch.setattr(LatestOnlyWorker, "finished", note)
    schedule = parts.live(SelectionTuning(step_budget_ms=1e4, slow_closeup_ms=slow_closeup_ms))
    for index in range(4):
        schedule.step(SessionFrame(texture(index), index * FRAME_NS), {})
        assert schedule.wait_idle(LONG_S)
    schedule.close()
    assert (max(waited_s) > 0) is waits


def test_a_live_step_waits_for_its_close_up_within_its_budget(live: LiveSchedule, texture: Texture) -> None:
    """The budget of this schedule is ten seconds: every close-up is ready within its own step."""
    for index in range(2):
        live.step(SessionFrame(texture(), index * FRAME_NS), {})
        assert live.wait_idle(LONG_S)
    for index in range(2, 6):
        selection = live.step(SessionFrame(texture(index), index * FRAME_NS), {})
        assert (selection.origin, selection.age_ms) == ("encoded", 0)


def test_a_live_schedule_forgets_at_once(live: LiveSchedule, texture: Texture) -> None:
    for index in range(2):
        shown = live.step(SessionFrame(texture(), index * FRAME_NS), {})
        assert live.wait_idle(LONG_S)
    assert shown.mask is not None
    live.forget()
    assert live.step(SessionFrame(texture(), 2 * FRAME_NS), {}).mask is None


def test_close_ups_use_the_model_that_is_given_for_them(
    world: Callable[..., Any], texture: Texture, gaze_at: MakeGaze
) -> None:
    whole, closeups = Segmenter(world(OBJECT)), Segmenter(world(OBJECT))
    with GazeSession(whole, closeup_model=closeups, px_per_deg=8, size=INPUT, mode="live") as session:
        session.feed(gaze_at((400, *ON_IT)))
        for index in range(6):
            session.step(texture(index), index * FRAME_NS)
            assert session.wait_idle(LONG_S)
    whole_runtime: Any = whole.runtime
    closeup_runtime: Any = closeups.runtime
    assert whole_runtime.encoded >= 1
    assert closeup_runtime.encoded >= 1


@pytest.mark.parametrize(
    ("frame_size", "input_size"),
    [
        ((480, 640), (224, 336)),
        ((640, 480), (336, 224)),
        ((1080, 1088), (224, 224)),
        ((500, 600), (224, 224)),
        ((500, 601), (224, 336)),
    ],
)
def test_the_live_input_suits_the_frame(frame_size: tuple[int, int], input_size: tuple[int, int]) -> None:
    assert small_size(frame_size) == input_size


def test_both_schedules_have_the_same_verbs(parts: Parts, live: LiveSchedule) -> None:
    schedules: list[Schedule] = [parts.sequential(), live]
    assert all(schedule.wait_idle(LONG_S) for schedule in schedules)
