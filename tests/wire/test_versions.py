"""Clients and servers of other protocol versions are refused with a message that says what to do."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("starlette", reason="needs the server: pip install 'sam-edge[serve]'")
pytest.importorskip("uvicorn", reason="needs the server: pip install 'sam-edge[serve]'")
pytest.importorskip("websockets", reason="needs the server: pip install 'sam-edge[serve]'")

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as open_socket
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_socket

from sam_edge.client import RefusedError, VersionError, connect
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server
from sam_edge.wire.errors import ErrorCode

HELLO_OF_VERSION_1 = bytes.fromhex(
    "0100000000000000"  # kind, flags, 0, id
    "53454745"  # SEGE
    "0101"  # versions 1 to 1
    "0100"  # runs, no polygons
    "0000803f"  # tolerance: 1 px
    "00000000"  # pixels per degree: the server's choice
    "00000000"  # encoder input: the server's choice
    "0000"  # no token
    "0000"  # no engine
    "0f0073616d2d6564676520707974686f6e"  # sam-edge python
)
"""The first message of the Python client of version 1, byte for byte."""
ERROR_OF_VERSION_1 = bytes.fromhex(
    "8701000000000000"  # kind, fatal, 0, id
    "02000100"  # code 2, about a hello
    "4600"  # 70 bytes of text
    "76657273696f6e3a2074686520636c69656e7420737065616b73203220746f20322c2074686973207365727665"
    "7220313b2075706461746520746865206f6c646572206f6e65"
)
"""What a server of version 1 answers to a hello of version 2, byte for byte."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Engines(runtime="fake") as engines, Server(engines, port=0) as running:
        yield running


def refusal_of(server: Server, hello: bytes) -> tuple[str, int]:
    """Send a hello; return the message and the close code, read as a client of version 1 reads them."""
    with open_socket(server.stream_url, compression=None, proxy=None) as socket:
        socket.send(hello)
        data = socket.recv(timeout=10)
        assert isinstance(data, bytes)
        kind, flags, zero, number, code, about, unused, size = struct.unpack_from("<BBHIHBBH", data)
        assert (kind, flags, zero, number, about, unused) == (0x87, 1, 0, 0, 1, 0)
        assert code == 2
        assert len(data) == 14 + size
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    return data[14:].decode("utf-8"), closed.value.rcvd.code


def test_a_client_of_version_1_is_refused_with_advice(server: Server) -> None:
    message, code = refusal_of(server, HELLO_OF_VERSION_1)
    assert code == 4002
    assert "protocol version 1" in message
    assert "accepted: version 2" in message
    assert "Update the client" in message
    assert server.metrics.value("sam_edge_refused_total", reason="unsupported_version") >= 1


def test_a_client_of_a_later_version_is_refused_with_advice(server: Server) -> None:
    later = bytearray(HELLO_OF_VERSION_1)
    later[12:14] = bytes([3, 5])
    # The rest of the message may have any layout in a later version.
    message, code = refusal_of(server, bytes(later[:16]) + b"another layout")
    assert code == 4002
    assert "versions 3 to 5" in message
    assert "Update the server" in message


def test_a_client_that_speaks_several_versions_is_accepted(server: Server) -> None:
    both = bytearray(HELLO_OF_VERSION_1)
    both[12:14] = bytes([1, 2])
    with open_socket(server.stream_url, compression=None, proxy=None) as socket:
        socket.send(bytes(both))
        data = socket.recv(timeout=10)
    assert isinstance(data, bytes)
    assert data[0] == 0x81
    assert data[12:15] == bytes([2, 2, 2])


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """A server that answers every hello with the same bytes."""

    def handle(socket: ServerConnection) -> None:
        socket.recv(timeout=10)
        socket.send(reply)
        socket.close(4002)

    with serve_socket(handle, "127.0.0.1", 0, compression=None) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}/api/stream"
        finally:
            running.shutdown()
            thread.join()


def welcome_of_version(version: int) -> bytes:
    head = struct.pack("<BBHI4sBBBB", 0x81, 0, 0, 1, b"SEGE", version, version, version, 0)
    texts = b"".join(
        struct.pack("<H", len(text)) + text for text in (b"sam-edge 9.9", b"m", b"fake", b"fp32")
    )
    return head + struct.pack("<qIIfHHfHH", 1, 1000, 1000, 60.0, 2, 0, 30.0, 0, 0) + texts


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (lambda: ERROR_OF_VERSION_1, "this server 1; update the older one"),
        (lambda: welcome_of_version(1), "sam-edge 9.9 answers in protocol version 1"),
        (lambda: welcome_of_version(3), "sam-edge 9.9 answers in protocol version 3"),
    ],
)
def test_the_client_reports_a_server_of_another_version(reply: Callable[[], bytes], words: str) -> None:
    with answering(reply()) as url, pytest.raises(VersionError, match=words) as caught:
        connect(url)
    assert isinstance(caught.value, RefusedError)
    assert caught.value.reply.code is ErrorCode.UNSUPPORTED_VERSION
    assert "speaks protocol version 2" in str(caught.value)
    assert "install the same release" in str(caught.value)
