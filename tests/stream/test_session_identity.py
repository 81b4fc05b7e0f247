"""Objects of a session: numbers that come back, labels, events, and masks that do not depend on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import ObjectEvent, final_numbers
from sam_edge.media.frames import VideoFrame
from sam_edge.segmenter import Segmenter
from sam_edge.stream import GazeSession, Selection
from sam_edge.stream.playback import GazeFeed
from sam_edge.stream.recording import LOG, RecordedCommand, SessionRecorder, read_session_recording
from sam_edge.stream.replay import compare_selections, replay

INPUT = (224, 320)
MS = 1_000_000
FRAME_NS = 40 * MS
OPTIONS: dict[str, Any] = {"px_per_deg": 8.0, "size": INPUT}
RED, GREEN, BLUE = (30.0, 30.0, 70.0, 70.0), (100.0, 40.0, 135.0, 75.0), (5.0, 80.0, 30.0, 105.0)
ON_RED, ON_GREEN, ON_BLUE = (50.0, 50.0), (117.0, 57.0), (17.0, 92.0)
VISITS = ((700, *ON_RED), (700, *ON_GREEN), (700, *ON_RED), (700, *ON_BLUE), (700, *ON_GREEN))
FRAMES = 87
Texture = Callable[..., NDArray[np.uint8]]
MakeGaze = Callable[..., list[GazeSample]]


@pytest.fixture
def image(texture: Texture) -> NDArray[np.uint8]:
    """A wall with three things of different colours."""
    made = texture() // 4 + 90
    for (x0, y0, x1, y1), colour in ((RED, (200, 20, 20)), (GREEN, (20, 180, 20)), (BLUE, (20, 20, 200))):
        part = made[int(y0) : int(y1), int(x0) : int(x1)]
        part[:] = part // 3 + np.array(colour, np.uint8) // 3 * 2
    return made


@pytest.fixture
def make_model(world: Callable[..., Any]) -> Callable[[], Segmenter]:
    return lambda: Segmenter(world(RED, GREEN, BLUE))


def play(
    session: GazeSession, image: NDArray[np.uint8], samples: list[GazeSample], frames: range = range(FRAMES)
) -> list[Selection]:
    feed = GazeFeed(samples)
    made = []
    for index in frames:
        session.feed(feed.until((index + 1) * FRAME_NS))
        made.append(session.step(image, index * FRAME_NS))
    return made


def runs(selections: list[Selection]) -> list[int]:
    """List the numbers in order, each as often as it begins."""
    numbers = [item.object_id for item in selections if item.object_id is not None]
    return [number for index, number in enumerate(numbers) if index == 0 or number != numbers[index - 1]]


def test_an_object_that_gaze_returns_to_has_its_number_again(
    make_model: Callable[[], Segmenter], image: NDArray[np.uint8], gaze_at: MakeGaze
) -> None:
    with GazeSession(make_model(), **OPTIONS) as session:
        made = play(session, image, gaze_at(*VISITS))
        objects = session.objects
    assert runs(made) == [1, 2, 1, 3, 2]
    events = [(event.kind, event.object_id) for item in made for event in item.events]
    assert events == [("new", 1), ("new", 2), ("returned", 1), ("new", 3), ("returned", 2)]
    assert [(item.object_id, item.visits) for item in objects] == [(1, 2), (2, 2), (3, 1)]
    assert all(200 < item.dwell_ms / item.visits < 1000 for item in objects)
    assert objects[1].box == pytest.approx(GREEN, abs=2)
    assert objects[0].first_seen_ns < objects[0].last_seen_ns < objects[1].last_seen_ns


def test_without_identity_masks_are_the_same_and_no_object_is_known(
    make_model: Callable[[], Segmenter], image: NDArray[np.uint8], gaze_at: MakeGaze
) -> None:
    with GazeSession(make_model(), **OPTIONS) as session:
        known = play(session, image, gaze_at(*VISITS))
    with GazeSession(make_model(), identity=False, **OPTIONS) as session:
        unknown = play(session, image, gaze_at(*VISITS))
        assert session.objects == ()
    assert runs(unknown)[:2] == [1, 2]
    assert all(item.events == () and item.label is None for item in unknown)
    for first, second in zip(known, unknown, strict=True):
        differing = {item.field for item in compare_selections(first, second)}
        assert differing <= {"object_id", "events"}
    assert "identify" not in unknown[-1].timing_ms
    assert "identify" in known[-1].timing_ms


def test_labels_are_shown_with_their_object(
    make_model: Callable[[], Segmenter], image: NDArray[np.uint8], gaze_at: MakeGaze
) -> None:
    with GazeSession(make_model(), **OPTIONS) as session:
        samples = gaze_at(*VISITS)
        play(session, image, samples[:280], range(34))
        session.rename(1, "cup")
        assert session.pin() == 2
        made = play(session, image, samples[280:], range(34, FRAMES))
        assert [item.pinned for item in session.objects] == [False, True, False]
        session.unpin(2)
        assert not any(item.pinned for item in session.objects)
    assert made[0].events[0] == ObjectEvent("renamed", 33 * FRAME_NS, 1, label="cup")
    assert {item.label for item in made if item.object_id == 1} == {"cup"}
    assert {item.label for item in made if item.object_id == 3} == {None}
    assert {pinned.label for item in made for pinned in item.pinned} == {None}


def test_merged_objects_have_one_number(
    make_model: Callable[[], Segmenter], image: NDArray[np.uint8], gaze_at: MakeGaze
) -> None:
    with GazeSession(make_model(), **OPTIONS) as session:
        samples = gaze_at(*VISITS)
        before = play(session, image, samples[:280], range(34))
        session.merge(1, 2)
        after = play(session, image, samples[280:], range(34, FRAMES))
        assert [item.object_id for item in session.objects] == [1, 3]
        with pytest.raises(InputError, match="other_id: 2 is not a known object; known: 1, 3"):
            session.merge(1, 2)
    assert runs(before) == [1, 2]
    assert runs(after) == [1, 3, 1]
    assert final_numbers(event for item in after for event in item.events) == {2: 1}


def test_a_forgotten_object_is_new_when_it_is_looked_at_again(
    make_model: Callable[[], Segmenter], image: NDArray[np.uint8], gaze_at: MakeGaze
) -> None:
    with GazeSession(make_model(), **OPTIONS) as session:
        samples = gaze_at(*VISITS)
        play(session, image, samples[:280], range(34))
        assert session.pin(300 * MS) == 1
        session.forget(1)
        made = play(session, image, samples[280:], range(34, FRAMES))
        with pytest.raises(InputError, match="object_id: 1 is not a known object"):
            session.forget(1)
    assert made[0].events[0].kind == "forgotten"
    assert made[0].pinned == ()
    assert runs(made) == [2, 3, 4, 2]


def test_commands_on_objects_are_recorded_and_replayed(
    make_model: Callable[[], Segmenter], image: NDArray[np.uint8], gaze_at: MakeGaze, tmp_path: Path
) -> None:
    model = make_model()
    recorder = SessionRecorder(tmp_path / "run", model=model, options=OPTIONS)
    samples = gaze_at(*VISITS)
    with GazeSession(model, recorder=recorder, **OPTIONS) as session:
        made = play(session, image, samples[:280], range(34))
        session.rename(1, "cup")
        session.merge(1, 2)
        made += play(session, image, samples[280:560], range(34, 70))
        session.forget(1)
        made += play(session, image, samples[560:], range(70, FRAMES))
    commands = [
        entry
        for entry in read_session_recording(tmp_path / "run").entries()
        if isinstance(entry, RecordedCommand)
    ]
    assert [entry.name for entry in commands] == ["rename", "merge", "forget"]
    frames = [
        VideoFrame(index, str(index), index * FRAME_NS, (index + 1) * FRAME_NS, image)
        for index in range(FRAMES)
    ]
    pairs = list(replay(tmp_path / "run", frames, make_model()))
    assert [compare_selections(*pair) for pair in pairs] == [()] * FRAMES
    assert [compare_selections(pair[0], first) for pair, first in zip(pairs, made, strict=True)] == [
        ()
    ] * FRAMES
    assert {item.label for item in made} == {None, "cup"}


def test_a_recording_of_layout_2_replays_without_identity(
    make_model: Callable[[], Segmenter], image: NDArray[np.uint8], gaze_at: MakeGaze, tmp_path: Path
) -> None:
    model = make_model()
    recorder = SessionRecorder(tmp_path / "run", model=model, options=OPTIONS)
    with GazeSession(model, recorder=recorder, identity=False, **OPTIONS) as session:
        play(session, image, gaze_at(*VISITS))
    header = tmp_path / "run" / "session.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "schema": 2}))
    log = tmp_path / "run" / LOG
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        for name in ("label", "events"):
            line.get("selection", {}).pop(name, None)
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    frames = [
        VideoFrame(index, str(index), index * FRAME_NS, (index + 1) * FRAME_NS, image)
        for index in range(FRAMES)
    ]
    pairs = list(replay(tmp_path / "run", frames, make_model()))
    assert [compare_selections(*pair) for pair in pairs] == [()] * FRAMES
