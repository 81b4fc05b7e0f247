"""The three stages: proposals, answers, generated masks, and resuming where they stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sam_edge.annotate.automatic as automatic_module
from sam_edge.annotate import (
    Accept,
    AnnotationStage,
    Annotator,
    Answer,
    Box,
    ChooseMask,
    Delete,
    EndStage,
    ExcludeGaze,
    Point,
    Proposal,
    Reject,
    Relabel,
    SeekableVideo,
    StopRequested,
    Undo,
    WorkStatus,
    detect_dwells,
    write_dataset,
)
from sam_edge.annotate.automatic import automatic_input_size
from sam_edge.annotate.dwells import frame_at_dwell
from sam_edge.annotate.frame_masks import FrameMasks, is_object_sized, min_area_px
from sam_edge.errors import InputError
from sam_edge.everything import GeneratedMask, MaskGeneratorConfig
from sam_edge.gaze.events import Fixation
from sam_edge.gaze.events.types import EventKind
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks import Masks, iou
from sam_edge.masks.coco import read_coco
from sam_edge.masks.sa1b import read_sa1b
from sam_edge.media import read_image
from sam_edge.segmenter import Embedding, Segmenter

Start = Callable[..., Annotator]
Dwell = Callable[..., Fixation]
Rectangle = Callable[..., GeneratedMask]
ASSISTED = (AnnotationStage.ASSISTED,)


def answer_all(annotator: Annotator, answers: Sequence[Answer]) -> list[Proposal]:
    """Answer the proposals in turn; return them."""
    asked = []
    for answer in answers:
        proposal = annotator.ask()
        assert proposal is not None
        asked.append(proposal)
        annotator.answer(answer)
    return asked


def places(proposals: Sequence[Proposal]) -> list[tuple[int, float, float]]:
    return [(item.frame.index, item.dwell.x_px, item.dwell.y_px) for item in proposals]


@pytest.fixture
def set_generated(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Let `generate_masks` return these on every frame; returns the list of the frames' first pixels."""

    def set_up(*masks: GeneratedMask) -> list[int]:
        calls: list[int] = []

        def find(model: object, image: np.ndarray, **options: object) -> list[GeneratedMask]:
            calls.append(int(image[0, 0, 0]))
            return list(masks)

        monkeypatch.setattr(automatic_module, "generate_masks", find)
        return calls

    return set_up


class TestAssisted:
    def test_a_dwell_proposes_and_the_person_decides(
        self, start_annotator: Start, dwell: Dwell, frames: Path, tmp_path: Path
    ) -> None:
        annotator = start_annotator(dwell(1, 100, 100), dwell(3, 300, 200), stages=ASSISTED)
        asked = answer_all(annotator, [Accept(" dog "), Reject()])
        assert annotator.ask() is None
        assert places(asked) == [(1, 100, 100), (3, 300, 200)]
        (only,) = annotator.journal.annotations
        assert (only.decision, only.category, only.stem) == ("accepted", "dog", "00001")
        assert only.mask.mask()[100, 100]
        assert only.provenance["gaze"]["x_px"] == 100
        assert only.provenance["gaze"]["end_ns"] - only.provenance["gaze"]["onset_ns"] == 300_000_000
        assert only.provenance["model"] == "fake"
        written = read_image(tmp_path / "set" / "images" / "00001.png")
        assert np.array_equal(written, read_image(frames / "00001.png"))

    def test_corrections(self, start_annotator: Start, dwell: Dwell) -> None:
        annotator = start_annotator(dwell(1, 100, 100), stages=ASSISTED)
        answers: list[Answer] = [ChooseMask(), Point(150, 100), Point(210, 100, False), Accept()]
        asked = answer_all(annotator, answers)
        assert [proposal.draft.mask_index for proposal in asked] == [0, 1, 0, 0]
        (only,) = annotator.journal.annotations
        assert only.decision == "corrected"
        assert only.mask.point_coords == ((100.0, 100.0), (150.0, 100.0), (210.0, 100.0))
        assert only.provenance["point_labels"] == [1, 1, 0]

    def test_undo_of_a_correction_shows_what_was_shown_before(
        self, start_annotator: Start, dwell: Dwell
    ) -> None:
        annotator = start_annotator(dwell(1, 100, 100), stages=ASSISTED)
        first, second, third = answer_all(annotator, [ChooseMask(), Point(150, 100), Undo()])
        assert annotator.ask() is second
        assert second.draft.mask_index == 1
        assert first.candidates is second.candidates
        assert third.candidates is not second.candidates

    def test_a_point_corrects_the_mask_that_is_shown(
        self, start_annotator: Start, dwell: Dwell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mask_prompts: list[object] = []
        decode = Segmenter.decode

        def watched(model: Segmenter, embedding: Embedding, **prompts: Any) -> Masks:
            mask_prompts.append(prompts["mask"])
            return decode(model, embedding, **prompts)

        monkeypatch.setattr(Segmenter, "decode", watched)
        annotator = start_annotator(dwell(1, 100, 100), stages=ASSISTED)
        asked = answer_all(annotator, [ChooseMask(), Point(150, 100), Box(90, 90, 160, 110), Reject()])
        assert mask_prompts[0] is None
        assert np.array_equal(np.asarray(mask_prompts[1]), asked[1].candidates.logits[1])
        assert mask_prompts[2] is None

    def test_a_box_and_no_gaze(self, start_annotator: Start, dwell: Dwell) -> None:
        annotator = start_annotator(dwell(1, 100, 100), stages=ASSISTED)
        answer_all(annotator, [Box(180, 80, 240, 140), Point(200, 100), ExcludeGaze(), Accept()])
        (only,) = annotator.journal.annotations
        assert only.provenance["box"] == [180, 80, 240, 140]
        assert only.provenance["gaze"]["prompts"] is False
        assert only.mask.point_coords == ((200.0, 100.0),)

    def test_what_does_not_fit_leaves_the_question_as_it_was(
        self, start_annotator: Start, dwell: Dwell
    ) -> None:
        annotator = start_annotator(dwell(1, 100, 100), stages=ASSISTED)
        before = annotator.ask()
        for answer in (Point(9999, 0), ChooseMask(9), ExcludeGaze(), Accept("x" * 99), Delete(4), Undo()):
            with pytest.raises(InputError):
                annotator.answer(answer)
            assert annotator.ask() is before
        assert annotator.journal.annotations == []

    def test_a_dwell_outside_the_frame_or_the_video_asks_nothing(
        self, start_annotator: Start, dwell: Dwell
    ) -> None:
        annotator = start_annotator(dwell(1, -5, 100), dwell(1, 100, 300), dwell(-3, 5, 5), stages=ASSISTED)
        assert annotator.ask() is None
        with pytest.raises(InputError, match="all is done"):
            annotator.answer(Accept())

    def test_stopping_goes_on_at_the_same_dwell(self, start_annotator: Start, dwell: Dwell) -> None:
        dwells = [dwell(1, 100, 100), dwell(2, 300, 200)]
        answer_all(start_annotator(*dwells, stages=ASSISTED), [Accept(), ChooseMask()])
        annotator = start_annotator(*dwells, stages=ASSISTED)
        asked = answer_all(annotator, [Accept()])
        assert places(asked) == [(2, 300, 200)]
        assert asked[0].draft.mask_index == 0
        assert len(annotator.journal.annotations) == 2

    def test_undo_asks_again_even_after_all_was_done(self, start_annotator: Start, dwell: Dwell) -> None:
        annotator = start_annotator(dwell(1, 100, 100), dwell(2, 300, 200), stages=ASSISTED)
        answer_all(annotator, [Accept(), Reject()])
        assert annotator.ask() is None
        annotator.answer(Undo())
        assert places(answer_all(annotator, [Undo()])) == [(2, 300, 200)]
        assert annotator.journal.annotations == []
        assert places(answer_all(annotator, [Accept(), Accept()])) == [(1, 100, 100), (2, 300, 200)]

    def test_the_same_thing_accepted_again_is_there_once(self, start_annotator: Start, dwell: Dwell) -> None:
        annotator = start_annotator(dwell(1, 100, 100), dwell(1, 101, 100), stages=ASSISTED)
        answer_all(annotator, [Accept("cat"), Accept("dog")])
        assert [(one.number, one.category) for one in annotator.journal.annotations] == [(2, "dog")]

    def test_labels_and_deletions_need_no_question(self, start_annotator: Start, dwell: Dwell) -> None:
        annotator = start_annotator(dwell(1, 100, 100), stages=ASSISTED)
        answer_all(annotator, [Accept()])
        annotator.answer(Relabel(1, "dog"))
        assert annotator.journal.annotations[0].category == "dog"
        annotator.answer(Delete(1))
        assert annotator.journal.annotations == []
        assert annotator.ask() is None

    def test_the_next_frame_is_made_ready(self, start_annotator: Start, dwell: Dwell) -> None:
        annotator = start_annotator(dwell(0, 100, 100), dwell(4, 300, 200), stages=ASSISTED)
        assert not annotator.prepare()
        annotator.ask()
        calls = 0
        while annotator.prepare():
            calls += 1
        assert calls < 5
        assert places(answer_all(annotator, [Accept(), Accept()])) == [(0, 100, 100), (4, 300, 200)]


class TestSemi:
    STAGES = (AnnotationStage.SEMI,)

    def test_only_the_rest_is_asked(
        self,
        start_annotator: Start,
        dwell: Dwell,
        rectangle: Rectangle,
        set_generated: Callable[..., list[int]],
        tmp_path: Path,
    ) -> None:
        # What the stand-in for a model proposes at a dwell is found with confidence at the first one alone.
        first = start_annotator(dwell(1, 100, 100), stages=ASSISTED).ask()
        assert first is not None
        x0, y0, x1, y1 = (int(side) for side in first.candidates.boxes[0])
        same = rectangle(x0, y0, x1, y1)
        assert iou(same.mask(), first.mask) > 0.7
        calls = set_generated(same)
        annotator = start_annotator(dwell(1, 100, 100), dwell(1, 300, 200), stages=self.STAGES)
        assert places(answer_all(annotator, [Accept()])) == [(1, 300, 200)]
        assert annotator.ask() is None
        assert calls == [90, 91]
        on_the_dwells = [one for one in annotator.journal.annotations if one.index == 1]
        assert [one.decision for one in on_the_dwells] == ["confident", "accepted"]
        write_dataset(annotator.journal)
        coco = read_coco(tmp_path / "set" / "annotations.json")
        (looked_at,) = [one for one in coco.annotations if "looked_at" in one.extra["provenance"]]
        assert looked_at.annotation_id == on_the_dwells[0].number
        assert looked_at.extra["provenance"]["looked_at"] == [f"dwell {dwell(1, 100, 100).onset_ns}"]
        again = start_annotator(dwell(1, 100, 100), dwell(1, 300, 200), stages=self.STAGES)
        assert dict(again.journal.dwells_on_mask) == dict(annotator.journal.dwells_on_mask)

    def test_what_was_answered_before_is_not_asked_again(
        self, start_annotator: Start, dwell: Dwell, set_generated: Callable[..., list[int]]
    ) -> None:
        calls = set_generated()
        annotator = start_annotator(dwell(1, 100, 100), dwell(3, 300, 200))
        answer_all(annotator, [Reject(), EndStage()])
        asked = annotator.ask()
        assert asked is not None
        assert (asked.stage, asked.frame.index) == ("semi", 3)
        annotator.answer(Accept())
        assert annotator.ask() is None
        assert calls == [90, 93, 90, 93]

    def test_ended_stages_ask_no_more_after_a_restart(
        self, start_annotator: Start, dwell: Dwell, set_generated: Callable[..., list[int]]
    ) -> None:
        set_generated()
        stages = (AnnotationStage.ASSISTED, AnnotationStage.SEMI)
        answer_all(start_annotator(dwell(1, 100, 100), stages=stages), [EndStage(), EndStage()])
        annotator = start_annotator(dwell(1, 100, 100), stages=stages)
        assert annotator.ask() is None
        assert [(one.done, one.total, one.unit) for one in annotator.progress()] == [
            (0, 1, "dwells"),
            (2, 2, "frames"),
        ]

    def test_an_accepted_mask_stands_for_a_confident_one(
        self,
        start_annotator: Start,
        dwell: Dwell,
        rectangle: Rectangle,
        set_generated: Callable[..., list[int]],
    ) -> None:
        first = start_annotator(dwell(1, 100, 100), stages=ASSISTED).ask()
        assert first is not None
        x0, y0, x1, y1 = (int(side) for side in first.candidates.boxes[0])
        set_generated(rectangle(x0, y0, x1, y1), rectangle(0, 0, 40, 40))
        annotator = start_annotator(dwell(1, 300, 200), stages=self.STAGES)
        answer_all(annotator, [Box(x0, y0, x1, y1), Accept()])
        kept = [one for one in annotator.journal.annotations if one.index == 1]
        assert [one.decision for one in kept] == ["confident", "corrected"]
        assert kept[0].mask == rectangle(0, 0, 40, 40)


class TestAutomatic:
    def test_a_frame_that_the_data_set_shows_has_all_its_masks(
        self,
        start_annotator: Start,
        dwell: Dwell,
        rectangle: Rectangle,
        set_generated: Callable[..., list[int]],
    ) -> None:
        whole, speck = rectangle(0, 0, 400, 300), rectangle(10, 10, 15, 15)
        nearly_twice = rectangle(200, 10, 259, 70)
        calls = set_generated(rectangle(200, 10, 260, 70), nearly_twice, whole, speck)
        annotator = start_annotator(
            dwell(2, 100, 100), stages=(AnnotationStage.ASSISTED, AnnotationStage.AUTOMATIC)
        )
        answer_all(annotator, [Accept("dog")])
        assert annotator.ask() is None
        assert calls == [90, 92]
        kept = [(one.index, one.decision, one.category) for one in annotator.journal.annotations]
        assert kept == [
            (2, "accepted", "dog"),
            (0, "confident", "object"),
            (2, "confident", "object"),
        ]
        again = start_annotator(
            dwell(2, 100, 100), stages=(AnnotationStage.ASSISTED, AnnotationStage.AUTOMATIC)
        )
        assert again.ask() is None
        assert len(calls) == 2

    @pytest.mark.parametrize(
        ("frame", "size"),
        [
            ((480, 854), (576, 1024)),
            ((720, 1280), (576, 1024)),
            ((1200, 1600), (768, 1024)),
            ((9, 9), (1024, 1024)),
            ((4000, 20), (1024, 64)),
        ],
    )
    def test_it_looks_as_sharply_as_sam(self, frame: tuple[int, int], size: tuple[int, int]) -> None:
        assert automatic_input_size(frame) == size

    def test_by_the_filters(
        self, start_annotator: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        config = MaskGeneratorConfig(points_per_side=2, stability=0.5, predicted_iou=0.5)
        monkeypatch.setattr(automatic_module, "AUTOMATIC_CONFIG", config)
        annotator = start_annotator(stages=(AnnotationStage.AUTOMATIC,))
        assert annotator.ask() is None
        assert len(annotator.journal.annotations) >= 4
        assert {one.decision for one in annotator.journal.annotations} == {"confident"}
        write_dataset(annotator.journal)
        picture = read_sa1b(tmp_path / "set" / "sa1b" / "00000.json")
        coco = read_coco(tmp_path / "set" / "annotations.json")
        assert len(picture.masks) == len(coco.annotations) >= 4
        assert coco.images[0].file_name == "images/00000.png"
        assert picture.masks[0].extra["provenance"]["stage"] == "automatic"
        assert coco.annotations[0].extra["provenance"]["settings"]["points_per_side"] == 2

    def test_stopped_in_the_middle_goes_on_to_the_same_masks(
        self, start_annotator: Start, rectangle: Rectangle, set_generated: Callable[..., list[int]]
    ) -> None:
        set_generated(rectangle(200, 10, 260, 70), rectangle(0, 0, 40, 40))

        def stop(work: WorkStatus) -> None:
            if work.done == 2:
                raise StopRequested

        annotator = start_annotator(stages=(AnnotationStage.AUTOMATIC,), stride=1, on_progress=stop)
        with pytest.raises(StopRequested):
            annotator.ask()
        assert len(annotator.journal.annotations) == 4
        assert annotator.progress()[0].done == 2
        again = start_annotator(stages=(AnnotationStage.AUTOMATIC,), stride=1)
        assert again.ask() is None
        assert [one.index for one in again.journal.annotations] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


class TestDataset:
    def test_categories_numbers_and_deletions(
        self, start_annotator: Start, dwell: Dwell, tmp_path: Path
    ) -> None:
        annotator = start_annotator(
            dwell(0, 100, 100), dwell(1, 100, 100), dwell(2, 100, 100), stages=ASSISTED
        )
        answer_all(annotator, [Accept("dog"), Accept(""), Accept("cat")])
        annotator.answer(Delete(1))
        write_dataset(annotator.journal)
        coco = read_coco(tmp_path / "set" / "annotations.json")
        assert {one.category_id: one.name for one in coco.categories} == {1: "object", 2: "dog", 3: "cat"}
        assert [(one.annotation_id, one.category_id) for one in coco.annotations] == [(2, 1), (3, 3)]
        assert coco.extra["info"]["source"]["video"] == "clip"
        assert sorted(one.name for one in (tmp_path / "set" / "images").iterdir()) == [
            "00001.png",
            "00002.png",
        ]
        annotator.answer(Delete(3))
        write_dataset(annotator.journal)
        assert [one.name for one in (tmp_path / "set" / "sa1b").iterdir()] == ["00001.json"]
        assert read_sa1b(tmp_path / "set" / "sa1b" / "00001.json").masks[0].extra["category"] == "object"


class TestFrameMasks:
    def test_the_same_shifted_a_little_is_known(self, rectangle: Rectangle) -> None:
        known = FrameMasks("0", [])
        assert known.add_new(rectangle(10, 10, 60, 60))
        assert not known.add_new(rectangle(12, 10, 62, 60))
        assert known.add_new(rectangle(40, 10, 90, 60))
        assert known.add_new(rectangle(10, 10, 30, 60))

    def test_specks_and_all_of_the_picture_do_not_fit(self, rectangle: Rectangle) -> None:
        size = (300, 400)
        assert min_area_px(size) == 64
        assert min_area_px((2000, 3000)) == 600
        assert not is_object_sized(rectangle(0, 0, 7, 9), size)
        assert is_object_sized(rectangle(0, 0, 8, 8), size)
        assert is_object_sized(rectangle(0, 0, 400, 285), size)
        assert not is_object_sized(rectangle(0, 0, 400, 286), size)


class TestDwells:
    def test_rests_of_200_ms(self) -> None:
        samples = []
        for index in range(400):
            x = 100.0 if index < 200 else 300.0
            samples.append(GazeSample(time_ns=index * 5_000_000, x_px=x, y_px=100.0, confidence=1.0))
        dwells = detect_dwells(samples, px_per_deg=15)
        assert [round(one.x_px) for one in dwells] == [100, 300]
        assert frame_at_dwell(dwells[0], 24, 48) == pytest.approx(12, abs=1)
        assert frame_at_dwell(dwells[1], 24, 5) == 4

    def test_a_pursuit_is_where_gaze_was_in_its_middle(self) -> None:
        noise = np.random.default_rng(3).normal(0, 1.5, (400, 2))
        samples = [
            GazeSample(index * 5_000_000, 100 + 0.6 * max(0, index - 80) + dx, 200 + dy, 1.0)
            for index, (dx, dy) in enumerate(noise.tolist())
        ]
        (one,) = detect_dwells(samples, px_per_deg=15)
        assert one.kind == EventKind.PURSUIT
        middle = (one.onset_ns + one.time_ns) / 2 / 5e6
        assert one.x_px == pytest.approx(100 + 0.6 * max(0.0, middle - 80), abs=3)

    def test_frames_of_a_camera_without_an_even_pace(self, dwell: Dwell) -> None:
        times_ns = [0, 100_000_000, 900_000_000]
        one = replace(dwell(0, 1, 1), onset_ns=400_000_000, time_ns=600_000_000)
        assert frame_at_dwell(one, 10, 3, times_ns) == 1
        assert frame_at_dwell(replace(one, onset_ns=-300, time_ns=-100), 10, 3) == -1


class TestSeekableVideo:
    def test_frames_in_any_order(self, frames: Path) -> None:
        with SeekableVideo(frames, fps=10) as video:
            for index in (3, 0, 4, 1, 1, 2):
                frame = video.frame(index)
                assert frame is not None
                assert (frame.index, frame.image[0, 0, 0]) == (index, 90 + index)
            assert video.frame(5) is None
            assert video.frame(-1) is None
            assert video.count == 5

    def test_times_of_the_recording(self, frames: Path) -> None:
        with SeekableVideo(
            frames, times_ns=[5_000_000 + ms * 1_000_000 for ms in (0, 30, 90, 120, 160)]
        ) as video:
            second, third = video.frame(1), video.frame(2)
            assert second is not None
            assert third is not None
            assert (second.time_ns, third.time_ns) == (30_000_000, 90_000_000)

    def test_approaching_reads_a_little_at_a_time(self, frames: Path) -> None:
        with SeekableVideo(frames, fps=10) as video:
            assert [video.read_towards(4, 2) for _ in range(3)] == [False, True, True]
            frame = video.frame(4)
            assert frame is not None
            assert frame.index == 4
