"""The client's flow control and clock synchronization."""

from __future__ import annotations

import threading
import time

import pytest

from sam_edge.client.clock import FIRST_PINGS, ClockSync
from sam_edge.client.credit_window import CreditWindow
from sam_edge.wire.messages import Pong


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def sent(room: CreditWindow, clock: Clock, *, camera_per_s: float, seconds: float) -> int:
    """Offer a camera's frames, every one answered at once; return how many went out."""
    count = 0
    for index in range(round(camera_per_s * seconds)):
        clock.now_s = 100.0 + index / camera_per_s
        if room.take(index):
            count += 1
            room.answered(index)
    return count


@pytest.mark.parametrize("rate", [8.0, 10.0, 12.0, 16.0, 20.0])
@pytest.mark.parametrize("camera_per_s", [24.0, 30.0, 90.0])
def test_the_rate_that_is_granted_comes_true_whatever_the_camera_has(
    rate: float, camera_per_s: float
) -> None:
    clock = Clock()
    room = CreditWindow(2, 120.0, clock)
    room.grant(2, rate)
    assert sent(room, clock, camera_per_s=camera_per_s, seconds=10) == pytest.approx(10 * rate, abs=2)


def test_without_a_grant_every_frame_of_a_camera_goes_out() -> None:
    clock = Clock()
    assert sent(CreditWindow(2, 120.0, clock), clock, camera_per_s=60.0, seconds=5) == 300


def test_no_more_goes_out_than_the_server_takes() -> None:
    """A program that sends as fast as it can is slowed down here, and not thrown out there."""
    clock = Clock()
    assert sent(CreditWindow(2, 120.0, clock), clock, camera_per_s=1000.0, seconds=10) <= 1203


def test_the_window_is_kept() -> None:
    clock = Clock()
    room = CreditWindow(2, 120.0, clock)
    assert room.take(1)
    clock.now_s += 1
    assert room.take(2)
    clock.now_s += 1
    assert not room.take(3)
    assert room.in_flight == 2
    room.answered(1)
    assert room.open
    room.grant(1, 0.0)
    assert not room.open


def test_who_waits_for_room_is_woken_by_an_answer_and_by_the_end() -> None:
    room = CreditWindow(1, 120.0)
    assert room.take(1)
    assert not room.wait(0.02)
    threading.Timer(0.05, room.answered, [1]).start()
    assert room.wait(30.0)
    assert room.take(2)
    threading.Timer(0.05, room.end).start()
    begun = time.monotonic()
    assert not room.wait(30.0)
    assert time.monotonic() - begun < 20


def test_the_shortest_round_trip_says_how_clocks_relate() -> None:
    clocks = ClockSync()
    assert clocks.offset is None
    # Asked at 0, on the server's clock 1000 later; 300 there, 100 back, then a quick one.
    clocks.answered(Pong(1, 0, 1300, 1310), 410)
    clocks.answered(Pong(2, 1000, 2010, 2020), 1030)
    known = clocks.offset
    assert known is not None
    assert (known.offset_ns, known.uncertainty_ns) == (1000, 10)


def test_pings_are_close_at_first_and_say_what_is_known() -> None:
    clocks = ClockSync()
    first = clocks.due()
    assert first is not None
    assert first.uncertainty_ns is None
    assert clocks.due() is None, "the next one is not due yet"
    clocks.answered(
        Pong(first.ping_id, first.sent_ns, first.sent_ns + 50, first.sent_ns + 50), first.sent_ns + 100
    )
    until = time.monotonic() + 30
    while (second := clocks.due()) is None and time.monotonic() < until:
        time.sleep(0.01)
    assert second is not None
    assert (second.ping_id, second.offset_ns, second.uncertainty_ns) == (2, 0, 50)
    assert FIRST_PINGS > 2
