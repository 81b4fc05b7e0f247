"""The page's state: outlines that enclose the same pixels as their masks, and a gaze trail of limited length."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.annotate.page_state import MAX_TRAIL_SAMPLES, gaze_trail, outline_mask
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks import iou


def fill_path(path: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill an SVG path of straight lines by the even-odd rule, as browsers do."""
    rings = []
    for part in re.findall(r"M([^Z]*)Z", path):
        places = [[float(value) for value in pair.split(" ")] for pair in part.split("L")]
        rings.append(np.round(np.array(places) - 0.5).astype(np.int32))
    image = np.zeros(size, np.uint8)
    cv2.fillPoly(image, rings, 1)
    return image > 0


def test_an_outline_with_a_hole_and_an_island() -> None:
    image = np.zeros((240, 320), np.uint8)
    cv2.circle(image, (120, 110), 80, 1, -1)
    cv2.circle(image, (130, 120), 30, 0, -1)
    cv2.rectangle(image, (250, 20), (300, 60), 1, -1)
    outline = outline_mask(image > 0)
    assert outline["path"].count("M") == 3
    assert outline["box"] == [40, 20, 261, 171]
    assert iou(fill_path(outline["path"], (240, 320)), image > 0) > 0.97


def test_nothing_and_one_pixel() -> None:
    mask = np.zeros((5, 6), np.bool_)
    assert outline_mask(mask) == {"path": "", "box": [0, 0, 0, 0]}
    mask[2, 3] = True
    assert outline_mask(mask) == {"path": "M3.5 2.5Z", "box": [3, 2, 1, 1]}


def test_a_trail_is_thinned_and_has_no_gaps_in_it() -> None:
    samples = [
        GazeSample(index * 1_000_000, float("nan") if index % 3 else float(index), 7.0, 1.0)
        for index in range(3000)
    ]
    trail = gaze_trail(samples, 300_000_000, 2_100_000_000)
    assert len(trail) <= MAX_TRAIL_SAMPLES
    assert trail[0] == [300.0, 7.0]
    assert trail[-1][0] == pytest.approx(2100, abs=10)
