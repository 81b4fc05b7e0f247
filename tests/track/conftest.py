"""A small clip, with gaze that follows an object in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sam_edge
from sam_edge.gaze.samples import GazeSample
from tests.disc_clip import FPS, FRAMES, write_disc_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder of frames: a bright disc that moves to the right by two pixels a frame."""
    return write_disc_clip(tmp_path / "clip")


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
