"""What strangers send does not stop the server, and is answered as docs/reference/protocol.md says."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as open_socket

from sam_edge.client import RefusedError, connect
from sam_edge.errors import InputError
from sam_edge.gaze.samples import GazeSample
from sam_edge.serve.limits import Limits, RateLimit
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server
from sam_edge.web.access import AccessPolicy
from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.kinds import MessageKind
from sam_edge.wire.messages import (
    ClientMessage,
    Command,
    CommandAction,
    ErrorReply,
    Gaze,
    Hello,
    ImageFormat,
    Ping,
    Pong,
    SceneFrame,
    ServerMessage,
    Welcome,
)

TOKEN = "correct horse battery staple"


@contextlib.contextmanager
def raw(server: Server, *, greet: bool = True, **options: Any) -> Iterator[Any]:
    """Open a WebSocket without the client's good manners."""
    with open_socket(server.stream_url, compression=None, proxy=None, **options) as opened:
        if greet:
            opened.send(protocol.encode(Hello()))
            assert isinstance(protocol.decode_server_message(opened.recv(timeout=10)), Welcome)
        yield opened


def end_of(opened: Any) -> tuple[ErrorReply, int]:
    """Read until the connection ends: the last error, and the close code."""
    fault: ErrorReply | None = None
    try:
        while True:
            answer = protocol.decode_server_message(opened.recv(timeout=10))
            fault = answer if isinstance(answer, ErrorReply) and answer.fatal else fault
    except ConnectionClosed as closed:
        if closed.rcvd is None or fault is None:
            raise
        return fault, closed.rcvd.code


def is_well(server: Server) -> bool:
    """Ask whether the server greets and answers."""
    with raw(server) as opened:
        opened.send(protocol.encode(Ping(7, 8)))
        answer = protocol.decode_server_message(opened.recv(timeout=10))
        return isinstance(answer, Pong) and answer.client_sent_ns == 8


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", ErrorCode.MALFORMED),
        (b"\x01", ErrorCode.MALFORMED),
        ("text", ErrorCode.MALFORMED),
        (protocol.encode(Ping(1, 1)), ErrorCode.MALFORMED),
        (
            protocol.encode(Hello())[:12] + b"\x03\x07" + protocol.encode(Hello())[14:],
            ErrorCode.UNSUPPORTED_VERSION,
        ),
        (protocol.encode(Hello(engine="abacus")), ErrorCode.INVALID_OPTION),
        (protocol.encode(Hello(size=(100, 100))), ErrorCode.INVALID_OPTION),
    ],
)
def test_a_bad_hello_ends_the_connection(server: Server, data: bytes | str, code: ErrorCode) -> None:
    with raw(server, greet=False) as opened:
        opened.send(data)
        fault, closed = end_of(opened)
    assert fault.code is code
    assert closed == 4000 + code
    assert is_well(server)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x99" + bytes(7), 0x99),
        (protocol.encode(Ping(1, 1)) + b"!", MessageKind.PING),
        (protocol.encode(Hello()), MessageKind.HELLO),
        (struct.pack("<BBHI", MessageKind.GAZE, 0, 0, 99), MessageKind.GAZE),
    ],
)
def test_a_bad_message_ends_the_connection(server: Server, data: bytes, kind: int) -> None:
    with raw(server) as opened:
        opened.send(data)
        fault, closed = end_of(opened)
    assert (fault.code, fault.about_kind, closed) == (ErrorCode.MALFORMED, kind, 4001)
    assert is_well(server)


def test_the_token_is_asked_for(serve: Callable[..., Server]) -> None:
    running = serve(token=TOKEN)
    for token in ("", TOKEN + "x", TOKEN[:-1], "ключ"):
        with pytest.raises(RefusedError, match="token") as caught:
            connect(running.stream_url, token=token)
        assert caught.value.reply.code is ErrorCode.UNAUTHORIZED
    with connect(running.stream_url, token=TOKEN) as client:
        assert client.welcome.client_id == 1


def test_foreign_pages_do_not_get_a_socket(server: Server) -> None:
    with (
        pytest.raises(InvalidStatus, match="403"),
        raw(server, additional_headers={"Origin": "http://evil.example"}),
    ):
        pass
    with raw(server, additional_headers={"Origin": f"http://127.0.0.1:{server.port}"}) as opened:
        opened.send(protocol.encode(Ping(1, 2)))
        assert isinstance(protocol.decode_server_message(opened.recv(timeout=10)), Pong)


def test_one_client_too_many_is_told_so(serve: Callable[..., Server]) -> None:
    running = serve(limits={"clients": 2})
    with connect(running.stream_url), connect(running.stream_url) as second:
        with pytest.raises(RefusedError) as caught:
            connect(running.stream_url)
        assert caught.value.reply.code is ErrorCode.TOO_MANY_CLIENTS
        second.close()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(RefusedError), connect(running.stream_url) as third:
                assert third.welcome.client_id == 3
                return
        pytest.fail("the place of a client that left was not given to another")


def test_who_says_nothing_is_let_go(serve: Callable[..., Server]) -> None:
    running = serve(limits={"hello_s": 0.2, "idle_s": 0.4})
    with raw(running, greet=False) as opened:
        assert end_of(opened)[0].code is ErrorCode.TIMEOUT
    with raw(running) as opened:
        fault, closed = end_of(opened)
        assert (fault.code, closed) == (ErrorCode.TIMEOUT, 4010)
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as silent:
        assert silent.recv(1) == b""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as slow:
        slow.sendall(b"GET / HT")
        assert slow.recv(1) == b""
    assert is_well(running)


def trickle(connection: socket.socket, data: bytes) -> None:
    for letter in data:
        connection.sendall(bytes([letter]))
        time.sleep(0.05)


def test_a_head_that_trickles_in_is_not_waited_for(serve: Callable[..., Server]) -> None:
    """Also after a first request on the same connection."""
    running = serve(limits={"hello_s": 0.4})
    ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for first in (b"", ask):
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as slow:
            if first:
                slow.sendall(first)
                assert slow.recv(4096).startswith(b"HTTP/1.1 200")
                time.sleep(0.6)
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                trickle(slow, ask[:-2] * 3)
    kept = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    kept.connect()
    own = kept.sock
    for _ in range(4):
        kept.request("GET", "/healthz")
        assert kept.getresponse().read() == b'{"status":"ok"}'
        time.sleep(0.2)
    assert kept.sock is own, "who asks in time keeps the connection"
    kept.close()


def test_too_many_connections_are_closed(serve: Callable[..., Server]) -> None:
    running = serve(limits={"connections": 3})
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
        until = time.monotonic() + 10
        closed = False
        while not closed and time.monotonic() < until:
            with (
                socket.create_connection(("127.0.0.1", running.port), timeout=0.2) as one,
                contextlib.suppress(TimeoutError),
            ):
                closed = one.recv(1) == b""
        assert closed


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("messages_per_s", Ping(1, 1)),
        ("frames_per_s", SceneFrame(1, 1, ImageFormat.RGB, (32, 32), bytes(3072))),
        ("samples_per_s", Gaze((GazeSample(1, 1.0, 1.0),) * 1000)),
    ],
)
def test_who_sends_too_much_is_let_go(
    serve: Callable[..., Server], limit: str, message: ClientMessage
) -> None:
    running = serve(limits={limit: 20})
    data = protocol.encode(message)
    with raw(running) as opened:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(40):
                opened.send(data)
        assert end_of(opened)[0].code is ErrorCode.RATE_LIMIT
    assert is_well(running)


def test_too_many_triggers_are_refused(server: Server) -> None:
    with raw(server) as opened:
        with contextlib.suppress(ConnectionClosed):
            for number in range(900):
                opened.send(protocol.encode(Command(number, CommandAction.RESET)))
        answers: list[ServerMessage] = []
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            while len(answers) < 900:
                answers.append(protocol.decode_server_message(opened.recv(timeout=10)))
    # Every one was answered, or the connection ended with the reason.
    assert len(answers) == 900 or (
        isinstance(answers[-1], ErrorReply) and answers[-1].code is ErrorCode.RATE_LIMIT
    )
    assert is_well(server)


def test_a_message_that_is_too_long_ends_the_connection(serve: Callable[..., Server]) -> None:
    running = serve(limits={"frame_bytes": 5000})
    with raw(running) as opened:
        opened.send(protocol.encode(SceneFrame(1, 1, ImageFormat.JPEG, (64, 64), bytes(5500))))
        fault, closed = end_of(opened)
        assert (fault.code, closed) == (ErrorCode.TOO_LARGE, 4004)
    with raw(running) as opened, contextlib.suppress(ConnectionClosed):
        opened.send(bytes(1 << 20))
        with pytest.raises(ConnectionClosed) as caught:
            opened.recv(timeout=10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
    assert is_well(running)


def test_a_frame_of_too_many_pixels_is_not_unpacked(server: Server, jpeg: bytes) -> None:
    bomb = bytearray(jpeg)
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = (16000).to_bytes(2, "big") * 2
    with raw(server) as opened:
        for number, (size, code) in enumerate(
            [((16000, 16000), ErrorCode.TOO_LARGE), ((240, 320), ErrorCode.INVALID_IMAGE)]
        ):
            opened.send(protocol.encode(SceneFrame(number, number, ImageFormat.JPEG, size, bytes(bomb))))
            fault = protocol.decode_server_message(opened.recv(timeout=10))
            assert isinstance(fault, ErrorReply)
            assert (fault.code, fault.about_id, fault.fatal) == (code, number, False)


def test_who_does_not_read_is_let_go(serve: Callable[..., Server]) -> None:
    running = serve(limits={"send_s": 0.5, "messages_per_s": 1e6})
    with socket.create_connection(("127.0.0.1", running.port), timeout=1) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        ask = f"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n"
        stream.sendall(ask.encode())
        assert stream.recv(12) == b"HTTP/1.1 101"
        stream.sendall(masked(protocol.encode(Hello())))
        ping = masked(protocol.encode(Ping(1, 1))) * 500
        until = time.monotonic() + 20
        while time.monotonic() < until and not running.metrics.value(
            "sam_edge_refused_total", reason="timeout"
        ):
            with contextlib.suppress(OSError):
                stream.sendall(ping)
    assert running.metrics.value("sam_edge_refused_total", reason="timeout") == 1
    assert is_well(running)


def masked(data: bytes) -> bytes:
    """Write a binary message as a client's frame, with a mask of zeros (RFC 6455, 5.2)."""
    length = (
        bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
    )
    return b"\x82" + length + bytes(4) + data


MESSAGES = [
    protocol.encode(Hello()),
    protocol.encode(Ping(1, 2**62, -(2**62), 5)),
    protocol.encode(SceneFrame(1, 2**62, ImageFormat.RGB, (32, 32), bytes(3072))),
    protocol.encode(Gaze((GazeSample(-(2**63), 1.0, 1.0), GazeSample(2**63 - 1, 1.0, 1.0)))),
    protocol.encode(Command(1, CommandAction.PIN, at_ns=2**63 - 1)),
    protocol.encode(Command(1, CommandAction.PIN, point_px=(-1e6, 1e6))),
    protocol.encode(Command(1, CommandAction.UNPIN, 2**32 - 1)),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(MESSAGES), st.binary(max_size=120)), max_size=6), st.booleans())
def test_any_messages_leave_the_server_well(server: Server, messages: list[bytes], greet: bool) -> None:
    with contextlib.suppress(ConnectionClosed), raw(server, greet=greet) as opened:
        for data in messages:
            opened.send(data)
        opened.send(protocol.encode(Ping(77, 1)))
        while True:
            answer = protocol.decode_server_message(opened.recv(timeout=10))
            assert not (isinstance(answer, ErrorReply) and "internal" in answer.message), answer
            if isinstance(answer, Pong) and answer.ping_id == 77:
                break
    assert server.metrics.value("sam_edge_clients_total") > 0


def test_after_all_that_the_server_is_well(server: Server) -> None:
    assert is_well(server)


def test_times_at_the_end_of_time_do_not_stop_a_session(server: Server, jpeg: bytes) -> None:
    last = 2**63 - 1
    with raw(server) as opened:
        for number, time_ns in enumerate((-last, 0, last - 1_000_000, last)):
            samples = tuple(GazeSample(time_ns - 50_000_000 + step, 100.0, 100.0) for step in range(0, 50, 5))
            with contextlib.suppress(struct.error):
                opened.send(protocol.encode(Gaze(samples)))
            opened.send(protocol.encode(SceneFrame(number, time_ns, ImageFormat.JPEG, (240, 320), jpeg)))
            answer = protocol.decode_server_message(opened.recv(timeout=10))
            assert not (isinstance(answer, ErrorReply) and answer.fatal), answer


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.org"])
def test_other_addresses_need_a_token(host: str) -> None:
    with pytest.raises(InputError, match="no token"):
        AccessPolicy(host)
    assert AccessPolicy(host, TOKEN).accepts_token(TOKEN)


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="16 or more"):
        AccessPolicy("127.0.0.1", "short")
    for origin in ("example.org", "https://example.org/", "ftp://example.org", "*"):
        with pytest.raises(InputError, match="origin"):
            AccessPolicy("127.0.0.1", "", (origin,))
    with pytest.raises(InputError, match="clients is 0"):
        Limits(clients=0)


def test_a_certificate_that_is_none_is_refused_at_once(engines: Engines, tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    with pytest.raises(InputError, match="are not a certificate with its key"):
        Server(engines, port=0, cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")


def test_loopback_needs_no_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.3.2.1"):
        assert AccessPolicy(host).accepts_token("")


def test_with_a_token_any_name_may_be_used() -> None:
    rules = AccessPolicy("0.0.0.0", TOKEN)
    assert rules.accepts_headers("headset.local:8765", None)
    assert rules.accepts_headers("headset.local:8765", "https://headset.local:8765")
    assert not rules.accepts_headers("headset.local:8765", "https://evil.example")
    assert not AccessPolicy("127.0.0.1").accepts_headers("headset.local:8765", None)


def test_a_bucket_fills_with_time() -> None:
    now = 0.0
    bucket = RateLimit(10, burst=2, now=lambda: now)
    assert [bucket.allows() for _ in range(6)] == [True] * 5 + [False]
    now = 0.1
    assert [bucket.allows() for _ in range(2)] == [True, False]
    now = 100.0
    assert not bucket.allows(6)
    assert bucket.allows(5)
