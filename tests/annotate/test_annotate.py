"""The data engine: three stages, resumed after a crash; and `sam-edge annotate`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import sam_edge.annotate.stages as stages_module
from sam_edge.annotate import Annotator, Decision, Journal, Kept, Proposal, Stage, dwells_of, write_dataset
from sam_edge.annotate.stages import Stopped, frame_of
from sam_edge.cli.annotate import understood
from sam_edge.cli.main import main
from sam_edge.errors import InputError, MediaError
from sam_edge.everything import FoundMask, Settings
from sam_edge.gaze.events import Fixation
from sam_edge.gaze.events.types import EventKind, Phase
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks import Rle
from sam_edge.masks.coco import read_coco
from sam_edge.masks.sa1b import read_sa1b
from sam_edge.media.frames import Frame
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter

SOURCE = {"video": "clip", "gaze": "gaze.csv", "samples": 3}


def frame(index: int = 0) -> Frame:
    return Frame(index, f"{index:05d}", index * 40_000_000, np.full((300, 400, 3), 90, np.uint8))


def dwell(number: int, x: float, y: float) -> Fixation:
    return Fixation(number, EventKind.FIXATION, Phase.END, 0, 300_000_000, x, y, (1.0, 0.0, 1.0), 60)


def kept(stem: str = "00000", index: int = 0) -> Kept:
    mask = np.zeros((30, 40), np.bool_)
    mask[5:9, 6:20] = True
    found = FoundMask(Rle.of(mask), 56, (6, 5, 14, 4), 0.9, ((7.0, 6.0),), 0.95, (0, 0, 40, 30))
    return Kept(stem, index, "assisted", found, "accepted", {"model": "fake"})


class Answers:
    """Gives answers in turn, and remembers what was asked."""

    def __init__(self, *answers: Decision) -> None:
        self.answers = list(answers)
        self.asked: list[Proposal] = []

    def __call__(self, proposal: Proposal) -> Decision:
        """Answer."""
        self.asked.append(proposal)
        return self.answers.pop(0)


class TestJournal:
    def test_what_was_kept_is_there_again(self, tmp_path: Path) -> None:
        with Journal(tmp_path / "set", SOURCE) as journal:
            journal.keep(kept())
            journal.finish("assisted", "dwell 3")
        with Journal(tmp_path / "set", SOURCE) as again:
            assert again.kept == [kept()]
            assert again.finished("assisted", "dwell 3")
            assert not again.finished("semi", "dwell 3")

    def test_killed_at_any_byte_nothing_accepted_is_lost(self, tmp_path: Path) -> None:
        with Journal(tmp_path / "set", SOURCE) as journal:
            journal.keep(kept())
            first = (tmp_path / "set" / "journal.jsonl").stat().st_size
            journal.keep(kept("00001", 1))
        data = (tmp_path / "set" / "journal.jsonl").read_bytes()
        for length in range(first, len(data), 7):
            folder = tmp_path / str(length)
            folder.mkdir()
            (folder / "journal.jsonl").write_bytes(data[:length])
            with Journal(folder, SOURCE) as again:
                assert again.kept[0] == kept()
                assert len(again.kept) == 1
                again.keep(kept("00002", 2))
            with Journal(folder, SOURCE) as again:
                assert [one.stem for one in again.kept] == ["00000", "00002"]

    def test_every_line_is_on_disk_at_once(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "set", SOURCE)
        journal.keep(kept())
        with Journal(tmp_path / "set", SOURCE) as other:  # as a new program would after the first was killed
            assert other.kept == [kept()]
        journal.close()

    def test_another_source_is_refused(self, tmp_path: Path) -> None:
        Journal(tmp_path / "set", SOURCE).close()
        with pytest.raises(InputError, match="was begun for"):
            Journal(tmp_path / "set", {**SOURCE, "video": "other"})

    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("dear")
        with pytest.raises(InputError, match="something else"):
            Journal(tmp_path, SOURCE)

    @pytest.mark.parametrize(
        "line", ["rubbish", "[1]", '{"kind":"what"}', '{"kind":"mask"}', '{"kind":"begin","schema":9}']
    )
    def test_damage_in_the_middle_is_told(self, tmp_path: Path, line: str) -> None:
        Journal(tmp_path / "set", SOURCE).close()
        with (tmp_path / "set" / "journal.jsonl").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(InputError, match="line 2"):
            Journal(tmp_path / "set", SOURCE)


class TestStages:
    def annotator(self, journal: Journal, decide: Callable[[Proposal], Decision]) -> Annotator:
        return Annotator(Segmenter(Fake()), journal, decide, size=(224, 224), provenance={"model": "fake"})

    def test_assisted_a_dwell_proposes_and_the_person_decides(self, tmp_path: Path) -> None:
        answers = Answers(Decision("accept"), Decision("reject"))
        with Journal(tmp_path / "set", SOURCE) as journal:
            made = self.annotator(journal, answers)
            made.step(Stage.ASSISTED, frame(), [dwell(1, 100, 100), dwell(2, 300, 200)], key_frame=True)
            (only,) = journal.kept
        assert only.decision == "accepted"
        assert only.mask.mask()[100, 100]
        assert only.provenance["gaze"]["end_ns"] == 300_000_000
        assert only.provenance["model"] == "fake"
        assert np.array_equal(cv2.imread(str(tmp_path / "set" / "images" / "00000.png")), frame().image)

    def test_corrections(self, tmp_path: Path) -> None:
        answers = Answers(
            Decision("next"),
            Decision("point", (150, 100, 1)),
            Decision("point", (9999, 0, 1)),
            Decision("accept"),
        )
        with Journal(tmp_path / "set", SOURCE) as journal:
            self.annotator(journal, answers).step(
                Stage.ASSISTED, frame(), [dwell(1, 100, 100)], key_frame=False
            )
            (only,) = journal.kept
        assert [proposal.shown for proposal in answers.asked] == [0, 1, 0, 0]
        assert only.decision == "corrected"
        assert only.mask.point_coords == ((100.0, 100.0), (150.0, 100.0))
        assert only.provenance["point_labels"] == [1, 1]

    def test_a_dwell_outside_the_frame_asks_nothing(self, tmp_path: Path) -> None:
        answers = Answers()
        with Journal(tmp_path / "set", SOURCE) as journal:
            self.annotator(journal, answers).step(
                Stage.ASSISTED, frame(), [dwell(1, -5, 100)], key_frame=False
            )
            assert journal.finished("assisted", "dwell 1")
        assert not answers.asked

    def test_stopping_goes_on_at_the_same_dwell(self, tmp_path: Path) -> None:
        dwells = [dwell(1, 100, 100), dwell(2, 300, 200)]
        with Journal(tmp_path / "set", SOURCE) as journal:
            made = self.annotator(journal, Answers(Decision("accept"), Decision("stop")))
            with pytest.raises(Stopped):
                made.step(Stage.ASSISTED, frame(), dwells, key_frame=False)
        answers = Answers(Decision("accept"))
        with Journal(tmp_path / "set", SOURCE) as journal:
            self.annotator(journal, answers).step(Stage.ASSISTED, frame(), dwells, key_frame=False)
            assert len(journal.kept) == 2
        assert answers.asked[0].points == ((300, 200, 1),)

    def test_semi_automatic_asks_only_for_the_rest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def found(*_: object, **__: object) -> list[FoundMask]:
            mask = np.zeros((300, 400), np.bool_)
            mask[80:120, 80:120] = True
            box = (80.0, 80.0, 40.0, 40.0)
            return [FoundMask(Rle.of(mask), 1600, box, 0.97, ((100.0, 100.0),), 0.98, (0, 0, 400, 300))]

        monkeypatch.setattr(stages_module, "find_everything", found)
        answers = Answers(Decision("accept"))
        with Journal(tmp_path / "set", SOURCE) as journal:
            made = self.annotator(journal, answers)
            made.step(Stage.SEMI, frame(), [dwell(1, 100, 100), dwell(2, 300, 200)], key_frame=True)
            assert [one.decision for one in journal.kept] == ["confident", "accepted"]
            # Again, and by the automatic stage: the frame has that mask.
            made.step(Stage.SEMI, frame(), [], key_frame=True)
            made.step(Stage.AUTOMATIC, frame(), [dwell(3, 10, 10)], key_frame=True)
            assert len(journal.kept) == 2
        assert [proposal.points[0][:2] for proposal in answers.asked] == [(300, 200)]

    def test_automatic_keeps_what_passes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            stages_module, "AUTOMATIC", Settings(points_per_side=2, stability=0.5, predicted_iou=0.5)
        )
        with Journal(tmp_path / "set", SOURCE) as journal:
            self.annotator(journal, Answers()).step(Stage.AUTOMATIC, frame(), [], key_frame=True)
            assert len(journal.kept) >= 4
            assert {one.decision for one in journal.kept} == {"confident"}
            write_dataset(journal)
        picture = read_sa1b(tmp_path / "set" / "sa1b" / "00000.json")
        coco = read_coco(tmp_path / "set" / "annotations.json")
        assert len(picture.masks) == len(coco.annotations) >= 4
        assert coco.images[0].file_name == "images/00000.png"
        assert picture.masks[0].extra["provenance"]["stage"] == "automatic"
        assert coco.annotations[0].extra["provenance"]["decision"] == "confident"


def test_dwells_are_rests_of_200_ms() -> None:
    samples = []
    for index in range(400):
        x = 100.0 if index < 200 else 300.0
        samples.append(GazeSample(time_ns=index * 5_000_000, x_px=x, y_px=100.0, confidence=1.0))
    dwells = dwells_of(samples, px_per_deg=15)
    assert [round(one.x_px) for one in dwells] == [100, 300]
    assert frame_of(dwells[0], 24, 48) == pytest.approx(12, abs=1)
    assert frame_of(dwells[1], 24, 5) == 4
    with pytest.raises(MediaError, match="before"):
        frame_of(Fixation(0, EventKind.FIXATION, Phase.END, -(10**9), -(10**8), 0, 0, (0, 0, 0), 9), 24, 9)


@pytest.mark.parametrize(
    ("line", "decision"),
    [
        ("a", Decision("accept")),
        ("q", Decision("stop")),
        ("+ 10,20", Decision("point", (10, 20, 1))),
        ("-10,20.5", Decision("point", (10, 20.5, 0))),
        ("+ 10", None),
        ("what", None),
        ("", None),
    ],
)
def test_answers(line: str, decision: Decision | None) -> None:
    assert understood(line) == decision


class TestCommand:
    @pytest.fixture
    def clip(self, tmp_path: Path) -> Path:
        folder = tmp_path / "clip"
        folder.mkdir()
        for index in range(12):
            image = np.full((96, 128, 3), 40, np.uint8)
            cv2.circle(image, (40, 48), 20, (60, 200, 220), -1)
            cv2.imwrite(str(folder / f"{index:05d}.png"), image)
        return folder

    @pytest.fixture
    def gaze(self, tmp_path: Path) -> Path:
        rows = [f"{index / 200:.4f},40,48,1.0" for index in range(100)]
        path = tmp_path / "gaze.csv"
        path.write_text("\n".join(["timestamp_s,x_px,y_px,confidence", *rows]) + "\n")
        return path

    def run(self, clip: Path, gaze: Path, out: Path, *more: str) -> int:
        engine = ("--runtime", "onnxruntime", "--threads", "1", "--size", "224x224")
        return main(["annotate", str(clip), "--gaze", str(gaze), "--out", str(out), *engine, *more])

    def test_by_keys_stopped_and_resumed(
        self,
        clip: Path,
        gaze: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        out = tmp_path / "set"
        monkeypatch.setattr("sys.stdin", io.StringIO("what?\nq\n"))
        assert self.run(clip, gaze, out, "--stages", "assisted") == 0
        assert "stopped" in capsys.readouterr().out
        assert read_coco(out / "annotations.json").annotations == ()
        monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
        assert self.run(clip, gaze, out, "--stages", "assisted") == 0
        (one,) = read_coco(out / "annotations.json").annotations
        assert abs(one.area_px - 3.14 * 400) < 250
        assert one.extra["provenance"]["engine"] == "onnxruntime"
        assert not (out / "proposal.png").exists()
        # A third time there is nothing left to ask.
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        assert self.run(clip, gaze, out, "--stages", "assisted") == 0
        assert len(read_coco(out / "annotations.json").annotations) == 1

    def test_bad_input(
        self, clip: Path, gaze: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for more, named in (
            (("--stages", "assisted,magic"), "--stages"),
            (("--every", "0"), "--every"),
            (("--px-per-deg", "-1"), "--px-per-deg"),
        ):
            assert self.run(clip, gaze, tmp_path / "set", *more) == 2
            assert named in capsys.readouterr().err
        assert self.run(clip, gaze, clip) == 2
        assert "something else" in capsys.readouterr().err
