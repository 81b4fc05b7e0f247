"""`sam-edge replay`: status, what it prints, and what it refuses."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

import sam_edge
from sam_edge.cli import replay
from sam_edge.errors import InputError
from sam_edge.gaze.recordings import read
from sam_edge.media.frames import open_frames
from sam_edge.stream import GazeSession
from sam_edge.stream.playback import GazeFeed
from sam_edge.stream.recording import LOG, SessionRecorder, read_session_recording

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


def test_a_tracked_clip_is_recorded_and_replayed(
    run_cli: Callable[..., tuple[int, str, str]], repo_dir: Path, tmp_path: Path
) -> None:
    """The beginning of the demo with the real model: `track --record`, then `replay`."""
    demo, frames, run = repo_dir / "sam_edge" / "assets" / "demo", tmp_path / "frames", tmp_path / "run"
    frames.mkdir()
    with open_frames(demo / "clip.mp4") as shown:
        for frame in itertools.islice(shown, 10):
            small = cv2.resize(frame.image, (640, 360), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(frames / f"{frame.index:03d}.png"), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    gaze = tmp_path / "gaze.csv"
    rows = [f"{index / 200:.3f},{210 + index % 3},{165 + index % 2},1" for index in range(90)]
    gaze.write_text("\n".join(["timestamp_s,x_px,y_px,confidence", *rows]) + "\n")
    engine = ("--runtime", "onnxruntime", "--threads", 1)
    given = ("track", frames, "--gaze", gaze, "--size", "224x224", "--record", run, "--quiet")
    assert run_cli(*given, *engine)[0] == 0
    recorded = list(read_session_recording(run).frames)
    assert len(recorded) == 10
    assert recorded[-1].selection.mask is not None
    assert read_session_recording(run).options["size"] == [224, 224]
    status, printed, _ = run_cli("replay", run, frames, *engine)
    assert (status, printed) == (0, "10 of 10 frames are the same\n")
    status, _, err = run_cli("replay", run, frames, "--runtime", "fake")
    assert status == 2
    assert "recorded with" in err


def test_what_differs_is_listed_with_status_1(replayed: Replay, recording: Path, clip: Path) -> None:
    log = recording / LOG
    log.write_text(log.read_text().replace('"object_id":1,', '"object_id":5,').rpartition('{"kind":"end"')[0])
    status, printed = replayed(recording, clip)
    assert status == 1
    assert "object_id: 5, replayed 1" in printed
    assert "the recording was not closed" in printed


def test_a_size_is_refused(replayed: Replay, recording: Path, clip: Path) -> None:
    with pytest.raises(InputError, match="--size"):
        replayed(recording, clip, "--size", "448x448")
