"""The network in a session: which masks it trusts, when its own is taken, and that it is asked on every frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.follow.network import FollowerInput, FollowerOutput
from sam_edge.stream.closeup import Track
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.network_follower import NetworkFollower
from sam_edge.stream.render import render_track
from sam_edge.stream.worker_jobs import SessionFrame

FRAME = (112, 160)
MS = 1_000_000
FRAME_NS = 40 * MS
Texture = Callable[..., NDArray[np.uint8]]


class Network:
    """Keeps masks as they are carried, and answers with a confidence that a test sets."""

    def __init__(self) -> None:
        self.confidence = 0.9
        self.corrected = 0
        self.runs = 0

    def run(self, inputs: list[FollowerInput]) -> list[FollowerOutput]:
        self.runs += 1
        self.corrected += sum(item.trusted is not None for item in inputs)
        keys = np.zeros((2, 441, 28), np.float32)
        return [FollowerOutput(item.carried, self.confidence, keys) for item in inputs]


def track_of(index: int, x0: int = 40, *, decoded: int | None = None) -> Track:
    logits = np.full(FRAME, -8, np.float32)
    logits[30:70, x0 : x0 + 40] = 8
    made_ns = (index if decoded is None else decoded) * FRAME_NS
    return Track(1, index * FRAME_NS, logits, 0.7, made_ns)


class Bench:
    """A picture that moves to the right by 3 pixels a frame."""

    def __init__(self, texture: Texture) -> None:
        self.texture = texture
        self.motion = FrameMotion()
        self.network = Network()
        self.follower = NetworkFollower(self.network, self.motion)
        self.index = -1

    def step(self, track: Track | None) -> Track | None:
        self.index += 1
        frame = SessionFrame(self.texture(3 * self.index), self.index * FRAME_NS)
        self.motion.advance(frame.image, frame.time_ns)
        return self.follower.correct(track, frame)


@pytest.fixture
def bench(texture: Texture) -> Bench:
    return Bench(texture)


def left_edge(track: Track | None) -> float:
    assert track is not None
    return float(np.nonzero((track.grid_logits > 0).any(axis=0))[0][0])


def test_a_track_without_a_trusted_mask_stays_as_it_is(bench: Bench) -> None:
    track = track_of(0)
    assert bench.step(track) is track
    assert bench.network.corrected == 0
    assert bench.step(None) is None


def test_a_trusted_mask_is_followed_on_every_frame(bench: Bench) -> None:
    first = track_of(0)
    bench.follower.trust(first)
    assert bench.step(first) is first
    for index in (1, 2, 3):
        track = bench.step(track_of(index, 20, decoded=0))
        assert left_edge(track) == pytest.approx(40 + 3 * index, abs=1)
        assert track is not None
        assert (track.score, track.made_ns, track.decoded_ns) == (0.9, index * FRAME_NS, 0)
    assert bench.network.corrected == 3


def test_a_mask_of_an_earlier_frame_is_brought_to_this_one(bench: Bench) -> None:
    for index in range(3):
        bench.step(track_of(index))
    bench.follower.trust(track_of(1, 43))
    track = bench.step(track_of(3, 10, decoded=1))
    assert left_edge(track) == pytest.approx(49, abs=1)


def test_a_new_mask_of_a_followed_frame_costs_no_further_run(bench: Bench) -> None:
    bench.follower.trust(track_of(0))
    for index in range(3):
        bench.step(track_of(index, decoded=0))
    runs = bench.network.runs
    bench.follower.trust(track_of(1, 43))
    track = bench.step(track_of(3, 10, decoded=1))
    assert left_edge(track) == pytest.approx(49, abs=1)
    assert bench.network.runs == runs + 1


def test_a_new_mask_outside_of_what_was_looked_at_is_looked_at(bench: Bench) -> None:
    bench.follower.trust(track_of(0))
    for index in range(3):
        bench.step(track_of(index, decoded=0))
    runs = bench.network.runs
    bench.follower.trust(track_of(1, 100))
    assert left_edge(bench.step(track_of(3, 10, decoded=1))) == pytest.approx(106, abs=1)
    assert bench.network.runs == runs + 2


def test_a_carried_mask_is_not_trusted(bench: Bench) -> None:
    bench.follower.trust(track_of(0, decoded=-1))
    bench.step(track_of(0))
    track = track_of(1, decoded=-1)
    assert bench.step(track) is track


def test_another_objects_track_is_not_corrected(bench: Bench) -> None:
    bench.follower.trust(track_of(0))
    bench.step(track_of(0))
    other = Track(2, FRAME_NS, track_of(1).grid_logits, 0.7, 0)
    assert bench.step(other) is other


def test_a_mask_that_the_network_doubts_is_not_taken(bench: Bench) -> None:
    bench.follower.trust(track_of(0))
    bench.step(track_of(0))
    bench.network.confidence = 0.1
    carried = track_of(1, decoded=0)
    assert bench.step(carried) is carried
    bench.network.confidence = 0.9
    assert left_edge(bench.step(track_of(2, 20, decoded=0))) == pytest.approx(46, abs=1)


def test_the_networks_mask_is_drawn_from_its_own_cells(bench: Bench) -> None:
    bench.follower.trust(track_of(0))
    bench.step(track_of(0))
    track = bench.step(track_of(1, decoded=0))
    assert track is not None
    mask = render_track(track, FRAME)
    assert mask is not None
    true = track_of(1, 43).grid_logits > 0
    assert (mask & true).sum() / (mask | true).sum() > 0.9
