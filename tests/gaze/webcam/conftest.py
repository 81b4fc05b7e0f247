"""What the tests of webcam gaze share: the portrait, and a face whose eyes look where they are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.webcam.head import PinholeCamera
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.media.images import read_image

FOV_DEG = 46.0


@pytest.fixture(scope="session")
def portrait(repo_dir: Path) -> NDArray[np.uint8]:
    """Eileen Collins, RGB 512x512."""
    return read_image(repo_dir / "sam_edge" / "assets" / "labelled" / "images" / "astronaut.jpg")


@pytest.fixture(scope="session")
def screen() -> Screen:
    """A 24-inch screen under the camera."""
    return Screen((1080, 1920), 530.0)


@pytest.fixture(scope="session")
def camera() -> PinholeCamera:
    """The middle of a webcam's 1280x720: as sharp, and drawn in a third of the time."""
    return PinholeCamera.of_view((480, 640), fov_deg=FOV_DEG)


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[[list[NDArray[np.uint8]], str], Path]:
    """Write RGB frames as a video at 30 frames a second."""

    def write(frames: list[NDArray[np.uint8]], name: str = "me.mp4") -> Path:
        height, width = frames[0].shape[:2]
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (width, height))
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
        return path

    return write
