"""The mouse as a tracker: a steady rate whatever the events."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import pytest

import sam_edge.gaze
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.adapters.mouse import MouseSource

MS = 1_000_000


def past(ms: int) -> int:
    return time.monotonic_ns() - ms * MS


def test_a_mouse_at_rest_is_a_steady_stream() -> None:
    with MouseSource(rate_hz=100) as mouse:
        start_ns = past(1000)
        mouse.move(10.0, 20.0, start_ns)
        samples = mouse.read()
    assert 100 <= len(samples) <= 130
    assert {(sample.x_px, sample.y_px, sample.confidence) for sample in samples} == {(10.0, 20.0, 1.0)}
    assert {b.time_ns - a.time_ns for a, b in pairwise(samples)} == {10 * MS}
    assert samples[0].time_ns == start_ns


def test_each_sample_is_where_the_mouse_was_then() -> None:
    mouse = MouseSource(rate_hz=100)
    start_ns = past(500)
    mouse.move(1.0, 0.0, start_ns)
    mouse.move(2.0, 0.0, start_ns + 25 * MS)
    mouse.leave(start_ns + 40 * MS)
    mouse.move(3.0, 0.0, start_ns + 61 * MS)
    places = [sample.x_px for sample in mouse.read()[:9]]
    assert places[:4] == [1.0, 1.0, 1.0, 2.0]
    assert all(math.isnan(x) for x in places[4:7])
    assert places[7:] == [3.0, 3.0]
    assert mouse.stats.invalid == 3


def test_before_the_first_move_there_is_nothing() -> None:
    mouse = MouseSource()
    mouse.leave()
    assert mouse.read(0.02) == []
    assert not mouse.finished


def test_a_reader_waits_for_the_next_sample() -> None:
    mouse = MouseSource(rate_hz=50)
    mouse.move(1.0, 1.0)
    assert len(mouse.read(1.0)) == 1
    assert len(mouse.read(1.0)) == 1


def test_events_that_come_late_are_counted() -> None:
    mouse = MouseSource()
    start_ns = past(100)
    mouse.move(1.0, 1.0, start_ns)
    mouse.move(2.0, 1.0, start_ns - MS)
    assert mouse.stats.dropped_late == 1
    assert {sample.x_px for sample in mouse.read()} == {1.0}


def test_a_reader_that_was_away_finds_the_newest() -> None:
    mouse = MouseSource(rate_hz=1000, buffer_samples=50)
    mouse.move(1.0, 1.0, past(3_600_000))
    samples = mouse.read()
    assert len(samples) == 50
    assert time.monotonic_ns() - samples[-1].time_ns < 1_000 * MS
    assert mouse.stats.dropped >= 3_599_000


def test_it_ends_when_closed() -> None:
    mouse = sam_edge.gaze.open("mouse://?rate_hz=200")
    assert isinstance(mouse, MouseSource)
    mouse.move(1.0, 1.0)
    mouse.close()
    mouse.close()
    assert all(sample.x_px == 1.0 for sample in mouse)
    assert mouse.finished
    with pytest.raises(SessionError, match="closed"):
        mouse.move(1.0, 1.0)
    with pytest.raises(SessionError, match="closed"):
        mouse.open()


@pytest.mark.parametrize("place", [(math.nan, 0.0), (0.0, math.inf)])
def test_places_are_finite(place: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="finite"):
        MouseSource().move(*place)


def test_an_opencv_window_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    callbacks = {}
    monkeypatch.setattr(
        cv2, "setMouseCallback", lambda window, callback: callbacks.update({window: callback})
    )
    mouse = MouseSource(rate_hz=100)
    mouse.watch_window("video")
    callbacks["video"](cv2.EVENT_MOUSEMOVE, 7, 9, 0, None)
    (sample, *_) = mouse.read(1.0)
    assert (sample.x_px, sample.y_px) == (7.5, 9.5)
    mouse.close()
    callbacks["video"](cv2.EVENT_MOUSEMOVE, 8, 9, 0, None)
