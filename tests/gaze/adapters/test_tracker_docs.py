"""The pages on trackers say what the code does: schemes, options, bytes, and the example of a tracker of one's own."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from fake_base import TcpFake, collect, present

from sam_edge.gaze import registry
from sam_edge.gaze.adapters import ray_packets
from sam_edge.gaze.adapters.ray_packets import decode
from sam_edge.gaze.registry import SchemeInfo


@pytest.fixture
def trackers(repo_dir: Path) -> str:
    return (repo_dir / "docs" / "how-to" / "trackers.md").read_text(encoding="utf-8")


@pytest.fixture
def packets(repo_dir: Path) -> str:
    return (repo_dir / "docs" / "reference" / "ray_packets.md").read_text(encoding="utf-8")


def test_every_scheme_has_a_row(trackers: str) -> None:
    rows = re.findall(r"^\| [^|]+ \| `([\w+-]+):", trackers, flags=re.MULTILINE)
    assert sorted(rows) == sorted(info.scheme for info, _ in registry._BUILT_IN)


def test_the_examples_of_packets_are_accepted(packets: str) -> None:
    examples = re.findall(
        r"^(\{\"sam_edge_ray\".*?\}\}?)$(?=\n(?:\n|```))", packets, flags=re.MULTILINE | re.DOTALL
    )
    kinds = [json.loads(example)["kind"] for example in examples]
    assert kinds == ["ray", "point", "camera"]
    for example in examples:
        decode(example)


@pytest.mark.parametrize(
    ("title", "layout"),
    [("Ray", ray_packets._RAY), ("Point", ray_packets._POINT), ("Camera", ray_packets._CAMERA)],
)
def test_the_tables_of_bytes_add_up(packets: str, title: str, layout: struct.Struct) -> None:
    sizes = {"u8": 1, "u16": 2, "u32": 4, "i64": 8, "f32": 4}
    found = present(re.search(rf"^{title}, (\d+) bytes:\n\n((?:\|.*\n)+)", packets, flags=re.MULTILINE))
    at = 28
    for row in found[2].splitlines()[2:]:
        start, kind = (cell.strip() for cell in row.split("|")[1:3])
        count, _, name = kind.rpartition(" ")
        assert int(start) == at
        at += int(count or 1) * sizes[name]
    assert at == int(found[1]) == 28 + layout.size
    assert ray_packets._HEADER.size == 28


def test_the_example_of_a_tracker_of_one_s_own_works(trackers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = present(
        re.search(r"^```python\n# my_tracker.py\n(.*?)^```", trackers, flags=re.MULTILINE | re.DOTALL)
    )[1]
    names: dict[str, Any] = {}
    exec(code, names)
    monkeypatch.setattr(registry, "_registered", {})
    registry.register(SchemeInfo("my-tracker", "mine", "my-tracker://", "screen"), names["from_address"])

    def serve(connection: socket.socket) -> None:
        for number in range(20):
            connection.sendall(f"{time.monotonic() * 1000 + 5e6:.3f} {number} 7\nbad line\n".encode())
            time.sleep(0.002)
        connection.recv(1)

    server = TcpFake(serve)
    try:
        with registry.open(f"my-tracker://127.0.0.1:{server.port}") as source:
            assert [sample.x_px for sample in collect(source, 20)] == list(range(20))
            assert source.stats.malformed >= 19
    finally:
        server.stop()
