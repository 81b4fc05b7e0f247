"""The server behind a certificate, and clients that several threads use at a time."""

from __future__ import annotations

import http.server
import logging
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sam_edge.client import Client, connect
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.serve.server import Server

FIRST_REQUEST_S = 1.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine's own, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    whose = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *whose]
    subprocess.run([*made, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def secured(certificate: tuple[Path, Path], serve: Callable[..., Server]) -> Server:
    """A server with the certificate."""
    cert, key = certificate
    return serve(cert=cert, key=key)


@pytest.fixture
def trust(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """Trusts the certificate."""
    return ssl.create_default_context(cafile=str(certificate[0]))


@contextmanager
def redirecting(to: str) -> Iterator[int]:
    """Send everyone who asks to another address; yields the port."""

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", to)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        try:
            yield made.server_port
        finally:
            made.shutdown()
            thread.join()


def test_a_client_comes_in_over_tls(secured: Server, trust: ssl.SSLContext) -> None:
    assert secured.stream_url.startswith("wss://")
    with connect(secured.stream_url, tls=trust) as client:
        assert client.welcome.engine == "fake"


def test_whom_the_client_does_not_trust_it_does_not_talk_to(secured: Server) -> None:
    with pytest.raises(SessionError, match="does not accept the connection"):
        connect(secured.stream_url)


def test_a_certificate_for_a_plain_address_is_said(server: Server, trust: ssl.SSLContext) -> None:
    with pytest.raises(InputError, match="wss://"):
        connect(server.stream_url, tls=trust)


def test_the_time_for_a_first_request_ends_with_it(
    certificate: tuple[Path, Path],
    serve: Callable[..., Server],
    trust: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cert, key = certificate
    url = serve(cert=cert, key=key, limits={"hello_s": FIRST_REQUEST_S}).stream_url
    with caplog.at_level(logging.ERROR), connect(url, tls=trust) as stays:
        connect(url, tls=trust).close()
        time.sleep(1.5 * FIRST_REQUEST_S)
        assert stays.reset().result(10) == 0
    assert [record.getMessage() for record in caplog.records] == []


def test_several_threads_may_send_over_tls_while_one_receives(secured: Server, trust: ssl.SSLContext) -> None:
    """Two threads inside one TLS socket lose what they send, now and then."""
    with connect(secured.stream_url, tls=trust) as client, ThreadPoolExecutor(4) as threads:

        def talk(number: int) -> None:
            for index in range(20):
                client.send_gaze([GazeSample(1 + number + 10 * index, 5.0, 5.0)])
                assert client.reset().result(10) == 0

        for done in [threads.submit(talk, number) for number in range(4)]:
            done.result(30)


def test_nobody_is_sent_to_another_host_with_a_token(server: Server) -> None:
    with (
        redirecting(server.stream_url) as port,
        pytest.raises(SessionError, match="does not accept the connection"),
    ):
        connect(f"ws://127.0.0.1:{port}", token="secret")


def test_a_client_that_is_closed_while_another_thread_sends_says_so(server: Server) -> None:
    for _ in range(5):
        client = connect(server.stream_url)
        failed: list[Exception] = []

        def talk(client: Client = client, failed: list[Exception] = failed) -> None:
            try:
                while True:
                    client.send_gaze([GazeSample(time.monotonic_ns(), 5.0, 5.0)])
                    time.sleep(0.001)
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=talk)
        thread.start()
        time.sleep(0.02)
        client.close()
        thread.join(10)
        assert not thread.is_alive()
        assert isinstance(failed[0], SessionError)
