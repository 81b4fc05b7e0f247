"""Samples become looks: when gaze rests, where, and since when."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.dwell_tracker import SAMPLES_KEPT, DwellTracker
from sam_edge.stream.tuning import DEFAULT_TUNING

MS = 1_000_000
MakeGaze = Callable[..., list[GazeSample]]


def test_a_rest_counts_when_it_has_lasted(gaze_at: MakeGaze) -> None:
    tracker = DwellTracker(15)
    assert tracker.dwell_id is None
    assert tracker.take() is None
    samples = gaze_at((400, 60, 50))
    early = [one for one in samples if one.time_ns < (DEFAULT_TUNING.min_dwell_ms - 10) * MS]
    tracker.feed(early)
    assert tracker.take() is None
    assert tracker.place is None
    tracker.feed(samples[len(early) :])
    look = tracker.take()
    assert look is not None
    assert look.dwell_id == tracker.dwell_id == 0
    assert (look.x_px, look.y_px) == pytest.approx((60, 50), abs=0.5)
    assert tracker.place is not None
    place = tracker.place
    assert place.dwell_id == 0
    assert (place.x_px, place.y_px) == pytest.approx((60, 50), abs=0.5)
    assert look.time_ns - DEFAULT_TUNING.now_ms * MS <= place.time_ns <= look.time_ns
    assert look.onset_ns < 30 * MS
    assert look.onset_ns < look.time_ns <= 400 * MS
    assert all(look.onset_ns < at_ns <= 400 * MS for _, _, at_ns in look.samples)


def test_a_look_is_given_once(gaze_at: MakeGaze) -> None:
    tracker = DwellTracker(15)
    tracker.feed(gaze_at((200, 60, 50)))
    assert tracker.take() is not None
    assert tracker.take() is None
    tracker.feed(gaze_at((100, 60, 50), begin_ms=200))
    assert tracker.take() is not None


def test_looks_of_one_rest_have_its_number_and_their_own_place(gaze_at: MakeGaze) -> None:
    tracker = DwellTracker(15)
    tracker.feed(gaze_at((200, 60, 50)))
    first = tracker.take()
    tracker.feed(gaze_at((200, 61.5, 50), begin_ms=200))
    second = tracker.take()
    assert first is not None
    assert second is not None
    assert first.dwell_id == second.dwell_id
    assert first.onset_ns == second.onset_ns
    assert second.x_px - first.x_px == pytest.approx(1.5, abs=0.4)
    assert first.samples[-1][2] < 200 * MS <= second.samples[0][2]


def test_another_place_is_another_rest(gaze_at: MakeGaze) -> None:
    tracker = DwellTracker(15)
    tracker.feed(gaze_at((300, 20, 50), (300, 140, 60)))
    look = tracker.take()
    assert look is not None
    assert look.dwell_id == 1
    assert (look.x_px, look.y_px) == pytest.approx((140, 60), abs=0.5)
    assert 300 * MS - 30 * MS < look.onset_ns < 330 * MS


def test_what_still_settles_is_no_part_of_the_place() -> None:
    """Only samples later than the onset's settling time are averaged."""
    tracker = DwellTracker(15)
    samples = [
        GazeSample(time_ms * MS, 60 + (1.0 if time_ms < DEFAULT_TUNING.onset_ms else 0.0), 50.0)
        for time_ms in range(0, 100, 5)
    ]
    tracker.feed(samples)
    look = tracker.take()
    assert look is not None
    since = look.onset_ns + DEFAULT_TUNING.onset_ms * MS
    own = [one for one in samples if one.time_ns >= since]
    assert look.x_px == pytest.approx(np.mean([one.x_px for one in own]))
    assert [at_ns for _, _, at_ns in look.samples] == [one.time_ns for one in own]


def test_where_gaze_is_now_follows_what_it_follows() -> None:
    """A rest on a moving thing is where its newest samples are, not where they are on average."""
    tracker = DwellTracker(15)
    tracker.feed(GazeSample(time_ms * MS, 60 + 0.02 * time_ms, 50.0) for time_ms in range(0, 600, 5))
    assert tracker.place is not None
    place = tracker.place
    assert place.x_px == pytest.approx(60 + 0.02 * place.time_ns / MS, abs=0.2)
    assert place.time_ns >= (595 - DEFAULT_TUNING.now_ms) * MS


def test_a_blink_does_not_move_the_place(gaze_at: MakeGaze) -> None:
    tracker = DwellTracker(15)
    tracker.feed(gaze_at((200, 60, 50), (100, 0, None)))
    look = tracker.take()
    assert look is not None
    assert (look.x_px, look.y_px) == pytest.approx((60, 50), abs=0.5)


def test_samples_of_a_flood_are_not_all_kept() -> None:
    tracker = DwellTracker(15)
    tracker.feed(GazeSample(index * 4_000, 60.0, 50.0) for index in range(100_000))
    look = tracker.take()
    assert look is not None
    assert (look.x_px, look.y_px) == (60, 50)
    # What is averaged is the newest of them.
    assert len(look.samples) <= SAMPLES_KEPT
    assert look.samples[0][2] >= (100_000 - SAMPLES_KEPT) * 4_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**10), 10**12),
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(0, 1),
        ),
        max_size=60,
    )
)
def test_any_samples_give_a_finite_look_or_none(
    values: list[tuple[int, float, float, float]],
) -> None:
    tracker = DwellTracker(15)
    tracker.feed(GazeSample(*one) for one in values)
    look = tracker.take()
    if look is not None:
        assert np.isfinite([look.x_px, look.y_px, look.spread_px]).all()
        assert look.onset_ns <= look.time_ns


def test_one_thread_feeds_while_another_takes(gaze_at: MakeGaze) -> None:
    tracker = DwellTracker(15)
    samples = gaze_at(*[(200, 20 + 40 * (index % 3), 50) for index in range(30)])
    fed = threading.Event()

    def feed() -> None:
        for sample in samples:
            tracker.feed([sample])
        fed.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    rests: list[int] = []
    while not fed.is_set():
        look = tracker.take()
        if look is not None:
            rests.append(look.dwell_id)
    feeder.join()
    assert rests == sorted(rests)
    assert tracker.dwell_id == 29
