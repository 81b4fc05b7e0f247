"""Every command that plays a recording takes its folder, its frame times, `--fps` and `--format`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sam_edge.cli.command_line import make_parser
from sam_edge.errors import SamEdgeWarning
from sam_edge.media.video_writer import VideoWriter

Run = Callable[..., tuple[int, str, str]]
CLOCK_MS = (0, 40, 80, 320, 360, 400, 900, 940, 980, 1020)
"""When the recording says that its frames were taken; the video itself says every 40 ms."""


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder that Pupil Player exported: gaze at 200 Hz that rests in the middle of the picture."""
    folder = tmp_path / "exports" / "000"
    with VideoWriter(folder / "world.mp4", (96, 128), fps=25.0) as writer:
        for index in range(len(CLOCK_MS)):
            writer.write(np.full((96, 128, 3), 20 + 10 * index, np.uint8))
    head = "gaze_timestamp,world_index,confidence,norm_pos_x,norm_pos_y,base_data,gaze_point_3d_x"
    rows = [f"{70 + index / 200:.3f},0,1.0,0.5,0.5,," for index in range(212)]
    (folder / "gaze_positions.csv").write_text("\n".join([head, *rows]) + "\n")
    times = [f"{70 + ms / 1000:.3f},{index}" for index, ms in enumerate(CLOCK_MS)]
    (folder / "world_timestamps.csv").write_text("\n".join(["# timestamps [seconds],pts", *times]) + "\n")
    return folder


def test_track_takes_a_recording_and_replay_its_video(run_cli: Run, export: Path, tmp_path: Path) -> None:
    run, engine = tmp_path / "run", ("--runtime", "fake")
    status, _, errors = run_cli("track", export, "--record", run, "--quiet", *engine)
    assert (status, errors) == (0, "")
    copy = shutil.copy(export / "world.mp4", tmp_path / "copy.mp4")
    for video in (export, export / "world.mp4", copy):
        status, printed, _ = run_cli("replay", run, video, *engine)
        assert (status, printed) == (0, "10 of 10 frames are the same\n")


def test_track_without_gaze_names_the_option(run_cli: Run, export: Path) -> None:
    status, _, errors = run_cli("track", export / "world.mp4", "--runtime", "fake")
    assert status == 2
    assert "world.mp4: holds no gaze; give it with --gaze, or give the folder of a recording" in errors


def test_a_format_can_be_given(run_cli: Run, export: Path) -> None:
    shutil.copy(export / "gaze_positions.csv", export / "gaze.csv")
    (export / "gaze.csv").write_text("timestamp [ns],gaze x [px],gaze y [px]\n1000,7,8\n2000,7,8\n")
    command = ("track", export, "--runtime", "fake", "--quiet")
    status, _, errors = run_cli(*command)
    assert status == 2
    assert "could be any of pupil-core, neon-csv; say which with format=... (--format)" in errors
    assert run_cli(*command, "--format", "pupil-core")[0] == 0


@pytest.mark.parametrize("rate", [(), ("--fps", 50)])
def test_profile_takes_a_recording(
    run_cli: Run, export: Path, tmp_path: Path, rate: tuple[object, ...]
) -> None:
    command = (
        "profile",
        "--runtime",
        "fake",
        "--only",
        "session",
        "--video",
        export,
        "--out",
        tmp_path / "o",
    )
    if rate:
        with pytest.warns(SamEdgeWarning, match="fps is 50, and its frames were taken at"):
            status, _, _ = run_cli(*command, *rate)
    else:
        status, _, _ = run_cli(*command)
    assert status == 0
    sessions = json.loads((tmp_path / "o" / "profile.json").read_text())["sessions"]
    expected = 50 if rate else pytest.approx(10 / 1.06, rel=0.01)
    assert [session["fps"] for session in sessions] == [expected, expected]


@pytest.mark.parametrize("command", ["track", "replay", "everything", "annotate", "profile"])
def test_every_command_that_reads_a_video_has_a_rate(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args([command, "--help"])
    assert "--fps RATE" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [("track",), ("annotate",), ("gaze", "info"), ("gaze", "events"), ("gaze", "convert")]
)
def test_every_command_that_reads_gaze_has_a_format(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args([*command, "--help"])
    assert "--format NAME" in capsys.readouterr().out
