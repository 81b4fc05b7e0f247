"""What can be annotated: a video and gaze, or one recording that holds both."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sam_edge
from sam_edge.annotate import SeekableVideo, detect_dwells, open_gaze_video
from sam_edge.annotate.dwells import frame_at_dwell
from sam_edge.errors import GazeDataError, InputError, MediaError
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.video_writer import VideoWriter
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream.recording import SessionRecorder
from sam_edge.stream.selection import Selection, State

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"


@pytest.fixture
def video(tmp_path: Path) -> Callable[[Path], Path]:
    """Write six frames of video under a name."""

    def write(path: Path) -> Path:
        with VideoWriter(path, (48, 64), fps=10.0) as writer:
            for index in range(6):
                writer.write(np.full((48, 64, 3), 30 * index, np.uint8))
        return path

    return write


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    source = open_gaze_video(DEMO)
    assert source.video == DEMO / "clip.mp4"
    assert source.gaze.px_per_deg == 28
    assert open_gaze_video(DEMO / "clip.mp4", DEMO / "gaze.csv").gaze.samples == source.gaze.samples
    assert open_gaze_video(DEMO, DEMO / "gaze.csv").video == source.video


def test_a_folder_of_frames_with_gaze(clip: Path, gaze: Path) -> None:
    source = open_gaze_video(clip, gaze)
    assert source.video == clip
    assert len(source.gaze.samples) == 100


def pupil_export(folder: Path) -> None:
    """Gaze in the middle of the picture at 200 Hz for 0.6 s, as Pupil Player exports it; frames keep no pace."""
    folder.mkdir(parents=True)
    columns = (
        "gaze_timestamp,world_index,confidence,norm_pos_x,norm_pos_y,base_data,"
        "gaze_point_3d_x,gaze_point_3d_y,gaze_point_3d_z"
    )
    rows = [f"{50 + index / 200:.4f},0,1.0,0.5,0.25,,,," for index in range(240)]
    (folder / "gaze_positions.csv").write_text("\n".join([columns, *rows]) + "\n")
    times = (50.0, 50.1, 50.2, 50.55, 50.9, 51.0)
    lines = ["# timestamps [seconds],pts", *(f"{one},{index}" for index, one in enumerate(times))]
    (folder / "world_timestamps.csv").write_text("\n".join(lines) + "\n")


class TestPupil:
    def test_an_export_with_its_world_video(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        folder = tmp_path / "export"
        pupil_export(folder)
        video(folder / "world.mp4")
        video(folder / "eye0.mp4")
        source = open_gaze_video(folder)
        assert source.video == folder / "world.mp4"
        assert (source.gaze.samples[0].x_px, source.gaze.samples[0].y_px) == (32, 36)
        assert source.times_ns[2:4] == (200_000_000, 550_000_000)
        (dwell,) = detect_dwells(source.gaze.samples, px_per_deg=15)
        with SeekableVideo(source.video, times_ns=source.times_ns) as opened:
            # Its middle is at 0.6 s: the fourth frame by its times, the seventh by the frame rate.
            index = frame_at_dwell(dwell, opened.fps, opened.count, opened.times_ns)
            frame = opened.frame(index)
        assert index == 3
        assert frame is not None
        assert frame.time_ns == 550_000_000

    def test_an_export_in_its_recording(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        folder = tmp_path / "recording" / "exports" / "000"
        pupil_export(folder)
        video(tmp_path / "recording" / "world.mp4")
        assert open_gaze_video(folder).video == tmp_path / "recording" / "world.mp4"

    def test_times_that_go_back(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        folder = tmp_path / "export"
        pupil_export(folder)
        video(folder / "world.mp4")
        (folder / "world_timestamps.csv").write_text("timestamps [seconds]\n50.0\n50.2\n50.1\n")
        with pytest.raises(GazeDataError, match="go back"):
            open_gaze_video(folder)


def test_neon_as_the_phone_writes_it(tmp_path: Path, video: Callable[[Path], Path]) -> None:
    times_ns = 10**18 + np.arange(200, dtype="<i8") * 5_000_000
    (tmp_path / "gaze ps1.time").write_bytes(times_ns.tobytes())
    (tmp_path / "gaze ps1.raw").write_bytes(np.full((200, 2), 20, "<f4").tobytes())
    (tmp_path / "Neon Scene Camera v1 ps1.time").write_bytes(times_ns[:6].tobytes())
    video(tmp_path / "Neon Scene Camera v1 ps1.mp4")
    video(tmp_path / "Neon Sensor Module v1 ps1.mp4")
    source = open_gaze_video(tmp_path)
    assert source.video.name == "Neon Scene Camera v1 ps1.mp4"
    assert source.times_ns == tuple(range(0, 30_000_000, 5_000_000))
    assert source.gaze.format == "neon-native"


def test_neon_as_the_cloud_exports_it(tmp_path: Path, video: Callable[[Path], Path]) -> None:
    rows = [f"s,r,{10**18 + index * 5_000_000},20.0,30.0,1,,,0,0" for index in range(10)]
    head = (
        "section id,recording id,timestamp [ns],gaze x [px],gaze y [px],worn,fixation id,blink id,"
        "azimuth [deg],elevation [deg]"
    )
    (tmp_path / "gaze.csv").write_text("\n".join([head, *rows]) + "\n")
    (tmp_path / "world_timestamps.csv").write_text(
        "section id,recording id,timestamp [ns]\n" + "".join(f"s,r,{10**18 + one}\n" for one in (0, 7, 9))
    )
    video(tmp_path / "f3ab-0.0-3.mp4")
    source = open_gaze_video(tmp_path)
    assert source.video.name == "f3ab-0.0-3.mp4"
    assert source.times_ns == (0, 7, 9)
    assert source.gaze.format == "neon-csv"


class TestSession:
    @pytest.fixture
    def session(self, tmp_path: Path) -> Path:
        folder = tmp_path / "session"
        with SessionRecorder(folder, model=Segmenter(Fake()), options={"px_per_deg": 20}) as recorder:
            recorder.gaze(
                [GazeSample(5_000_000_000 + index * 5_000_000, 20.0, 30.0, 1.0) for index in range(100)]
            )
            nothing = Selection(5_100_000_000, State.NONE, None, None, None, None, "encoded")
            recorder.frame(5_100_000_000, (48, 64), nothing)
        return folder

    def test_gaze_of_a_session_with_the_video(
        self, session: Path, tmp_path: Path, video: Callable[[Path], Path]
    ) -> None:
        source = open_gaze_video(video(tmp_path / "clip.mp4"), session)
        assert source.gaze.samples[0].time_ns == -100_000_000
        assert source.gaze.px_per_deg == 20

    def test_a_session_with_a_video_in_it(self, session: Path, video: Callable[[Path], Path]) -> None:
        written = video(session / "clip.mp4")
        assert open_gaze_video(session).video == written

    def test_a_session_alone_holds_no_pictures(self, session: Path) -> None:
        with pytest.raises(InputError, match="holds no pictures; give the video, and --gaze"):
            open_gaze_video(session)


class TestRefused:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such file"):
            open_gaze_video(tmp_path / "none")

    def test_no_gaze(self, clip: Path) -> None:
        for path in (clip, DEMO / "clip.mp4"):
            with pytest.raises(InputError, match="holds no gaze; give it with --gaze"):
                open_gaze_video(path)

    def test_no_video(self, tmp_path: Path) -> None:
        shutil.copy(DEMO / "gaze.csv", tmp_path)
        with pytest.raises(InputError, match="no scene video; give the video, and --gaze"):
            open_gaze_video(tmp_path)

    def test_several_videos(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        shutil.copy(DEMO / "gaze.csv", tmp_path)
        video(tmp_path / "a.mp4")
        video(tmp_path / "b.mp4")
        with pytest.raises(InputError, match=r"holds a\.mp4, b\.mp4; say which"):
            open_gaze_video(tmp_path)

    def test_a_video_that_is_a_pointer_to_one(self, tmp_path: Path) -> None:
        shutil.copy(DEMO / "gaze.csv", tmp_path)
        (tmp_path / "clip.mp4").write_text("version https://git-lfs.example/spec/v1\noid sha256:00\nsize 9\n")
        source = open_gaze_video(tmp_path)
        with pytest.raises(MediaError), SeekableVideo(source.video):
            pass


def test_real_recordings(shared_dir: Path) -> None:
    data_dir = shared_dir / "data"
    folder = data_dir / "trackers" / "pupil_core_export"
    source = open_gaze_video(folder)
    assert source.video == folder / "world.mp4"
    with SeekableVideo(source.video, times_ns=source.times_ns) as opened:
        assert opened.count == len(source.times_ns) == 58
        assert opened.size == source.gaze.frame_size
    neon = open_gaze_video(data_dir / "trackers" / "neon_native" / "demo_recording")
    assert neon.video.name == "Neon Scene Camera v1 ps1.mp4"
    assert len(neon.times_ns) == 292
