"""Gaze that comes live and looks wrong is said once, while the session goes on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from sam_edge.errors import SamEdgeWarning
from sam_edge.gaze.live_check import LiveGazeCheck
from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream import GazeSession

MS = 1_000_000
PIXELS = [(float(x), float(y)) for x, y in np.random.default_rng(1).uniform(2, 400, (2000, 2))]


def feed(positions: Sequence[tuple[float, float]], *, confidences: Sequence[float] = (1.0,)) -> list[str]:
    """Feed samples in portions, as a tracker sends them; return what was said."""
    check = LiveGazeCheck()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for begin in range(0, len(positions), 7):
            check.add_samples(
                GazeSample(5 * MS * index, *positions[index], confidences[index % len(confidences)])
                for index in range(begin, min(begin + 7, len(positions)))
            )
    assert all(entry.category is SamEdgeWarning for entry in said)
    return [str(entry.message) for entry in said]


def test_right_gaze_is_silent() -> None:
    assert feed(PIXELS) == []


def test_blinks_and_a_few_of_low_confidence_are_silent() -> None:
    lost = [(math.nan, math.nan) if index % 5 == 0 else place for index, place in enumerate(PIXELS)]
    assert feed(lost, confidences=(0.0, 0.4, 1.0, 1.0, 1.0, 1.0)) == []


def test_normalised_positions_are_said_once() -> None:
    (text,) = feed([(x / 400, y / 400) for x, y in PIXELS])
    assert "are normalised; feed pixels" in text


def test_gaze_in_a_corner_of_the_frame_for_a_while_is_silent() -> None:
    assert feed([(1.0, 1.2)] * 90 + PIXELS) == []


@pytest.mark.parametrize("position", [(0.0, 0.0), (-1.0, -1.0), (1e8, 1e8), (-32768.0, -32768.0)])
def test_positions_that_stand_for_lost_samples_are_said_once(position: tuple[float, float]) -> None:
    (text,) = feed([position if index % 9 == 0 else place for index, place in enumerate(PIXELS)])
    assert "how a lost sample is written; feed lost samples with positions of NaN" in text


def test_nine_of_them_are_silent() -> None:
    assert feed([(0.0, 0.0)] * 9 + PIXELS) == []


def test_no_position_at_all_is_said_once() -> None:
    (text,) = feed([(math.nan, math.nan)] * 2000)
    assert "none of 10" in text
    assert "check that the tracker sees the eyes" in text


def test_low_confidence_is_said_once() -> None:
    (text,) = feed(PIXELS, confidences=(0.3, 1.0, 1.0))
    assert "33% of 1001 samples have a confidence below 0.6, and are used" in text


def play(apart_s: float) -> None:
    """Step a session whose gaze is on another clock."""
    image = np.zeros((48, 64, 3), np.uint8)
    with Segmenter(Fake()) as model, GazeSession(model) as session:
        for index in range(250):
            time_ns = 40 * MS * index
            session.feed([GazeSample(time_ns + round(apart_s * 1e9), 30.0, 20.0)])
            session.step(image, time_ns)


@pytest.mark.parametrize(("apart_s", "way"), [(1.7e9, "after"), (-60.0, "before")])
def test_another_clock_is_said_once(apart_s: float, way: str) -> None:
    with pytest.warns(SamEdgeWarning, match=f"s {way} the frame; give gaze and frames times of one") as said:
        play(apart_s)
    assert len(said) == 1
    assert said[0].filename == __file__


def test_a_pause_of_the_tracker_is_silent() -> None:
    check = LiveGazeCheck()
    for index in range(1000):
        if index % 300 < 150:
            check.add_samples([GazeSample(40 * MS * index, 30.0, 20.0)])
        check.add_frame(40 * MS * index)


def test_a_session_can_leave_it_out() -> None:
    with Segmenter(Fake()) as model, GazeSession(model, check_gaze=False) as session:
        session.feed([GazeSample(MS * index, 0.5, 0.5) for index in range(500)])


def test_a_session_says_where_gaze_is_fed() -> None:
    with (
        Segmenter(Fake()) as model,
        GazeSession(model) as session,
        pytest.warns(SamEdgeWarning, match="normalised") as said,
    ):
        session.feed([GazeSample(MS * index, 0.5, 0.5) for index in range(500)])
    assert said[0].filename == __file__
