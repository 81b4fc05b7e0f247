"""The judge of intent: when it encodes, whom it lets go first, what it says of the target, and what unpinning does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import EngineError
from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.attention import GazeAttention
from sam_edge.stream.candidate import box_on_frame
from sam_edge.stream.closeup import Track
from sam_edge.stream.dwell_tracker import DwellTracker
from sam_edge.stream.intent_judge import IntentJudge
from sam_edge.stream.motion import FRAMES_KEPT, FrameMotion
from sam_edge.stream.selection import State
from sam_edge.stream.worker_jobs import SessionFrame

FRAME, INPUT = (112, 160), (224, 320)
MS = 1_000_000
FRAME_NS = 40 * MS
FIRST, SECOND = (40.0, 30.0, 80.0, 70.0), (110.0, 40.0, 140.0, 70.0)
ON_FIRST, ON_SECOND = (60.0, 50.0), (125.0, 55.0)
Texture = Callable[..., NDArray[np.uint8]]
MakeGaze = Callable[..., list[GazeSample]]


class Bench:
    """A judge, and what it is given."""

    def __init__(self, world: Callable[..., Any], texture: Texture) -> None:
        self.model = Segmenter(world(FIRST, SECOND))
        self.texture = texture
        self.dwells = DwellTracker(8)
        self.motion = FrameMotion()
        self.tracks: dict[int, Track] = {}
        self.fails = False
        self.encoded = 0
        self.index = 0
        self.judge = IntentJudge(
            GazeAttention(self.model, px_per_deg=8),
            self.dwells,
            self.motion,
            encode=self.encode,
            track_at=self.tracks.get,
        )

    def encode(self, frame: SessionFrame) -> Embedding:
        if self.fails:
            raise EngineError("the engine stumbled")
        self.encoded += 1
        return self.model.encode(frame.image, size=INPUT, time_ns=frame.time_ns)

    def frame(self, dx: int = 0) -> SessionFrame:
        """Show the next frame."""
        frame = SessionFrame(self.texture(dx), self.index * FRAME_NS)
        self.motion.advance(frame.image, frame.time_ns)
        self.index += 1
        return frame


@pytest.fixture
def bench(world: Callable[..., Any], texture: Texture) -> Bench:
    return Bench(world, texture)


def test_nothing_is_encoded_before_the_first_dwell(bench: Bench) -> None:
    assert bench.judge.assess(bench.frame()) is None
    assert bench.encoded == 0
    assert bench.judge.judged_dwell is None


def test_assessments_are_numbered_and_an_embedding_serves_while_the_picture_is_still(
    bench: Bench, gaze_at: MakeGaze
) -> None:
    bench.dwells.feed(gaze_at((400, *ON_FIRST)))
    found = [bench.judge.assess(bench.frame(dx)) for dx in (0, 0, 5)]
    assert [item.number for item in found if item is not None] == [1, 2, 3]
    assert bench.encoded == 2
    first = found[0]
    assert first is not None
    assert first.target is not None
    assert first.state is State.FOCUSED
    assert first.segment is not None
    assert set(first.stages_ms) == {"encode", "attend"}
    assert bench.judge.judged_dwell == 0


def test_urgent_work_goes_first_unless_a_dwell_is_new(bench: Bench, gaze_at: MakeGaze) -> None:
    waits: list[int] = []
    bench.dwells.feed(gaze_at((400, *ON_FIRST)))
    bench.judge.assess(bench.frame(), lambda: waits.append(bench.index))
    assert waits == []
    bench.judge.assess(bench.frame(), lambda: waits.append(bench.index))
    assert waits == [2, 2]
    bench.dwells.feed(gaze_at((400, *ON_SECOND), begin_ms=400))
    bench.judge.assess(bench.frame(), lambda: waits.append(bench.index))
    assert waits == [2, 2]


def test_an_engine_that_fails_changes_nothing(bench: Bench, gaze_at: MakeGaze) -> None:
    bench.dwells.feed(gaze_at((400, *ON_FIRST)))
    bench.fails = True
    with pytest.raises(EngineError, match="stumbled"):
        bench.judge.assess(bench.frame())
    bench.fails = False
    found = bench.judge.assess(bench.frame())
    assert found is not None
    assert (found.number, found.state) == (1, State.FOCUSED)


def test_a_gap_in_the_motion_loses_the_target_and_it_stays_lost(bench: Bench, gaze_at: MakeGaze) -> None:
    bench.dwells.feed(gaze_at((400, *ON_FIRST)))
    assert bench.judge.assess(bench.frame()) is not None
    for step in range(FRAMES_KEPT + 2):
        bench.frame(2 * step)
    states = []
    for _ in range(2):
        found = bench.judge.assess(bench.frame())
        assert found is not None
        states.append((found.target, found.state))
    assert states == [(None, State.LOST)] * 2
    assert bench.judge.unpin()
    found = bench.judge.assess(bench.frame())
    assert found is not None
    assert found.state is State.NONE


def test_what_was_unpinned_is_pending_until_an_assessment_knows_of_it(
    bench: Bench, gaze_at: MakeGaze
) -> None:
    bench.dwells.feed(gaze_at((400, *ON_FIRST)))
    before = bench.judge.assess(bench.frame())
    assert bench.judge.pin() == 1
    pinned = bench.judge.assess(bench.frame())
    assert pinned is not None
    assert [item.object_id for item in pinned.pinned] == [1]
    assert list(bench.judge.pending_unpins(pinned)) == []
    assert bench.judge.unpin(1), "the target was unpinned"
    assert list(bench.judge.pending_unpins(None)) == [1]
    assert list(bench.judge.pending_unpins(before)) == [1]
    assert list(bench.judge.pending_unpins(pinned)) == [1]
    after = bench.judge.assess(bench.frame())
    assert after is not None
    assert after.pinned == ()
    assert list(bench.judge.pending_unpins(after)) == []


def test_pinning_again_ends_a_pending_unpin(bench: Bench, gaze_at: MakeGaze) -> None:
    bench.dwells.feed(gaze_at((600, *ON_FIRST)))
    bench.judge.assess(bench.frame())
    assert bench.judge.pin() == 1
    bench.dwells.feed(gaze_at((800, *ON_SECOND), begin_ms=600))
    found = bench.judge.assess(bench.frame())
    assert found is not None
    assert found.target is not None
    assert found.target.object_id == 2
    assert not bench.judge.unpin(1), "there is another target"
    assert list(bench.judge.pending_unpins(found)) == [1]
    assert bench.judge.pin(at_ns=300 * MS) == 1
    assert list(bench.judge.pending_unpins(found)) == []


def test_the_dwell_that_was_let_go_selects_nothing_again(bench: Bench, gaze_at: MakeGaze) -> None:
    bench.dwells.feed(gaze_at((400, *ON_FIRST)))
    bench.judge.assess(bench.frame())
    assert bench.judge.unpin()
    bench.dwells.feed(gaze_at((200, *ON_FIRST), begin_ms=400))
    found = bench.judge.assess(bench.frame())
    assert found is not None
    assert (found.target, found.state) == (None, State.NONE)
    bench.dwells.feed(gaze_at((400, *ON_SECOND), begin_ms=600))
    found = bench.judge.assess(bench.frame())
    assert found is not None
    assert found.target is not None
    assert found.target.object_id == 2


def test_the_target_is_taken_from_the_track_where_close_ups_follow_it(
    bench: Bench, gaze_at: MakeGaze
) -> None:
    """The picture is still, and the track says that the object moved by 8 pixels; a box prompt gives its box."""
    bench.model = Segmenter(Fake())
    moved: dict[int, Track] = {}
    judge = IntentJudge(
        GazeAttention(bench.model, px_per_deg=8),
        bench.dwells,
        bench.motion,
        encode=bench.encode,
        track_at=moved.get,
    )
    bench.dwells.feed(gaze_at((400, *ON_FIRST)))
    found = judge.assess(bench.frame())
    assert found is not None
    assert found.target is not None
    target, left = found.target, box_on_frame(found.target.grid_logits, FRAME)[0]
    for index, shift in ((0, 0), (1, 8)):
        grid_logits = np.roll(target.grid_logits, shift, axis=1)
        moved[index * FRAME_NS] = Track(
            target.object_id, index * FRAME_NS, grid_logits, 0.9, index * FRAME_NS
        )
    found = judge.assess(bench.frame())
    assert found is not None
    assert found.target is not None
    assert box_on_frame(found.target.grid_logits, FRAME)[0] - left == pytest.approx(8, abs=1.5)
