"""`sam_edge.aoi` and `sam-edge aoi run`: everything that they write, and every refusal, on the fake runtime."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import sam_edge
from sam_edge.cli import main
from sam_edge.errors import InputError
from sam_edge.gaze import recordings
from sam_edge.gaze.samples import GazeSample
from tests.disc_clip import FRAMES, SIZE

Samples = list[GazeSample]
TABLE = "parquet" if importlib.util.find_spec("pyarrow") else "csv"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_folder(clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path) -> None:
    out = tmp_path / "study" / "one"
    result = sam_edge.aoi(clip, samples, out=out, model=model, sections=["early=0..0.25", "0.25..0.5"])
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [
            "annotated.mp4",
            "aoi.json",
            "aoi_fixations.csv",
            "aoi_metrics.csv",
            "fixations.csv",
            "gazeplotter.csv",
            "objects",
            "report.html",
            "report.json",
            f"samples.{TABLE}",
            "scanpath.txt",
            f"timeline.{TABLE}",
            "transitions.csv",
        ]
    )
    (early,) = [row for row in rows_of(out / "aoi_metrics.csv") if row["section"] == "early"]
    assert (early["recording name"], early["label id"], early["visits"], early["hit"]) == (
        "clip",
        "1",
        "1",
        "true",
    )
    # Gaze at 200 Hz is on the disc all the time.
    assert float(early["dwell time [ms]"]) == pytest.approx(250, abs=5)
    assert (out / "scanpath.txt").read_text() == "early\t1\n0.25..0.5\t\n"
    assert rows_of(out / "transitions.csv") == []
    assert len(result.tables.timeline) == FRAMES
    assert len(list(result.metrics)) == len(rows_of(out / "aoi_metrics.csv"))


def test_the_best_picture_of_an_object(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    sam_edge.aoi(clip, samples, out=tmp_path / "out", model=model)
    folder = tmp_path / "out" / "objects" / "1"
    facts = json.loads((folder / "object.json").read_text())
    assert (facts["object"], facts["label"]) == (1, None)
    picture, mask, cutout = (
        np.asarray(cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_UNCHANGED))
        for name in ("picture", "mask", "cutout")
    )
    height, width = picture.shape[:2]
    frame = cv2.imread(str(clip / f"{facts['frame']:05d}.png"))
    assert frame is not None
    x0, y0 = facts["x0"], facts["y0"]
    np.testing.assert_array_equal(picture, frame[y0 : y0 + height, x0 : x0 + width])
    assert mask.shape == (height, width) <= SIZE
    assert set(np.unique(mask)) == {0, 255}
    assert cutout.shape[2] == 4
    assert facts["time_s"] == pytest.approx(facts["frame"] / 24)


@pytest.fixture
def refuse_model() -> Callable[[], sam_edge.Segmenter]:
    """A function that opens a model, and fails the test: the arguments are checked before."""

    def refuse() -> sam_edge.Segmenter:
        raise AssertionError("the model was opened")

    return refuse


class TestRefused:
    def test_an_export_that_is_none(
        self, clip: Path, samples: Samples, refuse_model: Callable[[], sam_edge.Segmenter], tmp_path: Path
    ) -> None:
        with pytest.raises(InputError, match="exports: 'coco'; accepted: bids, coco-video"):
            sam_edge.aoi(clip, samples, out=tmp_path / "out", model=refuse_model, exports=["coco"])

    @pytest.mark.parametrize("section", ["1-2", "2..1", "a..", "x=", "-1..2", "nan..2"])
    def test_a_section_that_is_none(
        self,
        clip: Path,
        samples: Samples,
        refuse_model: Callable[[], sam_edge.Segmenter],
        tmp_path: Path,
        section: str,
    ) -> None:
        with pytest.raises(InputError, match=r"section: .*accepted: FROM\.\.TO or NAME=FROM\.\.TO"):
            sam_edge.aoi(clip, samples, out=tmp_path / "out", model=refuse_model, sections=[section])
        assert not (tmp_path / "out").exists()

    def test_a_section_without_gaze(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
    ) -> None:
        with pytest.raises(
            InputError,
            match=r"'late', from 10\.000 to 20\.000 s, has no valid gaze sample",
        ):
            sam_edge.aoi(clip, samples, out=tmp_path / "out", model=model, sections=["late=10..20"])
        assert not (tmp_path / "out").exists()

    def test_an_event_that_the_recording_lacks(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
    ) -> None:
        with pytest.raises(InputError, match=r"no event 'task\.begin'; the recording's events are none"):
            sam_edge.aoi(clip, samples, out=tmp_path / "out", model=model, sections=["task.begin..2"])

    def test_a_name_that_stands_twice(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
    ) -> None:
        with pytest.raises(InputError, match="'a' stands twice"):
            sam_edge.aoi(
                clip, samples, out=tmp_path / "out", model=model, sections=["a=0..0.1", "a=0.1..0.2"]
            )

    def test_a_folder_that_holds_something(
        self, clip: Path, samples: Samples, refuse_model: Callable[[], sam_edge.Segmenter], tmp_path: Path
    ) -> None:
        (tmp_path / "mine").write_text("")
        with pytest.raises(InputError, match="is not empty; give the name of a new folder"):
            sam_edge.aoi(clip, samples, out=tmp_path, model=refuse_model)

    def test_a_recording_without_video(
        self, refuse_model: Callable[[], sam_edge.Segmenter], tmp_path: Path
    ) -> None:
        (tmp_path / "recording").mkdir()
        recordings.write_csv(tmp_path / "recording" / "gaze.csv", [GazeSample(0, 1.0, 1.0)])
        with pytest.raises(InputError, match="no scene video"):
            sam_edge.aoi(tmp_path / "recording", out=tmp_path / "out", model=refuse_model)


def test_the_command(
    clip: Path, samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings.write_csv(tmp_path / "gaze.csv", samples)
    command = ["aoi", "run", str(clip), "--gaze", str(tmp_path / "gaze.csv"), "--out", str(tmp_path / "out")]
    assert main([*command, "--runtime", "fake", "--section", "all=0..0.5", "--max-off-ms", "300"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["section", "object", "visits", "fixations", "dwell", "ms", "first", "ms"]
    assert line.split()[:4] == ["all", "1", "1", "1"]
    assert (tmp_path / "out" / "aoi_metrics.csv").is_file()


def test_exports_and_names(
    clip: Path, samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run with all exports; then its object gets a name, without the video."""
    recordings.write_csv(tmp_path / "gaze.csv", samples)
    out, named = tmp_path / "out", tmp_path / "named"
    command = ["aoi", "run", str(clip), "--gaze", str(tmp_path / "gaze.csv"), "--out", str(out), "--quiet"]
    assert main([*command, "--runtime", "fake", "--export", "bids", "--export", "coco-video"]) == 0
    (video,) = json.loads((out / "coco_video.json").read_text())["videos"]
    assert (video["length"], video["height"], video["width"]) == (FRAMES, *SIZE)
    found = recordings.read(out / "bids" / "sub-clip" / "beh").samples
    assert [sample.time_ns for sample in found] == [sample.time_ns for sample in samples]
    assert [sample.x_px for sample in found] == pytest.approx([sample.x_px for sample in samples], abs=6e-4)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 1

    shutil.rmtree(clip)
    (tmp_path / "aois.json").write_text('{"objects": [{"object": 1, "label": "disc"}]}')
    assert main(["aoi", "apply", str(out), "--aois", str(tmp_path / "aois.json"), "--out", str(named)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["recording", "disc"]
    before, after = rows_of(out / "aoi_metrics.csv"), rows_of(named / "aoi_metrics.csv")
    assert after == [{**row, "aoi label": "disc"} for row in before]
    assert (named / "scanpath.txt").read_text() == "recording\tdisc\n"
    assert json.loads((named / "objects" / "1" / "object.json").read_text())["label"] == "disc"
    assert {path.name for path in named.iterdir()} == {path.name for path in out.iterdir()} - {
        "annotated.mp4",
        "bids",
        "coco_video.json",
        "report.json",
    }


def test_pupil_core_with_the_trackers_fixations(
    shared_dir: Path, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    """Every fixation of Pupil Player's file is counted, with its own duration."""
    export = shared_dir / "data" / "trackers" / "pupil_core_export"
    result = sam_edge.aoi(export, out=tmp_path / "out", model=model)
    stated = {row["id"]: float(row["duration"]) for row in rows_of(export / "fixations.csv")}
    found = {
        row["fixation"]: float(row["duration_ms"]) for row in rows_of(tmp_path / "out" / "fixations.csv")
    }
    assert found == pytest.approx(stated, abs=1e-3)
    fixations, metrics = result.tables.fixations.values, result.metrics.values
    on_objects = fixations["duration_ms"][fixations["on_object"] >= 0.5]
    assert len(on_objects) == sum(metrics["total fixations"]) > 5
    assert metrics["total fixation duration [ms]"].sum() == pytest.approx(on_objects.sum(), abs=1e-2)
