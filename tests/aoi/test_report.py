"""`report.html`: what it holds, and that it loads nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sam_edge._aoi.report import write_report
from sam_edge._aoi.report.dwell_runs import DwellRun, find_dwell_runs
from sam_edge._aoi.report.gaze_on_objects import place_fixations
from sam_edge._aoi.report.object_picture import PagePicture
from sam_edge._aoi.study import Study
from sam_edge.errors import InputError
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.identity import ObjectEvent
from sam_edge.timeline import TimelineBuilder
from tests.aoi.made import MS, STUDY, make_tables
from tests.timeline.made import BOXES, FRAME_NS, PX_PER_DEG, rest, select


def write_object(folder: Path, number: int) -> None:
    """Write a picture of 100x60 pixels with a mask from (20, 10) to (80, 50)."""
    folder = folder / "objects" / str(number)
    folder.mkdir(parents=True)
    mask = np.zeros((60, 100), np.uint8)
    mask[10:50, 20:80] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    cv2.imwrite(str(folder / "picture.png"), np.full((60, 100, 3), (40, 90, 200), np.uint8))
    facts = {"object": number, "label": None, "quality": 10.0 * number, "time_s": 0.48}
    (folder / "object.json").write_text(json.dumps(facts))


def write_page(folder: Path, *events: ObjectEvent) -> str:
    write_object(folder, 1)
    write_object(folder, 2)
    write_report(folder, STUDY, make_tables(*events))
    return (folder / "report.html").read_text(encoding="utf-8")


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def test_the_values(tmp_path: Path) -> None:
    data = data_of(write_page(tmp_path, ObjectEvent("renamed", 0, 2, label="</script><b>cup")))
    assert (data["recording"], data["duration"], data["maxOff"]) == ("trip one", 2000, 500)
    assert data["warnings"] == ["gaze: 3 % of the samples are lost"]
    assert data["sections"][1] == {"name": "rest", "begin": 800, "end": 2000}
    assert [(item["id"], item["label"]) for item in data["objects"]] == [(1, None), (2, "</script><b>cup")]
    # Both objects are looked at in the middle of their boxes.
    assert data["fixations"] == [
        [100, 300, 1, 0.5, 0.5],
        [340, 600, 2, 0.5, 0.5],
        [640, 800, -1, None, None],
        [840, 1000, 1, 0.5, 0.5],
        [1200, 1600, 2, 0.5, 0.5],
    ]
    picture = data["objects"][0]["picture"]
    assert picture["source"].startswith("data:image/jpeg;base64,")
    assert (picture["width"], picture["height"], picture["box"]) == (100, 60, [20, 10, 80, 50])


def test_it_loads_nothing(tmp_path: Path) -> None:
    page = write_page(tmp_path)
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", page)
    assert set(re.findall(r"https?://[^\s\"'`]+", page)) == {"http://www.w3.org/2000/svg"}


def test_runs_of_samples() -> None:
    """A sample lasts until the next one, 5 ms, and 5 ms also before a longer pause."""
    assert find_dwell_runs(make_tables(), STUDY) == [
        DwellRun(1, 100 * MS, 305 * MS, 41),
        DwellRun(2, 340 * MS, 605 * MS, 53),
        DwellRun(1, 840 * MS, 1005 * MS, 33),
        DwellRun(2, 1200 * MS, 1605 * MS, 81),
    ]


def test_a_run_ends_where_a_section_begins() -> None:
    study = Study("trip", STUDY.frame_size, STUDY.duration_ns, STUDY.sections, STUDY.options)
    samples = rest(range(700, 901, 5), 40.0, 40.0)
    builder = TimelineBuilder(
        samples, px_per_deg=PX_PER_DEG, fixations=[RecordedFixation(1, 700 * MS, 900 * MS)]
    )
    for index in range(50):
        builder.add(index * FRAME_NS, (index + 1) * FRAME_NS, select(index * FRAME_NS, 1))
    assert find_dwell_runs(builder.finish(), study) == [
        DwellRun(1, 700 * MS, 800 * MS, 20),
        DwellRun(1, 800 * MS, 905 * MS, 21),
    ]


def test_where_on_the_object_a_fixation_is() -> None:
    """A quarter from the left and three quarters down the box, first; then the right side."""
    x0, y0, x1, y1 = BOXES[2]
    samples = rest(range(0, 200, 5), x0 + (x1 - x0) / 4, y0 + 3 * (y1 - y0) / 4)
    samples += rest(range(200, 400, 5), x1, y0)
    spans = [RecordedFixation(1, 0, 195 * MS), RecordedFixation(2, 200 * MS, 395 * MS)]
    builder = TimelineBuilder(samples, px_per_deg=PX_PER_DEG, fixations=spans)
    for index in range(10):
        # The mask appears on the third frame.
        shown = 2 if index >= 2 else None
        builder.add(index * FRAME_NS, (index + 1) * FRAME_NS, select(index * FRAME_NS, shown))
    np.testing.assert_allclose(place_fixations(builder.finish()), [(0.25, 0.75), (1.0, 0.0)])


def test_without_frames_nothing_is_placed() -> None:
    builder = TimelineBuilder(
        rest(range(0, 100, 5), 1, 1), px_per_deg=1, fixations=[RecordedFixation(1, 0, 90)]
    )
    assert np.isnan(place_fixations(builder.finish())).all()


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    folder = tmp_path / "objects" / "1"
    write_object(tmp_path, 1)
    for name in ("picture", "mask"):
        image = cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert image is not None
        cv2.imwrite(
            str(folder / f"{name}.png"), cv2.resize(image, (1680, 1008), interpolation=cv2.INTER_NEAREST)
        )
    picture = PagePicture.read(folder)
    assert picture.size == (252, 420)
    assert picture.box == (84, 42, 336, 210)


class TestStudy:
    def test_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        STUDY.write(tmp_path)
        assert Study.read(tmp_path) == STUDY

    def test_a_folder_without_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            InputError, match=r"holds no aoi\.json; give a folder that `sam-edge aoi run` wrote"
        ):
            Study.read(tmp_path)

    @pytest.mark.parametrize("text", ["{", "{}", '{"kind": "sam-edge aoi", "schema": 9}', "[]"])
    def test_a_damaged_one_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "aoi.json").write_text(text)
        with pytest.raises(InputError, match=r"aoi\.json: is damaged"):
            Study.read(tmp_path)
