"""Exports of a made recording, against values computed by hand, and with the formats' own readers and schemas."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_edge._aoi.exports import MaskSpool, write_bids, write_coco_video
from sam_edge._track import TrackedFrame
from sam_edge.errors import InputError
from sam_edge.gaze import recordings
from sam_edge.identity import ObjectEvent
from sam_edge.timeline import TimelineBuilder
from tests.aoi.made import FRAMES, MS, SCENE, STUDY, make_tables, selection_on, shown_on
from tests.timeline.made import BOXES, FRAME_NS, SIZE

CUP = ObjectEvent("renamed", 0, 2, label="red\tcup")


class TestBids:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write_bids(tmp_path / "bids", make_tables(CUP), STUDY)
        return tmp_path / "bids"

    def test_the_events(self, folder: Path) -> None:
        prefix = folder / "sub-tripone" / "beh" / "sub-tripone_task-look_recording-eye1"
        facts = json.loads(Path(f"{prefix}_physioevents.json").read_text(encoding="utf-8"))
        text = gzip.decompress(Path(f"{prefix}_physioevents.tsv.gz").read_bytes()).decode()
        rows = [dict(zip(facts["Columns"], line.split("\t"), strict=True)) for line in text.splitlines()]
        assert [(row["onset"], row["duration"], row["object"], row["label"]) for row in rows] == [
            ("100000000", "0.200000000", "1", "n/a"),
            ("340000000", "0.260000000", "2", "red cup"),
            ("640000000", "0.160000000", "n/a", "n/a"),
            ("840000000", "0.160000000", "1", "n/a"),
            ("1200000000", "0.400000000", "2", "red cup"),
        ]
        assert {row["trial_type"] for row in rows} == {"fixation"}
        assert all((row["on_object"] == "n/a") == (row["object"] == "n/a") for row in rows)

    def test_onsets_are_on_the_clock_of_the_samples(self, folder: Path) -> None:
        recording = recordings.read(folder / "sub-tripone" / "beh")
        times_ns = {sample.time_ns for sample in recording.samples}
        assert {begin_ms * MS for _, begin_ms, _ in SCENE} <= times_ns
        assert len(times_ns) == sum((end - begin) // 5 + 1 for _, begin, end in SCENE)
        assert recording.frame_size == SIZE

    def test_is_as_the_schema_asks(self, folder: Path) -> None:
        pytest.importorskip("bidsschematools", reason="needs bidsschematools: pip install 'sam-edge[test]'")
        from bidsschematools.schema import load_schema
        from bidsschematools.validator import validate_bids

        validate: Any = validate_bids
        found = validate(str(folder))
        assert found["path_tracking"] == []
        schema = load_schema()
        beh = folder / "sub-tripone" / "beh"
        for suffix, rules in (
            ("physio", schema.rules.sidecars.continuous.Continuous),
            ("physio", schema.rules.sidecars.continuous.EyeTrack),
            ("physioevents", schema.rules.sidecars.continuous.PhysioEvents),
        ):
            facts = self._sidecar(beh, suffix)
            asked = {name for name, level in rules.fields.items() if _level(level) == "required"}
            assert asked <= set(facts)
        events = schema.rules.tabular_data.physio.PhysioEventsColumns
        columns = self._sidecar(beh, "physioevents")["Columns"]
        first = [schema.objects.columns[name].name for name in events.initial_columns]
        assert columns[: len(first)] == first
        assert self._sidecar(beh, "physioevents")["OnsetSource"] in self._sidecar(beh, "physio")["Columns"]
        system = schema.objects.metadata.SampleCoordinateSystem.enum
        assert self._sidecar(beh, "physio")["SampleCoordinateSystem"] in list(system)

    def test_too_few_samples_are_refused(self, tmp_path: Path) -> None:
        tables = TimelineBuilder([], px_per_deg=10.0).finish()
        with pytest.raises(InputError, match="trip one: 0 gaze samples; a BIDS recording needs two or more"):
            write_bids(tmp_path, tables, STUDY)

    @staticmethod
    def _sidecar(folder: Path, suffix: str) -> dict[str, Any]:
        (path,) = folder.glob(f"*_{suffix}.json")
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return facts


def _level(rule: Any) -> str:
    return rule if isinstance(rule, str) else str(rule["level"])


class TestCocoVideo:
    @pytest.fixture
    def content(self, tmp_path: Path) -> dict[str, Any]:
        with MaskSpool() as spool:
            for index in range(FRAMES):
                spool.add(_frame(index))
            write_coco_video(tmp_path / "coco.json", make_tables(CUP), spool, STUDY)
        content: dict[str, Any] = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))
        return content

    def test_the_video_and_the_categories(self, content: dict[str, Any]) -> None:
        (video,) = content["videos"]
        assert (video["width"], video["height"], video["length"]) == (SIZE[1], SIZE[0], FRAMES)
        assert video["file_names"][7] == "trip one/00007.jpg"
        assert [(item["id"], item["name"]) for item in content["categories"]] == [
            (1, "object"),
            (2, "red\tcup"),
        ]
        assert [(item["id"], item["category_id"]) for item in content["annotations"]] == [(1, 1), (2, 2)]

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
    def test_every_mask_is_decoded_by_pycocotools(self, content: dict[str, Any]) -> None:
        coco = pytest.importorskip("pycocotools.mask")
        for annotation in content["annotations"]:
            number = annotation["id"]
            x0, y0, x1, y1 = BOXES[number]
            truth = np.zeros(SIZE, np.uint8)
            truth[y0:y1, x0:x1] = 1
            lists = zip(annotation["segmentations"], annotation["bboxes"], annotation["areas"], strict=True)
            for index, (rle, box, area) in enumerate(lists):
                if shown_on(index) != number:
                    assert (rle, box, area) == (None, None, None)
                    continue
                np.testing.assert_array_equal(coco.decode(rle), truth)
                assert box == coco.toBbox(rle).tolist() == [x0, y0, x1 - x0, y1 - y0]
                assert area == coco.area(rle) == (x1 - x0) * (y1 - y0)

    def test_merged_numbers_are_one_annotation(self, tmp_path: Path) -> None:
        merged = ObjectEvent("merged", 0, 1, other_id=2)
        with MaskSpool() as spool:
            for index in range(FRAMES):
                spool.add(_frame(index))
            write_coco_video(tmp_path / "coco.json", make_tables(merged), spool, STUDY)
        (annotation,) = json.loads((tmp_path / "coco.json").read_text())["annotations"]
        shown = [rle is not None for rle in annotation["segmentations"]]
        assert shown == [shown_on(index) is not None for index in range(FRAMES)]


def _frame(index: int) -> TrackedFrame:
    time_ns = index * FRAME_NS
    return TrackedFrame(
        index, f"{index:05d}", time_ns, time_ns + FRAME_NS, selection_on(index), False, {}, ()
    )
