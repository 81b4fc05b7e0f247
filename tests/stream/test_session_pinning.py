"""A session stepped by hand in a world of boxes: triggers, several things at once, bad gaze, recordings, memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats
from sam_edge.media.frames import VideoFrame
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream import GazeSession, Selection, State
from sam_edge.stream.playback import GazeFeed
from sam_edge.stream.recording import SessionRecorder, read_session_recording
from sam_edge.stream.replay import compare_selections, replay

INPUT = (224, 320)
MS = 1_000_000
FRAME_NS = 40 * MS
THING, OTHER, THIRD = (40.0, 30.0, 80.0, 70.0), (110.0, 40.0, 140.0, 70.0), (5.0, 80.0, 30.0, 105.0)
ON_THING, ON_OTHER, ON_THIRD = (60.0, 50.0), (125.0, 55.0), (17.0, 92.0)
OPTIONS = {"px_per_deg": 8.0, "size": INPUT}
Texture = Callable[..., NDArray[np.uint8]]
MakeGaze = Callable[..., list[GazeSample]]
Open = Callable[..., GazeSession]


@pytest.fixture
def model(world: Callable[..., Any]) -> Segmenter:
    return Segmenter(world(THING, OTHER, THIRD))


@pytest.fixture
def session(model: Segmenter) -> Iterator[GazeSession]:
    with GazeSession(model, px_per_deg=8, size=INPUT) as opened:
        yield opened


def play(
    session: GazeSession,
    texture: Texture,
    samples: list[GazeSample],
    frames: int,
    *,
    begin: int = 0,
    dx: int = 0,
    drift: int = 0,
) -> list[Selection]:
    """Step through frames that drift to the right from `dx` on, each with the gaze up to the end of its interval."""
    feed = GazeFeed(samples)
    made = []
    for index in range(begin, begin + frames):
        session.feed(feed.until((index + 1) * FRAME_NS))
        made.append(session.step(texture(dx + drift * (index - begin)), index * FRAME_NS))
    return made


def at_centre(selection: Any, place: tuple[float, float]) -> bool:
    mask = selection.mask
    return mask is not None and bool(mask[round(place[1]), round(place[0])])


def test_select_keeps_what_was_looked_at_when_it_was_triggered(
    session: GazeSession, texture: Texture, gaze_at: MakeGaze
) -> None:
    samples = gaze_at((800, *ON_THING), (240, *ON_OTHER))
    play(session, texture, samples, 26)
    assert session.pin(at_ns=700 * MS) == 1
    shown = session.step(texture(), 26 * FRAME_NS)
    assert [one.object_id for one in shown.pinned] == [1]
    assert at_centre(shown.pinned[0], ON_THING)


def test_select_by_time_reaches_back_past_a_change(
    session: GazeSession, texture: Texture, gaze_at: MakeGaze
) -> None:
    samples = gaze_at((800, *ON_THING), (800, *ON_OTHER))
    shown = play(session, texture, samples, 40)[-1]
    assert shown.object_id == 2
    assert session.pin(at_ns=700 * MS) is not None
    shown = session.step(texture(), 40 * FRAME_NS)
    assert at_centre(shown.pinned[0], ON_THING)
    assert at_centre(shown, ON_OTHER)


def test_select_without_anything_meant_keeps_nothing(session: GazeSession, texture: Texture) -> None:
    assert session.pin() is None
    assert session.pin(at_ns=5) is None
    assert session.step(texture(), 0).pinned == ()


def test_several_things_are_kept_and_let_go_one_by_one(
    session: GazeSession, texture: Texture, gaze_at: MakeGaze
) -> None:
    places = (ON_THING, ON_OTHER, ON_THIRD)
    samples = gaze_at(*[(1200, *place) for place in places])
    kept = []
    for turn in range(3):
        shown = play(session, texture, samples[turn * 240 : (turn + 1) * 240], 30, begin=30 * turn)[-1]
        assert at_centre(shown, places[turn])
        kept.append(session.pin())
    assert kept == [1, 2, 3]
    shown = session.step(texture(), 90 * FRAME_NS)
    assert [one.object_id for one in shown.pinned] == [1, 2, 3]
    assert all(at_centre(one, place) for one, place in zip(shown.pinned, places, strict=True))
    assert all(0 < one.score <= 1 and one.box[0] < one.box[2] for one in shown.pinned)
    session.unpin(2)
    shown = session.step(texture(), 91 * FRAME_NS)
    assert [one.object_id for one in shown.pinned] == [1, 3]
    assert shown.object_id == 3
    session.unpin()
    shown = session.step(texture(), 92 * FRAME_NS)
    assert (shown.pinned, shown.mask, shown.object_id) == ((), None, None)


def test_a_thing_is_kept_once(session: GazeSession, texture: Texture, gaze_at: MakeGaze) -> None:
    play(session, texture, gaze_at((600, *ON_THING)), 15)
    assert (session.pin(), session.pin()) == (1, 1)
    assert len(session.step(texture(), 15 * FRAME_NS).pinned) == 1


def test_gaze_that_stops_leaves_the_thing_held(
    session: GazeSession, texture: Texture, gaze_at: MakeGaze
) -> None:
    made = play(session, texture, gaze_at((600, *ON_THING)), 60)
    assert {one.state for one in made[20:]} == {State.HELD}
    assert {one.object_id for one in made[20:]} == {1}
    assert made[-1].fixation is None


def test_a_thing_that_leaves_is_lost_and_comes_back_as_another(
    session: GazeSession, model: Segmenter, texture: Texture, gaze_at: MakeGaze
) -> None:
    play(session, texture, gaze_at((600, *ON_THING)), 15)
    things: list[Any] = model.runtime.things  # type: ignore[attr-defined]
    model.runtime.things = []  # type: ignore[attr-defined]
    gone = play(session, texture, [], 30, begin=15, drift=-6)
    assert gone[-1].state is State.LOST
    assert all((one.mask is None) == (one.state is State.LOST) for one in gone)
    assert all(one.origin == "none" and one.box is None for one in gone if one.mask is None)
    model.runtime.things = things  # type: ignore[attr-defined]
    back = play(session, texture, gaze_at((800, *ON_THING), begin_ms=45 * 40), 20, begin=45, dx=-174)
    assert back[-1].state is State.FOCUSED
    assert back[-1].object_id == 2


def test_a_flood_of_gaze_is_gaze(session: GazeSession, texture: Texture) -> None:
    """100,000 samples in half a second: the newest count."""
    flood = [GazeSample(5_000 * index, *ON_THING) for index in range(100_000)]
    session.feed(flood)
    for index in range(12, 16):
        shown = session.step(texture(), index * FRAME_NS)
    assert at_centre(shown, ON_THING)


@pytest.mark.parametrize("ahead_ms", [500, 1_000_000])
def test_gaze_from_the_future_passes(
    session: GazeSession, texture: Texture, gaze_at: MakeGaze, ahead_ms: int
) -> None:
    """A clock that jumped ahead and back: the gaze that is there now is followed again."""
    play(session, texture, gaze_at((400, *ON_THING)), 10)
    session.feed(gaze_at((100, *ON_OTHER), begin_ms=400 + ahead_ms))
    play(session, texture, [], 3, begin=10)
    made = play(session, texture, gaze_at((1200, *ON_THIRD), begin_ms=520), 30, begin=13)
    assert at_centre(made[-1], ON_THIRD)
    assert made[-1].state is State.FOCUSED


def test_gaze_that_is_no_place_selects_nothing(session: GazeSession, texture: Texture) -> None:
    bad = (math.nan, math.inf, -math.inf, 1e30, -1e300)
    samples = [GazeSample(5 * MS * index, bad[index % 5], bad[(index // 5) % 5], 1.0) for index in range(100)]
    made = play(session, texture, samples, 12)
    assert all(one.mask is None and one.state is State.NONE for one in made)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_gaze_leaves_a_session_in_a_defined_state(
    world: Callable[..., Any], texture: Texture, data: st.DataObject
) -> None:
    values = st.floats(-50, 250) | st.sampled_from([math.nan, math.inf, 1e200])
    samples = data.draw(
        st.lists(st.tuples(st.integers(-(10**9), 2 * 10**9), values, values, st.floats(0, 1)), max_size=50)
    )
    with GazeSession(Segmenter(world(THING, OTHER)), px_per_deg=8, size=INPUT) as session:
        session.feed(GazeSample(*one) for one in samples)
        for index in range(4):
            shown = session.step(texture(2 * index), index * FRAME_NS)
            assert (shown.mask is None) == (shown.object_id is None) == (shown.box is None)
            assert (shown.mask is None) == (shown.origin == "none")
            assert (shown.mask is None) == (shown.state in (State.NONE, State.LOST))
            assert shown.age_ms >= 0
            if shown.mask is not None:
                assert shown.mask.any()


def test_an_embedding_serves_while_the_picture_is_still(
    session: GazeSession, texture: Texture, gaze_at: MakeGaze
) -> None:
    made = play(session, texture, gaze_at((800, *ON_THING)), 20)
    assert {one.origin for one in made[-5:]} == {"reused"}
    assert made[-1].age_ms > 0
    moved = session.step(texture(5), 20 * FRAME_NS)
    assert moved.origin == "encoded"
    assert moved.age_ms == 0


def test_a_slow_drift_is_not_taken_for_a_still_picture(
    session: GazeSession, texture: Texture, gaze_at: MakeGaze
) -> None:
    """A quarter of a pixel a frame is five pixels in twenty frames."""
    import cv2

    session.feed(gaze_at((800, *ON_THING)))
    made = []
    for index in range(24):
        matrix = np.array([[1, 0, 0.25 * index], [0, 1, 0]])
        moved = cv2.warpAffine(texture(), matrix, (160, 112), borderMode=cv2.BORDER_REFLECT)
        made.append(session.step(np.asarray(moved, np.uint8), index * FRAME_NS))
    assert max(one.age_ms for one in made) <= 8 * 40


class Source:
    """A tracker that says what it is told, and may fail."""

    name = "made"
    stats = SourceStats()

    def __init__(self, samples: list[GazeSample]) -> None:
        self.waiting = samples
        self.closed = 0

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        given, self.waiting = self.waiting[:8], self.waiting[8:]
        return given

    def close(self) -> None:
        self.closed += 1


def test_a_live_source_is_read_at_every_step_and_closed(
    model: Segmenter, texture: Texture, gaze_at: MakeGaze
) -> None:
    source: Any = Source(gaze_at((600, *ON_THING)))
    with GazeSession(model, gaze=source, px_per_deg=8, size=INPUT) as session:
        made = [session.step(texture(), index * FRAME_NS) for index in range(15)]
    assert at_centre(made[-1], ON_THING)
    assert source.closed == 1
    with pytest.raises(SessionError, match="closed"):
        session.step(texture(), 15 * FRAME_NS)


@pytest.mark.parametrize("encode_every", [1, 3])
def test_a_session_that_records_itself_is_replayed_bit_for_bit(
    model: Segmenter,
    world: Callable[..., Any],
    texture: Texture,
    gaze_at: MakeGaze,
    tmp_path: Path,
    encode_every: int,
) -> None:
    samples = gaze_at((700, *ON_THING), (100, 0, None), (900, *ON_OTHER), (600, *ON_THIRD))
    options = {**OPTIONS, "encode_every": encode_every}
    recorder = SessionRecorder(tmp_path / "run", model=model, options=options)
    frames = [
        VideoFrame(index, str(index), index * FRAME_NS, (index + 1) * FRAME_NS, texture(index // 2))
        for index in range(56)
    ]
    feed = GazeFeed(samples)
    made = []
    with GazeSession(
        model, px_per_deg=8, size=INPUT, encode_every=encode_every, recorder=recorder
    ) as session:
        for frame in frames:
            session.feed(feed.until(frame.time_ns + FRAME_NS))
            if frame.index == 22:
                assert session.pin(at_ns=600 * MS) == 1
            if frame.index == 44:
                session.pin()
            if frame.index == 48:
                session.unpin(1)
            made.append(session.step(frame.image, frame.time_ns))
    assert read_session_recording(tmp_path / "run").complete
    again = Segmenter(world(THING, OTHER, THIRD))
    pairs = list(replay(tmp_path / "run", frames, again))
    assert len(pairs) == len(made) == 56
    for (recorded, repeated), first in zip(pairs, made, strict=True):
        assert compare_selections(recorded, first) == ()
        assert compare_selections(recorded, repeated) == ()
    assert {len(one.pinned) for one in made} >= {0, 1}


def test_only_every_nth_frame_is_encoded_and_the_mask_moves_on_between(
    model: Segmenter, texture: Texture, gaze_at: MakeGaze
) -> None:
    with GazeSession(model, px_per_deg=8, size=INPUT, encode_every=3) as session:
        made = play(session, texture, gaze_at((2000, *ON_THING)), 30, drift=1)
    shown = [one for one in made if one.mask is not None]
    first = made.index(shown[0])
    assert first <= 8, "the first rest is not kept waiting for its turn"
    for age, one in enumerate(made[first:]):
        turn = age % 3 == 0
        assert one.origin == ("encoded" if turn else "propagated")
        assert ("encode" in one.timing_ms) == turn
        assert one.age_ms == pytest.approx((age % 3) * FRAME_NS / MS)
    centres = [float(np.nonzero(one.mask)[1].mean()) for one in shown if one.mask is not None]
    # The world's thing stands still, the texture drifts: only what is carried goes along with it.
    assert centres[1] - centres[0] == pytest.approx(1, abs=0.5)
    assert centres[2] - centres[0] == pytest.approx(2, abs=0.5)
    assert centres[3] == pytest.approx(centres[0], abs=1.5)


def test_a_release_is_heard_of_on_frames_that_are_not_encoded(
    model: Segmenter, texture: Texture, gaze_at: MakeGaze
) -> None:
    samples = gaze_at((700, *ON_THING), (900, *ON_OTHER))
    with GazeSession(model, px_per_deg=8, size=INPUT, encode_every=4) as session:
        play(session, texture, samples[:140], 17)
        assert session.pin() == 1
        made = play(session, texture, samples, 20, begin=17)
        assert [one.object_id for one in made[-1].pinned] == [1]
        session.unpin(1)
        after = play(session, texture, [], 8, begin=37)
        assert all(one.pinned == () for one in after)


@pytest.mark.parametrize(
    "options", [{"encode_every": 0}, {"encode_every": 25}, {"encode_every": 2, "mode": "live"}]
)
def test_schedules_that_cannot_be_are_refused(model: Segmenter, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"encode_every: .* is not accepted"):
        GazeSession(model, **options)


def test_memory_is_bounded_over_2000_steps(
    texture: Texture, count_reachable: Callable[[object], int]
) -> None:
    """Everything that the session reaches is counted: it does not rise with time."""
    generator = np.random.default_rng(2)
    pictures = [np.ascontiguousarray(texture(dx)[:64, :80]) for dx in range(6)]
    counts = []
    with GazeSession(Segmenter(Fake()), px_per_deg=4, size=(64, 80)) as session:
        for index in range(2000):
            x, y = ((20, 20), (60, 20), (40, 50))[(index // 12) % 3]
            dx, dy = generator.normal(0, 0.2, 2)
            session.feed([GazeSample(index * FRAME_NS + part * 10 * MS, x + dx, y + dy) for part in range(4)])
            shown = session.step(pictures[index % 6 if index % 40 < 20 else 0], index * FRAME_NS)
            if index == 1000:
                session.pin()
            if index % 500 == 499:
                counts.append(count_reachable(session))
    assert shown.mask is not None
    assert max(counts[1:]) <= 1.2 * counts[0] + 200
