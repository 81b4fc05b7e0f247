"""`sam_edge.track`: the timeline, the samples and the fixations, by every way out, on the fake runtime."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sam_edge
from sam_edge.cli import main
from sam_edge.errors import InputError, MediaError, MissingExtraError, SessionError
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.gaze.samples import GazeSample
from tests.disc_clip import FPS, FRAMES

Samples = list[GazeSample]
TABLES = ("timeline", "samples", "fixations")
COLUMNS = {
    "timeline": "frame,time_s,object,label,state,origin,age_ms,predicted_iou,x0,y0,x1,y1,area_px,gaze_x_px,gaze_y_px,"
    "gaze_valid,on_object,fixation",
    "samples": "time_s,x_px,y_px,valid,object,on_object,distance_deg",
    "fixations": "fixation,kind,start_s,end_s,duration_ms,x_px,y_px,spread_px,object,label,on_object,distance_deg",
}


def test_the_tables_agree_with_the_frames(clip: Path, samples: Samples, model: sam_edge.Segmenter) -> None:
    result = sam_edge.track(clip, samples, model=model)
    rows = list(result.tables.timeline)
    assert len(rows) == len(result) == FRAMES
    shown = set()
    for row, frame in zip(rows, result, strict=True):
        selection = frame.selection
        assert (row["frame"], row["time_s"]) == (frame.index, frame.time_s)
        assert (row["state"], row["origin"]) == (selection.state.value, selection.origin)
        assert row["object"] == (None if frame.mask is None else selection.object_id)
        assert row["area_px"] == (None if frame.mask is None else int(frame.mask.sum()))
        assert tuple(row[side] for side in ("x0", "y0", "x1", "y1")) == (selection.box or (None,) * 4)
        own = [sample for sample in samples if frame.time_ns <= sample.time_ns < frame.end_ns]
        assert row["gaze_x_px"] == pytest.approx(sum(sample.x_px for sample in own) / len(own), abs=1e-3)
        shown.add(row["object"])
    assert shown == {None, 1}
    assert len(result.tables.samples) == len(samples)
    (fixation,) = result.tables.fixations
    assert (fixation["object"], fixation["start_s"]) == (1, 0.0)
    assert fixation["on_object"] == pytest.approx(max(float(row["on_object"] or 0) for row in rows), abs=0.2)


@pytest.mark.parametrize("mode", ["sequential", "live"])
@pytest.mark.parametrize("stream", [False, True])
def test_every_table_is_written(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path, mode: Any, stream: bool
) -> None:
    paths: dict[str, Any] = {name: tmp_path / "new" / f"{name}.csv" for name in TABLES}
    if stream:
        with sam_edge.track(clip, samples, model=model, mode=mode, stream=True, **paths) as frames:
            with pytest.raises(SessionError, match="iterate to the end"):
                _ = frames.tables
            assert sum(1 for _ in frames) == FRAMES
            tables = frames.tables
    else:
        tables = sam_edge.track(clip, samples, model=model, mode=mode, **paths).tables
    for name, path in paths.items():
        table = getattr(tables, name)
        with path.open(encoding="utf-8", newline="") as handle:
            assert handle.readline().strip() == COLUMNS[name] == ",".join(table.names)
            assert sum(1 for _ in csv.reader(handle)) == len(table) > 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(f"{n}.csv" for n in TABLES)


def test_a_stream_that_is_closed_early_leaves_nothing(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    with sam_edge.track(
        clip, samples, model=model, timeline=tmp_path / "new" / "t.csv", stream=True
    ) as frames:
        next(frames)
    assert not (tmp_path / "new").exists()


def test_the_report_has_times_states_objects_and_boxes(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    result = sam_edge.track(clip, samples, model=model, report=tmp_path / "r.json")
    content = json.loads((tmp_path / "r.json").read_text())
    for entry, row in zip(content["frames"], result.tables.timeline, strict=True):
        assert {name: entry[name] for name in ("time_s", "state", "object", "label")} == {
            name: row[name] for name in ("time_s", "state", "object", "label")
        }
        assert (entry["box"] is None) == (row["x0"] is None)
        if entry["box"] is not None:
            assert entry["box"] == [row["x0"], row["y0"], row["x1"], row["y1"]]


def test_a_margin_makes_it_more_probable(clip: Path, model: sam_edge.Segmenter) -> None:
    samples = [GazeSample(round(index * 5e6), 40 + 0.24 * index, 48.0) for index in range(60)]
    samples += [GazeSample(round(index * 5e6), 90.0, 80.0) for index in range(60, 100)]
    narrow, wide = (
        list(sam_edge.track(clip, samples, model=model, margin_deg=margin_deg).tables.samples)
        for margin_deg in (0.0, 2.0)
    )
    assert [row["distance_deg"] for row in narrow] == [row["distance_deg"] for row in wide]
    pairs = [(row["on_object"], more["on_object"]) for row, more in zip(narrow, wide, strict=True)]
    known = [(float(less), float(more)) for less, more in pairs if less is not None and more is not None]
    assert all(less <= more for less, more in known)
    assert any(less < more - 0.05 for less, more in known)


class TestFixationsFrom:
    @pytest.fixture
    def recording(self, samples: Samples) -> recordings.GazeRecording:
        fixations = [RecordedFixation(17, 100_000_000, 300_000_000, 60.0, 50.0)]
        return recordings.make_recording(samples, path=Path("gaze"), format="samples", fixations=fixations)

    def test_the_tracker_by_default(
        self, clip: Path, recording: recordings.GazeRecording, model: sam_edge.Segmenter
    ) -> None:
        origins: tuple[Any, ...] = (None, "tracker")
        for origin in origins:
            result = sam_edge.track(clip, recording, model=model, fixations_from=origin)
            (row,) = result.tables.fixations
            assert (row["fixation"], row["start_s"], row["end_s"], row["object"]) == (17, 0.1, 0.3, 1)
            assert [row["fixation"] for row in result.tables.timeline] == [
                17 if 2 <= index <= 7 else None for index in range(FRAMES)
            ]

    def test_the_detector_when_asked(
        self, clip: Path, recording: recordings.GazeRecording, model: sam_edge.Segmenter
    ) -> None:
        result = sam_edge.track(clip, recording, model=model, fixations_from="detector")
        assert [row["fixation"] for row in result.tables.fixations] == [1]

    def test_the_detector_without_any(self, clip: Path, samples: Samples, model: sam_edge.Segmenter) -> None:
        assert len(sam_edge.track(clip, samples, model=model).tables.fixations) == 1

    def test_no_tracker_is_an_error_before_the_work(
        self, clip: Path, samples: Samples, refuse_model: Callable[[], sam_edge.Segmenter]
    ) -> None:
        with pytest.raises(InputError, match=r"samples holds no fixations of its tracker.*; use 'detector'"):
            sam_edge.track(clip, samples, model=refuse_model, fixations_from="tracker")
        with pytest.raises(InputError, match="fixations_from: 'both'; accepted: tracker, detector"):
            sam_edge.track(clip, samples, model=refuse_model, fixations_from="both")  # type: ignore[call-overload]


@pytest.fixture
def refuse_model() -> Callable[[], sam_edge.Segmenter]:
    """A function that opens a model, and fails the test: the inputs are checked before."""

    def refuse() -> sam_edge.Segmenter:
        raise AssertionError("the model was opened")

    return refuse


class TestRefusedBeforeTheWork:
    @pytest.mark.parametrize("name", [*TABLES, "report", "out"])
    def test_a_file_in_the_folder_of_masks(
        self,
        clip: Path,
        samples: Samples,
        refuse_model: Callable[[], sam_edge.Segmenter],
        tmp_path: Path,
        name: str,
    ) -> None:
        ending = {"report": "json", "out": "mp4"}.get(name, "csv")
        path = tmp_path / "masks" / "deep" / f"x.{ending}"
        with pytest.raises(InputError, match=rf"{name}: .*x\.{ending} lies in masks \(.*give a path outside"):
            sam_edge.track(
                clip,
                samples,
                model=refuse_model,
                masks=tmp_path / "masks",
                **{name: path},  # type: ignore[call-overload]
            )
        assert not (tmp_path / "masks").exists()

    @pytest.mark.parametrize("name", TABLES)
    def test_an_unknown_ending(
        self,
        clip: Path,
        samples: Samples,
        refuse_model: Callable[[], sam_edge.Segmenter],
        tmp_path: Path,
        name: str,
    ) -> None:
        with pytest.raises(MediaError, match=rf"{name}: .*'\.txt'; accepted: \.csv, \.parquet, \.jsonl"):
            sam_edge.track(
                clip,
                samples,
                model=refuse_model,
                **{name: tmp_path / "x.txt"},  # type: ignore[call-overload]
            )

    def test_parquet_without_pyarrow(
        self,
        clip: Path,
        samples: Samples,
        refuse_model: Callable[[], sam_edge.Segmenter],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'sam-edge\[tables\]'"):
            sam_edge.track(clip, samples, model=refuse_model, timeline=tmp_path / "x.parquet")

    def test_a_file_of_the_recording(
        self,
        clip: Path,
        samples: Samples,
        refuse_model: Callable[[], sam_edge.Segmenter],
        tmp_path: Path,
    ) -> None:
        """The tracker's own fixations.csv is not replaced; the table of an earlier run is."""
        folder = tmp_path / "recording"
        folder.mkdir()
        recordings.write_csv(folder / "gaze.csv", samples)
        (folder / "fixations.csv").write_text("id,start_timestamp,duration\n1,0.1,200\n")
        with pytest.raises(InputError, match=r"fixations: .*fixations\.csv is a file of the recording"):
            sam_edge.track(clip, folder, model=refuse_model, fixations=folder / "fixations.csv")
        (folder / "fixations.csv").write_text(COLUMNS["fixations"] + "\n")
        with pytest.raises(AssertionError, match="the model was opened"):
            sam_edge.track(clip, folder, model=refuse_model, fixations=folder / "fixations.csv")

    def test_the_same_path_twice(
        self, clip: Path, samples: Samples, refuse_model: Callable[[], sam_edge.Segmenter], tmp_path: Path
    ) -> None:
        path = tmp_path / "x.csv"
        with pytest.raises(InputError, match=r"samples: .*x\.csv is also timeline"):
            sam_edge.track(clip, samples, model=refuse_model, timeline=path, samples=path)

    @pytest.mark.parametrize("margin_deg", [-0.1, float("nan"), float("inf")])
    def test_an_impossible_margin(
        self,
        clip: Path,
        samples: Samples,
        refuse_model: Callable[[], sam_edge.Segmenter],
        margin_deg: float,
    ) -> None:
        with pytest.raises(InputError, match=r"margin_deg: .* is not accepted; give degrees, 0 or more"):
            sam_edge.track(clip, samples, model=refuse_model, margin_deg=margin_deg)


def test_without_pandas_the_error_says_how_to_get_it(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = sam_edge.track(clip, samples, model=model)
    monkeypatch.setitem(sys.modules, "pandas", None)
    for name in TABLES:
        with pytest.raises(MissingExtraError, match=r"needs pandas.*pip install 'sam-edge\[tables\]'"):
            getattr(result, name)()


def test_pandas(clip: Path, samples: Samples, model: sam_edge.Segmenter) -> None:
    pytest.importorskip("pandas", reason="needs pandas: pip install 'sam-edge[tables]'")
    result = sam_edge.track(clip, samples, model=model)
    assert list(result.timeline()["time_s"]) == [frame.time_s for frame in result]
    assert len(result.samples()) == len(samples)
    assert result.fixations()["object"].tolist() == [1]


def test_the_command_writes_the_tables(clip: Path, samples: Samples, tmp_path: Path) -> None:
    recordings.write_csv(tmp_path / "gaze.csv", samples)
    paths = {name: tmp_path / f"{name}.jsonl" for name in TABLES}
    arguments = [f"--{name}={path}" for name, path in paths.items()]
    command = ["track", str(clip), "--gaze", str(tmp_path / "gaze.csv"), "--runtime", "fake", "--quiet"]
    assert main([*command, "--fixations-from", "detector", "--margin-deg", "0.5", *arguments]) == 0
    rows = [json.loads(line) for line in paths["timeline"].read_text().splitlines()]
    assert [row["time_s"] for row in rows] == [round(index * 1e9 / FPS) / 1e9 for index in range(FRAMES)]
    assert len(paths["samples"].read_text().splitlines()) == len(samples)
    assert json.loads(paths["fixations"].read_text())["kind"] in ("fixation", "pursuit")
