"""Proposals, the edge map, and masks for boxes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge.errors import InputError
from sam_edge.everything import FAST, detect_edges, generate_masks, propose_objects
from sam_edge.everything.edges import EDGE_CONFIG, thin_edges
from sam_edge.everything.proposals import average_recall
from sam_edge.instances import add_masks, segment_boxes, to_detections
from sam_edge.masks import iou
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter

GREY = np.full((300, 400, 3), 90, np.uint8)


class TestProposals:
    def test_the_likeliest_come_first_and_no_more_than_asked_for(self) -> None:
        found = propose_objects(Segmenter(Fake()), GREY, limit=20)
        ranks = [one.predicted_iou + one.stability_score for one in found]
        assert len(found) == 20
        assert ranks == sorted(ranks, reverse=True)
        with pytest.raises(InputError, match="limit"):
            propose_objects(Segmenter(Fake()), GREY, limit=0)

    def test_recall_averages_over_cocos_ious(self) -> None:
        overlap = np.array([[0.2, 0.77], [0.96, 0.1], [0.3, 0.4]])
        # Above .5, .55, ... .75 are six of ten.
        assert average_recall(overlap, 2).tolist() == pytest.approx([0.6, 1.0, 0.0])
        assert average_recall(overlap, 1).tolist() == pytest.approx([0.0, 1.0, 0.0])
        assert average_recall(np.zeros((2, 0)), 10).tolist() == [0, 0]


class TestEdges:
    def test_a_disc_has_its_circle_for_an_edge(self) -> None:
        class Disc(Fake):
            def decode(self, *given: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # type: ignore[override]
                _, scores = super().decode(*given)  # type: ignore[arg-type]
                rows, columns = given[3].shape[2:]
                x, y = 4 * np.arange(columns) + 1.5, 4 * np.arange(rows)[:, None] + 1.5
                low = ((100 - np.hypot(x - 223.5, y - 223.5)) / 4).astype(np.float32)
                return np.broadcast_to(low, (len(given[1]), 4, rows, columns)).copy(), scores

        image = np.zeros((448, 448, 3), np.uint8)
        config = replace(EDGE_CONFIG, size=(448, 448), points_per_side=2)
        thick = detect_edges(Segmenter(Disc()), image, config=config, thin=False)
        thin = detect_edges(Segmenter(Disc()), image, config=config)
        assert thick.shape == (448, 448)
        assert thick.max() == thin.max() == pytest.approx(1)
        smaller = detect_edges(Segmenter(Disc()), image[::2, ::2], config=config)
        assert smaller.max() == pytest.approx(1)
        rows, columns = np.indices((448, 448)) + 0.5
        off_px = np.abs(np.hypot(columns - 224, rows - 224) - 100)
        assert off_px[thick > 0].max() < 4
        assert off_px[thin > 0.3].max() < 2.5
        assert 0.4 * 2 * np.pi * 100 < np.count_nonzero(thin > 0.3) < 2 * 2 * np.pi * 100
        assert np.count_nonzero(thin) < np.count_nonzero(thick)

    def test_a_blank_picture_has_none(self) -> None:
        class Blind(Fake):
            def decode(self, *given: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # type: ignore[override]
                logits, scores = super().decode(*given)  # type: ignore[arg-type]
                return np.full_like(logits, -9), scores

        assert not detect_edges(Segmenter(Blind()), GREY).any()

    def test_a_ridge_is_thinned_to_its_crest(self) -> None:
        across = np.exp(-0.5 * ((np.arange(41) - 20) / 3) ** 2).astype(np.float32)
        for ridge in (np.tile(across, (30, 1)), np.tile(across[:, None], (1, 30))):
            thin = thin_edges(ridge)
            kept = np.argwhere(thin > 0.2)
            along = 1 if ridge.shape == (30, 41) else 0
            assert set(kept[:, along]) == {20}


class TestBoxes:
    def test_each_box_has_its_mask(self) -> None:
        boxes = np.array([[10, 20, 110, 120], [200, 100, 390, 290], [-50, -50, 60, 60], [500, 0, 600, 50]])
        made = segment_boxes(Segmenter(Fake()), GREY, boxes)
        assert made.masks.shape == (4, 300, 400)
        for mask, (x0, y0, x1, y1) in zip(made.masks[:3], np.clip(boxes[:3], 0, None), strict=True):
            wanted = np.zeros((300, 400), np.bool_)
            wanted[y0:y1, x0:x1] = True
            assert iou(mask, wanted) > 0.9
        assert not made.masks[3].any()
        assert made.scores.tolist() == pytest.approx([0.9, 0.9, 0.9, 0.0])

    def test_many_boxes_take_few_calls(self) -> None:
        class Counting(Fake):
            calls = 0

            def decode(self, *given: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # type: ignore[override]
                self.calls += 1
                return super().decode(*given)  # type: ignore[arg-type]

        runtime = Counting()
        boxes = [[x, 10, x + 50, 90] for x in range(100)]
        assert segment_boxes(Segmenter(runtime), GREY[:100, :200], boxes).masks.shape == (100, 100, 200)
        assert runtime.calls == 4
        assert runtime.encoded == 1

    def test_no_box_needs_no_model(self) -> None:
        runtime = Fake()
        assert segment_boxes(Segmenter(runtime), GREY, []).masks.shape == (0, 300, 400)
        assert runtime.encoded == 0

    def test_an_embedding_of_another_frame(self) -> None:
        model = Segmenter(Fake())
        other = model.encode(GREY[:200], size=(448, 448))
        with pytest.raises(InputError, match="embedding"):
            segment_boxes(model, GREY, [[10, 20, 110, 120]], embedding=other)

    def test_bad_boxes(self) -> None:
        for boxes in ([[1, 2, 3]], [[np.nan, 0, 1, 1]], "boxes"):
            with pytest.raises(InputError, match="boxes"):
                segment_boxes(Segmenter(Fake()), GREY, boxes)

    def test_the_real_model_masks_the_rabbit(self, clip_frame: NDArray[np.uint8]) -> None:
        with sam_edge.load(runtime="onnxruntime", threads=1) as model:
            box = [0, 0, clip_frame.shape[1] / 2, clip_frame.shape[0]]
            made = segment_boxes(model, clip_frame, [box, box], size=(224, 224))
            single = model.segment(clip_frame, boxes=box, size=(224, 224), multimask=False)
        assert iou(made.masks[0], single.best) > 0.98
        assert np.array_equal(made.masks[0], made.masks[1])


@dataclass
class Detections:
    """The part of supervision's that the adapter needs."""

    xyxy: NDArray[np.float32]
    """(N, 4)."""
    class_id: list[int]
    """(N,)."""
    mask: NDArray[np.bool_] | None = None
    """(N, H, W)."""


class TestDetections:
    def test_masks_are_added_to_a_copy(self) -> None:
        given = Detections(np.array([[10, 20, 110, 120]], np.float32), [7])
        before = copy.deepcopy(given)
        made = add_masks(Segmenter(Fake()), GREY, given)
        assert made.mask.shape == (1, 300, 400)
        assert made.class_id == [7]
        assert given.mask is before.mask is None
        with pytest.raises(InputError, match="detections"):
            add_masks(Segmenter(Fake()), GREY, [1, 2])

    def test_with_the_library_itself(self) -> None:
        supervision = pytest.importorskip(
            "supervision", reason="needs supervision: pip install 'sam-edge[supervision]'"
        )
        given = supervision.Detections(
            xyxy=np.array([[10, 20, 110, 120]], np.float32), class_id=np.array([3])
        )
        made = add_masks(Segmenter(Fake()), GREY, given)
        assert made.mask.shape == (1, 300, 400)
        assert abs(float(made.area[0]) - 10_000) < 500
        found = generate_masks(Segmenter(Fake()), GREY, config=FAST)
        listed = to_detections(found)
        assert len(listed) == len(found)
        assert listed.area.tolist() == [one.area for one in found]
        assert len(to_detections([])) == 0
