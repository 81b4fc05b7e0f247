"""Neon and Invisible: payloads, clock, transport, and what a broken Companion app does."""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from fake_base import collect, number_of, present, read_until_error, wait_until
from fake_companion import FakeCompanion, FakeInvisible, payload
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError, TrackerError
from sam_edge.gaze import registry
from sam_edge.gaze.adapters.neon import parse_gaze
from sam_edge.gaze.source import GazeSource


@pytest.fixture
def phone() -> Iterator[FakeCompanion]:
    fake = FakeCompanion()
    yield fake
    fake.stop()


def open_phone(fake: FakeCompanion, **options: object) -> GazeSource:
    source = registry.open(fake.url, **({"timeout": 3.0} | options))
    fake.wait_ready()
    return source


@pytest.mark.parametrize("length", [9, 17, 25, 65, 89, 105])
def test_every_payload_is_read(phone: FakeCompanion, length: int) -> None:
    phone.length = length
    with open_phone(phone) as source:
        phone.send(5, interval_s=0.001)
        samples = collect(source, 5)
    assert [number_of(sample) for sample in samples] == [0, 1, 2, 3, 4]
    eyes = {(sample.left_valid, sample.right_valid) for sample in samples}
    assert eyes == ({(True, True)} if length in (17, 25, 105) else {(None, None)})


def test_values_of_each_payload() -> None:
    nan = math.nan
    assert parse_gaze(struct.pack("!ffB", 1.5, 2.5, 255)) == (1.5, 2.5, True, None, None)
    assert parse_gaze(struct.pack("!ffBff", 10.0, 20.0, 255, 30.0, 40.0)) == (20.0, 30.0, True, True, True)
    assert parse_gaze(struct.pack("!ffBff", nan, nan, 255, 30.0, 40.0)) == (30.0, 40.0, True, False, True)
    assert parse_gaze(struct.pack("!ffB4f", 1.0, 2.0, 0, 3.0, 4.0, nan, nan)) == (
        1.0,
        2.0,
        False,
        True,
        False,
    )
    x, y, *_ = parse_gaze(struct.pack("!ffBff", nan, nan, 255, nan, nan))
    assert math.isnan(x)
    assert math.isnan(y)


@given(st.binary(max_size=200))
def test_any_payload_is_read_or_refused(data: bytes) -> None:
    try:
        x, y, *_ = parse_gaze(data)
    except GazeDataError:
        return
    assert not math.isinf(x)
    assert not math.isinf(y)


def test_glasses_that_are_not_worn_give_invalid_samples(phone: FakeCompanion) -> None:
    with open_phone(phone) as source:
        phone.send(1)
        collect(source, 1)
        phone.rtsp.send_media(phone.rtsp.rtp(payload(5.0, 6.0, worn=0), phone._tick()))
        (sample,) = collect(source, 1)
    assert math.isnan(sample.x_px)
    assert sample.confidence == 0.0
    assert not sample.valid
    assert source.stats.invalid == 1


def test_the_phone_s_clock_is_mapped_to_ours(phone: FakeCompanion) -> None:
    with open_phone(phone) as source:
        media_ns = phone.media_ns()
        host_ns = time.monotonic_ns()
        phone.rtsp.send_control(phone.rtsp.sender_report(media_ns, phone.wall_ns(media_ns)))
        phone.rtsp.send_media(phone.rtsp.rtp(payload(1.0, 0.0), media_ns))
        (sample,) = collect(source, 1)
    assert abs(sample.time_ns - host_ns) <= present(sample.offset_uncertainty_ns) + 200_000
    assert present(sample.offset_uncertainty_ns) < 20_000_000
    assert abs(present(sample.device_time_ns) - phone.wall_ns(media_ns)) < 20_000


def test_packets_before_the_first_sender_report_are_not_lost(phone: FakeCompanion) -> None:
    with open_phone(phone) as source:
        phone.reports = False
        phone.send(30, interval_s=0.001)
        assert source.read(0.1) == []
        phone.reports = True
        phone.send(1)
        assert [number_of(sample) for sample in collect(source, 31)] == list(range(31))


def next_error(source: GazeSource, phone: FakeCompanion) -> str:
    """Read until reading raises; return what it says."""
    with pytest.raises(TrackerError) as raised:
        read_until_error(source, lambda: phone.send(1))
    return str(raised.value)


def test_no_sender_report_is_a_clear_error(phone: FakeCompanion) -> None:
    phone.reports = False
    with open_phone(phone, timeout=0.5) as source:
        with pytest.raises(TrackerError, match="no gaze"):
            read_until_error(source, lambda: phone.send(1))
        wait_until(lambda: source.stats.reconnects > 0, "a new connection")
        # The first errors after the new connection may still be about the one before.
        wait_until(lambda: "no RTCP sender report arrives" in next_error(source, phone), "what is missing")


def test_reordered_repeated_and_lost_packets_are_told_apart(phone: FakeCompanion) -> None:
    with open_phone(phone) as source:
        phone.send(1)
        collect(source, 1)
        packets = [phone.rtsp.rtp(payload(float(number), 0.0), phone._tick()) for number in range(1, 8)]
        for index in (0, 2, 1, 1, 3, 6):
            phone.rtsp.send_media(packets[index])
        wait_until(lambda: source.stats.received >= 6, "six packets")
        numbers = [number_of(sample) for sample in source.read()]
    report = source.stats
    assert numbers == [1, 2, 3, 4, 7]
    assert (report.reordered, report.duplicates, report.lost) == (1, 1, 2)


def test_drift_of_the_phone_s_clock_does_not_add_up() -> None:
    """Each sample's time is when the phone took it, by the phone's own clock, within what the sample states."""
    fake = FakeCompanion()
    fake.drift = 300e-6
    samples = []
    try:
        with open_phone(fake) as source:
            for _ in range(75):
                fake.send(1, interval_s=0.02)
                samples += source.read()
            assert source.stats.clock_jumps == 0
    finally:
        fake.stop()
    assert len(samples) > 1
    for sample in samples:
        assert sample.device_time_ns is not None
        assert sample.offset_uncertainty_ns is not None
        error_ns = abs(sample.time_ns - fake.host_ns(sample.device_time_ns))
        # Half of a round trip is unknown, and up to twice the shortest counts.
        assert error_ns < 2 * sample.offset_uncertainty_ns + 1_000_000


def test_the_answers_may_come_in_pieces(phone: FakeCompanion) -> None:
    phone.rtsp.fragment = True
    with open_phone(phone) as source:
        phone.send(3)
        assert len(collect(source, 3)) == 3
    assert [request.split()[0] for request in phone.rtsp.requests[:4]] == [
        "OPTIONS",
        "DESCRIBE",
        "SETUP",
        "PLAY",
    ]
    wait_until(lambda: phone.rtsp.requests[-1].startswith("TEARDOWN"), "a TEARDOWN")


def test_the_wrong_generation_says_how_to_open_it() -> None:
    fake = FakeInvisible()
    try:
        with pytest.raises(TrackerError, match="open it as invisible://"):
            registry.open(fake.url.replace("invisible:", "neon:"), timeout=3.0)
    finally:
        fake.stop()


def test_unplugged_glasses_are_waited_for(phone: FakeCompanion) -> None:
    phone.connected_glasses = False
    with pytest.raises(TrackerError, match="plug them in"):
        registry.open(phone.url, timeout=0.4)
    assert phone.connections > 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ([], "does not answer like a Companion app"),
        ({"result": 3}, "does not answer like a Companion app"),
        ({"result": [3, {"model": "Sensor"}, {"model": "Phone", "data": 3}]}, "plug them in"),
    ],
)
def test_another_interface_is_an_error(
    phone: FakeCompanion, status: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone, "_status", lambda: status)
    with pytest.raises(TrackerError, match=message):
        registry.open(phone.url, timeout=0.5)


@pytest.mark.parametrize(
    "change", [{"params": "a b\r\nX: y"}, {"port": "8086"}, {"port": 0}, {"protocol": "http"}, {"port": True}]
)
def test_a_stream_described_in_an_unknown_way_is_an_error(
    phone: FakeCompanion, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    status = phone._status()
    for part in status["result"]:
        if part["model"] == "Sensor":
            part["data"] |= change
    monkeypatch.setattr(phone, "_status", lambda: status)
    with pytest.raises(TrackerError, match="unknown way"):
        registry.open(phone.url, timeout=0.5)


def test_a_stream_without_gaze_is_an_error(phone: FakeCompanion) -> None:
    phone.rtsp.sdp = phone.rtsp.sdp.replace("com.pupillabs.gaze1", "H264")
    with pytest.raises(TrackerError, match="offers video h264, but no gaze"):
        registry.open(phone.url, timeout=0.5)


def test_a_clock_rate_that_is_not_what_the_sdp_says_is_found(phone: FakeCompanion) -> None:
    phone.rtsp.sdp = phone.rtsp.sdp.replace("/90000", "/90")
    with (
        open_phone(phone) as source,
        pytest.raises(TrackerError, match=r"times the host's rate|times of .* are wrong"),
    ):
        read_until_error(source, lambda: phone.send(1))


def test_a_phone_that_is_still_starting_is_waited_for(
    phone: FakeCompanion, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_phone(phone, timeout=2.0) as source:
        phone.send(1)
        collect(source, 1)
        whole = phone._status
        monkeypatch.setattr(phone, "_status", list)
        asked = phone.connections
        phone.drop()
        wait_until(lambda: phone.connections > asked + 1, "two more attempts")
        monkeypatch.setattr(phone, "_status", whole)
        wait_until(lambda: source.stats.reconnects == 1, "a new connection")
        phone.wait_ready()
        phone.send(1)
        assert number_of(collect(source, 1)[0]) == 1


def test_a_reader_that_died_is_an_error_and_no_hang(
    phone: FakeCompanion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)
    with open_phone(phone) as source:
        monkeypatch.setattr(source, "_take", None)
        with pytest.raises(TrackerError, match="ended unexpectedly"):
            read_until_error(source, lambda: phone.send(1))
        assert source.finished


@pytest.mark.parametrize(
    ("status", "error"), [("404 Not Found", "answers"), ("503 Busy", "cannot be reached")]
)
def test_other_answers_than_200_are_errors(phone: FakeCompanion, status: str, error: str) -> None:
    phone.http._serve = lambda connection: connection.sendall(
        f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    with pytest.raises(TrackerError, match=error):
        registry.open(phone.url, timeout=0.4)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n{not json",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"",
        b"\xff" * 2_000_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
    ],
)
def test_broken_http_answers_are_errors(phone: FakeCompanion, answer: bytes) -> None:
    phone.http._serve = lambda connection: connection.sendall(answer)
    with pytest.raises(TrackerError):
        registry.open(phone.url, timeout=0.4)


@pytest.mark.parametrize(
    "answer",
    [b"SMTP\r\n\r\n", b"RTSP/1.0 404 No\r\nCSeq: 1\r\n\r\n", b"x" * 100_000, b"RTSP/1.0 500 Oops\r\n\r\n"],
)
def test_broken_rtsp_answers_are_errors(phone: FakeCompanion, answer: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(answer)
        connection.recv(9)

    phone.rtsp.server._serve = serve
    with pytest.raises(TrackerError):
        registry.open(phone.url, timeout=0.4)
