"""The sample's fake headset, compiled with mono, against a real server over loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the server: pip install 'sam-edge[serve]'")
pytest.importorskip("uvicorn", reason="needs the server: pip install 'sam-edge[serve]'")
pytest.importorskip("websockets", reason="needs the server: pip install 'sam-edge[serve]'")

from sam_edge.client import jpeg_of
from sam_edge.media.frames import open_frames
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server

DEMO = Path("sam_edge", "assets", "demo")
TOKEN = "a-token-of-two-dozen-characters"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Discs instead of a model."""
    with Engines(runtime="fake") as engines, Server(engines, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def frames(repo_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's clip as JPEG files of the fake headset's size."""
    folder = tmp_path_factory.mktemp("frames")
    with open_frames(repo_dir / DEMO / "clip.mp4") as reader:
        for number, frame in enumerate(reader):
            (folder / f"{number:04}.jpg").write_bytes(
                jpeg_of(np.asarray(cv2.resize(frame.image, (640, 480)), np.uint8))
            )
    return folder


@pytest.fixture(scope="module")
def gaze(repo_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's gaze, scaled to 640x480."""
    with open_frames(repo_dir / DEMO / "clip.mp4") as reader:
        height, width = reader.size
    head, *rows = (repo_dir / DEMO / "gaze.csv").read_text(encoding="utf-8").splitlines()
    path = tmp_path_factory.mktemp("gaze") / "gaze.csv"
    scaled = [head]
    for row in rows:
        time, x, y, _ = row.split(",")
        if x and y:
            scaled.append(f"{time},{float(x) * 640 / width},{float(y) * 480 / height}")
    path.write_text("\n".join(scaled) + "\n", encoding="utf-8")
    return path


def test_a_fake_headset_selects_pins_and_names(
    server: Server, run_host: Callable[..., list[str]], frames: Path, gaze: Path
) -> None:
    lines = run_host("play", server.stream_url, str(frames), str(gaze))
    assert lines[0] == "connected True"
    assert lines[-1] == "offset True"
    assert not [line for line in lines if line.startswith(("error", "warning"))]
    (answered,) = [line.split() for line in lines if line.startswith("answered")]
    assert int(answered[2]) > 0
    selections = [line.split() for line in lines if line.startswith("selection")]
    numbers = [int(fields[1]) for fields in selections]
    assert numbers == sorted(set(numbers))
    # Each selection has the pose that was sent with its frame.
    assert {tuple(fields[3:6]) for fields in selections} == {("True", "640", "480")}
    assert any(fields[2] == "Focused" and int(fields[6]) > 0 for fields in selections)


def test_a_refused_token_is_said_and_not_tried_again(run_host: Callable[..., list[str]]) -> None:
    with Engines(runtime="fake") as engines, Server(engines, port=0, token=TOKEN) as closed:
        lines = run_host("refused", closed.stream_url)
    assert len(lines) == 1
    assert lines[0].startswith("error Unauthorized")


def test_no_server_is_said_with_its_address(run_host: Callable[..., list[str]]) -> None:
    url = "ws://127.0.0.1:9/api/stream"
    (line,) = run_host("refused", url)
    assert line.startswith(f"error 0 no connection to {url}: ")
    (line,) = run_host("refused", "http://example.org")
    assert line == (
        "error 0 the address is http://example.org; it must begin with ws:// or wss://, as ws://192.168.0.10:8765/api/stream"
    )
