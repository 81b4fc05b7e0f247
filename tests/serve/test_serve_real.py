"""The server with the model that ships in the package, as a command, and as the examples run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.cli import main
from sam_edge.client import RefusedError, connect, jpeg_of
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks import Rle
from sam_edge.stream.selection import State
from sam_edge.wire.errors import ErrorCode

MS = 1_000_000
RABBIT = (200.0, 215.0)
"""A place on the rabbit of the package's clip at half its size."""
TOKEN = "correct horse battery staple"


@contextmanager
def command(*arguments: str, token: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `sam-edge serve` until it listens; yields the process and where it listens."""
    environment = {**os.environ, "SAM_EDGE_TOKEN": token}
    running = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "sam_edge.cli", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(3)]
        assert lines[2].startswith("clients"), (lines, running.stderr.read() if running.stderr else "")
        yield running, lines[2].split()[1]
    finally:
        running.kill()
        running.communicate()


def test_the_command_selects_with_the_real_model_and_ends_when_told(clip_frame: NDArray[np.uint8]) -> None:
    frame = np.ascontiguousarray(clip_frame[::2, ::2])
    with command() as (running, url):
        with connect(url) as client:
            assert client.welcome.model == "mobile_sam-int8"
            selected = None
            for index in range(1, 200):
                time_ns = index * 40 * MS
                client.send_gaze(
                    [GazeSample(time_ns - (35 - step) * MS, *RABBIT) for step in range(0, 36, 5)]
                )
                assert client.wait_until_ready(60)
                client.send_frame(frame, time_ns)
                selected = client.receive(60)
                assert selected is not None
                if selected.state is State.FOCUSED and selected.gaze_target is not None:
                    break
            assert selected is not None
            assert selected.gaze_target is not None
            mask = selected.gaze_target.mask(selected.frame_size)
            assert mask[int(RABBIT[1]), int(RABBIT[0])]
            assert 0.02 < mask.mean() < 0.5
            port = url.split(":")[2].split("/")[0]
            ask = urllib.request.Request(
                f"http://127.0.0.1:{port}/segment?point=200,215", data=jpeg_of(frame), method="POST"
            )
            with urllib.request.urlopen(ask, timeout=60) as answer:
                found = json.loads(answer.read())
            best = Rle.from_json(found["masks"][0]["rle"]).mask()
            assert best[int(RABBIT[1]), int(RABBIT[0])]
            running.send_signal(signal.SIGTERM)
            with pytest.raises(RefusedError) as caught:
                client.receive(20)
            assert caught.value.reply.code is ErrorCode.SHUTTING_DOWN
        out, err = running.communicate(timeout=20)
        assert running.returncode == 0, err
        assert "closed" in out
        assert err == ""


def test_the_command_takes_its_token_from_the_environment() -> None:
    with command("--runtime", "fake", token=TOKEN) as (running, url):
        with pytest.raises(RefusedError, match="token"):
            connect(url)
        with connect(url, token=TOKEN):
            running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0


def test_a_network_needs_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "0.0.0.0", "--port", "0", "--runtime", "fake"]) == 2
    assert "no token is set" in capsys.readouterr().err


def test_a_port_in_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with command("--runtime", "fake") as (_, url):
        port = url.split(":")[2].split("/")[0]
        assert main(["serve", "--port", port, "--runtime", "fake"]) == 2
    assert "cannot be listened at" in capsys.readouterr().err


def test_the_headset_example_runs_as_it_stands(repo_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repo_dir / "examples" / "headset_server.py"), "--port", "0", "--simulate"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "mobile_sam-int8" in done.stdout
    assert "object 1" in done.stdout
    assert "the clocks are related" in done.stdout
