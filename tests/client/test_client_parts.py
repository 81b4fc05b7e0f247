"""The client's flow control and clock synchronization."""

from __future__ import annotations

import threading
import time

import pytest

from sam_edge.client.clock import FIRST_PINGS, ClockSync
from sam_edge.client.credit_window import CreditWindow
from sam_edge.wire.messages import Pong


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def sent(window: CreditWindow, clock: Clock, *, camera_per_s: float, seconds: float) -> int:
    """Offer the frames of a camera, each answered at once; return how many were sent."""
    count = 0
    for index in range(round(camera_per_s * seconds)):
        clock.now_s = 100.0 + index / camera_per_s
        if window.take(index):
            count += 1
            window.answered(index)
    return count


@pytest.mark.parametrize("rate", [8.0, 10.0, 12.0, 16.0, 20.0])
@pytest.mark.parametrize("camera_per_s", [24.0, 30.0, 90.0])
def test_the_granted_rate_is_met_at_every_camera_rate(rate: float, camera_per_s: float) -> None:
    clock = Clock()
    window = CreditWindow(2, 120.0, clock)
    window.grant(2, rate)
    assert sent(window, clock, camera_per_s=camera_per_s, seconds=10) == pytest.approx(10 * rate, abs=2)


def test_without_a_granted_rate_every_frame_is_sent() -> None:
    clock = Clock()
    assert sent(CreditWindow(2, 120.0, clock), clock, camera_per_s=60.0, seconds=5) == 300


def test_the_servers_highest_rate_is_not_exceeded() -> None:
    """The client slows a fast program down, so that the server does not end the connection."""
    clock = Clock()
    assert sent(CreditWindow(2, 120.0, clock), clock, camera_per_s=1000.0, seconds=10) <= 1203


def test_no_more_frames_than_the_window_are_in_flight() -> None:
    clock = Clock()
    window = CreditWindow(2, 120.0, clock)
    assert window.take(1)
    clock.now_s += 1
    assert window.take(2)
    clock.now_s += 1
    assert not window.take(3)
    assert window.in_flight == 2
    window.answered(1)
    assert window.open
    window.grant(1, 0.0)
    assert not window.open


def test_a_waiting_thread_is_woken_by_an_answer_and_by_the_end() -> None:
    window = CreditWindow(1, 120.0)
    assert window.take(1)
    assert not window.wait(0.02)
    threading.Timer(0.05, window.answered, [1]).start()
    assert window.wait(30.0)
    assert window.take(2)
    threading.Timer(0.05, window.end).start()
    begun = time.monotonic()
    assert not window.wait(30.0)
    assert time.monotonic() - begun < 20


def test_the_shortest_round_trip_gives_the_offset() -> None:
    clocks = ClockSync()
    assert clocks.offset is None
    # Asked at 0, on the server's clock 1000 later; 300 there, 100 back, then a quick one.
    clocks.answered(Pong(1, 0, 1300, 1310), 410)
    clocks.answered(Pong(2, 1000, 2010, 2020), 1030)
    known = clocks.offset
    assert known is not None
    assert (known.offset_ns, known.uncertainty_ns) == (1000, 10)


def test_first_pings_are_frequent_and_later_ones_carry_the_estimate() -> None:
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
