"""`sam_edge.track` steps every frame at its true time, with the gaze up to its end, whichever states the times."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

import sam_edge
from sam_edge.errors import GazeDataError, InputError, SamEdgeWarning
from sam_edge.gaze import recordings
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze_video import open_gaze_video, open_video
from sam_edge.media.video_writer import VideoWriter
from sam_edge.stream.recording import RecordedFrame, RecordedGaze, read_session_recording

MS = 1_000_000
SIZE = (96, 128)
PAUSES_MS = (0, 33, 67, 100, 500, 533, 600, 1600, 1633, 1667, 1700)
"""When the frames of a variable-rate video begin, and when the last one ends: gaps, and a pause of a second."""
CLOCK_MS = (0, 40, 80, 320, 360, 400, 900, 940, 980, 1020)
"""When a recording says that its frames were taken; the video's own times say otherwise."""
CASES = (
    ("video-vfr/vfr.mp4", "video-vfr/vfr_mp4.csv"),
    ("video-vfr/vfr.webm", "video-vfr/vfr_webm.csv"),
    ("video-vfr/vfr.avi", "video-vfr/vfr_avi.csv"),
    ("video-vfr/pause.mp4", "video-vfr/pause_mp4.csv"),
    ("video-mediarecorder/chrome.mp4", "video-mediarecorder/chrome_mp4.csv"),
    ("video-mediarecorder/chrome_gap.webm", "video-mediarecorder/chrome_gap_webm.csv"),
    ("track-pupil-clock/exports/000", None),
)


def write_video(path: Path, times_ms: Sequence[int] = PAUSES_MS) -> Path:
    """Write frames that begin at the given times; the last time is the end."""
    with VideoWriter(path, SIZE) as writer:
        for index, (begin_ms, end_ms) in enumerate(pairwise(times_ms)):
            writer.write(np.full((*SIZE, 3), 20 + 10 * (index % 20), np.uint8), begin_ms * MS, end_ms * MS)
    return path


def make_samples(until_ms: int = 1700) -> list[GazeSample]:
    """Gaze at 200 Hz in the left half of the picture, and from 0.9 s on in its right half."""
    return [
        GazeSample(ms * MS, 32.0 if ms < 900 else 96.0, 48.0, device_time_ns=ms * MS)
        for ms in range(0, until_ms, 5)
    ]


def write_pupil_export(folder: Path) -> Path:
    """Write the folder that Pupil Player exports: gaze as in `make_samples`, the frames at `CLOCK_MS`."""
    folder.mkdir(parents=True)
    write_video(folder / "world.mp4", range(0, 25 * (len(CLOCK_MS) + 1), 25))
    columns = (
        "gaze_timestamp,world_index,confidence,norm_pos_x,norm_pos_y,base_data,"
        "gaze_point_3d_x,gaze_point_3d_y,gaze_point_3d_z"
    )
    rows = [f"{70 + s.time_ns / 1e9:.3f},0,1.0,{s.x_px / 128},0.5,,,," for s in make_samples(1060)]
    (folder / "gaze_positions.csv").write_text("\n".join([columns, *rows]) + "\n")
    lines = [f"{70 + ms / 1000:.3f},{index}" for index, ms in enumerate(CLOCK_MS)]
    (folder / "world_timestamps.csv").write_text("\n".join(["# timestamps [seconds],pts", *lines]) + "\n")
    return folder


def gaze_before_frames(run: Path) -> list[tuple[int, int]]:
    """Return the time of each frame of a session's recording, and that of the newest sample that it had."""
    newest, pairs = -1, []
    for entry in read_session_recording(run).entries():
        if isinstance(entry, RecordedGaze) and entry.samples:
            newest = entry.samples[-1].time_ns
        elif isinstance(entry, RecordedFrame):
            pairs.append((entry.time_ns, newest))
    return pairs


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_frames_of_a_variable_rate_have_the_gaze_of_their_interval(
    model: sam_edge.Segmenter, tmp_path: Path, name: str
) -> None:
    video = write_video(tmp_path / name)
    run, out = tmp_path / "run", tmp_path / f"out{video.suffix}"
    result = sam_edge.track(video, make_samples(), model=model, record=run, out=out)
    assert [frame.time_ns for frame in result] == pytest.approx([ms * MS for ms in PAUSES_MS[:-1]], abs=MS)
    assert [frame.end_ns for frame in result] == pytest.approx([ms * MS for ms in PAUSES_MS[1:]], abs=MS)
    for (time_ns, newest_ns), frame in zip(gaze_before_frames(run), result, strict=True):
        assert time_ns == frame.time_ns
        assert frame.end_ns - 6 * MS < newest_ns <= frame.end_ns
    with open_video(out) as written, open_video(video) as read:
        assert list(written.times.begin_ns) == pytest.approx(list(read.times.begin_ns), abs=MS)
        assert written.times.end_ns == pytest.approx(read.times.end_ns, abs=34 * MS)


class TestRecording:
    """A recording's folder is enough, and its frame times count."""

    @pytest.fixture
    def export(self, tmp_path: Path) -> Path:
        return write_pupil_export(tmp_path / "exports" / "000")

    def test_the_folder_alone_and_the_folder_as_gaze(
        self, model: sam_edge.Segmenter, export: Path, tmp_path: Path
    ) -> None:
        runs = [
            sam_edge.track(export, model=model, record=tmp_path / "run"),
            sam_edge.track(str(export), model=model),
            sam_edge.track(export / "world.mp4", export, model=model),
            sam_edge.track(export / "world.mp4", export / "gaze_positions.csv", model=model),
            sam_edge.track(export / "world.mp4", make_samples(1060), model=model),
            sam_edge.track(export, recordings.read(export), model=model),
        ]
        for result in runs:
            assert [frame.time_ns for frame in result] == [ms * MS for ms in CLOCK_MS]
            assert [frame.selection.box for frame in result] == [frame.selection.box for frame in runs[0]]
        for (_, newest_ns), frame in zip(gaze_before_frames(tmp_path / "run"), runs[0], strict=True):
            assert frame.end_ns - 6 * MS < newest_ns <= frame.end_ns
        assert runs[0].report.name == "world.mp4"

    def test_the_video_is_an_input_that_no_output_may_replace(
        self, model: sam_edge.Segmenter, export: Path
    ) -> None:
        with pytest.raises(InputError, match=r"out: .*world\.mp4 is also video"):
            sam_edge.track(export, model=model, out=export / "world.mp4")

    def test_a_rate_counts_first_and_a_warning_says_what_the_recording_states(
        self, model: sam_edge.Segmenter, export: Path
    ) -> None:
        with pytest.warns(SamEdgeWarning, match=r"world\.mp4: fps is 20, and its frames were taken at 9\."):
            result = sam_edge.track(export, model=model, fps=20)
        assert [frame.time_ns for frame in result][:3] == [0, 50 * MS, 100 * MS]

    def test_another_video_keeps_its_own_times(
        self, model: sam_edge.Segmenter, export: Path, tmp_path: Path
    ) -> None:
        video = write_video(tmp_path / "elsewhere" / "other.mp4", range(0, 40 * 40, 40))
        with pytest.warns(SamEdgeWarning, match=r"other\.mp4: has 39 frames, .* states 10 frame times"):
            result = sam_edge.track(video, export, model=model)
        assert [frame.time_ns for frame in result][:3] == [0, 40 * MS, 80 * MS]

    def test_a_video_without_gaze_is_refused(self, model: sam_edge.Segmenter, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no gaze; give it with --gaze, or give the folder"):
            sam_edge.track(write_video(tmp_path / "a.mp4"), model=model)

    def test_the_format_can_be_given(self, model: sam_edge.Segmenter, export: Path) -> None:
        assert len(sam_edge.track(export, model=model, format="pupil-core")) == len(CLOCK_MS)
        with pytest.raises(GazeDataError, match="format is 'pupil'; accepted: csv"):
            sam_edge.track(export, model=model, format="pupil")
        with pytest.raises(InputError, match="format: 'csv' is accepted with a path only"):
            sam_edge.track(export, make_samples(), model=model, format="csv")


@pytest.mark.parametrize(("video", "gaze"), CASES)
def test_times_of_the_shared_cases(shared_dir: Path, video: str, gaze: str | None) -> None:
    """Frames come at the container's presentation times, or at the recording's, within a millisecond."""
    cases = shared_dir / "cases"
    source = open_gaze_video(cases / video, None if gaze is None else cases / gaze)
    if gaze is None:
        lines = (cases / video / "world_timestamps.csv").read_text().splitlines()[1:]
        expected = [float(line.split(",")[0]) for line in lines]
    else:
        with av.open(str(cases / video)) as container:
            expected = [frame.time or 0.0 for frame in container.decode(video=0)]
    with source.open_frames() as reader:
        times_ns = list(reader.times.begin_ns)
    assert times_ns == pytest.approx([(time_s - expected[0]) * 1e9 for time_s in expected], abs=MS)
    assert source.gaze.samples[0].time_ns == pytest.approx(0, abs=MS)
    # The gaze lasts as long as the video.
    assert source.gaze.samples[-1].time_ns == pytest.approx(times_ns[-1], abs=200 * MS)
