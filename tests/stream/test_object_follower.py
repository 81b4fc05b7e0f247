"""The follower: which tracks go on, how they are carried, which close-ups are taken, and what is remembered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.geometry import Placement, View
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.assessment import Assessment, SceneObject
from sam_edge.stream.closeup import Track
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.object_follower import ObjectFollower
from sam_edge.stream.selection import State
from sam_edge.stream.tuning import DEFAULT_TUNING
from sam_edge.stream.worker_jobs import CloseUpJob, SessionFrame

FRAME, INPUT = (112, 160), (224, 320)
MS = 1_000_000
FRAME_NS = 40 * MS
Texture = Callable[..., NDArray[np.uint8]]


def box_logits(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.float32]:
    logits = np.full(FRAME, -5, np.float32)
    logits[y0:y1, x0:x1] = 5
    return logits


def assess(index: int, logits: NDArray[np.float32] | None, object_id: int = 1) -> Assessment:
    data = np.zeros((1, 256, INPUT[0] // 16, INPUT[1] // 16), np.float32)
    embedding = Embedding(data, Placement(View.whole(FRAME), INPUT), FRAME, index * FRAME_NS)
    target = None if logits is None else SceneObject(object_id, logits, None, 0.9)
    return Assessment(index + 1, index * FRAME_NS, embedding, State.FOCUSED, target, (), True, None, {})


class Bench:
    """A follower of a picture that moves to the right."""

    def __init__(self, texture: Texture) -> None:
        self.texture = texture
        self.motion = FrameMotion()
        self.runtime = Fake()
        self.follower = ObjectFollower(Segmenter(self.runtime), self.motion)
        self.index = -1

    def step(self, assessment: Assessment | None = None, *, new: bool = False, dx: int = 0) -> Track | None:
        """Take the next frame, without a close-up."""
        self.follower.join(assessment, new=new)
        self.index += 1
        self.motion.advance(self.texture(dx), self.index * FRAME_NS)
        self.follower.carry(self.index * FRAME_NS)
        self.follower.take(None, self.index * FRAME_NS)
        return self.follower.track


@pytest.fixture
def bench(texture: Texture) -> Bench:
    return Bench(texture)


def centre_x(track: Track | None) -> float:
    assert track is not None
    return float(np.nonzero(track.grid_logits > 0)[1].mean())


def test_a_new_target_begins_a_track_on_the_newest_frame(bench: Bench) -> None:
    assert bench.step() is None
    for step in range(1, 4):
        bench.step(dx=3 * step)
    track = bench.step(assess(0, box_logits(40, 30, 80, 70)), new=True, dx=12)
    assert centre_x(track) == pytest.approx(59.5 + 12, abs=1)
    assert track is not None
    assert (track.object_id, track.time_ns, track.decoded_ns) == (1, 4 * FRAME_NS, 0)
    assert (track.lowres_logits, track.embedding) == (None, None)


def test_a_track_goes_on_when_the_assessment_agrees_and_begins_again_when_not(bench: Bench) -> None:
    bench.step()
    assessment = assess(0, box_logits(40, 30, 80, 70))
    bench.step(assessment, new=True)
    finer = assess(1, box_logits(42, 30, 82, 70))
    track = bench.step(finer, new=True)
    assert centre_x(track) == pytest.approx(59.5, abs=0.5)
    assert track is not None
    assert track.decoded_ns == 0
    other_mask = assess(2, box_logits(60, 30, 100, 70))
    assert centre_x(bench.step(other_mask, new=True)) == pytest.approx(79.5, abs=0.5)
    other_object = assess(3, box_logits(60, 30, 100, 70), object_id=2)
    track = bench.step(other_object, new=True)
    assert track is not None
    assert track.object_id == 2
    assert bench.step(other_object) is not None
    assert bench.step(assess(5, None), new=True) is None


def test_a_mask_that_was_carried_for_too_long_is_lost(bench: Bench) -> None:
    bench.step()
    assessment = assess(0, box_logits(40, 30, 80, 70))
    track = bench.step(assessment, new=True)
    frames = 0
    while track is not None:
        track = bench.step(assessment)
        frames += 1
    assert (frames + 1) * FRAME_NS == pytest.approx(DEFAULT_TUNING.stale_ms * MS, abs=FRAME_NS)


def test_a_fresher_close_up_of_the_same_object_is_taken(bench: Bench) -> None:
    bench.step()
    bench.step(assess(0, box_logits(40, 30, 80, 70)), new=True)
    now = bench.index * FRAME_NS
    finer = box_logits(44, 30, 84, 70)
    bench.follower.take(Track(2, now, finer, 0.9, now), now)
    bench.follower.take(Track(1, 0, finer, 0.9, 0), now)
    assert centre_x(bench.follower.track) == pytest.approx(59.5, abs=0.5)
    bench.follower.take(Track(1, now, finer, 0.9, now), now)
    assert centre_x(bench.follower.track) == pytest.approx(63.5, abs=0.5)
    assert bench.follower.track_at(now) is bench.follower.track


def test_tracks_are_remembered_by_frame_and_bounded(bench: Bench) -> None:
    bench.step()
    assert bench.follower.nearest_track(0) is None
    for index in range(DEFAULT_TUNING.track_frames + 20):
        bench.step(assess(index, box_logits(40, 30, 80, 70)), new=True)
    newest = bench.index * FRAME_NS
    remembered = [
        time for time in range(0, newest + 1, FRAME_NS) if bench.follower.track_at(time) is not None
    ]
    assert remembered[-1] == newest
    assert len(remembered) == DEFAULT_TUNING.track_frames + 1
    nearest = bench.follower.nearest_track(newest - 2.3 * FRAME_NS)
    assert nearest is not None
    assert nearest.time_ns == newest - 2 * FRAME_NS


def test_a_forgotten_track_is_gone_until_the_next_assessment(bench: Bench) -> None:
    bench.step()
    assessment = assess(0, box_logits(40, 30, 80, 70))
    bench.step(assessment, new=True)
    bench.follower.forget()
    assert bench.step(assessment) is None
    assert bench.step(assess(2, box_logits(40, 30, 80, 70)), new=True) is not None


def test_a_close_up_waits_for_the_carried_mask_and_counts_in_the_average(bench: Bench) -> None:
    track = Track(1, 0, box_logits(40, 30, 80, 70), 0.9, 0)
    job = CloseUpJob(SessionFrame(bench.texture(), FRAME_NS), track)
    carried = Track(1, FRAME_NS, box_logits(42, 30, 82, 70), 0.9, 0)
    job.carried.set_result(carried)
    before_ms = bench.follower.closeup_ms
    assert before_ms == DEFAULT_TUNING.step_budget_ms
    found = bench.follower.look_closer(job)
    assert found is not None
    assert (found.time_ns, found.object_id) == (FRAME_NS, 1)
    assert bench.runtime.encoded == 1
    assert bench.follower.closeup_ms != before_ms
