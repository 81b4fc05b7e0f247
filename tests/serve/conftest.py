"""A real server on an ephemeral port of this machine, without a model unless a test asks for one."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("starlette", reason="needs the server: pip install 'sam-edge[serve]'")
pytest.importorskip("uvicorn", reason="needs the server: pip install 'sam-edge[serve]'")
pytest.importorskip("websockets", reason="needs the server: pip install 'sam-edge[serve]'")

from sam_edge.serve.limits import Limits
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server

MS = 1_000_000


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Discs and boxes instead of a model."""
    with Engines(runtime="fake") as opened:
        yield opened


@pytest.fixture(scope="module")
def server(engines: Engines) -> Iterator[Server]:
    """A server that several tests share."""
    with Server(engines, port=0) as running:
        yield running


@pytest.fixture
def serve(engines: Engines) -> Iterator[Callable[..., Server]]:
    """Start a server of a test's own; limits are given by name."""
    with ExitStack() as stack:

        def start(*, limits: Mapping[str, Any] | None = None, **options: Any) -> Server:
            made = Server(engines, port=0, limits=Limits(**(limits or {})), **options)
            return stack.enter_context(made)

        yield start


@dataclass(frozen=True, slots=True)
class Answered:
    """What an HTTP request got."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture(scope="session")
def ask() -> Callable[..., Answered]:
    """Make one HTTP request of a server."""

    def request(
        server: Server,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, told, answer.read())
        finally:
            connection.close()

    return request


@pytest.fixture(scope="session")
def scene() -> NDArray[np.uint8]:
    """A textured picture, RGB (240, 320, 3)."""
    small = np.random.default_rng(5).integers(0, 255, (15, 20, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture(scope="session")
def jpeg(scene: NDArray[np.uint8]) -> bytes:
    """The scene as JPEG."""
    from sam_edge.client import jpeg_of

    return jpeg_of(scene)
