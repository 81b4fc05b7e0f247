"""A small clip for tests: a bright disc moves to the right by two pixels a frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (96, 128)
FRAMES = 12
FPS = 24.0


def write_disc_clip(folder: Path) -> Path:
    """Write the frames into a new folder, and return it."""
    folder.mkdir()
    for index in range(FRAMES):
        image = np.full((*SIZE, 3), 40, np.uint8)
        cv2.circle(image, (40 + 2 * index, 48), 20, (60, 200, 220), -1)
        cv2.imwrite(str(folder / f"{index:05d}.png"), image)
    return folder
