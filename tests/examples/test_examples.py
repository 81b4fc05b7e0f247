"""The examples run as they stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

Run = Callable[..., str]


def test_headless_session_reports_the_selection(example_output: Run, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    clip.mkdir()
    for index in range(8):
        image = np.full((96, 128, 3), 40, np.uint8)
        cv2.circle(image, (50 + index, 48), 20, (60, 200, 220), -1)
        cv2.imwrite(str(clip / f"{index}.png"), image)
    gaze = tmp_path / "gaze.csv"
    rows = [f"{index / 200:.3f},{50 + index / 200 * 24:.1f},48,1" for index in range(70)]
    gaze.write_text("\n".join(["timestamp_s,x_px,y_px,confidence", *rows]) + "\n")
    assert "object 1" in example_output("headless_session", clip, gaze)


def test_the_demo_gaze_is_made_again_byte_for_byte(
    repo_dir: Path, example_output: Run, tmp_path: Path
) -> None:
    example_output("make_demo_gaze", tmp_path / "gaze.csv")
    shipped = repo_dir / "sam_edge" / "assets" / "demo" / "gaze.csv"
    assert (tmp_path / "gaze.csv").read_bytes() == shipped.read_bytes()
