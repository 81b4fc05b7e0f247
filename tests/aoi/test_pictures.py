"""Which picture of an object is the best: sure, large, sharp."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge._aoi.pictures import BestPictures, measure_sharpness
from sam_edge._track import StreamedFrame
from sam_edge.identity import ObjectEvent
from sam_edge.stream.selection import Selection, State

SIZE = (240, 320)
RANDOM = np.random.default_rng(5)
TEXTURE = np.asarray(
    cv2.resize(RANDOM.integers(0, 255, (48, 64, 3), np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC),
    np.uint8,
)
BLURRED = np.asarray(cv2.GaussianBlur(TEXTURE, (0, 0), 4), np.uint8)


def make_mask(side: int = 100) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, bool)
    mask[40 : 40 + side, 50 : 50 + side] = True
    return mask


def frame(
    index: int,
    image: NDArray[np.uint8] = TEXTURE,
    *,
    object_id: int = 1,
    side: int = 100,
    score: float = 0.9,
    events: tuple[ObjectEvent, ...] = (),
    dropped: bool = False,
) -> StreamedFrame:
    time_ns = index * 40_000_000
    mask = make_mask(side)
    box = (50.0, 40.0, 50.0 + side, 40.0 + side)
    selection = Selection(time_ns, State.FOCUSED, mask, box, score, object_id, "encoded")
    return StreamedFrame(
        index, f"{index:05d}", time_ns, time_ns + 40_000_000, selection, dropped, {}, events, image
    )


def best_frames(*frames: StreamedFrame) -> dict[int, int]:
    """Return the number of the frame that is the best picture of each object."""
    pictures = BestPictures()
    for item in frames:
        pictures.add(item)
    return {number: picture.frame for number, picture in pictures.by_object().items()}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (frame(1, BLURRED), 0),
        (frame(1, side=120), 1),
        (frame(1, score=0.5), 0),
        (frame(1, score=0.99), 1),
        # Hardly better: the first one stays, and nothing is encoded again.
        (frame(1, score=0.91), 0),
        (frame(1, side=120, dropped=True), 0),
        (frame(1, side=0), 0),
    ],
    ids=["blurred", "larger", "unsure", "surer", "hardly better", "dropped", "empty"],
)
def test_the_better_one_is_kept(other: StreamedFrame, expected: int) -> None:
    assert best_frames(frame(0), other) == {1: expected}


def test_a_sharp_one_replaces_a_larger_blurred_one() -> None:
    assert best_frames(frame(0, BLURRED, side=120), frame(1, side=100)) == {1: 1}


def test_of_merged_objects_the_better_one() -> None:
    merged = ObjectEvent("merged", 0, 1, other_id=2)
    assert best_frames(frame(0), frame(1, object_id=2, side=150, events=(merged,))) == {1: 1}


def test_sharpness_does_not_depend_on_the_distance() -> None:
    small = np.asarray(cv2.resize(TEXTURE, (160, 120), interpolation=cv2.INTER_AREA), np.uint8)
    near, far = make_mask(200), cv2.resize(make_mask(200).astype(np.uint8), (160, 120)) > 0
    assert measure_sharpness(small, far) == pytest.approx(measure_sharpness(TEXTURE, near), rel=0.15)
    assert measure_sharpness(BLURRED, near) < 0.3 * measure_sharpness(TEXTURE, near)


def test_a_flat_or_tiny_object_has_no_detail() -> None:
    assert measure_sharpness(np.full((*SIZE, 3), 90, np.uint8), make_mask()) == 1.0
    assert measure_sharpness(TEXTURE, make_mask(1)) == 1.0
