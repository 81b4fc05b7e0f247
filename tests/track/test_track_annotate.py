"""The annotated video: the ring lies on the frame's own gaze; the caption tells the mask's age and covers nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sam_edge import Selection, State
from sam_edge._track.annotate import FrameAnnotator, GazeTrail, caption_of
from sam_edge._track.outputs import OutputPaths, TrackOutputs
from sam_edge._track.result import StreamedFrame
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.drawing import GAZE_RGB

SIZE = (720, 1280)
MS = 1_000_000


def selection(**changes: Any) -> Selection:
    mask = np.zeros(SIZE, np.bool_)
    mask[500:600, 500:600] = True
    values: dict[str, Any] = {
        "frame_time_ns": 400 * MS,
        "state": State.FOCUSED,
        "mask": mask,
        "box": (500.0, 500.0, 600.0, 600.0),
        "score": 0.9,
        "object_id": 3,
        "origin": "propagated",
        "age_ms": 80.0,
        "fixation": (200.0, 300.0, 20.0),
        "timing_ms": {"total": 33.0},
    }
    return Selection(**(values | changes))


def streamed(chosen: Selection, *, time_ms: int = 400, dropped: bool = False) -> StreamedFrame:
    return StreamedFrame(
        index=time_ms // 40,
        stem="00010",
        time_ns=time_ms * MS,
        end_ns=(time_ms + 40) * MS,
        selection=chosen,
        dropped=dropped,
        timing_ms=chosen.timing_ms,
        events=chosen.events,
        image=np.full((*SIZE, 3), 90, np.uint8),
    )


def gaze(confidence: float = 1.0) -> list[GazeSample]:
    """A gaze that moves to the right by a pixel a millisecond, at 200 Hz."""
    return [GazeSample(at * MS, 100.0 + at, 350.0, confidence) for at in range(0, 1000, 5)]


def ring_centre(picture: np.ndarray) -> tuple[float, float]:
    ys, xs = np.nonzero(np.abs(picture.astype(int) - GAZE_RGB).max(axis=-1) <= 6)
    return (xs.min() + xs.max()) / 2, (ys.min() + ys.max()) / 2


def test_the_position_is_that_of_the_frames_newest_samples() -> None:
    trail = GazeTrail(gaze())
    assert trail.position(400 * MS, 440 * MS, reach_px=100) == (522.5, 350.0)
    assert trail.position(400 * MS, 440 * MS, reach_px=10) == (535.0, 350.0)


def test_in_a_saccade_the_position_is_where_the_gaze_went() -> None:
    jump = [GazeSample(at * MS, 100.0 if at < 430 else 900.0, 350.0) for at in range(400, 441, 5)]
    assert GazeTrail(jump).position(400 * MS, 440 * MS, reach_px=40) == (900.0, 350.0)


def test_a_tracker_slower_than_the_video_gives_its_newest_sample() -> None:
    slow = [GazeSample(0, 10.0, 20.0), GazeSample(33 * MS, 30.0, 40.0)]
    assert GazeTrail(slow).position(34 * MS, 51 * MS, 20) == (30.0, 40.0)
    assert GazeTrail(slow).position(80 * MS, 97 * MS, 20) is None


@pytest.mark.parametrize("samples", [gaze(confidence=0.0), []])
def test_a_blink_has_no_position(samples: list[GazeSample]) -> None:
    assert GazeTrail(samples).position(400 * MS, 440 * MS, 20) is None


def test_the_ring_lies_on_the_samples_and_not_where_the_rest_began() -> None:
    sparse = [GazeSample(430 * MS, 640.0, 200.0)]
    picture = FrameAnnotator(GazeTrail(sparse), mode="live").draw(streamed(selection()))
    assert ring_centre(picture) == pytest.approx((640, 200), abs=2)


def test_a_late_frame_has_its_ring_too_and_a_blink_has_none() -> None:
    late = streamed(selection(fixation=None), dropped=True)
    open_eye, shut_eye = (
        FrameAnnotator(GazeTrail([GazeSample(430 * MS, 640.0, 200.0, confidence)]), mode="live").draw(late)
        for confidence in (1.0, 0.0)
    )
    assert ring_centre(open_eye) == pytest.approx((640, 200), abs=2)
    changed = (open_eye != shut_eye).any(axis=2)
    assert changed[200 - 40 : 200 + 40, 640 - 40 : 640 + 40].sum() == changed.sum() > 100


def test_live_the_age_of_the_mask_is_that_on_the_frame_shown() -> None:
    assert caption_of(streamed(selection()), "live")[-1] == "live: mask 80 ms old, propagated"
    late = streamed(selection(), time_ms=440, dropped=True)
    assert caption_of(late, "live")[-1] == "live: mask 120 ms old, propagated"


def test_frame_by_frame_the_caption_says_how_long_the_frame_waited() -> None:
    assert caption_of(streamed(selection()), "sequential")[-1] == "waited 33 ms, propagated"


def test_without_a_mask_there_is_no_age() -> None:
    empty = streamed(selection(mask=None, box=None, score=None, object_id=None, state=State.NONE))
    assert caption_of(empty, "live") == ["none"]
    assert empty.mask_age_ms == 0


def test_the_caption_leaves_a_corner_for_the_mask_and_stays_where_it_went() -> None:
    annotator = FrameAnnotator(GazeTrail([]), mode="live")
    low, high = selection(fixation=None), selection(mask=np.zeros(SIZE, np.bool_), fixation=None)
    assert high.mask is not None
    high.mask[:200, :200] = True
    left, right = np.s_[20:100, 20:200], np.s_[20:100, 1080:1260]
    places = [
        [side for side, place in (("left", left), ("right", right)) if is_dark(picture[place])]
        for picture in (annotator.draw(streamed(chosen)) for chosen in (low, high, low))
    ]
    assert places == [["left"], ["right"], ["right"]]


def is_dark(pixels: np.ndarray) -> bool:
    return bool((pixels < 60).all(axis=2).mean() > 0.5)


@pytest.mark.parametrize(("state", "filled"), [(State.HOVER, False), (State.FOCUSED, True)])
def test_what_gaze_has_only_just_come_to_rest_on_is_outlined(state: State, filled: bool) -> None:
    drawn = FrameAnnotator(GazeTrail([]), mode="live").draw(streamed(selection(state=state)))
    assert bool((drawn[550, 550] != 90).any()) is filled
    assert (drawn[500, 550] != 90).any()


def test_a_background_that_is_not_confirmed_has_no_mask_on_disk(tmp_path: Path) -> None:
    reader: Any = SimpleNamespace(count=2, size=SIZE)
    annotator = FrameAnnotator(GazeTrail([]), mode="live")
    with TrackOutputs(OutputPaths(masks=tmp_path / "masks"), reader, annotator) as outputs:
        for index, confirmed in enumerate((False, True)):
            frame = replace(streamed(selection(confirmed=confirmed)), stem=f"{index}")
            outputs.write(frame)
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["1.png"]
