"""Gazepoint: the dialogue, records in fragments, times, and hostile XML."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from fake_base import HEIGHT, WIDTH, collect, number_of, read_until_error
from fake_gazepoint import FakeGazepoint
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError, TrackerError
from sam_edge.gaze import registry
from sam_edge.gaze.adapters.gazepoint import parse_line
from sam_edge.gaze.adapters.net import LineReader
from sam_edge.gaze.source import GazeSource


@pytest.fixture
def tracker() -> Iterator[FakeGazepoint]:
    fake = FakeGazepoint()
    yield fake
    fake.stop()


def open_tracker(fake: FakeGazepoint, **options: object) -> GazeSource:
    source = registry.open(fake.url, **({"timeout": 3.0} | options))
    fake.wait_ready()
    return source


@pytest.mark.parametrize("pieces", [1, 7, 300])
def test_records_may_come_in_any_pieces(tracker: FakeGazepoint, pieces: int) -> None:
    with open_tracker(tracker) as source:
        tracker.pieces = pieces
        tracker.send(12)
        assert [number_of(sample) for sample in collect(source, 12)] == list(range(12))
        assert source.stats.malformed == 0


def test_requests_that_are_dropped_are_made_again(tracker: FakeGazepoint) -> None:
    tracker.forget_first = 6
    with open_tracker(tracker) as source:
        tracker.send(3)
        assert len(collect(source, 3)) == 3
        assert "ENABLE_SEND_COUNTER" in tracker.enabled


def test_the_screen_size_is_asked_for_or_given(tracker: FakeGazepoint) -> None:
    with open_tracker(tracker, size="500x400") as source:
        tracker.send_text(tracker.record(0, tracker.now_s()).replace('BPOGX="0.00000"', 'BPOGX="0.5"'))
        (sample,) = collect(source, 1)
        assert (sample.x_px, sample.y_px) == (250.0, 0.0)
    assert "SCREEN_SIZE" not in tracker.enabled
    tracker.has_screen_size = False
    with (
        registry.open(tracker.url, timeout=0.4) as source,
        pytest.raises(TrackerError, match=r"open it with .size="),
    ):
        read_until_error(source)


def test_positions_may_leave_the_screen(tracker: FakeGazepoint) -> None:
    with open_tracker(tracker) as source:
        text = tracker.record(0, tracker.now_s())
        text = text.replace('BPOGX="0.00000"', 'BPOGX="-0.1"').replace('BPOGY="0.00000"', 'BPOGY="1.25"')
        tracker.send_text(text)
        (sample,) = collect(source, 1)
    assert (sample.x_px, sample.y_px) == pytest.approx((-0.1 * WIDTH, 1.25 * HEIGHT))


def test_invalid_and_one_eyed_records(tracker: FakeGazepoint) -> None:
    with open_tracker(tracker) as source:
        tracker.send_text(tracker.record(0, tracker.now_s(), valid=0))
        (sample,) = collect(source, 1)
    assert math.isnan(sample.x_px)
    assert (sample.left_valid, sample.right_valid) == (False, True)
    assert source.stats.invalid == 1


def test_lost_records_are_counted(tracker: FakeGazepoint) -> None:
    with open_tracker(tracker) as source:
        for number in (0, 1, 5, 6):
            tracker.send_text(tracker.record(number, tracker.now_s() + number * 1e-3))
        collect(source, 4)
    assert source.stats.lost == 3


def test_without_ticks_the_seconds_count(tracker: FakeGazepoint) -> None:
    tracker.has_ticks = False
    with open_tracker(tracker) as source:
        tracker.send_text(tracker.record(0, 12.5).replace("TIME_TICK", "OTHER"))
        (sample,) = collect(source, 1)
    assert sample.device_time_ns == 12_500_000_000


def test_ticks_of_another_rate_are_an_error(tracker: FakeGazepoint) -> None:
    tracker.rate = 1e-3
    with open_tracker(tracker) as source, pytest.raises(TrackerError, match="times the host's rate"):
        read_until_error(source, lambda: tracker.send(1))
    assert source.finished


def test_a_server_that_speaks_otherwise_is_not_taken_for_a_tracker(
    tracker: FakeGazepoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tracker, "_answer", lambda connection, _line: connection.sendall(b"220 smtp ready\r\n")
    )
    with pytest.raises(TrackerError, match=r"cannot be reached within .*no OpenGaze server answers"):
        registry.open(tracker.url, timeout=0.4)


@pytest.mark.parametrize(
    "line",
    [
        b'<!DOCTYPE r [<!ENTITY a "b">]><REC X="&a;" />',
        b'<?xml version="1.0"?><REC />',
        b'<REC X="&#65;" />',
        b"<REC",
        b"<REC /><REC />",
        b"",
        b"\xff\xfe<REC />",
        b"<REC " + b'A="1" ' * 3000 + b"/>",
    ],
)
def test_hostile_lines_are_refused(line: bytes) -> None:
    with pytest.raises(GazeDataError):
        parse_line(line)


@given(
    st.binary(max_size=100) | st.text(alphabet='<>/="& !?REC X1', max_size=60).map(lambda text: text.encode())
)
def test_any_line_is_read_or_refused(line: bytes) -> None:
    try:
        tag, fields = parse_line(line)
    except GazeDataError:
        return
    assert isinstance(tag, str)
    assert all(isinstance(value, str) for value in fields.values())


@given(
    st.lists(st.sampled_from([b"a", b"\r\n", b"\n", b"xxxxxxxxxxxxxxxx", b""]), max_size=40),
    st.integers(1, 9),
)
def test_lines_do_not_depend_on_fragments(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces) + b"\n"
    whole, parts = LineReader(limit=10), LineReader(limit=10)
    expected = whole.feed(data)
    got = [line for start in range(0, len(data), size) for line in parts.feed(data[start : start + size])]
    assert got == expected
    assert parts.skipped == whole.skipped
    assert len(parts._rest) <= 10
