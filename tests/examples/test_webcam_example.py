"""The webcam example without a window, on a video file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np


def run(repo_dir: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(repo_dir / "examples" / "webcam_mouse.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_mouse_selects_and_the_picture_shows_it(repo_dir: Path, tmp_path: Path) -> None:
    clip, out = repo_dir / "sam_edge" / "assets" / "demo" / "clip.mp4", tmp_path / "last.png"
    given = ("--headless", "--frames", 14, "--mouse", "420,330", "--out", out, "--runtime", "fake")
    done = run(repo_dir, clip, *given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("14 frames, ")
    assert int(done.stdout.split()[2]) > 0
    capture = cv2.VideoCapture(str(clip))
    for _ in range(14):
        _, plain = capture.read()
    changed = (np.asarray(cv2.imread(str(out))) != plain).any(axis=2)
    assert changed[330, 420]
    assert not changed[700, 1270]
    assert np.count_nonzero(changed) > 2000


def test_what_is_no_video_is_told(repo_dir: Path, tmp_path: Path) -> None:
    done = run(repo_dir, tmp_path / "none.mp4", "--headless", "--runtime", "fake")
    assert done.returncode == 1
    assert "none.mp4: no such video or folder of images" in done.stderr
