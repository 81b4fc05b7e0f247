"""Small clips and recordings for the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sam_edge.cli.command_line import main
from tests.disc_clip import FPS, FRAMES, write_disc_clip


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: status, what it printed, and what it printed to stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder of frames: a bright disc that moves to the right by two pixels a frame."""
    return write_disc_clip(tmp_path / "clip")


@pytest.fixture
def gaze_csv(tmp_path: Path) -> Path:
    """Gaze at 200 Hz that rests on the disc and follows it."""
    lines = ["timestamp_s,x_px,y_px,confidence"]
    for index in range(int(200 * FRAMES / FPS)):
        time_s = index / 200
        lines.append(f"{time_s:.6f},{40 + 48 * time_s:.2f},48.00,1.0")
    path = tmp_path / "gaze.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
