"""`sam-edge replay`: status, what it prints, and what it refuses."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import sam_edge
from sam_edge.cli import replay
from sam_edge.errors import InputError
from sam_edge.gaze.recordings import read
from sam_edge.media.frames import open_frames
from sam_edge.stream import GazeSession
from sam_edge.stream.playback import GazeFeed
from sam_edge.stream.recording import LOG, SessionRecorder

Replay = Callable[..., tuple[int, str]]


@pytest.fixture
def replayed(capsys: pytest.CaptureFixture[str]) -> Replay:
    """Run the subcommand in this process: status, and what it printed."""
    parser = argparse.ArgumentParser()
    replay.add_parser(parser.add_subparsers(required=True))

    def run(*arguments: object) -> tuple[int, str]:
        given = parser.parse_args(["replay", *map(str, arguments), "--runtime", "fake"])
        status: int = given.run(given)
        return status, capsys.readouterr().out

    return run


@pytest.fixture
def recording(tmp_path: Path, clip: Path, gaze_csv: Path) -> Path:
    """A recorded session of the fake engine on the clip."""
    folder = tmp_path / "run"
    feed = GazeFeed(read(gaze_csv).samples)
    with (
        sam_edge.load(runtime="fake") as model,
        open_frames(clip) as frames,
        GazeSession(model, px_per_deg=15.0) as session,
        SessionRecorder(folder, model=model, options={"px_per_deg": 15.0}) as recorder,
    ):
        for frame in frames:
            samples = feed.until(frame.time_ns)
            recorder.gaze(samples)
            session.feed(samples)
            selection = session.step(frame.image, frame.time_ns)
            recorder.frame(frame.time_ns, frames.size, selection, image=frame.image)
    return folder


def test_the_same_is_status_0(replayed: Replay, recording: Path, clip: Path) -> None:
    status, printed = replayed(recording, clip)
    assert (status, printed) == (0, "12 of 12 frames are the same\n")
    status, printed = replayed(recording, clip, "--json")
    assert status == 0
    assert json.loads(printed) == {"frames": 12, "different": 0, "complete": True, "differences": []}


def test_what_differs_is_listed_with_status_1(replayed: Replay, recording: Path, clip: Path) -> None:
    log = recording / LOG
    log.write_text(log.read_text().replace('"object_id":1,', '"object_id":5,').rpartition('{"kind":"end"')[0])
    status, printed = replayed(recording, clip)
    assert status == 1
    assert "object_id: 5, again 1" in printed
    assert "the recording was not closed" in printed


def test_a_size_is_refused(replayed: Replay, recording: Path, clip: Path) -> None:
    with pytest.raises(InputError, match="--size"):
        replayed(recording, clip, "--size", "448x448")
