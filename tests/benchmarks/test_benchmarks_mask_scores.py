"""Region similarity and boundary accuracy, against values worked out by hand and, where it is here, DAVIS' own data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

SIZE = (120, 160)
"""Contours match within ceil(0.008 * 200) = 2 pixels of a frame with a diagonal of 200."""


def box(left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


@pytest.fixture(scope="module")
def scores(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(repo_dir / "benchmarks" / "mask_scores.py")


def test_region_similarity_is_the_iou(scores: ModuleType) -> None:
    assert scores.region_similarity(box(10, 10, 20, 20), box(20, 10, 20, 20)) == pytest.approx(200 / 600)
    assert scores.region_similarity(box(0, 0, 0, 0), box(0, 0, 0, 0)) == 1
    assert scores.region_similarity(box(0, 0, 0, 0), box(1, 1, 9, 9)) == 0


def test_a_contour_is_one_pixel_wide_on_the_upper_left_of_each_step(scores: ModuleType) -> None:
    drawn = scores.contour(box(10, 10, 5, 4))
    # From one pixel above and to the left of the box to its last row and column.
    expected = box(9, 9, 6, 5) & ~box(10, 10, 4, 3)
    assert np.array_equal(drawn, expected)


def test_contours_within_two_pixels_match_and_those_beyond_do_not(scores: ModuleType) -> None:
    true = box(40, 40, 40, 40)
    assert scores.boundary_accuracy(box(42, 40, 40, 40), true) == 1
    assert scores.boundary_accuracy(box(100, 90, 20, 20), true) == 0
    # All corners and the horizontal sides match, the two vertical sides do not.
    moved = scores.boundary_accuracy(box(50, 40, 40, 40), true)
    assert 0.35 < moved < 0.75
    assert scores.boundary_accuracy(box(0, 0, 0, 0), true) == 0
    assert scores.boundary_accuracy(box(0, 0, 0, 0), box(0, 0, 0, 0)) == 1


def test_a_folder_is_scored_from_a_time_on_and_missing_masks_count_as_zero(
    scores: ModuleType, tmp_path: Path
) -> None:
    for name in ("truth", "masks"):
        (tmp_path / name).mkdir()
    empty, thing = box(0, 0, 0, 0), box(40, 40, 40, 40)
    for index, true in enumerate((thing, thing, empty, thing, thing)):
        cv2.imwrite(str(tmp_path / "truth" / f"{index:05d}.png"), true.astype(np.uint8) * 255)
    for index, shown in ((1, empty), (3, thing)):
        cv2.imwrite(str(tmp_path / "masks" / f"{index:05d}.png"), shown.astype(np.uint8) * 255)
    found = scores.score_folder(tmp_path / "masks", tmp_path / "truth", start_s=0.2, fps=10)
    assert (found.j, found.f, found.jf, found.hits, found.frames) == (0.5, 0.5, 0.5, 0.5, 2)
    with pytest.raises(SystemExit, match="nothing can be scored"):
        scores.score_folder(tmp_path / "masks", tmp_path / "truth", start_s=9, fps=10)
