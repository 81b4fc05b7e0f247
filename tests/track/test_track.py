"""`sam_edge.track`: both schedules, every kind of gaze, every output, and every error, on the fake runtime."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import sam_edge
from sam_edge.errors import GazeDataError, InputError, MediaError, SessionError
from sam_edge.gaze import recordings
from sam_edge.gaze.samples import GazeSample
from sam_edge.stream import recording as session_recording
from tests.disc_clip import FPS, FRAMES, SIZE

Samples = list[GazeSample]


def masks_in(folder: Path) -> dict[str, np.ndarray]:
    return {
        path.stem: np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) > 0
        for path in sorted(folder.iterdir())
    }


def test_the_result_is_a_sequence_of_every_frame(
    clip: Path, samples: Samples, model: sam_edge.Segmenter
) -> None:
    result = sam_edge.track(clip, samples, model=model)
    assert len(result) == FRAMES
    frames = list(result)
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [frame.stem for frame in frames] == [f"{index:05d}" for index in range(FRAMES)]
    assert [frame.time_ns for frame in frames] == [round(index * 1e9 / FPS) for index in range(FRAMES)]
    assert frames[6].time_s == pytest.approx(6 / FPS)
    assert [frame.selection.frame_time_ns for frame in frames] == [frame.time_ns for frame in frames]
    assert not any(frame.dropped for frame in frames)
    assert all("total" in frame.timing_ms for frame in frames)
    assert [frame.index for frame in result[-2:]] == [FRAMES - 2, FRAMES - 1]
    assert result[-1].index == FRAMES - 1
    with pytest.raises(IndexError):
        result[FRAMES]
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.report = result.report  # type: ignore[misc]


def test_masks_are_kept_bit_for_bit_and_compressed(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    result = sam_edge.track(clip, samples, model=model, masks=tmp_path / "masks")
    with sam_edge.track(clip, samples, model=model, stream=True) as stream:
        streamed = list(stream)
    written = masks_in(tmp_path / "masks")
    assert len(written) >= FRAMES - 4
    assert {frame.stem for frame in result if frame.mask is not None} == set(written)
    for frame, other in zip(result, streamed, strict=True):
        assert (frame.mask is None) == (other.mask is None)
        if frame.mask is not None and other.mask is not None:
            assert frame.mask.dtype == np.bool_
            assert frame.mask.shape == SIZE
            np.testing.assert_array_equal(frame.mask, other.mask)
            np.testing.assert_array_equal(frame.mask, written[frame.stem])
    assert all(item.frame.mask is None for item in result.compressed)


def test_gaze_may_be_a_path_a_recording_or_samples(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    path = tmp_path / "gaze.csv"
    recordings.write_csv(path, samples)
    boxes = [
        [frame.selection.box for frame in sam_edge.track(clip, gaze, model=model)]
        for gaze in (path, str(path), sam_edge.read_recording(path), tuple(samples))
    ]
    assert boxes[0][-1] is not None
    assert boxes.count(boxes[0]) == 4


@pytest.mark.parametrize("mode", ["sequential", "live"])
def test_every_output_is_written(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path, mode: Any
) -> None:
    folder = tmp_path / "new" / "folder"
    out, masks, report = folder / "a.mp4", folder / "masks", folder / "report.json"
    result = sam_edge.track(clip, samples, model=model, mode=mode, out=out, masks=str(masks), report=report)
    video = cv2.VideoCapture(str(out))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == FRAMES
    assert set(masks_in(masks)) == {frame.stem for frame in result if frame.mask is not None}
    content = json.loads(report.read_text())
    assert content == json.loads(json.dumps(result.report.to_json()))
    assert content["realtime"] == (mode == "live")
    assert content["environment"]["engine"] == "fake"
    assert [frame["origin"] for frame in content["frames"]] == [frame.selection.origin for frame in result]
    assert sorted(path.name for path in folder.iterdir()) == ["a.mp4", "masks", "report.json"]


def test_live_shows_every_frame_and_marks_the_late_ones(
    clip: Path, samples: Samples, model: sam_edge.Segmenter
) -> None:
    result = sam_edge.track(clip, samples, model=model, mode="live")
    assert [frame.index for frame in result] == list(range(FRAMES))
    assert result.report.mode == "live"
    assert result.report.dropped == sum(frame.dropped for frame in result)
    for frame in result:
        assert frame.selection.frame_time_ns <= frame.time_ns
        assert frame.dropped or frame.selection.frame_time_ns == frame.time_ns


def test_before_the_first_result_nothing_is_selected(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer of the live schedule sees nothing until the session has answered once."""
    monkeypatch.setattr("sam_edge.stream.playback.PlaybackClock.now_ns", lambda self: 10**12)
    result = sam_edge.track(clip, samples, model=model, mode="live")
    assert all(frame.dropped and frame.timing_ms == {} for frame in result)
    assert {(frame.selection.state, frame.selection.origin) for frame in result} == {
        (sam_edge.State.NONE, "none")
    }
    assert result.report.by_origin["none"] == FRAMES


def test_a_recording_replays(clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path) -> None:
    result = sam_edge.track(
        clip, samples, model=model, size=(224, 224), px_per_deg=12, record=tmp_path / "run"
    )
    recording = session_recording.read_session_recording(tmp_path / "run")
    assert recording.complete
    assert recording.options == {"px_per_deg": 12, "size": [224, 224], "encode_every": 1}
    for entry, frame in zip(recording.frames, result, strict=True):
        assert entry.selection.box == frame.selection.box


def test_fps_of_a_folder_can_be_given(clip: Path, samples: Samples, model: sam_edge.Segmenter) -> None:
    result = sam_edge.track(clip, samples, model=model, fps=10)
    assert result.report.fps == 10
    assert result[3].time_ns == 300_000_000


def test_the_model_stays_open_and_the_default_is_closed(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam_edge.track(clip, samples, model=model)
    sam_edge.track(clip, samples, model=model)
    opened: list[sam_edge.Segmenter] = []

    def load() -> sam_edge.Segmenter:
        opened.append(sam_edge.load(runtime="fake"))
        return opened[0]

    monkeypatch.setattr("sam_edge._track.stream.load", load)
    sam_edge.track(clip, samples)
    with pytest.raises(sam_edge.SamEdgeError, match="closed"):
        opened[0].encode(np.zeros((*SIZE, 3), np.uint8))


def test_progress_is_shown_when_asked_for(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, capsys: pytest.CaptureFixture[str]
) -> None:
    sam_edge.track(clip, samples, model=model)
    assert capsys.readouterr() == ("", "")
    sam_edge.track(clip, samples, model=model, progress=True)
    assert "frames" in capsys.readouterr().err


class TestStream:
    """`stream=True`: frame by frame, with images."""

    def test_frames_come_with_their_images(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter
    ) -> None:
        with sam_edge.track(clip, samples, model=model, stream=True) as stream:
            with pytest.raises(SessionError, match="iterate to the end"):
                stream.report  # noqa: B018
            for index, frame in enumerate(stream):
                assert isinstance(frame, sam_edge.StreamedFrame)
                assert frame.index == index
                assert frame.image.shape == (*SIZE, 3)
                assert frame.image[48, 40 + 2 * index].max() > 150
            assert stream.report.by_origin["none"] < FRAMES
        assert len(stream.report.frames) == FRAMES
        assert next(stream, None) is None

    def test_outputs_appear_at_the_end(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
    ) -> None:
        folder = tmp_path / "o"
        paths: dict[str, Any] = {
            "out": folder / "a.mp4",
            "masks": folder / "masks",
            "report": folder / "r.json",
        }
        stream = sam_edge.track(clip, samples, model=model, stream=True, **paths)
        for _ in range(FRAMES):
            next(stream)
            assert not any(path.exists() for path in paths.values())
        assert next(stream, None) is None
        assert all(path.exists() for path in paths.values())

    @pytest.mark.parametrize("frames", [0, 1, 7])
    @pytest.mark.parametrize("mode", ["sequential", "live"])
    def test_closing_early_leaves_nothing(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path, frames: int, mode: Any
    ) -> None:
        folder = tmp_path / "o"
        with sam_edge.track(
            clip,
            samples,
            model=model,
            mode=mode,
            stream=True,
            out=folder / "a.mp4",
            masks=folder / "masks",
            report=folder / "r.json",
        ) as stream:
            for _ in range(frames):
                next(stream)
        assert not folder.exists()
        stream.close()
        assert next(stream, None) is None
        with pytest.raises(SessionError, match="report"):
            stream.report  # noqa: B018

    def test_closing_early_keeps_an_earlier_result(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
    ) -> None:
        sam_edge.track(clip, samples, model=model, masks=tmp_path / "masks")
        before = masks_in(tmp_path / "masks")
        with sam_edge.track(clip, samples, model=model, masks=tmp_path / "masks", stream=True) as stream:
            next(stream)
        after = masks_in(tmp_path / "masks")
        assert before.keys() == after.keys()

    def test_a_recording_keeps_the_frames_so_far(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
    ) -> None:
        with sam_edge.track(clip, samples, model=model, record=tmp_path / "run", stream=True) as stream:
            next(stream)
            next(stream)
        recording = session_recording.read_session_recording(tmp_path / "run")
        assert recording.complete
        assert len(list(recording.frames)) == 2

    def test_an_error_of_the_caller_discards_the_outputs(
        self, clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
    ) -> None:
        def stop(stream: sam_edge.TrackStream) -> None:
            with stream:
                for frame in stream:
                    if frame.index == 3:
                        raise RuntimeError("stop")

        folder = tmp_path / "o"
        with pytest.raises(RuntimeError, match="stop"):
            stop(sam_edge.track(clip, samples, model=model, masks=folder / "masks", stream=True))
        assert not folder.exists()


def broken(change: str, samples: Samples) -> Any:
    """Return gaze that is wrong in one way."""
    wrong: dict[str, Any] = {
        "empty": [],
        "number": 5,
        "numbers": [1, 2, 3],
        "text in samples": [*samples, "x"],
        "not in order": samples[::-1],
        "repeated": [samples[0], samples[0]],
        "another unit": [dataclasses.replace(sample, x_px=900_000.0) for sample in samples],
    }
    return wrong[change]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("empty", "gaze: no samples"),
        ("number", "gaze: int; accepted: a path, a GazeRecording, or a sequence"),
        ("numbers", "gaze: list; accepted"),
        ("text in samples", "gaze: list; accepted"),
        ("not in order", "gaze: sample 1 at .* does not come after"),
        ("repeated", "gaze: sample 1 at 0 ns does not come after"),
        (
            "another unit",
            r"gaze: samples: 100 of 100 positions, such as \(900000, 48\) at 0.000 s, lie far outside frames of 128x96",
        ),
    ],
)
def test_wrong_gaze_is_named(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, change: str, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        sam_edge.track(clip, broken(change, samples), model=model)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"mode": "fast"}, "mode: 'fast'; accepted: sequential, live"),
        ({"px_per_deg": 0}, "px_per_deg: 0 is not accepted"),
        ({"px_per_deg": float("nan")}, "px_per_deg: nan is not accepted"),
        ({"px_per_deg": float("inf")}, "px_per_deg: inf is not accepted"),
        ({"size": (30, 30)}, r"size: \(30, 30\) is not accepted"),
        ({"fps": 0}, "fps is 0; accepted"),
        ({"model": "mobile_sam"}, "model: 'mobile_sam'; accepted: a Segmenter"),
        ({"mode": "live", "record": "run"}, "record: not accepted with mode 'live'"),
    ],
)
def test_wrong_arguments_are_named(
    clip: Path,
    samples: Samples,
    model: sam_edge.Segmenter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    match: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=match):
        sam_edge.track(clip, samples, **({"model": model} | arguments))
    assert not Path("run").exists()


def test_a_missing_video_or_gaze_is_named(clip: Path, samples: Samples, model: sam_edge.Segmenter) -> None:
    with pytest.raises(MediaError, match=r"absent\.mp4"):
        sam_edge.track("absent.mp4", samples, model=model)
    with pytest.raises(GazeDataError, match=r"absent\.csv"):
        sam_edge.track(clip, "absent.csv", model=model)


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with every frame that is stepped."""
    steps: list[int] = []
    step = sam_edge.GazeSession.step

    def counted(self: sam_edge.GazeSession, image: Any, time_ns: int) -> sam_edge.Selection:
        steps.append(time_ns)
        return step(self, image, time_ns)

    monkeypatch.setattr(sam_edge.GazeSession, "step", counted)
    return steps


def make_paths(folder: Path) -> dict[str, Path]:
    """Make things that stand in the way of outputs."""
    (folder / "a file").write_text("x")
    (folder / "a folder").mkdir()
    (folder / "a folder" / "notes.txt").write_text("x")
    return {
        "file": folder / "a file",
        "folder": folder / "a folder",
        "under a file": folder / "a file" / "inside",
        "under a file.mp4": folder / "a file" / "inside.mp4",
        "text": folder / "video.txt",
    }


@pytest.mark.parametrize(
    ("argument", "path", "match"),
    [
        ("out", "folder", "out: .*is a folder; give the name of a file"),
        ("out", "text", r"out: .*ends in '\.txt'"),
        ("out", "under a file.mp4", "out: .*cannot be written"),
        ("masks", "file", "masks: .*is a file; give the name of a folder"),
        ("masks", "folder", "masks: .*holds notes.txt, which sam-edge did not write"),
        ("masks", "under a file", "masks: .*cannot be written"),
        ("report", "folder", "report: .*is a folder"),
        ("report", "under a file", "report: .*cannot be written"),
        ("record", "file", "record: .*is a file"),
        ("record", "folder", "record: .*holds notes.txt; give a new or an empty folder"),
        ("record", "under a file", "record: .*cannot be written"),
    ],
)
def test_outputs_are_checked_before_the_work_starts(
    clip: Path,
    samples: Samples,
    model: sam_edge.Segmenter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argument: str,
    path: str,
    match: str,
) -> None:
    steps = count_steps(monkeypatch)
    before = make_paths(tmp_path)
    arguments: dict[str, Any] = {argument: before[path]}
    with pytest.raises(InputError, match=match):
        sam_edge.track(clip, samples, model=model, **arguments)
    assert not steps
    assert before["file"].read_text() == "x"
    assert [item.name for item in before["folder"].iterdir()] == ["notes.txt"]


def test_an_output_that_is_an_input_or_another_output_is_refused(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    gaze = tmp_path / "gaze.csv"
    recordings.write_csv(gaze, samples)
    with pytest.raises(InputError, match=r"report: .* is also gaze"):
        sam_edge.track(clip, gaze, model=model, report=tmp_path / "clip" / ".." / "gaze.csv")
    with pytest.raises(InputError, match=r"masks: .* is also video"):
        sam_edge.track(clip, gaze, model=model, masks=clip)
    with pytest.raises(InputError, match=r"report: .* is also out"):
        sam_edge.track(clip, gaze, model=model, out=tmp_path / "a.mp4", report=tmp_path / "a.mp4")
    assert sam_edge.read_recording(gaze).samples == sam_edge.read_recording(gaze).samples
    assert len(list(clip.iterdir())) == FRAMES


def test_a_frame_that_cannot_be_read_leaves_nothing(
    clip: Path, samples: Samples, model: sam_edge.Segmenter, tmp_path: Path
) -> None:
    (clip / "00006.png").write_bytes(b"\x89PNG")
    folder = tmp_path / "o"
    with pytest.raises(MediaError, match="00006"):
        sam_edge.track(clip, samples, model=model, out=folder / "a.mp4", masks=folder / "masks")
    assert not folder.exists()


def packages() -> list[str]:
    """Name every package of sam_edge."""
    found = [
        info.name
        for info in pkgutil.walk_packages(sam_edge.__path__, "sam_edge.", onerror=lambda name: None)
        if info.ispkg
    ]
    return ["sam_edge", *found]


def test_the_function_is_there_after_every_module_is_imported() -> None:
    """No module takes the function's name: in a fresh interpreter, import everything, then call `track`."""
    code = (
        "import importlib, pkgutil, sam_edge\n"
        "for info in pkgutil.walk_packages(sam_edge.__path__, 'sam_edge.', onerror=lambda name: None):\n"
        "    if info.name.rpartition('.')[2] not in ('__main__', 'cold_probe'):\n"
        "        try:\n"
        "            importlib.import_module(info.name)\n"
        "        except ImportError:\n"
        "            pass  # an extra is not installed\n"
        "try:\n"
        "    sam_edge.track('absent.mp4', [sam_edge.GazeSample(0, 1.0, 1.0)], model=sam_edge.load(runtime='fake'))\n"
        "except sam_edge.MediaError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "absent.mp4" in done.stdout


@pytest.mark.parametrize("name", packages())
def test_no_public_name_is_the_name_of_a_module(name: str) -> None:
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"an extra is not installed: {error}")
    modules = {info.name for info in pkgutil.iter_modules(package.__path__)}
    shared = {
        exported
        for exported in getattr(package, "__all__", ())
        if exported in modules and isinstance(getattr(package, exported), (type, Callable))  # type: ignore[arg-type]
    }
    assert not shared
