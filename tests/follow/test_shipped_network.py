"""The network in the package corrects masks, on every engine here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.exporters.image_sets import LabelledImage, read_labelled_images
from sam_edge.follow.crops import CLIP, render_crop, sample_map, square_round
from sam_edge.follow.follower import probability
from sam_edge.follow.network import FollowerInput, FollowerOutput, Memory, RuntimeFollower
from sam_edge.masks import iou, mask_to_box
from sam_edge.runtimes.registry import engines
from sam_edge.segmenter import DEFAULT_BUNDLE, load

LARGE_PX = 96
"""Objects that are large enough to be followed have at least this extent."""
CELLS_OFF = 6
"""The carried masks are off by this many cells, along x and y."""


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def network(request: pytest.FixtureRequest) -> Iterator[RuntimeFollower]:
    if not engines()[request.param].installed:
        pytest.skip(f"needs {request.param}: pip install 'sam-edge[openvino]'")
    with load(runtime=request.param, threads=1) as model:
        yield RuntimeFollower(model.runtime)


@pytest.fixture(scope="module")
def objects() -> list[tuple[LabelledImage, NDArray[np.bool_]]]:
    """Large objects of labelled photographs that it was not trained on."""
    found = []
    for labelled in read_labelled_images(DEFAULT_BUNDLE.parent / "labelled", at_most=12):
        for mask in labelled.objects:
            box = mask_to_box(mask)
            if box is not None and min(box[2] - box[0], box[3] - box[1]) >= LARGE_PX:
                found.append((labelled, mask))
    return found[:12]


def ask(
    network: RuntimeFollower, labelled: LabelledImage, mask: NDArray[np.bool_]
) -> tuple[FollowerInput, FollowerOutput, NDArray[np.bool_]]:
    """Give the network a displaced mask on the very image whose true mask is trusted."""
    box = mask_to_box(mask)
    assert box is not None
    view = square_round(box)
    size = (mask.shape[0], mask.shape[1])
    true = (2 * sample_map(mask.astype(np.float32), view, size, 0.0) - 1) * np.float32(CLIP)
    crop = render_crop(labelled.image, view)
    (first,) = network.run([FollowerInput(crop, true, None, None)])
    memory = Memory(first.keys, probability(true))
    moved = np.full_like(true, -CLIP)
    moved[CELLS_OFF:, CELLS_OFF:] = true[:-CELLS_OFF, :-CELLS_OFF]
    given = FollowerInput(crop, moved, memory, memory)
    (output,) = network.run([given])
    return given, output, true > 0


def test_a_displaced_mask_is_put_back(
    network: RuntimeFollower, objects: list[tuple[LabelledImage, NDArray[np.bool_]]]
) -> None:
    assert len(objects) >= 6
    before, after = [], []
    for labelled, mask in objects:
        given, output, true = ask(network, labelled, mask)
        before.append(iou(given.carried > 0, true))
        after.append(iou(output.logits > 0, true))
    assert np.mean(before) < 0.85
    assert np.mean(after) > np.mean(before) + 0.08


def test_objects_in_one_batch_get_what_each_gets_alone(
    network: RuntimeFollower, objects: list[tuple[LabelledImage, NDArray[np.bool_]]]
) -> None:
    asked = [ask(network, labelled, mask) for labelled, mask in objects[:3]]
    together = network.run([given for given, _, _ in asked])
    for output, (_, alone, _) in zip(together, asked, strict=True):
        assert iou(output.logits > 0, alone.logits > 0) > 0.98
        assert output.confidence == pytest.approx(alone.confidence, abs=0.02)
