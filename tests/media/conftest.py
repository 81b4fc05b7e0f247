"""Pictures and videos for the tests, made with OpenCV alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def numbered_picture(number: int, *, height: int = 48, width: int = 64) -> Picture:
    """A picture (RGB) whose brightness tells its number, 0..24, and whose left half is redder than the right."""
    picture = np.full((height, width, 3), 10 + 8 * number, np.uint8)
    picture[:, : width // 2, 0] += 40
    return picture


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a video with OpenCV's own writer."""

    def make(
        name: str = "clip.mp4",
        *,
        code: str = "mp4v",
        count: int = 12,
        fps: float = 25.0,
        size: tuple[int, int] = (48, 64),
    ) -> Path:
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, (size[1], size[0]))
        assert writer.isOpened()
        for number in range(count):
            picture = numbered_picture(number, height=size[0], width=size[1])
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        writer.release()
        return path

    return make


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes numbered pictures under the given names into a folder."""

    def make(names: Sequence[str], *, folder: str = "frames") -> Path:
        path = tmp_path / folder
        path.mkdir()
        for number, name in enumerate(names):
            picture = cv2.cvtColor(numbered_picture(number), cv2.COLOR_RGB2BGR)
            assert cv2.imwrite(str(path / name), picture)
        return path

    return make
