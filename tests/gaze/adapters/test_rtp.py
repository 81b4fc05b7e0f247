"""RTP and RTCP: known packets, wrap-around, loss, and any bytes at all."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable

import pytest
from fake_rtsp import FakeRtsp
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError
from sam_edge.gaze.adapters.rtp import (
    RtpTimeline,
    SenderReport,
    SequenceTracker,
    parse_rtp,
    parse_sender_reports,
)
from sam_edge.gaze.adapters.rtsp import parse_sdp


def test_a_packet_with_everything_in_its_header() -> None:
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0x80 | 97, 9, 1000, 77)
    extension = struct.pack("!HHI", 0xBEDE, 1, 5)
    packet = parse_rtp(head + bytes(8) + extension + b"gaze" + b"\0\0\0\4")
    assert packet.payload == b"gaze"
    assert (packet.sequence, packet.timestamp, packet.source, packet.payload_type) == (9, 1000, 77, 97)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        bytes(12),
        b"\xc0" + bytes(11),
        b"\x8f" + bytes(11),
        b"\x90" + bytes(11),
        b"\xa0" + bytes(11),
        b"\x90" + bytes(11) + b"\0\0\xff\xff",
        b"\xa0" + bytes(11) + b"\xff",
    ],
)
def test_damaged_packets_are_refused(data: bytes) -> None:
    with pytest.raises(GazeDataError):
        parse_rtp(data)


@pytest.mark.parametrize("parse", [parse_rtp, parse_sender_reports])
@given(data=st.binary(max_size=80))
def test_any_datagram_is_read_or_refused(parse: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(GazeDataError):
        assert parse(data) is not None


def test_sender_reports_are_found_in_compound_packets() -> None:
    fake = FakeRtsp("", clock_hz=90_000)
    wall_ns = 1_700_000_000_123_456_789
    (report,) = parse_sender_reports(fake.sender_report(5_000_000_000, wall_ns))
    fake.stop()
    assert report.source == fake.source
    assert abs(report.wall_ns - wall_ns) <= 1
    assert report.timestamp == fake.ticks(5_000_000_000)
    with pytest.raises(GazeDataError):
        parse_sender_reports(struct.pack("!BBHI", 0x80, 200, 1, 7))


def test_the_time_line_goes_through_wrap_around() -> None:
    timeline = RtpTimeline(90_000)
    wall_ns = 1_700_000_000_000_000_000
    timeline.report(SenderReport(1, wall_ns, 2**32 - 90_000))
    assert timeline.ready
    for second in range(1, 5):
        mapped = timeline.wall((2**32 - 90_000 + second * 90_000) % 2**32)
        assert abs(mapped.host_ns - wall_ns - second * 10**9) <= mapped.uncertainty_ns
    # And a packet from before the wrap-around that comes late.
    assert abs(timeline.wall(2**32 - 45_000).host_ns - wall_ns - 5 * 10**8) < 10**6
    assert timeline.report(SenderReport(1, wall_ns + 60 * 10**9, 0))


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 65535))
def test_lost_is_what_never_came(offsets: list[int], first: int) -> None:
    tracker = SequenceTracker()
    tracker.add(first)
    lost = sum(tracker.add((first + offset) % 65536) for offset in offsets)
    came = {0, *offsets}
    assert lost == max(came) + 1 - len(came)


def test_a_restarted_numbering_is_no_loss() -> None:
    tracker = SequenceTracker()
    tracker.add(10)
    assert tracker.add(30_000) == 0
    assert tracker.add(30_001) == 0
    assert tracker.add(30_003) == 1


@given(st.text(alphabet="m=a:rtpmap video96/ \r\n0", max_size=120))
def test_any_session_description_is_read(text: str) -> None:
    assert isinstance(parse_sdp(text), list)


def test_media_without_a_clock_are_left_out() -> None:
    text = "v=0\r\n"
    text += "m=video 0 RTP/AVP 96\r\na=rtpmap:96 a/0\r\nm=audio 0\r\nm=application 0 RTP/AVP 97\r\na=rtpmap:97 b/9\r\n"
    assert [(media.kind, media.encoding, media.clock_rate_hz) for media in parse_sdp(text)] == [
        ("application", "b", 9)
    ]
