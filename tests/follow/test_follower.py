"""Objects are followed by motion and the network, in one batch, and lost when nothing is left of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.bundle import open_bundle
from sam_edge.follow.crops import CELLS, CLIP, SIDE
from sam_edge.follow.follower import Followed, begin, follow, trust_again
from sam_edge.follow.network import FollowerInput, FollowerOutput, RuntimeFollower
from sam_edge.runtimes import open_runtime
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import DEFAULT_BUNDLE

SIZE, GRID = (240, 320), (120, 160)


class Recorder:
    """A network that keeps masks as they are carried, and notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[FollowerInput]] = []

    def run(self, inputs: list[FollowerInput]) -> list[FollowerOutput]:
        self.batches.append(inputs)
        keys = np.full((2, (SIDE // 8) ** 2, 28), len(self.batches), np.float32)
        return [FollowerOutput(item.carried, 0.5, keys) for item in inputs]


@pytest.fixture
def image() -> NDArray[np.uint8]:
    return np.asarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3)), np.uint8)


def square(left: int, top: int, side: int = 60) -> NDArray[np.float32]:
    mask = np.zeros(SIZE, np.float32)
    mask[top : top + side, left : left + side] = 1
    return mask


def motion(x_px: float, y_px: float) -> NDArray[np.float32]:
    """Return the motion of an image that moved by frame pixels, which are half as fine on the grid."""
    return np.tile(np.array([-x_px / 2, -y_px / 2], np.float32), (*GRID, 1))


def start(
    network: Recorder | RuntimeFollower, image: NDArray[np.uint8], mask: NDArray[np.float32]
) -> Followed:
    item = begin(network, image, mask)
    assert item is not None
    return item


def overlap(item: Followed | None, mask: NDArray[np.float32]) -> float:
    assert item is not None
    found, true = item.mask(SIZE), mask > 0.5
    return float((found & true).sum() / (found | true).sum())


def test_it_begins_with_the_mask_that_is_given(image: NDArray[np.uint8]) -> None:
    item = start(Recorder(), image, square(100, 80))
    assert overlap(item, square(100, 80)) > 0.95
    assert item.trusted is item.before
    assert item.trusted.mask.max() > 0.99


def test_nothing_begins_without_a_mask(image: NDArray[np.uint8]) -> None:
    assert begin(Recorder(), image, np.zeros(SIZE, np.float32)) is None


def test_objects_move_with_the_image_in_one_batch(image: NDArray[np.uint8]) -> None:
    network = Recorder()
    objects = [start(network, image, square(60, 40)), start(network, image, square(180, 120))]
    followed = follow(network, image, motion(14, -6), objects)
    assert [len(batch) for batch in network.batches] == [1, 1, 2]
    assert overlap(followed[0], square(74, 34)) > 0.93
    assert overlap(followed[1], square(194, 114)) > 0.93


def test_an_object_that_left_is_lost_and_the_other_stays(image: NDArray[np.uint8]) -> None:
    network = Recorder()
    objects = [start(network, image, square(260, 90)), start(network, image, square(40, 90))]
    gone, there = follow(network, image, motion(120, 0), objects)
    assert gone is None
    assert overlap(there, square(160, 90)) > 0.93


def test_the_crop_before_is_remembered_and_the_trusted_one_stays(image: NDArray[np.uint8]) -> None:
    network = Recorder()
    item = start(network, image, square(100, 80))
    (second,) = follow(network, image, motion(4, 0), [item])
    assert second is not None
    (third,) = follow(network, image, motion(4, 0), [second])
    assert third is not None
    assert network.batches[1][0].before is item.before
    assert network.batches[2][0].before is second.before
    assert network.batches[2][0].trusted is third.trusted is item.trusted
    assert third.before.keys.max() == 3
    assert third.confidence == 0.5


def test_a_runtime_is_given_all_objects_at_once(image: NDArray[np.uint8]) -> None:
    with open_runtime(open_bundle(DEFAULT_BUNDLE), "fake") as runtime:
        assert isinstance(runtime, Fake)
        network = RuntimeFollower(runtime)
        objects = [start(network, image, square(60, 40)), start(network, image, square(180, 120))]
        followed = follow(network, image, motion(0, 0), objects)
        assert runtime.followed == 4
        assert overlap(followed[1], square(180, 120)) > 0.93


def test_logits_beyond_the_clip_stay_within_it_on_the_grid(image: NDArray[np.uint8]) -> None:
    item = start(Recorder(), image, square(100, 80))
    strong = Followed(item.view, np.full((CELLS, CELLS), 99, np.float32), 1.0, item.before, item.trusted)
    assert strong.grid_logits(SIZE, GRID).max() == CLIP


def test_a_mask_on_a_grid_over_the_frame_begins_where_it_is(image: NDArray[np.uint8]) -> None:
    network = Recorder()
    coarse = np.asarray(cv2.resize(square(100, 80), GRID[::-1], interpolation=cv2.INTER_AREA), np.float32)
    item = start(network, image, coarse)
    assert overlap(item, square(100, 80)) > 0.95
    again = trust_again(item, SIZE, coarse)
    assert overlap(again, square(100, 80)) > 0.95
    assert len(network.batches) == 1


def test_a_mask_that_reaches_out_of_what_was_looked_at_is_not_trusted_there(image: NDArray[np.uint8]) -> None:
    item = start(Recorder(), image, square(100, 80))
    assert trust_again(item, SIZE, square(160, 80)) is None
    assert trust_again(item, SIZE, np.zeros(GRID, np.float32)) is None
