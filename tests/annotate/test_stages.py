"""The three stages: what is asked, what is made, what is kept, and that they go on where they stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import sam_edge.annotate.stages as stages_module
from sam_edge.annotate import (
    Accept,
    Annotator,
    Answer,
    Box,
    Delete,
    EndStage,
    Film,
    Point,
    Proposal,
    Reject,
    Relabel,
    Stage,
    Stopped,
    Take,
    Undo,
    WithoutGaze,
    dwells_of,
    write_dataset,
)
from sam_edge.annotate.chosen import Known, fits, least_px
from sam_edge.annotate.dwells import frame_of
from sam_edge.annotate.stages import Work, sharp_size
from sam_edge.errors import InputError
from sam_edge.everything import GeneratedMask, MaskGeneratorConfig
from sam_edge.gaze.events import Fixation
from sam_edge.gaze.events.types import EventKind
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks import Masks, iou
from sam_edge.masks.coco import read_coco
from sam_edge.masks.sa1b import read_sa1b
from sam_edge.segmenter import Embedding, Segmenter

Start = Callable[..., Annotator]
Dwell = Callable[..., Fixation]
Found = Callable[..., GeneratedMask]
ASSISTED = (Stage.ASSISTED,)


def answer_all(annotator: Annotator, answers: Sequence[Answer]) -> list[Proposal]:
    """Give answers in turn to whatever is asked; return what was asked."""
    asked = []
    for answer in answers:
        proposal = annotator.ask()
        assert proposal is not None
        asked.append(proposal)
        annotator.answer(answer)
    return asked


def places(asked: Sequence[Proposal]) -> list[tuple[int, float, float]]:
    return [(one.frame.index, one.dwell.x_px, one.dwell.y_px) for one in asked]


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Let everything mode find these on every frame; returns the list that counts its calls."""

    def set_up(*given: GeneratedMask) -> list[int]:
        calls: list[int] = []

        def find(model: object, image: np.ndarray, **options: object) -> list[GeneratedMask]:
            calls.append(int(image[0, 0, 0]))
            return list(given)

        monkeypatch.setattr(stages_module, "generate_masks", find)
        return calls

    return set_up


class TestAssisted:
    def test_a_dwell_proposes_and_the_person_decides(
        self, annotate: Start, dwell: Dwell, frames: Path, tmp_path: Path
    ) -> None:
        annotator = annotate(dwell(1, 100, 100), dwell(3, 300, 200), stages=ASSISTED)
        asked = answer_all(annotator, [Accept(" dog "), Reject()])
        assert annotator.ask() is None
        assert places(asked) == [(1, 100, 100), (3, 300, 200)]
        (only,) = annotator.journal.kept
        assert (only.decision, only.category, only.stem) == ("accepted", "dog", "00001")
        assert only.mask.mask()[100, 100]
        assert only.provenance["gaze"]["x_px"] == 100
        assert only.provenance["gaze"]["end_ns"] - only.provenance["gaze"]["onset_ns"] == 300_000_000
        assert only.provenance["model"] == "fake"
        written = cv2.imread(str(tmp_path / "set" / "images" / "00001.png"))
        assert np.array_equal(written, cv2.imread(str(frames / "00001.png")))

    def test_corrections(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(1, 100, 100), stages=ASSISTED)
        said = [Take(), Point(150, 100), Point(210, 100, False), Accept()]
        asked = answer_all(annotator, said)
        assert [proposal.draft.shown for proposal in asked] == [0, 1, 0, 0]
        (only,) = annotator.journal.kept
        assert only.decision == "corrected"
        assert only.mask.point_coords == ((100.0, 100.0), (150.0, 100.0), (210.0, 100.0))
        assert only.provenance["point_labels"] == [1, 1, 0]

    def test_undo_of_a_correction_shows_what_was_shown_before(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(1, 100, 100), stages=ASSISTED)
        first, second, third = answer_all(annotator, [Take(), Point(150, 100), Undo()])
        assert annotator.ask() is second
        assert second.draft.shown == 1
        assert first.candidates is second.candidates
        assert third.candidates is not second.candidates

    def test_a_point_corrects_the_mask_that_is_shown(
        self, annotate: Start, dwell: Dwell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[object] = []
        decode = Segmenter.decode

        def watched(model: Segmenter, embedding: Embedding, **prompts: Any) -> Masks:
            told.append(prompts["mask"])
            return decode(model, embedding, **prompts)

        monkeypatch.setattr(Segmenter, "decode", watched)
        annotator = annotate(dwell(1, 100, 100), stages=ASSISTED)
        asked = answer_all(annotator, [Take(), Point(150, 100), Box(90, 90, 160, 110), Reject()])
        assert told[0] is None
        assert np.array_equal(np.asarray(told[1]), asked[1].candidates.logits[1])
        assert told[2] is None

    def test_a_box_and_no_gaze(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(1, 100, 100), stages=ASSISTED)
        answer_all(annotator, [Box(180, 80, 240, 140), Point(200, 100), WithoutGaze(), Accept()])
        (only,) = annotator.journal.kept
        assert only.provenance["box"] == [180, 80, 240, 140]
        assert only.provenance["gaze"]["prompts"] is False
        assert only.mask.point_coords == ((200.0, 100.0),)

    def test_what_does_not_fit_leaves_the_question_as_it_was(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(1, 100, 100), stages=ASSISTED)
        before = annotator.ask()
        for answer in (Point(9999, 0), Take(9), WithoutGaze(), Accept("x" * 99), Delete(4), Undo()):
            with pytest.raises(InputError):
                annotator.answer(answer)
            assert annotator.ask() is before
        assert annotator.journal.kept == []

    def test_a_dwell_outside_the_frame_or_the_video_asks_nothing(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(1, -5, 100), dwell(1, 100, 300), dwell(-3, 5, 5), stages=ASSISTED)
        assert annotator.ask() is None
        with pytest.raises(InputError, match="all is done"):
            annotator.answer(Accept())

    def test_stopping_goes_on_at_the_same_dwell(self, annotate: Start, dwell: Dwell) -> None:
        dwells = [dwell(1, 100, 100), dwell(2, 300, 200)]
        answer_all(annotate(*dwells, stages=ASSISTED), [Accept(), Take()])
        annotator = annotate(*dwells, stages=ASSISTED)
        asked = answer_all(annotator, [Accept()])
        assert places(asked) == [(2, 300, 200)]
        assert asked[0].draft.shown == 0
        assert len(annotator.journal.kept) == 2

    def test_undo_asks_again_even_after_all_was_done(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(1, 100, 100), dwell(2, 300, 200), stages=ASSISTED)
        answer_all(annotator, [Accept(), Reject()])
        assert annotator.ask() is None
        annotator.answer(Undo())
        assert places(answer_all(annotator, [Undo()])) == [(2, 300, 200)]
        assert annotator.journal.kept == []
        assert places(answer_all(annotator, [Accept(), Accept()])) == [(1, 100, 100), (2, 300, 200)]

    def test_the_same_thing_accepted_again_is_there_once(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(1, 100, 100), dwell(1, 101, 100), stages=ASSISTED)
        answer_all(annotator, [Accept("cat"), Accept("dog")])
        assert [(one.number, one.category) for one in annotator.journal.kept] == [(2, "dog")]

    def test_labels_and_deletions_need_no_question(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(1, 100, 100), stages=ASSISTED)
        answer_all(annotator, [Accept()])
        annotator.answer(Relabel(1, "dog"))
        assert annotator.journal.kept[0].category == "dog"
        annotator.answer(Delete(1))
        assert annotator.journal.kept == []
        assert annotator.ask() is None

    def test_the_next_frame_is_made_ready(self, annotate: Start, dwell: Dwell) -> None:
        annotator = annotate(dwell(0, 100, 100), dwell(4, 300, 200), stages=ASSISTED)
        assert not annotator.prepare()
        annotator.ask()
        calls = 0
        while annotator.prepare():
            calls += 1
        assert calls < 5
        assert places(answer_all(annotator, [Accept(), Accept()])) == [(0, 100, 100), (4, 300, 200)]


class TestSemi:
    STAGES = (Stage.SEMI,)

    def test_only_the_rest_is_asked(
        self, annotate: Start, dwell: Dwell, found: Found, finds: Callable[..., list[int]], tmp_path: Path
    ) -> None:
        # What the stand-in for a model proposes at a dwell is found with confidence at the first one alone.
        first = annotate(dwell(1, 100, 100), stages=ASSISTED).ask()
        assert first is not None
        x0, y0, x1, y1 = (int(side) for side in first.candidates.boxes[0])
        same = found(x0, y0, x1, y1)
        assert iou(same.mask(), first.mask) > 0.7
        calls = finds(same)
        annotator = annotate(dwell(1, 100, 100), dwell(1, 300, 200), stages=self.STAGES)
        assert places(answer_all(annotator, [Accept()])) == [(1, 300, 200)]
        assert annotator.ask() is None
        assert calls == [90, 91]
        on_the_dwells = [one for one in annotator.journal.kept if one.index == 1]
        assert [one.decision for one in on_the_dwells] == ["confident", "accepted"]
        write_dataset(annotator.journal)
        coco = read_coco(tmp_path / "set" / "annotations.json")
        (looked_at,) = [one for one in coco.annotations if "looked_at" in one.extra["provenance"]]
        assert looked_at.annotation_id == on_the_dwells[0].number
        assert looked_at.extra["provenance"]["looked_at"] == [f"dwell {dwell(1, 100, 100).onset_ns}"]
        again = annotate(dwell(1, 100, 100), dwell(1, 300, 200), stages=self.STAGES)
        assert dict(again.journal.looked_at) == dict(annotator.journal.looked_at)

    def test_what_was_answered_before_is_not_asked_again(
        self, annotate: Start, dwell: Dwell, finds: Callable[..., list[int]]
    ) -> None:
        calls = finds()
        annotator = annotate(dwell(1, 100, 100), dwell(3, 300, 200))
        answer_all(annotator, [Reject(), EndStage()])
        asked = annotator.ask()
        assert asked is not None
        assert (asked.stage, asked.frame.index) == ("semi", 3)
        annotator.answer(Accept())
        assert annotator.ask() is None
        assert calls == [90, 93, 90, 93]

    def test_ended_stages_ask_no_more_after_a_restart(
        self, annotate: Start, dwell: Dwell, finds: Callable[..., list[int]]
    ) -> None:
        finds()
        stages = (Stage.ASSISTED, Stage.SEMI)
        answer_all(annotate(dwell(1, 100, 100), stages=stages), [EndStage(), EndStage()])
        annotator = annotate(dwell(1, 100, 100), stages=stages)
        assert annotator.ask() is None
        assert [(one.done, one.total, one.unit) for one in annotator.progress()] == [
            (0, 1, "dwells"),
            (2, 2, "frames"),
        ]

    def test_an_accepted_mask_stands_for_a_confident_one(
        self, annotate: Start, dwell: Dwell, found: Found, finds: Callable[..., list[int]]
    ) -> None:
        first = annotate(dwell(1, 100, 100), stages=ASSISTED).ask()
        assert first is not None
        x0, y0, x1, y1 = (int(side) for side in first.candidates.boxes[0])
        finds(found(x0, y0, x1, y1), found(0, 0, 40, 40))
        annotator = annotate(dwell(1, 300, 200), stages=self.STAGES)
        answer_all(annotator, [Box(x0, y0, x1, y1), Accept()])
        kept = [one for one in annotator.journal.kept if one.index == 1]
        assert [one.decision for one in kept] == ["confident", "corrected"]
        assert kept[0].mask == found(0, 0, 40, 40)


class TestAutomatic:
    def test_a_frame_that_the_data_set_shows_has_all_its_masks(
        self, annotate: Start, dwell: Dwell, found: Found, finds: Callable[..., list[int]]
    ) -> None:
        whole, speck = found(0, 0, 400, 300), found(10, 10, 15, 15)
        nearly_twice = found(200, 10, 259, 70)
        calls = finds(found(200, 10, 260, 70), nearly_twice, whole, speck)
        annotator = annotate(dwell(2, 100, 100), stages=(Stage.ASSISTED, Stage.AUTOMATIC))
        answer_all(annotator, [Accept("dog")])
        assert annotator.ask() is None
        assert calls == [90, 92]
        kept = [(one.index, one.decision, one.category) for one in annotator.journal.kept]
        assert kept == [
            (2, "accepted", "dog"),
            (0, "confident", "object"),
            (2, "confident", "object"),
        ]
        again = annotate(dwell(2, 100, 100), stages=(Stage.ASSISTED, Stage.AUTOMATIC))
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
        assert sharp_size(frame) == size

    def test_by_the_filters(self, annotate: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        settings = MaskGeneratorConfig(points_per_side=2, stability=0.5, predicted_iou=0.5)
        monkeypatch.setattr(stages_module, "AUTOMATIC", settings)
        annotator = annotate(stages=(Stage.AUTOMATIC,))
        assert annotator.ask() is None
        assert len(annotator.journal.kept) >= 4
        assert {one.decision for one in annotator.journal.kept} == {"confident"}
        write_dataset(annotator.journal)
        picture = read_sa1b(tmp_path / "set" / "sa1b" / "00000.json")
        coco = read_coco(tmp_path / "set" / "annotations.json")
        assert len(picture.masks) == len(coco.annotations) >= 4
        assert coco.images[0].file_name == "images/00000.png"
        assert picture.masks[0].extra["provenance"]["stage"] == "automatic"
        assert coco.annotations[0].extra["provenance"]["settings"]["points_per_side"] == 2

    def test_stopped_in_the_middle_goes_on_to_the_same_masks(
        self, annotate: Start, found: Found, finds: Callable[..., list[int]]
    ) -> None:
        finds(found(200, 10, 260, 70), found(0, 0, 40, 40))

        def stop(work: Work) -> None:
            if work.done == 2:
                raise Stopped

        annotator = annotate(stages=(Stage.AUTOMATIC,), every=1, heed=stop)
        with pytest.raises(Stopped):
            annotator.ask()
        assert len(annotator.journal.kept) == 4
        assert annotator.progress()[0].done == 2
        again = annotate(stages=(Stage.AUTOMATIC,), every=1)
        assert again.ask() is None
        assert [one.index for one in again.journal.kept] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


class TestDataset:
    def test_categories_numbers_and_deletions(self, annotate: Start, dwell: Dwell, tmp_path: Path) -> None:
        annotator = annotate(dwell(0, 100, 100), dwell(1, 100, 100), dwell(2, 100, 100), stages=ASSISTED)
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


class TestKnown:
    def test_the_same_shifted_a_little_is_known(self, found: Found) -> None:
        known = Known("0", [])
        assert known.takes(found(10, 10, 60, 60))
        assert not known.takes(found(12, 10, 62, 60))
        assert known.takes(found(40, 10, 90, 60))
        assert known.takes(found(10, 10, 30, 60))

    def test_specks_and_all_of_the_picture_do_not_fit(self, found: Found) -> None:
        size = (300, 400)
        assert least_px(size) == 64
        assert least_px((2000, 3000)) == 600
        assert not fits(found(0, 0, 7, 9), size)
        assert fits(found(0, 0, 8, 8), size)
        assert fits(found(0, 0, 400, 285), size)
        assert not fits(found(0, 0, 400, 286), size)


class TestDwells:
    def test_rests_of_200_ms(self) -> None:
        samples = []
        for index in range(400):
            x = 100.0 if index < 200 else 300.0
            samples.append(GazeSample(time_ns=index * 5_000_000, x_px=x, y_px=100.0, confidence=1.0))
        dwells = dwells_of(samples, px_per_deg=15)
        assert [round(one.x_px) for one in dwells] == [100, 300]
        assert frame_of(dwells[0], 24, 48) == pytest.approx(12, abs=1)
        assert frame_of(dwells[1], 24, 5) == 4

    def test_a_pursuit_is_where_gaze_was_in_its_middle(self) -> None:
        noise = np.random.default_rng(3).normal(0, 1.5, (400, 2))
        samples = [
            GazeSample(index * 5_000_000, 100 + 0.6 * max(0, index - 80) + dx, 200 + dy, 1.0)
            for index, (dx, dy) in enumerate(noise.tolist())
        ]
        (one,) = dwells_of(samples, px_per_deg=15)
        assert one.kind == EventKind.PURSUIT
        middle = (one.onset_ns + one.time_ns) / 2 / 5e6
        assert one.x_px == pytest.approx(100 + 0.6 * max(0.0, middle - 80), abs=3)

    def test_frames_of_a_camera_without_an_even_pace(self, dwell: Dwell) -> None:
        times_ns = [0, 100_000_000, 900_000_000]
        one = replace(dwell(0, 1, 1), onset_ns=400_000_000, time_ns=600_000_000)
        assert frame_of(one, 10, 3, times_ns) == 1
        assert frame_of(replace(one, onset_ns=-300, time_ns=-100), 10, 3) == -1


class TestFilm:
    def test_frames_in_any_order(self, frames: Path) -> None:
        with Film(frames, fps=10) as film:
            for index in (3, 0, 4, 1, 1, 2):
                frame = film.frame(index)
                assert frame is not None
                assert (frame.index, frame.image[0, 0, 0]) == (index, 90 + index)
            assert film.frame(5) is None
            assert film.frame(-1) is None
            assert film.count == 5

    def test_times_of_the_recording(self, frames: Path) -> None:
        with Film(frames, fps=10, times_ns=(0, 7)) as film:
            second, third = film.frame(1), film.frame(2)
            assert second is not None
            assert third is not None
            assert (second.time_ns, third.time_ns) == (7, 200_000_000)

    def test_approaching_reads_a_little_at_a_time(self, frames: Path) -> None:
        with Film(frames, fps=10) as film:
            assert [film.approach(4, 2) for _ in range(3)] == [False, True, True]
            frame = film.frame(4)
            assert frame is not None
            assert frame.index == 4
