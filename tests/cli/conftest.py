"""Small clips and recordings for the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_edge.cli.command_line import main

SIZE = (96, 128)
FRAMES = 12
FPS = 24.0


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
    folder = tmp_path / "clip"
    folder.mkdir()
    for index in range(FRAMES):
        image = np.full((*SIZE, 3), 40, np.uint8)
        cv2.circle(image, (40 + 2 * index, 48), 20, (60, 200, 220), -1)
        cv2.imwrite(str(folder / f"{index:05d}.png"), image)
    return folder


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
