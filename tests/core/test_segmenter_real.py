"""The model that ships in the package, on the clip that ships in the package.

What things look like in the clip's first frame was outlined by hand, from the picture alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge.errors import BundleError, CheckpointError, EngineError
from sam_edge.geometry import View
from sam_edge.masks import iou
from sam_edge.segmenter import Embedding, Segmenter

RABBIT = (
    (300, 256), (318, 262), (345, 300), (352, 350), (378, 350), (392, 300), (425, 270), (432, 280), (425, 310),
    (395, 355), (402, 380), (400, 400), (425, 440), (432, 480), (465, 512), (500, 515), (525, 535), (520, 545),
    (480, 553), (430, 560), (428, 540), (385, 520), (350, 530), (300, 500), (270, 450), (262, 410), (245, 385),
    (255, 350), (228, 295), (250, 290), (285, 310), (335, 350), (303, 290),
)  # fmt: skip
BOULDER = (
    (62, 430), (75, 400), (105, 383), (140, 385), (185, 420), (225, 470), (229, 500), (222, 520), (205, 528),
    (150, 522), (100, 500), (72, 465),
)  # fmt: skip
BLOCK = (
    (790, 340), (828, 307), (850, 275), (1110, 271), (1148, 318), (1265, 330), (1280, 345), (1280, 418),
    (1215, 420), (1205, 430), (1022, 430), (880, 415),
)  # fmt: skip
PEBBLE = ((595, 425), (605, 408), (630, 400), (657, 405), (659, 430), (650, 445), (620, 443), (600, 438))


def outlined(corners: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    """The pixels inside an outline on the clip's frame."""
    canvas = np.zeros((720, 1280), np.uint8)
    cv2.fillPoly(canvas, [np.array(corners, np.int32)], 1)
    return canvas > 0


@pytest.fixture(scope="module")
def model() -> Iterator[Segmenter]:
    """The embedded model on the engine of the base install."""
    with sam_edge.load(runtime="onnxruntime") as opened:
        yield opened


@pytest.fixture(scope="module")
def embedding(model: Segmenter, clip_frame: NDArray[np.uint8]) -> Embedding:
    """The clip's first frame, encoded by the embedded model."""
    return model.encode(clip_frame)


def test_the_default_size_is_taken(embedding: Embedding) -> None:
    assert embedding.placement.size == (448, 672)
    assert embedding.data.shape == (1, 256, 28, 42)


@pytest.mark.parametrize(
    ("outline", "point"), [(BOULDER, (140, 450)), (BLOCK, (990, 350)), (PEBBLE, (628, 424))]
)
def test_a_point_selects_the_thing_under_it(
    model: Segmenter, embedding: Embedding, outline: tuple[tuple[int, int], ...], point: tuple[int, int]
) -> None:
    masks = model.decode(embedding, points=[point], labels=[1])
    assert iou(masks.best, outlined(outline)) > 0.8
    assert masks.scores[0] > 0.8
    assert masks.best[point[1], point[0]]


def test_the_rabbit_is_among_what_a_point_on_it_may_mean(model: Segmenter, embedding: Embedding) -> None:
    masks = model.decode(embedding, points=[(370, 400)])
    assert max(iou(mask, outlined(RABBIT)) for mask in masks.masks) > 0.7


def test_two_points_and_a_box_select_the_rabbit(model: Segmenter, embedding: Embedding) -> None:
    masks = model.decode(embedding, points=[(370, 400), (340, 480)], boxes=[228, 254, 528, 564])
    assert iou(masks.best, outlined(RABBIT)) > 0.8
    assert not masks.best[450, 140]


def test_a_point_that_is_not_on_it_takes_the_boulder_away(model: Segmenter, embedding: Embedding) -> None:
    both = model.decode(embedding, points=[(370, 400)]).best
    assert both[450, 140]
    without = model.decode(embedding, points=[(370, 400), (140, 450), (180, 330)], labels=[1, 0, 0]).best
    assert not without[450, 140]
    assert iou(without, outlined(RABBIT)) > max(0.6, iou(both, outlined(RABBIT)) + 0.05)


def test_a_closer_view_selects_the_same_pebble(model: Segmenter, clip_frame: NDArray[np.uint8]) -> None:
    masks = model.segment(clip_frame, points=[(628, 424)], view=View(450, 250, 350, 350), size=(448, 448))
    assert masks.masks.shape == (4, 720, 1280)
    assert max(iou(mask, outlined(PEBBLE)) for mask in masks.masks) > 0.8
    assert not masks.masks[:, :, :450].any()


def test_earlier_logits_as_a_prompt_keep_the_selection(model: Segmenter, embedding: Embedding) -> None:
    first = model.decode(embedding, points=[(140, 450)])
    again = model.decode(embedding, points=[(140, 450)], mask=first.logits[0])
    assert iou(again.best, first.best) > 0.9
    from_pixels = model.decode(embedding, points=[(140, 450)], mask=first.best)
    assert iou(from_pixels.best, first.best) > 0.9


def test_several_prompts_at_once_are_the_same_as_one_at_a_time(
    model: Segmenter, embedding: Embedding
) -> None:
    places = [[[140, 450]], [[990, 350]], [[628, 424]]]
    together = model.decode(embedding, points=places)
    for index, points in enumerate(places):
        assert iou(together.best[index], model.decode(embedding, points=points).best) > 0.99


def test_fp32_torch_selects_the_same_things(
    model: Segmenter, embedding: Embedding, reference: Segmenter, clip_frame: NDArray[np.uint8]
) -> None:
    exact = reference.encode(clip_frame)
    box = [228, 254, 528, 564]
    assert iou(model.decode(embedding, boxes=box).best, reference.decode(exact, boxes=box).best) > 0.95
    for point in ((140, 450), (990, 350), (628, 424)):
        ours, theirs = (
            one.decode(seen, points=[point]) for one, seen in ((model, embedding), (reference, exact))
        )
        assert iou(ours.best, theirs.best) > 0.95
        assert ours.token[0] == theirs.token[0]
        assert ours.scores[0] == pytest.approx(theirs.scores[0], abs=0.02)


class TestLoad:
    def test_a_checkpoint_opens_in_torch(self, checkpoint: object) -> None:
        pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
        for runtime in ("torch", "auto"):
            with sam_edge.load(str(checkpoint), runtime=runtime) as model:
                assert model.runtime.name == "torch"
                assert model.runtime.precision == "fp32"
                assert model.bundle is None

    @pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "fake"])
    def test_a_checkpoint_opens_nowhere_else(self, runtime: str) -> None:
        with pytest.raises(EngineError, match=f"'{runtime}' does not open a checkpoint .*weights.pt"):
            sam_edge.load("weights.pt", runtime=runtime)

    def test_a_checkpoint_that_is_missing_is_named(self) -> None:
        pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
        with pytest.raises(CheckpointError, match=r"no such file: .*absent\.pt"):
            sam_edge.load("absent.pt", runtime="torch")

    def test_a_bundle_that_is_missing_is_named(self) -> None:
        with pytest.raises(BundleError, match=r"no such folder: .*absent"):
            sam_edge.load("absent")

    def test_the_bundle_is_kept(self, model: Segmenter) -> None:
        assert model.bundle is not None
        assert model.bundle.manifest.model == "mobile_sam"
        assert model.runtime.precision == model.bundle.manifest.precision
