"""The demo of webcam gaze without a window: a video of a face whose eyes rest on the demo's rabbit, and its clip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from sam_edge.gaze.calibration import TargetSamples, calibrate, target_positions
from sam_edge.gaze.webcam.head import PinholeCamera
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.gaze.webcam.source import WebcamGazeEstimator

RABBIT_PX = (430.0, 400.0)
"""In the demo's clip of 1280x720, which the demo shows on the whole screen."""


def test_what_the_eyes_rest_on_lights_up(rendered: ModuleType, repo_dir: Path, tmp_path: Path) -> None:
    screen = Screen((1080, 1920), 530.0)
    face = rendered.RenderedFace(PinholeCamera.of_view((480, 640), fov_deg=46.0), screen)
    estimator, seen = WebcamGazeEstimator(screen, fov_deg=46.0), []
    for index in range(42):
        estimator.estimate(face.render(rendered.Scene((960.0, 540.0))), index)
    for place in target_positions(5, screen.size):
        looks = [estimator.estimate(face.render(rendered.Scene(place)), 100 + index) for index in range(10)]
        seen.append(TargetSamples(place, tuple(looks)))
    calibrate(seen, size=screen.size).save(tmp_path / "me.json")
    writer = cv2.VideoWriter(str(tmp_path / "me.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (640, 480))
    on_screen = (RABBIT_PX[0] * 1.5, RABBIT_PX[1] * 1.5)
    for _ in range(64):
        writer.write(cv2.cvtColor(face.render(rendered.Scene(on_screen)), cv2.COLOR_RGB2BGR))
    writer.release()
    done = subprocess.run(
        [
            *(
                sys.executable,
                str(repo_dir / "examples" / "webcam_gaze.py"),
                "--headless",
                "--runtime",
                "fake",
            ),
            *("--eye", str(tmp_path / "me.mp4"), "--calibration", str(tmp_path / "me.json")),
            *("--fov-deg", "46", "--frames", "64", "--out", str(tmp_path / "last.png")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("64 frames, ")
    assert int(done.stdout.split()[2]) > 0
    picture = np.asarray(cv2.imread(str(tmp_path / "last.png")))
    assert picture.shape == (720, 1280, 3)
    capture = cv2.VideoCapture(str(repo_dir / "sam_edge" / "assets" / "demo" / "clip.mp4"))
    for _ in range(64):
        _, plain = capture.read()
    changed = (picture != plain).any(axis=2)
    assert changed[300:500, 330:530].any()
    assert np.count_nonzero(changed) > 500


def test_no_camera_is_told(repo_dir: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(repo_dir / "examples" / "webcam_gaze.py"),
            "--headless",
            "--eye",
            str(tmp_path / "no.mp4"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no.mp4: no such video or folder of images" in done.stderr
