"""Running an example as a user does, and a recording for it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_edge.media.screen import SCREEN_VARIABLES

RunExample = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_example(repo_dir: Path) -> RunExample:
    """Run an example in a process without a screen; modules in the folder `modules` are found first."""

    def run(
        example: str, *arguments: object, modules: Path | None = None, display: str = ""
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in SCREEN_VARIABLES}
        environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in (modules, repo_dir) if path)
        return subprocess.run(
            [sys.executable, str(repo_dir / "examples" / f"{example}.py"), *map(str, arguments)],
            env=environment | ({"DISPLAY": display} if display else {}),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def example_output(run_example: RunExample) -> Callable[..., str]:
    """Run an example that succeeds, and return what it printed."""

    def run(example: str, *arguments: object) -> str:
        ended = run_example(example, *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


@pytest.fixture
def pupil_export(tmp_path: Path) -> Path:
    """A recording of one second as Pupil Player exports it: gaze on a disc that moves."""
    folder = tmp_path / "000"
    folder.mkdir()
    writer = cv2.VideoWriter(str(folder / "world.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (320, 240))
    for index in range(30):
        image = np.full((240, 320, 3), 40, np.uint8)
        writer.write(cv2.circle(image, (120 + index, 120), 40, (60, 200, 220), -1))
    writer.release()
    with (folder / "gaze_positions.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(
            ["gaze_timestamp", "world_index", "confidence", "norm_pos_x", "norm_pos_y", "gaze_point_3d_x"]
        )
        for index in range(200):
            x = (120 + index * 30 / 200) / 320
            table.writerow([100 + index / 200, index * 30 // 200, 0.9, x, 0.5, ""])
    with (folder / "world_timestamps.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["# timestamps [seconds]", "pts"])
        table.writerows([100 + index / 30, index] for index in range(30))
    return folder
