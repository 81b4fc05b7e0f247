"""A session with a thread for the encoder: what the camera's thread waits for, shows and hears of. No clock decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.bundle import FOLLOWER, open_bundle
from sam_edge.errors import EngineError, InputError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter
from sam_edge.stream import GazeSession, Selection, State
from sam_edge.stream.motion import FRAMES_KEPT
from sam_edge.stream.playback import GazeFeed
from sam_edge.stream.tuning import DEFAULT_TUNING

FRAME, INPUT = (112, 160), (224, 320)
MS = 1_000_000
FRAME_NS = 40 * MS
LONG_S = 20.0
THING, OTHER = (40.0, 30.0, 80.0, 70.0), (110.0, 40.0, 140.0, 70.0)
Texture = Callable[..., NDArray[np.uint8]]
MakeGaze = Callable[..., list[GazeSample]]


class Gated:
    """Encodes whole frames only when it is let; close-ups pass, or fail to find the thing."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.let = threading.Semaphore(0)
        self.open = True
        self.begun = threading.Event()
        self.encoded = 0
        self.stumbles = 0
        self.blind = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        if image.shape[1:3] == INPUT:
            self.begun.set()
            if not self.open:
                self.let.acquire(timeout=LONG_S)
            self.encoded += 1
            if self.stumbles:
                self.stumbles -= 1
                raise EngineError("the engine stumbled")
        made: NDArray[np.float32] = self.world.encode(image)
        return made

    def decode(self, embedding: NDArray[np.float32], *given: Any) -> Any:
        logits, scores = self.world.decode(embedding, *given)
        if self.blind and embedding.shape[2:] != (INPUT[0] // 16, INPUT[1] // 16):
            logits[:] = -10
        return logits, scores


class Camera:
    """Steps a session frame by frame, with gaze as it comes."""

    def __init__(self, session: GazeSession, runtime: Gated, texture: Texture) -> None:
        self.session, self.runtime, self.texture = session, runtime, texture
        self.index = 0
        self.feed = GazeFeed([])

    def watch(self, samples: list[GazeSample]) -> None:
        """Have this gaze from now on; its times are those of the camera."""
        self.feed = GazeFeed(samples)

    @property
    def now_ms(self) -> float:
        return self.index * FRAME_NS / MS

    def step(self, frames: int = 1, dx: int = 0) -> Selection:
        """Show so many frames, moved to the right by `dx` in all; return the last selection."""
        for _ in range(frames):
            self.session.feed(self.feed.until((self.index + 1) * FRAME_NS))
            selection = self.session.step(self.texture(dx), self.index * FRAME_NS)
            self.index += 1
        return selection

    def settle(self) -> None:
        """Wait until both threads have nothing to do."""
        assert self.session.wait_idle(LONG_S)

    def until_selected(self) -> Selection:
        """Step, giving the threads time, until something is selected."""
        for _ in range(20):
            selection = self.step()
            self.settle()
            if selection.state is State.FOCUSED:
                return selection
        raise AssertionError(f"nothing is selected: {selection.state}")


@pytest.fixture
def camera(world: Callable[..., Any], texture: Texture) -> Iterator[Camera]:
    runtime = Gated(world(THING, OTHER))
    session = GazeSession(Segmenter(runtime), px_per_deg=8, size=INPUT, mode="live")  # type: ignore[arg-type]
    yield Camera(session, runtime, texture)
    runtime.open = True
    runtime.let.release(1000)
    session.close()


def centre(mask: NDArray[np.bool_] | None) -> tuple[float, float]:
    assert mask is not None
    rows, columns = np.nonzero(mask)
    return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5


def test_a_step_never_waits_for_the_whole_frame(camera: Camera, gaze_at: MakeGaze) -> None:
    camera.runtime.open = False
    camera.watch(gaze_at((2000, 60, 50)))
    selections = [camera.step() for _ in range(12)]
    assert camera.runtime.begun.wait(LONG_S)
    assert camera.runtime.encoded == 0
    assert all(one.mask is None and one.state is State.NONE for one in selections)
    camera.runtime.let.release(1)
    camera.runtime.open = True
    camera.settle()
    assert camera.runtime.encoded >= 1
    assert camera.step().object_id == 1


def test_a_mask_is_carried_along_with_the_picture(camera: Camera, gaze_at: MakeGaze) -> None:
    """No whole frame is encoded meanwhile, and close-ups do not find the thing: motion alone carries it."""
    camera.watch(gaze_at((400, 60, 50)))
    camera.runtime.blind = True
    selected = camera.until_selected()
    decoded_ns = selected.frame_time_ns - round(selected.age_ms * MS)
    assert selected.origin == ("propagated" if selected.age_ms else "encoded")
    x, y = centre(selected.mask)
    camera.runtime.open = False
    for step in range(1, 11):
        shown = camera.step(dx=3 * step)
        moved_x, moved_y = centre(shown.mask)
        assert (moved_x - x, moved_y - y) == pytest.approx((3 * step, 0), abs=1.5)
        assert shown.origin == "propagated"
        assert shown.age_ms >= 40 * step
        assert shown.frame_time_ns - round(shown.age_ms * MS) >= decoded_ns
        assert shown.object_id == 1
        assert shown.box is not None
        assert shown.box[0] <= moved_x <= shown.box[2]


def test_a_close_up_makes_the_mask_fresh(camera: Camera, gaze_at: MakeGaze) -> None:
    camera.watch(gaze_at((400, 60, 50)))
    camera.until_selected()
    camera.settle()
    camera.runtime.open = False
    fresh = 0
    for step in range(1, 9):
        shown = camera.step(dx=2 * step)
        fresh += shown.origin == "encoded"
        assert shown.age_ms == 0 if shown.origin == "encoded" else shown.age_ms > 0
        assert shown.mask is not None
        assert shown.mask[50, 60 + 2 * step]
    assert fresh > 0


def test_what_was_encoded_too_long_ago_is_not_shown(camera: Camera, gaze_at: MakeGaze) -> None:
    """The picture has moved since in a way that nobody remembers: no mask is better than one in a wrong place."""
    camera.runtime.open = False
    camera.watch(gaze_at((300, 60, 50)))
    camera.step(8)
    assert camera.runtime.begun.wait(LONG_S)
    for step in range(FRAMES_KEPT + 4):
        camera.step(dx=2 * step)
    camera.runtime.begun.clear()
    camera.runtime.let.release(1)
    # The next encoding begins when the first one's assessment is there.
    assert camera.runtime.begun.wait(LONG_S)
    shown = camera.step(dx=2 * step)
    assert shown.mask is None
    assert shown.box is None
    assert shown.state is State.LOST
    assert shown.origin == "none"


def test_errors_of_the_thread_surface_in_step_and_the_session_goes_on(
    camera: Camera, gaze_at: MakeGaze
) -> None:
    camera.watch(gaze_at((2000, 60, 50)))
    camera.runtime.stumbles = 1
    raised: list[str] = []
    for _ in range(30):
        try:
            shown = camera.step()
        except EngineError as error:
            raised.append(str(error))
            camera.index += 1
        camera.settle()
    assert raised == ["the engine stumbled"]
    assert shown.object_id is not None
    assert shown.state is State.FOCUSED


def test_errors_of_a_close_up_surface_in_step(
    camera: Camera, gaze_at: MakeGaze, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera.watch(gaze_at((2000, 60, 50)))
    camera.until_selected()
    whole = camera.runtime.world.encode

    def encode(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        if image.shape[1:3] != INPUT:
            raise EngineError("no close-up today")
        made: NDArray[np.float32] = whole(image)
        return made

    monkeypatch.setattr(camera.runtime.world, "encode", encode)

    def step_on() -> None:
        for _ in range(5):
            camera.step()
            camera.settle()

    with pytest.raises(EngineError, match="no close-up"):
        step_on()
    monkeypatch.undo()
    camera.index += 1
    camera.settle()
    assert camera.step(3).object_id == 1


def test_closing_in_the_middle_of_an_encoding_returns(camera: Camera, gaze_at: MakeGaze) -> None:
    camera.runtime.open = False
    camera.watch(gaze_at((2000, 60, 50)))
    camera.step(8)
    assert camera.runtime.begun.wait(LONG_S)
    closer = threading.Thread(target=camera.session.close)
    closer.start()
    camera.runtime.let.release(1)
    closer.join(LONG_S)
    assert not closer.is_alive()
    assert camera.runtime.encoded == 1
    with pytest.raises(SessionError, match="closed"):
        camera.step()
    camera.session.close()


def test_what_is_released_while_the_thread_works_is_not_shown_again(
    camera: Camera, gaze_at: MakeGaze
) -> None:
    camera.watch(gaze_at((3000, 60, 50)))
    camera.until_selected()
    camera.settle()
    camera.runtime.open = False
    camera.runtime.begun.clear()
    for step in range(20):
        camera.step(dx=3 * (step % 2))
    assert camera.runtime.begun.wait(LONG_S)
    camera.session.unpin()
    assert camera.step().mask is None
    camera.runtime.open = True
    camera.runtime.let.release(1)
    for _ in range(12):
        camera.settle()
        shown = camera.step()
        assert shown.mask is None
        assert shown.object_id is None
    camera.watch(gaze_at((2000, 125, 55), begin_ms=camera.now_ms))
    assert camera.until_selected().object_id == 2


def test_a_released_thing_is_selected_again_by_a_new_rest_and_has_its_number(
    camera: Camera, gaze_at: MakeGaze
) -> None:
    camera.watch(gaze_at((600, 60, 50)))
    camera.until_selected()
    camera.session.unpin()
    begun = camera.now_ms
    camera.watch(gaze_at((200, 10, 100), (1500, 60, 50), begin_ms=begun))
    assert camera.until_selected().object_id == 1


def test_a_thing_that_leaves_is_lost(camera: Camera, gaze_at: MakeGaze) -> None:
    camera.watch(gaze_at((400, 60, 50)))
    camera.until_selected()
    camera.settle()
    camera.runtime.world.things = []
    seen = []
    for step in range(1, 30):
        seen.append(camera.step(dx=-6 * step))
        camera.settle()
    assert seen[-1].mask is None
    assert seen[-1].state is State.LOST
    assert {one.state for one in seen} <= {State.FOCUSED, State.HELD, State.LOST}
    assert all((one.mask is None) == (one.state is State.LOST) for one in seen)


def test_what_is_kept_is_carried_while_another_thing_is_selected(camera: Camera, gaze_at: MakeGaze) -> None:
    camera.watch(gaze_at((800, 60, 50), (4000, 125, 55)))
    camera.until_selected()
    assert camera.session.pin() == 1
    for _ in range(60):
        shown = camera.step()
        camera.settle()
        if shown.object_id == 2:
            break
    assert shown.object_id == 2
    assert [one.object_id for one in shown.pinned] == [1]
    assert centre(shown.pinned[0].mask) == pytest.approx((60, 50), abs=2)
    camera.runtime.open = False
    shown = camera.step(dx=4)
    assert centre(shown.pinned[0].mask) == pytest.approx((64, 50), abs=2)


def test_released_kept_things_are_gone_at_once(camera: Camera, gaze_at: MakeGaze) -> None:
    camera.watch(gaze_at((800, 60, 50), (4000, 125, 55)))
    camera.until_selected()
    camera.session.pin()
    for _ in range(60):
        shown = camera.step()
        camera.settle()
        if shown.object_id == 2:
            break
    assert [one.object_id for one in shown.pinned] == [1]
    camera.session.unpin(1)
    assert camera.step().pinned == ()
    for _ in range(20):
        assert camera.step().pinned == ()
        camera.settle()
    assert camera.session.pin(700 * MS) == 1
    camera.settle()
    for _ in range(20):
        shown = camera.step()
        camera.settle()
    assert [one.object_id for one in shown.pinned] == [1]


def test_memory_is_bounded(
    camera: Camera, gaze_at: MakeGaze, count_reachable: Callable[[object], int]
) -> None:
    """Everything that the session reaches is counted when its threads are idle: it does not rise with time."""
    camera.watch(gaze_at(*[(400, 60, 50), (400, 125, 55)] * 20))
    counts = []
    for step in range(360):
        camera.step(dx=step % 3)
        if step % 90 == 89:
            camera.settle()
            counts.append(count_reachable(camera.session))
    assert max(counts[1:]) <= 1.2 * counts[0] + 200


class TestNetwork:
    """With `tuning.follow` the network's mask is shown on every frame, and SAM's close-ups come rarely."""

    @pytest.fixture
    def following(self, world: Callable[..., Any], texture: Texture) -> Iterator[Camera]:
        runtime = Gated(world(THING, OTHER))
        session = GazeSession(
            Segmenter(runtime),  # type: ignore[arg-type]
            px_per_deg=8,
            size=INPUT,
            mode="live",
            tuning=replace(DEFAULT_TUNING, follow=True),
        )
        yield Camera(session, runtime, texture)
        runtime.open = True
        runtime.let.release(1000)
        session.close()

    def test_masks_are_made_on_their_own_frame(self, following: Camera, gaze_at: MakeGaze) -> None:
        following.watch(gaze_at((4000, 60, 50)))
        following.until_selected()
        origins = []
        for _ in range(12):
            selection = following.step()
            following.settle()
            origins.append(selection.origin)
            assert selection.mask is not None
            if selection.origin == "followed":
                assert selection.age_ms == 0
        assert origins.count("followed") > 8
        assert following.runtime.world.followed > 8

    def test_warming_up_opens_the_network(self, following: Camera, texture: Texture) -> None:
        following.session.warm_up(texture())
        assert following.runtime.world.followed > 0

    @pytest.mark.parametrize(
        ("follow", "max_follow_ms", "follows"),
        [(None, 1e9, True), (None, 0.0, False), (False, 1e9, False), (True, 0.0, True)],
    )
    def test_by_itself_it_follows_where_the_network_is_fast_enough(
        self, texture: Texture, follow: bool | None, max_follow_ms: float, follows: bool
    ) -> None:
        tuning = replace(DEFAULT_TUNING, follow=follow, max_follow_ms=max_follow_ms)
        with GazeSession(Segmenter(Fake()), px_per_deg=8, mode="live", tuning=tuning) as session:
            assert session.follows is (follow is True)
            session.warm_up(texture())
            assert session.follows is follows

    def test_by_itself_it_does_not_follow_without_a_network_or_a_clock(self, texture: Texture) -> None:
        bundle = open_bundle(DEFAULT_BUNDLE)
        others = tuple(graph for graph in bundle.manifest.graphs if graph.role != FOLLOWER)
        without = replace(bundle, manifest=replace(bundle.manifest, graphs=others))
        tuning = replace(DEFAULT_TUNING, max_follow_ms=1e9)
        for model, mode in ((Segmenter(Fake(), without), "live"), (Segmenter(Fake()), "sequential")):
            with GazeSession(model, px_per_deg=8, mode=mode, tuning=tuning) as session:  # type: ignore[arg-type]
                session.warm_up(texture())
                assert not session.follows

    def test_a_bundle_without_a_network_is_refused(self) -> None:
        bundle = open_bundle(DEFAULT_BUNDLE)
        others = tuple(graph for graph in bundle.manifest.graphs if graph.role != FOLLOWER)
        without = replace(bundle, manifest=replace(bundle.manifest, graphs=others))
        with pytest.raises(InputError, match="has no follower"):
            GazeSession(
                Segmenter(Fake(), without),
                px_per_deg=8,
                mode="live",
                tuning=replace(DEFAULT_TUNING, follow=True),
            )
