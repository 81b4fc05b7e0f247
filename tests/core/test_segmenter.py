"""Prompts in, masks out, on a runtime whose masks are known exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.errors import EngineError, InputError
from sam_edge.geometry import View
from sam_edge.masks import Masks, iou
from sam_edge.runtimes.fake import RADII_PX, SCORES, Fake
from sam_edge.segmenter import MASK_PROMPT_LOGIT, Embedding, Segmenter, load

FRAME = (448, 672)
IMAGE = np.zeros((*FRAME, 3), np.uint8)
IMAGE[..., 1] = np.arange(672) // 3


@pytest.fixture
def model() -> Iterator[Segmenter]:
    """A model whose masks are discs of 48, 24, 48 and 96 input pixels round the point, or the box."""
    with Segmenter(Fake()) as opened:
        yield opened


def disc(x: float, y: float, radius: float, size: tuple[int, int] = FRAME) -> NDArray[np.bool_]:
    """The pixels of a disc."""
    columns, rows = np.arange(size[1]) + 0.5, np.arange(size[0])[:, None] + 0.5
    return np.asarray(np.hypot(columns - x, rows - y) < radius)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.bool_]:
    """The pixels of a box."""
    mask = np.zeros(FRAME, bool)
    mask[int(y0) : int(y1), int(x0) : int(x1)] = True
    return mask


def of_token(masks: Masks, token: int) -> NDArray[np.bool_]:
    """The mask of one of SAM's outputs."""
    return np.asarray(masks.masks[masks.token.tolist().index(token)])


class TestResults:
    def test_one_prompt_gives_four_masks_of_the_frames_size(self, model: Segmenter) -> None:
        masks = model.segment(IMAGE, points=[[200, 150]], labels=[1])
        assert masks.masks.shape == (4, *FRAME)
        assert masks.masks.dtype == np.bool_
        assert masks.logits.shape == (4, 112, 168)
        assert masks.scores.shape == masks.token.shape == (4,)
        assert sorted(masks.token.tolist()) == [0, 1, 2, 3]
        assert masks.best.shape == FRAME
        np.testing.assert_array_equal(masks.best, masks.masks[0])

    def test_masks_scores_and_logits_go_with_their_tokens(self, model: Segmenter) -> None:
        masks = model.segment(IMAGE, points=[[200, 150]])
        for index, token in enumerate(masks.token):
            assert masks.scores[index] == pytest.approx(SCORES[token])
            assert masks.logits[index].max() == pytest.approx(RADII_PX[token], abs=3)
            assert iou(masks.masks[index], disc(200, 150, RADII_PX[token])) > 0.95

    def test_one_point_means_the_largest_near_the_best(self, model: Segmenter) -> None:
        masks = model.segment(IMAGE, points=[[200, 150]])
        assert masks.token[0] == 3
        assert masks.scores[1:].tolist() == sorted(masks.scores[1:].tolist(), reverse=True)

    def test_more_points_mean_the_single_mask(self, model: Segmenter) -> None:
        assert model.segment(IMAGE, points=[[200, 150], [210, 150]]).token[0] == 0
        assert model.segment(IMAGE, boxes=[10, 10, 90, 90]).token[0] == 0

    @pytest.mark.parametrize(("multimask", "tokens"), [(None, {0, 1, 2, 3}), (True, {1, 2, 3}), (False, {0})])
    def test_multimask_chooses_the_tokens(
        self, model: Segmenter, multimask: bool | None, tokens: set[int]
    ) -> None:
        masks = model.segment(IMAGE, points=[[200, 150]], multimask=multimask)
        assert set(masks.token.tolist()) == tokens
        assert masks.masks.shape == (len(tokens), *FRAME)
        assert iou(of_token(masks, max(tokens)), disc(200, 150, RADII_PX[max(tokens)])) > 0.95

    def test_a_box_comes_back_as_itself(self, model: Segmenter) -> None:
        masks = model.segment(IMAGE, boxes=[100, 60, 300, 260])
        assert iou(masks.best, rectangle(100, 60, 300, 260)) > 0.95

    @pytest.mark.parametrize("frame", [(448, 672), (720, 1280), (1000, 400), (90, 130)])
    def test_masks_have_the_size_of_any_frame(self, model: Segmenter, frame: tuple[int, int]) -> None:
        image = np.zeros((*frame, 3), np.uint8)
        x, y = 0.4 * frame[1], 0.6 * frame[0]
        embedding = model.encode(image)
        masks = model.decode(embedding, points=[[x, y]], multimask=False)
        radius = RADII_PX[0] / float(embedding.placement.scale[0])
        assert iou(masks.best, disc(x, y, radius, frame)) > 0.93


class TestSeveralPrompts:
    def test_points_of_several_prompts_have_an_axis_of_their_own(self, model: Segmenter) -> None:
        places = [[[100.0, 100.0]], [[300.0, 200.0]], [[500.0, 400.0]]]
        embedding = model.encode(IMAGE)
        together = model.decode(embedding, points=places, labels=[[1], [1], [1]])
        assert together.masks.shape == (3, 4, *FRAME)
        assert together.best.shape == (3, *FRAME)
        assert together.boxes.shape == (3, 4, 4)
        for index, points in enumerate(places):
            alone = model.decode(embedding, points=points)
            np.testing.assert_array_equal(together.masks[index], alone.masks)
            np.testing.assert_array_equal(together.scores[index], alone.scores)
            np.testing.assert_array_equal(together.token[index], alone.token)

    def test_a_list_of_one_prompt_keeps_its_axis(self, model: Segmenter) -> None:
        assert model.segment(IMAGE, points=[[[5, 5]]]).masks.shape == (1, 4, *FRAME)
        assert model.segment(IMAGE, boxes=[[5, 5, 50, 50]]).masks.shape == (1, 4, *FRAME)

    def test_several_boxes_in_one_call(self, model: Segmenter) -> None:
        boxes = [[10, 10, 100, 90], [200, 100, 400, 300]]
        masks = model.segment(IMAGE, boxes=boxes, multimask=False)
        assert masks.masks.shape == (2, 1, *FRAME)
        for mask, box in zip(masks.best, boxes, strict=True):
            assert iou(mask, rectangle(*box)) > 0.93

    def test_one_call_of_the_engine_decodes_them_all(self) -> None:
        fake = Fake()
        Segmenter(fake).segment(IMAGE, points=np.full((7, 1, 2), 50.0))
        assert (fake.encoded, fake.decoded) == (1, 7)


class TestViews:
    VIEW = View(200, 100, 224, 224)

    def test_a_view_is_encoded_at_its_own_scale(self, model: Segmenter) -> None:
        embedding = model.encode(IMAGE, view=self.VIEW, size=(448, 448))
        assert embedding.view == self.VIEW
        assert embedding.data.shape == (1, 256, 28, 28)
        masks = model.decode(embedding, points=[[300, 200]], multimask=False)
        assert iou(masks.best, disc(300, 200, RADII_PX[0] / 2)) > 0.95

    def test_the_embedding_is_of_the_part_that_was_asked_for(self, model: Segmenter) -> None:
        bright = IMAGE.copy()
        bright[100:324, 200:424] = 255
        assert model.encode(bright, view=self.VIEW).data.min() == 1.0
        assert model.encode(bright).data.min() < 0.5

    def test_a_view_over_the_edge(self, model: Segmenter) -> None:
        embedding = model.encode(IMAGE, view=View(-100, -100, 448, 448), size=(448, 448))
        masks = model.decode(embedding, points=[[100, 80]], multimask=False)
        assert iou(masks.best, disc(100, 80, RADII_PX[0])) > 0.95

    def test_a_view_in_fractions_is_snapped_outwards(self, model: Segmenter) -> None:
        view = View(200.5, 100.5, 10.2, 10.2)  # type: ignore[arg-type]
        assert model.encode(IMAGE, view=view).view == View(200, 100, 11, 11)

    def test_a_point_outside_the_view_is_refused(self, model: Segmenter) -> None:
        embedding = model.encode(IMAGE, view=self.VIEW)
        with pytest.raises(InputError, match=r"points: \(10, 10\) lies outside the view"):
            model.decode(embedding, points=[[10, 10]])

    def test_a_view_outside_the_frame_is_refused(self, model: Segmenter) -> None:
        with pytest.raises(InputError, match=r"outside the frame.*672x448"):
            model.encode(IMAGE, view=View(700, 0, 10, 10))

    @given(
        x=st.floats(0.2, 0.8), y=st.floats(0.2, 0.8), side=st.integers(150, 448), left=st.integers(-60, 300)
    )
    def test_a_disc_lies_round_its_point_whatever_the_view(
        self, x: float, y: float, side: int, left: int
    ) -> None:
        view = View(left, 0, side, side)
        place = (left + x * side, y * side)
        if not 0 < place[0] < 672:
            return
        with Segmenter(Fake()) as model:
            masks = model.segment(IMAGE, points=[place], multimask=True, view=view, size=(448, 448))
        small = disc(*place, RADII_PX[1] * side / 448)
        inside = np.zeros(FRAME, bool)
        inside[:side, max(left, 0) : left + side] = True
        assert iou(of_token(masks, 1), small & inside) > 0.85


class Recorder(Fake):
    """Remembers what the decoder was given."""

    def decode(self, *given: Any) -> tuple[Any, Any]:
        """Keep the arguments."""
        self.given = given
        return super().decode(*given)


class TestMaskPrompts:
    def decoded(self, **arguments: Any) -> tuple[Masks, list[NDArray[Any]]]:
        """The result, and (embedding, points, labels, mask, has_mask) as the decoder got them."""
        recorder = Recorder()
        masks = Segmenter(recorder).segment(IMAGE, **arguments)
        return masks, list(recorder.given)

    def test_without_one_the_decoder_is_told_so(self) -> None:
        _, given = self.decoded(points=[[5, 5]])
        assert given[3].shape == (1, 1, 112, 168)
        assert given[4].tolist() == [0]

    def test_a_frame_mask_becomes_logits_of_either_sign(self) -> None:
        mask = rectangle(100, 60, 300, 260)
        _, given = self.decoded(points=[[150, 150]], mask=mask)
        low = given[3][0, 0]
        assert given[4].tolist() == [1]
        assert low[16:64, 26:74].min() == pytest.approx(MASK_PROMPT_LOGIT)
        assert low[70:, 80:].max() == pytest.approx(-MASK_PROMPT_LOGIT)

    def test_logits_of_an_earlier_result_go_in_as_they_are(self) -> None:
        first, _ = self.decoded(points=[[150, 150]])
        _, given = self.decoded(points=[[150, 150]], mask=first.logits[2])
        np.testing.assert_array_equal(given[3][0, 0], first.logits[2])

    def test_a_mask_alone_is_a_prompt_without_tokens(self) -> None:
        masks, given = self.decoded(mask=rectangle(100, 60, 300, 260))
        assert masks.masks.shape == (4, *FRAME)
        assert given[1].shape == (1, 0, 2)
        assert given[4].tolist() == [1]

    def test_one_mask_serves_several_prompts(self) -> None:
        masks, given = self.decoded(points=np.full((3, 1, 2), 9.0), mask=np.ones(FRAME, bool))
        assert masks.masks.shape == (3, 4, *FRAME)
        assert given[4].tolist() == [1, 1, 1]
        assert given[3].shape == (3, 1, 112, 168)

    def test_several_masks_are_several_prompts(self) -> None:
        masks, given = self.decoded(
            points=[[9, 9]], mask=np.stack([np.ones(FRAME, bool), ~np.ones(FRAME, bool)])
        )
        assert masks.masks.shape == (2, 4, *FRAME)
        assert given[3][0].min() > 0 > given[3][1].max()
        assert given[1].shape == (2, 2, 2)

    def test_a_point_with_a_mask_is_not_ambiguous(self) -> None:
        masks, _ = self.decoded(points=[[150, 150]], mask=np.ones(FRAME, bool))
        assert masks.token[0] == 0

    @pytest.mark.parametrize(
        "mask",
        [
            np.ones((448, 671), bool),
            np.ones(FRAME, np.uint8),
            np.ones((112, 168), np.int64),
            np.ones((56, 84), np.float32),
            np.ones((1, 1, *FRAME), bool),
            np.zeros((0, *FRAME), bool),
            np.float32(3),
            "a mask",
            [[1], [1, 0]],
        ],
        ids=["size", "uint8", "integer logits", "logits' size", "axes", "none", "scalar", "word", "ragged"],
    )
    def test_what_is_no_mask_is_refused(self, mask: Any) -> None:
        with pytest.raises(InputError, match="mask: "):
            self.decoded(points=[[5, 5]], mask=mask)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_logits_that_are_not_finite_are_refused(self, value: float) -> None:
        low = np.zeros((112, 168), np.float32)
        low[3, 4] = value
        with pytest.raises(InputError, match="mask: holds NaN or infinite"):
            self.decoded(points=[[5, 5]], mask=low)

    def test_two_masks_for_three_prompts_are_refused(self) -> None:
        with pytest.raises(InputError, match="mask: 2 masks for 3 prompts"):
            self.decoded(points=np.full((3, 1, 2), 9.0), mask=np.ones((2, *FRAME), bool))


class TestBadInput:
    @pytest.mark.parametrize(
        ("image", "said"),
        [
            (np.zeros((10, 10, 3), np.float32), r"float32 \(10, 10, 3\)"),
            (np.zeros((10, 10, 4), np.uint8), r"uint8 \(10, 10, 4\)"),
            (np.zeros((10, 10), np.uint8), r"uint8 \(10, 10\)"),
            (np.zeros((1, 10, 10, 3), np.uint8), r"\(1, 10, 10, 3\)"),
            (np.zeros((0, 10, 3), np.uint8), r"\(0, 10, 3\)"),
            (np.zeros((10, 0, 3), np.uint8), r"\(10, 0, 3\)"),
            ([[0, 0, 0]], "list"),
            ("picture.png", "str"),
            (None, "NoneType"),
        ],
    )
    def test_what_is_no_frame_is_refused(self, model: Segmenter, image: Any, said: str) -> None:
        with pytest.raises(InputError, match=f"image: .*{said}.*accepted: .*RGB uint8"):
            model.encode(image)

    @pytest.mark.parametrize(
        "size",
        [
            (448, 670), (0, 448), (-448, 448), (48, 448), (8192, 448), (448,), (448, 448, 3), 448, (448.0, 672.5),
            ("448", "672"), (float("nan"), 448), "672x448",
        ],
    )  # fmt: skip
    def test_a_size_that_cannot_be_encoded_is_refused(self, model: Segmenter, size: Any) -> None:
        with pytest.raises(InputError, match=r"size: .*multiples of 16 from 64 to 4096"):
            model.encode(IMAGE, size=size)

    @pytest.mark.parametrize("size", [(64, 64), (480, 640), (448, 672), (1024, 1024), [224, 448]])
    def test_other_sizes_are_encoded(self, model: Segmenter, size: Any) -> None:
        embedding = model.encode(IMAGE, size=size)
        assert embedding.data.shape == (1, 256, size[0] // 16, size[1] // 16)

    def test_nothing_is_prompted(self, model: Segmenter) -> None:
        with pytest.raises(InputError, match="nothing is prompted; give points, boxes or a mask"):
            model.segment(IMAGE)

    def test_bad_prompts_are_refused_before_the_engine_runs(self) -> None:
        fake = Fake()
        with pytest.raises(InputError, match="outside the frame"):
            Segmenter(fake).segment(IMAGE, points=[[999, 5]])
        assert fake.decoded == 0

    def test_after_close(self, model: Segmenter) -> None:
        embedding = model.encode(IMAGE)
        model.close()
        model.close()
        with pytest.raises(EngineError, match="closed"):
            model.encode(IMAGE)
        with pytest.raises(EngineError, match="closed"):
            model.decode(embedding, points=[[5, 5]])

    def test_leaving_the_context_closes(self) -> None:
        with load(runtime="fake") as model:
            assert isinstance(model.encode(IMAGE), Embedding)
        with pytest.raises(EngineError, match="closed"):
            model.encode(IMAGE)


def test_the_embedding_says_what_it_shows(model: Segmenter) -> None:
    embedding = model.encode(IMAGE, time_ns=123_456)
    assert embedding.time_ns == 123_456
    assert embedding.frame_size == FRAME
    assert embedding.view == View.whole(FRAME)
    assert embedding.placement.size == FRAME
    assert embedding.data.dtype == np.float32


class TestPromptsOfOtherPrograms:
    def test_no_boxes_give_no_masks(self, model: Segmenter) -> None:
        embedding = model.encode(IMAGE)
        masks = model.decode(embedding, boxes=np.zeros((0, 4)), multimask=False)
        assert (masks.masks.shape, masks.scores.shape) == ((0, 1, *FRAME), (0, 1))
        with pytest.raises(InputError, match="not empty"):
            model.decode(embedding, boxes=np.zeros((0, 4)), points=[[5, 5]])

    def test_padding_gives_the_masks_of_the_points_alone(self, model: Segmenter) -> None:
        embedding = model.encode(IMAGE)
        padded = model.decode(embedding, points=[[200, 150], [-1, -1]], labels=[1, -1])
        alone = model.decode(embedding, points=[[200, 150]])
        assert np.array_equal(padded.masks, alone.masks)
        assert padded.token.tolist() == alone.token.tolist()
