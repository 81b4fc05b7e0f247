"""A small clip, with gaze that follows an object in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import sam_edge
from sam_edge.gaze.samples import GazeSample

SIZE = (96, 128)
FRAMES = 12
FPS = 24.0


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
def samples() -> list[GazeSample]:
    """Gaze at 200 Hz on the disc."""
    times_s = [index / 200 for index in range(int(200 * FRAMES / FPS))]
    return [GazeSample(round(time_s * 1e9), 40 + 48 * time_s, 48.0) for time_s in times_s]


@pytest.fixture
def model() -> Iterator[sam_edge.Segmenter]:
    """The fake engine."""
    with sam_edge.load(runtime="fake") as segmenter:
        yield segmenter
