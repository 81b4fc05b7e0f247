"""Samples become looks: when gaze rests, where, and since when."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.looking import NOW_MS, ONSET_MS, SAMPLES_KEPT, SETTLED_MS, Looking

MS = 1_000_000
MakeGaze = Callable[..., list[GazeSample]]


def test_a_rest_counts_when_it_has_lasted(gaze_at: MakeGaze) -> None:
    looking = Looking(15)
    assert looking.rest_id is None
    assert looking.take() is None
    samples = gaze_at((400, 60, 50))
    early = [one for one in samples if one.time_ns < (SETTLED_MS - 10) * MS]
    looking.feed(early)
    assert looking.take() is None
    assert looking.place is None
    looking.feed(samples[len(early) :])
    look = looking.take()
    assert look is not None
    assert look.rest_id == looking.rest_id == 0
    assert (look.x_px, look.y_px) == pytest.approx((60, 50), abs=0.5)
    assert looking.place is not None
    assert looking.place[:3] == pytest.approx((0, 60, 50), abs=0.5)
    assert look.time_ns - NOW_MS * MS <= looking.place[3] <= look.time_ns
    assert look.onset_ns < 30 * MS
    assert look.onset_ns < look.time_ns <= 400 * MS
    assert all(look.onset_ns < at_ns <= 400 * MS for _, _, at_ns in look.samples)


def test_a_look_is_given_once(gaze_at: MakeGaze) -> None:
    looking = Looking(15)
    looking.feed(gaze_at((200, 60, 50)))
    assert looking.take() is not None
    assert looking.take() is None
    looking.feed(gaze_at((100, 60, 50), begin_ms=200))
    assert looking.take() is not None


def test_looks_of_one_rest_have_its_number_and_their_own_place(gaze_at: MakeGaze) -> None:
    looking = Looking(15)
    looking.feed(gaze_at((200, 60, 50)))
    first = looking.take()
    looking.feed(gaze_at((200, 61.5, 50), begin_ms=200))
    second = looking.take()
    assert first is not None
    assert second is not None
    assert first.rest_id == second.rest_id
    assert first.onset_ns == second.onset_ns
    assert second.x_px - first.x_px == pytest.approx(1.5, abs=0.4)
    assert first.samples[-1][2] < 200 * MS <= second.samples[0][2]


def test_another_place_is_another_rest(gaze_at: MakeGaze) -> None:
    looking = Looking(15)
    looking.feed(gaze_at((300, 20, 50), (300, 140, 60)))
    look = looking.take()
    assert look is not None
    assert look.rest_id == 1
    assert (look.x_px, look.y_px) == pytest.approx((140, 60), abs=0.5)
    assert 300 * MS - 30 * MS < look.onset_ns < 330 * MS


def test_what_still_settles_is_no_part_of_the_place() -> None:
    """Only samples later than the onset's settling time are averaged."""
    looking = Looking(15)
    samples = [
        GazeSample(time_ms * MS, 60 + (1.0 if time_ms < ONSET_MS else 0.0), 50.0)
        for time_ms in range(0, 100, 5)
    ]
    looking.feed(samples)
    look = looking.take()
    assert look is not None
    since = look.onset_ns + ONSET_MS * MS
    own = [one for one in samples if one.time_ns >= since]
    assert look.x_px == pytest.approx(np.mean([one.x_px for one in own]))
    assert [at_ns for _, _, at_ns in look.samples] == [one.time_ns for one in own]


def test_where_gaze_is_now_follows_what_it_follows() -> None:
    """A rest on a moving thing is where its newest samples are, not where they are on average."""
    looking = Looking(15)
    looking.feed(GazeSample(time_ms * MS, 60 + 0.02 * time_ms, 50.0) for time_ms in range(0, 600, 5))
    assert looking.place is not None
    _, x_px, _, at_ns = looking.place
    assert x_px == pytest.approx(60 + 0.02 * at_ns / MS, abs=0.2)
    assert at_ns >= (595 - NOW_MS) * MS


def test_a_blink_does_not_move_the_place(gaze_at: MakeGaze) -> None:
    looking = Looking(15)
    looking.feed(gaze_at((200, 60, 50), (100, 0, None)))
    look = looking.take()
    assert look is not None
    assert (look.x_px, look.y_px) == pytest.approx((60, 50), abs=0.5)


def test_samples_of_a_flood_are_not_all_kept() -> None:
    looking = Looking(15)
    looking.feed(GazeSample(index * 4_000, 60.0, 50.0) for index in range(100_000))
    look = looking.take()
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
    looking = Looking(15)
    looking.feed(GazeSample(*one) for one in values)
    look = looking.take()
    if look is not None:
        assert np.isfinite([look.x_px, look.y_px, look.spread_px]).all()
        assert look.onset_ns <= look.time_ns


def test_one_thread_feeds_while_another_takes(gaze_at: MakeGaze) -> None:
    looking = Looking(15)
    samples = gaze_at(*[(200, 20 + 40 * (index % 3), 50) for index in range(30)])
    fed = threading.Event()

    def feed() -> None:
        for sample in samples:
            looking.feed([sample])
        fed.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    rests: list[int] = []
    while not fed.is_set():
        look = looking.take()
        if look is not None:
            rests.append(look.rest_id)
    feeder.join()
    assert rests == sorted(rests)
    assert looking.rest_id == 29
