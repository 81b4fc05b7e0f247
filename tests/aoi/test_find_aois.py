"""AOIs are found by the model in the package: where they are, and not where they are not, also when they come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge._aoi.defined.definition import DefinedAoi, FrameSpot
from sam_edge._aoi.defined.find_aois import FoundAois, find_aois
from sam_edge.errors import SamEdgeWarning
from sam_edge.media.frames import open_frames
from sam_edge.media.images import write_png

pytestmark = pytest.mark.slow
SIZE, FPS, FRAMES = (180, 320), 12, 60
RADIUS_PX, EDGE_PX = 30, 300
"""Radius of the ball, and pixels of it from which on a frame counts as one with it or without it."""


def background() -> NDArray[np.uint8]:
    small = np.random.default_rng(3).integers(60, 130, (12, 20, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def middle(frame: int) -> tuple[float, float]:
    """The ball crosses the frame to the right, is away, and comes back from the right to the middle."""
    x = 40.0 + 14 * frame if frame < 40 else max(170.0, 380.0 - 14 * (frame - 40))
    return x, 90 + 15 * np.sin(frame / 7)


def mask_of(frame: int) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, np.uint8)
    x, y = middle(frame)
    cv2.circle(mask, (round(x), round(y)), RADIUS_PX, 1, -1)
    return mask > 0


def image_of(frame: int) -> NDArray[np.uint8]:
    """A red ball with a bright stripe; a blue box stands still."""
    image = background()
    image[120:165, 30:80] = (40, 70, 200)
    mask, (x, y) = mask_of(frame), middle(frame)
    image[mask] = (210, 40, 40)
    stripe = np.zeros(SIZE, np.uint8)
    cv2.rectangle(stripe, (round(x) - 30, round(y) - 7), (round(x) + 30, round(y) + 7), 1, -1)
    image[mask & (stripe > 0)] = (240, 220, 90)
    return image


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    for index in range(FRAMES):
        write_png(folder / f"{index:03d}.png", image_of(index))
    return folder


@pytest.fixture(scope="module")
def model() -> Iterator[sam_edge.Segmenter]:
    with sam_edge.load(runtime="onnxruntime", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def found(
    frames: Path, model: sam_edge.Segmenter, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FoundAois]:
    """The ball is given by its mask on one frame, the box by a box."""
    path = tmp_path_factory.mktemp("given") / "ball.png"
    write_png(path, np.repeat(mask_of(8)[:, :, None].astype(np.uint8) * 255, 3, axis=2))
    aois = [
        DefinedAoi("ball", FrameSpot(frame=8, mask=path)),
        DefinedAoi("box", FrameSpot(frame=20, box=(28.0, 118.0, 82.0, 167.0))),
    ]
    with open_frames(frames, fps=FPS) as reader:
        result = find_aois(aois, reader, model)
    with result.masks:
        yield result


def test_each_is_there_where_it_is_visible(found: FoundAois) -> None:
    areas = np.array([int(mask_of(index).sum()) for index in range(FRAMES)])
    visible = found.masks.visible
    there, away = areas > EDGE_PX, areas == 0
    assert away.sum() >= 15
    assert visible[0][there].mean() >= 0.9
    assert not visible[0][away].any()
    assert visible[1].mean() >= 0.9
    # It was away, and was found again.
    assert visible[0][-5:].all()


def test_the_masks_are_those_of_the_objects(found: FoundAois) -> None:
    for index in range(2, FRAMES, 6):
        true, own = mask_of(index), found.masks.get(0, index)
        if own is None or true.sum() < 2000:
            continue
        assert (own & true).sum() / (own | true).sum() > 0.7, index


def test_a_place_without_anything_is_a_warning(
    frames: Path, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    strange = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    write_png(tmp_path / "strange.png", strange)
    with open_frames(frames, fps=FPS) as reader, pytest.warns(SamEdgeWarning, match="found nowhere"):
        result = find_aois([DefinedAoi("strange", pictures=(tmp_path / "strange.png",))], reader, model)
    with result.masks:
        assert not result.masks.visible.any()
        assert "strange" in result.warnings[0]
