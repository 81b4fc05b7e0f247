"""A session under any order of feed, step, pin, unpin and close, in both modes: what always holds."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from numpy.typing import NDArray

from sam_edge.config import Mode
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream import GazeSession, Selection, State

MS = 1_000_000
FRAME_NS = 40 * MS
LONG_S = 20.0
HEIGHT, WIDTH = 112, 160
PLACES = ((30.0, 30.0), (130.0, 40.0), (80.0, 90.0), (400.0, -50.0))
"""Three places on the frame, far apart, and one outside."""


def picture() -> NDArray[np.uint8]:
    small = np.random.default_rng(7).integers(0, 255, (14, 20, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


IMAGE = picture()


class SessionMachine(RuleBasedStateMachine):
    """Calls a session as an app may, and checks every answer against what was called before."""

    mode: Mode = "sequential"

    def __init__(self) -> None:
        super().__init__()
        self.session = GazeSession(Segmenter(Fake()), px_per_deg=6, size=(112, 160), mode=self.mode)
        self.index = 0
        self.gaze_ms = 0
        self.noise = np.random.default_rng(3)
        self.pinned: list[int] = []
        self.retired: set[int] = set()
        self.highest = 0
        self.closed = False

    @initialize(place=st.sampled_from(PLACES[:3]))
    def look_at_something(self, place: tuple[float, float]) -> None:
        self.look(place, 300)

    @rule(place=st.sampled_from(PLACES), lasting_ms=st.sampled_from([40, 120, 400, 700]))
    def look(self, place: tuple[float, float], lasting_ms: int) -> None:
        """Rest the gaze on a place, and show the frames of that time."""
        for _ in range(lasting_ms // 40):
            self.feed(place)
            self.step()

    @rule(frames=st.integers(1, 5))
    def blink(self, frames: int) -> None:
        self.gaze_ms += 40 * frames
        for _ in range(frames):
            self.step()

    @rule(back=st.integers(0, 3))
    def step_without_advancing(self, back: int) -> None:
        if self.index and not self.closed:
            with pytest.raises(SessionError, match="does not come after"):
                self.session.step(IMAGE, (self.index - 1 - back) * FRAME_NS)

    @rule()
    def step_with_another_size(self) -> None:
        if self.index and not self.closed:
            with pytest.raises(InputError, match="those before: 160x112"):
                self.session.step(IMAGE[:-1], self.index * FRAME_NS)

    @rule(back_ms=st.none() | st.integers(0, 1500))
    def pin(self, back_ms: int | None) -> None:
        at_ns = None if back_ms is None else max(0, self.gaze_ms - back_ms) * MS
        object_id = self.session.pin(at_ns)
        if object_id is not None:
            self.check_id(object_id)
            if object_id not in self.pinned:
                self.pinned.append(object_id)

    @precondition(lambda self: self.pinned)
    @rule(choice=st.integers(0, 10))
    def unpin_one(self, choice: int) -> None:
        self.session.unpin(self.pinned.pop(choice % len(self.pinned)))
        self.step()

    @rule()
    def unpin_what_is_not_there(self) -> None:
        self.session.unpin(10_000)

    @precondition(lambda self: self.index > 15)
    @rule()
    def unpin_everything(self) -> None:
        self.session.unpin()
        self.pinned = []

    @rule(choice=st.integers(0, 10))
    def forget_one(self, choice: int) -> None:
        objects = self.session.objects
        if not objects:
            return
        object_id = objects[choice % len(objects)].object_id
        self.session.forget(object_id)
        self.retired.add(object_id)
        self.pinned = [item for item in self.pinned if item != object_id]
        assert self.session.wait_idle(LONG_S)

    @rule(choice=st.integers(0, 10))
    def merge_two(self, choice: int) -> None:
        numbers = [item.object_id for item in self.session.objects]
        if len(numbers) < 2:
            return
        keep, other = numbers[choice % len(numbers)], numbers[(choice + 1) % len(numbers)]
        self.session.merge(keep, other)
        self.retired.add(other)
        self.pinned = list(dict.fromkeys(keep if item == other else item for item in self.pinned))

    @rule(label=st.none() | st.sampled_from(["cup", "door"]))
    def rename_one(self, label: str | None) -> None:
        assert self.session.wait_idle(LONG_S)
        for item in self.session.objects[:1]:
            self.session.rename(item.object_id, label)
            assert self.session.objects[0].label == label

    @rule()
    def rename_what_is_not_there(self) -> None:
        with pytest.raises(InputError, match="not a known object"):
            self.session.rename(10_000, "cup")

    @rule()
    def wait(self) -> None:
        assert self.session.wait_idle(LONG_S)

    @precondition(lambda self: self.index > 40)
    @rule()
    def close(self) -> None:
        self.closed = True
        self.session.close()

    def feed(self, place: tuple[float, float]) -> None:
        samples = []
        for time_ms in range(self.gaze_ms, self.gaze_ms + 40, 5):
            dx, dy = self.noise.normal(0, 0.2, 2)
            samples.append(GazeSample(time_ms * MS, place[0] + float(dx), place[1] + float(dy)))
        self.gaze_ms += 40
        self.session.feed(samples)

    def step(self) -> None:
        if self.closed:
            with pytest.raises(SessionError, match="closed"):
                self.session.step(IMAGE, self.index * FRAME_NS)
            return
        selection = self.session.step(IMAGE, self.index * FRAME_NS)
        assert selection.frame_time_ns == self.index * FRAME_NS
        self.index += 1
        self.check(selection)

    def check(self, selection: Selection) -> None:
        nothing = selection.mask is None
        assert nothing == (selection.box is None) == (selection.object_id is None)
        assert nothing == (selection.origin == "none") == (selection.state in (State.NONE, State.LOST))
        assert selection.mask is None or selection.mask.any()
        assert selection.age_ms >= 0
        for object_id in (selection.object_id, *(item.object_id for item in selection.pinned)):
            if object_id is not None:
                self.check_id(object_id)
        pinned = [item.object_id for item in selection.pinned]
        if self.mode == "sequential":
            assert pinned == self.pinned
        else:
            assert [object_id for object_id in self.pinned if object_id in pinned] == pinned

    def check_id(self, object_id: int) -> None:
        """Numbers rise one by one, and those that were forgotten or merged never come back."""
        assert object_id not in self.retired
        if self.mode == "sequential":
            assert object_id <= self.highest + 1
        self.highest = max(self.highest, object_id)

    def teardown(self) -> None:
        closer = threading.Thread(target=self.session.close)
        closer.start()
        closer.join(LONG_S)
        assert not closer.is_alive(), "closing hangs"
        self.session.close()


class LiveMachine(SessionMachine):
    mode: Mode = "live"


SETTINGS = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestSequential = SessionMachine.TestCase
TestSequential.settings = SETTINGS
TestLive = LiveMachine.TestCase
TestLive.settings = SETTINGS
