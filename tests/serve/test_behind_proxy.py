"""The server behind a real nginx, set up as docs/how-to/serving.md says."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import InvalidStatus
from websockets.sync import client as websocket
from websockets.typing import Origin

from sam_edge.client import connect
from sam_edge.gaze.samples import GazeSample
from sam_edge.serve.server import Server
from sam_edge.web.access import AccessPolicy

SITE = "https://box.example.org"
TOKEN = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running nginx."""

    port: int

    def get(self, path: str, *, origin: str | None = None, body: bytes | None = None) -> tuple[int, bytes]:
        """Ask as a browser does that sees the site's name."""
        headers = {"Host": "box.example.org", **({"Origin": origin} if origin else {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def documented_block(repo_dir: Path) -> str:
    """The `location` block of the documentation."""
    text = (repo_dir / "docs" / "how-to" / "serving.md").read_text(encoding="utf-8")
    found = re.search(r"^    location / \{\n.*?\n    \}\n", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[0]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_proxy(folder: Path, location: str) -> Iterator[Proxy]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = "".join(
        f"    {name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        "events {}\nhttp {\n    access_log off;\n" + paths + "    map $http_upgrade $connection_upgrade "
        "{ default upgrade; '' ''; }\n    server {\n        client_max_body_size 16m;\n"
        f"        listen 127.0.0.1:{port};\n{location}    }}\n}}\n"
    )
    process = subprocess.Popen(
        [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline_s = time.monotonic() + 20.0
        while not listens(port):
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            assert time.monotonic() < deadline_s, "nginx does not listen"
        yield Proxy(port)
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(params=["Host passed on", "Host of the upstream"])
def location(request: pytest.FixtureRequest, repo_dir: Path) -> str:
    """The documented block, with the two ways to treat `Host` that it allows."""
    block = documented_block(repo_dir)
    if request.param == "Host passed on":
        return block
    return re.sub(r"            proxy_set_header Host .*\n", "", block)


def at(server: Server, location: str) -> str:
    return location.replace("127.0.0.1:8765", f"127.0.0.1:{server.port}")


def test_page_pictures_and_stream_pass_a_proxy(
    serve: Callable[..., Server], tmp_path: Path, location: str, jpeg: bytes, scene: NDArray[np.uint8]
) -> None:
    server = serve(allowed_origins=(SITE,))
    with running_proxy(tmp_path, at(server, location)) as proxy:
        status, page = proxy.get("/")
        assert status == 200
        assert b"<html" in page
        status, answer = proxy.get("/segment?point=160,120&masks=none", origin=SITE, body=jpeg)
        assert status == 200, answer
        assert json.loads(answer)["frame"] == [320, 240]
        # A browser's WebSocket, with its Origin; and one of a program, which sends none.
        address = f"ws://127.0.0.1:{proxy.port}/api/stream"
        with websocket.connect(address, origin=Origin(SITE), proxy=None):
            pass
        with connect(address) as client:
            client.send_gaze([GazeSample(900_000_000, 160.0, 120.0)])
            client.send_frame(scene, 1_000_000_000)
            selection = client.receive(10)
            assert selection is not None
            assert selection.frame_time_ns == 1_000_000_000


def test_what_is_not_allowed_is_refused_with_the_option_that_allows_it(
    serve: Callable[..., Server], tmp_path: Path, repo_dir: Path
) -> None:
    server = serve()
    with running_proxy(tmp_path, at(server, documented_block(repo_dir))) as proxy:
        status, answer = proxy.get("/")
        assert status == 403
        message = json.loads(answer)["error"]["message"]
        assert "Host box.example.org is foreign" in message
        assert "--allow-origin https://box.example.org" in message
        with pytest.raises(InvalidStatus) as refused:
            websocket.connect(
                f"ws://127.0.0.1:{proxy.port}/api/stream",
                origin=Origin(SITE),
                proxy=None,
            )
        assert refused.value.response.status_code == 403
        assert b"--allow-origin" in (refused.value.response.body or b"")


def test_a_token_passes_a_proxy(
    serve: Callable[..., Server], tmp_path: Path, location: str, scene: NDArray[np.uint8]
) -> None:
    server = serve(allowed_origins=(SITE,), token=TOKEN)
    with running_proxy(tmp_path, at(server, location)) as proxy:
        assert proxy.get("/api/info", origin=SITE)[0] == 401
        with connect(f"ws://127.0.0.1:{proxy.port}/api/stream", token=TOKEN) as client:
            client.send_frame(scene, 1_000_000_000)
            assert client.receive(10) is not None


@pytest.mark.parametrize(
    ("host", "origin", "refused"),
    [
        ("127.0.0.1:8765", None, None),
        ("127.0.0.1:8765", SITE, None),
        ("box.example.org", SITE, None),
        ("box.example.org", None, None),
        ("box.example.org:443", SITE, None),
        ("127.0.0.1:8765", "https://evil.example", "Origin https://evil.example is foreign"),
        ("evil.example", None, "Host evil.example is foreign"),
        ("evil.example", SITE, "Host evil.example is foreign"),
        ("127.0.0.1:8765", "https://[", "Origin"),
        ("", None, "Host"),
    ],
)
def test_hosts_and_origins_of_an_allowed_site(host: str, origin: str | None, refused: str | None) -> None:
    answer = AccessPolicy("127.0.0.1", allowed_origins=(SITE,), allow_option="--allow-origin").find_refusal(
        host, origin
    )
    assert (answer is None) == (refused is None)
    if refused is not None:
        assert answer is not None
        assert refused in answer
