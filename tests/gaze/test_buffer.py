"""The sample buffer: order, bounds and counts, against a plain model."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import InputError, TrackerError
from sam_edge.gaze.buffer import SampleBuffer
from sam_edge.gaze.samples import GazeSample

MS = 1_000_000


def sample(number: int, *, device: int | None = None, x: float = 1.0) -> GazeSample:
    return GazeSample(number * MS, x, 2.0, device_time_ns=device)


def numbers(samples: list[GazeSample]) -> list[int]:
    return [round(each.time_ns / MS) for each in samples]


def test_samples_come_out_in_order_once() -> None:
    buffer = SampleBuffer()
    for number in range(10):
        assert buffer.push(sample(number))
    assert numbers(buffer.take()) == list(range(10))
    assert buffer.take() == []
    assert buffer.stats.received == 10


def test_the_oldest_go_when_it_is_full() -> None:
    buffer = SampleBuffer(3)
    for number in range(10):
        buffer.push(sample(number))
    assert numbers(buffer.take()) == [7, 8, 9]
    assert (buffer.stats.received, buffer.stats.dropped) == (3, 7)


def test_duplicates_are_counted_before_and_after_reading() -> None:
    buffer = SampleBuffer()
    assert buffer.push(sample(1, device=5))
    assert not buffer.push(sample(2, device=5))
    buffer.take()
    assert not buffer.push(sample(3, device=5))
    assert (buffer.stats.duplicates, buffer.stats.received) == (2, 1)


def test_a_late_sample_is_put_in_order_while_there_is_time() -> None:
    buffer = SampleBuffer()
    for number in (1, 2, 4, 3):
        buffer.push(sample(number))
    assert numbers(buffer.take()) == [1, 2, 3, 4]
    assert not buffer.push(sample(0))
    report = buffer.stats
    assert (report.reordered, report.dropped_late, report.received) == (1, 1, 4)


def test_a_new_epoch_may_start_at_an_earlier_device_time() -> None:
    buffer = SampleBuffer()
    buffer.push(sample(1, device=1000))
    buffer.take()
    assert buffer.push(sample(2, device=3), epoch=1)
    assert len(buffer.take()) == 1


def test_host_time_never_runs_backwards_when_the_map_is_corrected() -> None:
    buffer = SampleBuffer()
    buffer.push(GazeSample(100, 0.0, 0.0, device_time_ns=1))
    buffer.take()
    buffer.push(GazeSample(95, 0.0, 0.0, device_time_ns=2))
    buffer.push(GazeSample(110, 0.0, 0.0, device_time_ns=3))
    assert [each.time_ns for each in buffer.take()] == [101, 110]


def test_gaps_are_more_than_three_usual_intervals() -> None:
    buffer = SampleBuffer()
    for number in (*range(0, 200, 5), 209, 214, 240, 245):
        buffer.push(sample(number))
    assert buffer.stats.gaps == 1


def test_invalid_samples_are_delivered_and_counted() -> None:
    buffer = SampleBuffer()
    buffer.push(sample(1, x=math.nan))
    buffer.push(GazeSample(2 * MS, 1.0, 1.0, confidence=0.0))
    assert len(buffer.take()) == 2
    assert buffer.stats.invalid == 2


def test_an_error_comes_after_the_samples_before_it_and_stays() -> None:
    buffer = SampleBuffer()
    buffer.push(sample(1))
    buffer.fail(TrackerError("gone"))
    buffer.fail(TrackerError("second"))
    assert not buffer.push(sample(2))
    assert len(buffer.take()) == 1
    for _ in range(2):
        with pytest.raises(TrackerError, match="gone"):
            buffer.take(5.0)
    assert buffer.ended


def test_a_waiting_reader_is_woken() -> None:
    buffer = SampleBuffer()
    got: list[GazeSample] = []
    reader = threading.Thread(target=lambda: got.extend(buffer.take(30.0)))
    reader.start()
    buffer.push(sample(1))
    reader.join(10.0)
    assert len(got) == 1
    waiter = threading.Thread(target=lambda: buffer.take(30.0))
    waiter.start()
    buffer.end()
    waiter.join(10.0)
    assert not waiter.is_alive()


def test_a_capacity_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="capacity"):
        SampleBuffer(0)


@given(
    st.lists(st.one_of(st.integers(0, 30), st.none()), max_size=80),
    st.integers(1, 10),
)
def test_nothing_is_lost_uncounted(actions: list[int | None], capacity: int) -> None:
    """Push device times in any order, read at any moment: every push is delivered or counted, in order."""
    buffer = SampleBuffer(capacity)
    delivered: list[GazeSample] = []
    pushes = 0
    for action in actions:
        if action is None:
            delivered += buffer.take()
        else:
            pushes += 1
            buffer.push(GazeSample(action * MS, 1.0, 1.0, device_time_ns=action))
    delivered += buffer.take()
    report = buffer.stats
    devices = [each.device_time_ns for each in delivered if each.device_time_ns is not None]
    assert len(devices) == len(delivered)
    assert devices == sorted(set(devices))
    times = [each.time_ns for each in delivered]
    assert times == sorted(times)
    assert report.received == len(delivered)
    assert report.received + report.dropped + report.duplicates + report.dropped_late == pushes


def test_an_error_that_is_raised_a_thousand_times_holds_no_frames() -> None:
    buffer = SampleBuffer(10)
    buffer.fail(TrackerError("gone"))
    for _ in range(1000):
        with pytest.raises(TrackerError, match="gone") as caught:
            buffer.take()
    assert len(caught.traceback) < 10
