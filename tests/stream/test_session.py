"""The gaze session on the fake runtime: discs round the points, so that every decision can be foretold."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from sam_edge.errors import EngineError, InputError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream import GazeSession, Selection, State
from sam_edge.stream.playback import GazeFeed

HEIGHT, WIDTH = 240, 320
FPS = 24
MS = 1_000_000


def frame(index: int) -> np.ndarray:
    """A textured picture that does not move."""
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    return cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def gaze(*stretches: tuple[float, float, float | None]) -> list[GazeSample]:
    """Samples at 200 Hz: stretches of (milliseconds, x, y); y None is a blink. A little noise, from one seed."""
    generator = np.random.default_rng(1)
    samples = []
    now = 0.0
    for length, x, y in stretches:
        for _ in range(int(length / 5)):
            dx, dy = generator.normal(0, 0.5, 2)
            place = (np.nan, np.nan, 0.0) if y is None else (x + dx, y + dy, 1.0)
            samples.append(GazeSample(int(now * MS), *place))
            now += 5
    return samples


def play(session: GazeSession, samples: list[GazeSample], frames: int) -> Iterator[Selection]:
    feed = GazeFeed(samples)
    for index in range(frames):
        session.feed(feed.until(int((index + 1) * 1e9 / FPS)))
        yield session.step(frame(index), int(index * 1e9 / FPS))


@pytest.fixture
def session() -> Iterator[GazeSession]:
    with GazeSession(Segmenter(Fake()), px_per_deg=15) as opened:
        yield opened


def test_selects_soon_after_gaze_comes_to_rest(session: GazeSession) -> None:
    selections = list(play(session, gaze((1000, 100, 120)), 12))
    first = next(index for index, one in enumerate(selections) if one.mask is not None)
    assert first <= 4
    chosen = selections[-1]
    assert chosen.state is State.FOCUSED
    assert chosen.mask is not None
    assert chosen.mask[120, 100]
    assert chosen.origin == "reused"  # the picture does not change
    assert chosen.box is not None
    x0, y0, x1, y1 = chosen.box
    assert x0 < 100 < x1
    assert y0 < 120 < y1
    assert set(chosen.timing_ms) >= {"gaze", "motion", "encode", "attend", "propagate", "total"}


def test_nothing_is_selected_without_gaze(session: GazeSession) -> None:
    for one in play(session, [], 5):
        assert one.state is State.NONE
        assert one.mask is None
        assert one.origin == "none"


def test_a_short_glance_away_holds_the_selection(session: GazeSession) -> None:
    samples = gaze((800, 60, 120), (180, 280, 60), (800, 60, 120))
    ids = {one.object_id for one in play(session, samples, 40) if one.object_id is not None}
    assert ids == {1}


def test_a_blink_holds_the_selection(session: GazeSession) -> None:
    samples = gaze((800, 60, 120), (150, 0, None), (800, 60, 120))
    selections = list(play(session, samples, 40))
    assert {one.object_id for one in selections if one.object_id is not None} == {1}
    assert all(one.mask is not None for one in selections[6:])


def test_a_real_change_switches(session: GazeSession) -> None:
    samples = gaze((800, 40, 200), (1200, 290, 40))
    selections = list(play(session, samples, 47))
    assert selections[-1].object_id == 2
    mask = selections[-1].mask
    assert mask is not None
    assert mask[40, 290]
    assert not mask[200, 40]
    switched = next(index for index, one in enumerate(selections) if one.object_id == 2)
    assert switched / FPS - 0.8 < 0.35


def test_release_lets_go(session: GazeSession) -> None:
    list(play(session, gaze((500, 60, 120)), 12))
    session.unpin()
    assert session.step(frame(0), int(0.51e9)).mask is None
    assert session.step(frame(0), int(2e9)).mask is None


def test_gaze_that_stops_coming_holds_and_selects_nothing_new(session: GazeSession) -> None:
    list(play(session, gaze((500, 60, 120)), 12))
    later = session.step(frame(0), int(3e9))
    assert later.state is State.HELD
    assert later.object_id == 1


def test_results_depend_on_the_past_alone() -> None:
    samples = gaze((500, 60, 120), (700, 280, 60))
    whole, half = (
        [one.mask for one in play(GazeSession(Segmenter(Fake())), given, count)]
        for given, count in ((samples, 24), (samples[:100], 12))
    )
    for first, second in zip(whole[:11], half[:11], strict=True):
        assert (first is None) == (second is None)
        if first is not None:
            np.testing.assert_array_equal(first, second)


def test_gaze_outside_the_frame_selects_nothing(session: GazeSession) -> None:
    assert all(one.mask is None for one in play(session, gaze((600, 900, 120)), 12))


def test_bad_frames_are_refused_and_the_session_goes_on(session: GazeSession) -> None:
    session.step(frame(0), 0)
    with pytest.raises(InputError, match="those before: 320x240"):
        session.step(np.zeros((100, 100, 3), np.uint8), 1)
    with pytest.raises(InputError, match="RGB uint8"):
        session.step(np.zeros((HEIGHT, WIDTH), np.uint8), 1)
    with pytest.raises(SessionError, match="does not come after"):
        session.step(frame(0), 0)
    assert session.step(frame(1), 1).state is State.NONE


def test_a_closed_session_says_so() -> None:
    session = GazeSession(Segmenter(Fake()))
    session.close()
    session.close()
    with pytest.raises(SessionError, match="closed"):
        session.step(frame(0), 0)


def test_px_per_deg_must_be_positive() -> None:
    with pytest.raises(InputError, match="px_per_deg"):
        GazeSession(Segmenter(Fake()), px_per_deg=0)


class Slow(Fake):
    """Waits inside encode until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()

    def encode(self, image: np.ndarray) -> np.ndarray:
        self.inside.set()
        self.go_on.wait(10)
        return super().encode(image)


def test_stepping_from_two_threads_is_refused() -> None:
    runtime = Slow()
    session = GazeSession(Segmenter(runtime))
    session.feed(gaze((300, 60, 120)))
    worker = threading.Thread(target=session.step, args=(frame(0), int(0.3e9)))
    worker.start()
    assert runtime.inside.wait(10)
    with pytest.raises(SessionError, match="two threads"):
        session.step(frame(1), int(0.4e9))
    runtime.go_on.set()
    worker.join()


class Failing(Fake):
    """Fails to encode once."""

    def encode(self, image: np.ndarray) -> np.ndarray:
        if self.encoded == 0:
            self.encoded += 1
            raise EngineError("the engine stumbled")
        return super().encode(image)


def test_an_engine_that_fails_raises_and_the_session_goes_on() -> None:
    session = GazeSession(Segmenter(Failing()))
    session.feed(gaze((300, 60, 120)))
    with pytest.raises(EngineError, match="stumbled"):
        session.step(frame(0), int(0.3e9))
    assert session.step(frame(1), int(0.31e9)).mask is not None
