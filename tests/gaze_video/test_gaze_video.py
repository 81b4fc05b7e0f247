"""A video and the gaze on it are found for every command, with the times at which the frames were taken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sam_edge
from sam_edge import gaze_video
from sam_edge.annotate import SeekableVideo, detect_dwells
from sam_edge.annotate.dwells import frame_at_dwell
from sam_edge.errors import GazeDataError, InputError, MediaError, SamEdgeWarning
from sam_edge.gaze.recordings import write_csv
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze_video import open_gaze_video, open_video, read_gaze
from sam_edge.media import video_frames
from sam_edge.media.images import write_png
from sam_edge.media.video_index import VideoIndex, index_video
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


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder of six frames."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(6):
        write_png(folder / f"{index:05d}.png", np.full((48, 64, 3), 30 * index, np.uint8))
    return folder


@pytest.fixture
def gaze(tmp_path: Path) -> Path:
    """A gaze CSV of 100 samples."""
    path = tmp_path / "look.csv"
    write_csv(path, [GazeSample(index * 5_000_000, 20.0, 30.0) for index in range(100)])
    return path


def test_a_folder_of_ones_own() -> None:
    source = open_gaze_video(DEMO)
    assert source.video == DEMO / "clip.mp4"
    assert source.gaze.px_per_deg == 28
    assert open_gaze_video(DEMO / "clip.mp4", DEMO / "gaze.csv").gaze.samples == source.gaze.samples
    assert open_gaze_video(DEMO, DEMO / "gaze.csv").video == source.video


def test_a_folder_of_frames_with_gaze(clip: Path, gaze: Path) -> None:
    source = open_gaze_video(clip, gaze)
    assert source.video == clip
    assert len(source.gaze.samples) == 100


TIMES_S = (50.0, 50.1, 50.2, 50.55, 50.9, 51.0)
"""When the frames of `pupil_export` were taken: at no steady rate."""
TIMES_NS = tuple(round((time_s - 50) * 1e9) for time_s in TIMES_S)


def pupil_export(folder: Path, times_s: tuple[float, ...] = TIMES_S) -> None:
    """Write gaze in the middle of the picture at 200 Hz from 50.0 s on for 1.2 s, as Pupil Player exports it."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = (
        "gaze_timestamp,world_index,confidence,norm_pos_x,norm_pos_y,base_data,"
        "gaze_point_3d_x,gaze_point_3d_y,gaze_point_3d_z"
    )
    rows = [f"{50 + index / 200:.4f},0,1.0,0.5,0.25,,,," for index in range(240)]
    (folder / "gaze_positions.csv").write_text("\n".join([columns, *rows]) + "\n")
    lines = ["# timestamps [seconds],pts", *(f"{time_s},{index}" for index, time_s in enumerate(times_s))]
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

    def test_a_recording_with_one_export_in_it(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        pupil_export(tmp_path / "exports" / "000")
        written = video(tmp_path / "world.mp4")
        source = open_gaze_video(tmp_path)
        assert source.video == written
        assert source.gaze.format == "pupil-core"
        assert source.times_ns == TIMES_NS

    def test_a_recording_with_several_exports(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        pupil_export(tmp_path / "exports" / "000")
        pupil_export(tmp_path / "exports" / "001")
        video(tmp_path / "world.mp4")
        with pytest.raises(InputError, match="holds exports/000, exports/001; give the folder of one"):
            open_gaze_video(tmp_path)

    def test_gaze_of_a_trimmed_export_on_the_whole_video(
        self, tmp_path: Path, video: Callable[[Path], Path]
    ) -> None:
        """Player exports a part; time 0 of its gaze is that part's first frame, here the third of the video."""
        pupil_export(tmp_path / "exports" / "000", TIMES_S[2:])
        written = video(tmp_path / "world.mp4")
        np.save(tmp_path / "world_timestamps.npy", np.array(TIMES_S))
        for source in (open_gaze_video(tmp_path), open_gaze_video(written, tmp_path / "exports" / "000")):
            assert source.times_ns == TIMES_NS
            assert source.gaze.samples[0].time_ns == 0
            assert source.gaze.samples[0].device_time_ns == 50_000_000_000

    def test_gaze_of_a_trimmed_export_without_the_times_of_the_whole(
        self, tmp_path: Path, video: Callable[[Path], Path]
    ) -> None:
        pupil_export(tmp_path / "exports" / "000", tuple(range(50, 70)))
        video(tmp_path / "world.mp4")
        with pytest.raises(MediaError, match=r"has 6 frames, and its recording states 20 frame times"):
            open_gaze_video(tmp_path).open_frames()
        with open_gaze_video(tmp_path, fps=10).open_frames() as reader:
            assert reader.fps == 10

    def test_frame_times_that_are_damaged(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        pupil_export(tmp_path)
        video(tmp_path / "world.mp4")
        (tmp_path / "world_timestamps.csv").unlink()
        (tmp_path / "world_timestamps.npy").write_bytes(b"\x93NUMPY")
        with pytest.raises(GazeDataError, match=r"world_timestamps.npy: cannot be read"):
            open_gaze_video(tmp_path)
        np.save(tmp_path / "world_timestamps.npy", np.array([1.0, np.nan]))
        with pytest.raises(GazeDataError, match="accepted: a list of finite times in seconds"):
            open_gaze_video(tmp_path)


class TestClockJumps:
    """Where the clock of the frames jumps, the recording is split, and a warning says where."""

    @pytest.mark.parametrize(
        ("jump_s", "words"),
        [
            (-5.0, r"goes back by 4\.900 s at frame 3 \(0\.200 s after"),
            (-74667.0, "goes back"),
            (7200.0, "leaps ahead by 7200.100 s"),
        ],
    )
    def test_the_parts_follow_one_another(
        self, tmp_path: Path, video: Callable[[Path], Path], jump_s: float, words: str
    ) -> None:
        """The clock of gaze and frames jumps at 0.25 s; both parts of both are used, without a gap."""
        times = (50.0, 50.1, 50.2, *(round(time_s + jump_s, 3) for time_s in (50.3, 50.5, 50.6)))
        pupil_export(tmp_path, times)
        path = tmp_path / "gaze_positions.csv"
        head, *rows = path.read_text().splitlines()
        moved = [f"{float(row.split(',')[0]) + jump_s:.4f},{row.partition(',')[2]}" for row in rows[50:]]
        path.write_text("\n".join([head, *rows[:50], *moved]) + "\n")
        video(tmp_path / "world.mp4")
        with pytest.warns(
            SamEdgeWarning, match=rf"world_timestamps.csv: .*{words}.* recording is split there"
        ):
            source = open_gaze_video(tmp_path)
        assert source.times_ns == tuple(ms * 1_000_000 for ms in (0, 100, 200, 300, 500, 600))
        assert [sample.time_ns for sample in source.gaze.samples] == pytest.approx(
            [index * 5_000_000 for index in range(240)], abs=1000
        )

    def test_a_pause_of_the_camera_is_no_jump(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        """Gaze goes on while the camera pauses."""
        pupil_export(tmp_path, (50.0, 50.1, 50.2, 120.0, 120.1, 120.2))
        with (tmp_path / "gaze_positions.csv").open("a") as handle:
            handle.writelines(f"{52 + index},0,1.0,0.5,0.25,,,,\n" for index in range(70))
        video(tmp_path / "world.mp4")
        assert open_gaze_video(tmp_path).times_ns[3] == 70_000_000_000

    def test_the_shared_cases(self, shared_dir: Path) -> None:
        for name in ("back", "back5"):
            folder = shared_dir / "cases" / "clock-jumps" / name / "exports" / "000"
            with pytest.warns(SamEdgeWarning, match=r"at frame 150 \(4\.967 s after the first\)"):
                source = open_gaze_video(folder)
            steps_ns = np.diff(source.times_ns)
            assert abs(steps_ns - 1e9 / 30).max() < 1e6


class TestWhichTimesCount:
    """`--gaze FOLDER` gives its frame times to the video that they belong to, and to no other."""

    def test_the_scene_video_itself(self, tmp_path: Path, video: Callable[[Path], Path]) -> None:
        pupil_export(tmp_path)
        scene = video(tmp_path / "world.mp4")
        assert open_gaze_video(scene, tmp_path).times_ns == TIMES_NS
        assert open_gaze_video(scene, tmp_path / "gaze_positions.csv").times_ns == TIMES_NS

    def test_the_scene_video_with_gaze_from_elsewhere(
        self, tmp_path: Path, video: Callable[[Path], Path], gaze: Path
    ) -> None:
        pupil_export(tmp_path / "export")
        scene = video(tmp_path / "export" / "world.mp4")
        assert open_gaze_video(scene, gaze).times_ns == TIMES_NS
        with open_video(scene) as reader:
            assert tuple(reader.times.begin_ns) == TIMES_NS
        with open_video(tmp_path / "export") as reader:
            assert tuple(reader.times.begin_ns) == TIMES_NS

    def test_a_copy_with_as_many_frames(
        self, tmp_path: Path, video: Callable[[Path], Path], clip: Path
    ) -> None:
        pupil_export(tmp_path / "export")
        video(tmp_path / "export" / "world.mp4")
        for copy in (video(tmp_path / "copy.mkv"), clip):
            source = open_gaze_video(copy, tmp_path / "export")
            assert source.times_ns == TIMES_NS
            with source.open_frames() as reader:
                assert [frame.time_ns for frame in reader] == list(TIMES_NS)

    def test_the_video_is_indexed_once(
        self, tmp_path: Path, video: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pupil_export(tmp_path / "export")
        copy = video(tmp_path / "copy.mp4")
        indexed = []

        def noting(path: Path) -> VideoIndex:
            indexed.append(path)
            return index_video(path)

        for module in (gaze_video.gaze_video, video_frames):
            monkeypatch.setattr(module, "index_video", noting)
        video(tmp_path / "export" / "world.mp4")
        with open_gaze_video(copy, tmp_path / "export").open_frames() as reader:
            assert reader.count == 6
        assert indexed == [copy]

    def test_a_video_with_another_number_of_frames(
        self, tmp_path: Path, video: Callable[[Path], Path]
    ) -> None:
        pupil_export(tmp_path / "export", tuple(range(50, 60)))
        video(tmp_path / "export" / "world.mp4")
        other = video(tmp_path / "other.mp4")
        with pytest.warns(SamEdgeWarning, match=r"other.mp4: has 6 frames, .* own times are used"):
            source = open_gaze_video(other, tmp_path / "export")
        assert source.times_ns == ()
        assert open_gaze_video(other, tmp_path / "export", fps=10).times_ns == ()

    def test_an_eye_video_has_not_the_times_of_the_scene(
        self, tmp_path: Path, video: Callable[[Path], Path]
    ) -> None:
        pupil_export(tmp_path)
        video(tmp_path / "world.mp4")
        with open_video(video(tmp_path / "eye0.mp4")) as reader:
            assert reader.fps == 10

    def test_a_rate_counts_before_the_recorded_times(
        self, tmp_path: Path, video: Callable[[Path], Path]
    ) -> None:
        pupil_export(tmp_path)
        video(tmp_path / "world.mp4")
        source = open_gaze_video(tmp_path, fps=20)
        with pytest.warns(SamEdgeWarning, match=r"fps is 20, and its frames were taken at 5\."):
            reader = source.open_frames()
        assert reader.times.interval(1) == (50_000_000, 100_000_000)
        reader.close()


def test_the_segment_of_a_tobii_recording(tmp_path: Path, video: Callable[[Path], Path]) -> None:
    segment = tmp_path / "segments" / "1"
    segment.mkdir(parents=True)
    lines = ['{"ts":1000,"s":0,"vts":0}'] + [
        f'{{"ts":{1000 + 20_000 * index},"s":0,"gidx":{index},"l":1,"gp":[0.5,0.5]}}' for index in range(5)
    ]
    (segment / "livedata.json").write_text("\n".join(lines) + "\n")
    written = video(segment / "fullstream.mp4")
    for folder in (tmp_path, segment):
        source = open_gaze_video(folder)
        assert source.video == written
        assert source.gaze.format == "tobii-glasses2"
        assert source.times_ns == ()


class TestFormat:
    """Where two formats fit a folder, nothing is chosen without a word."""

    @pytest.fixture
    def both(self, tmp_path: Path) -> Path:
        times_ns = 10**18 + np.arange(20, dtype="<i8") * 5_000_000
        (tmp_path / "gaze ps1.time").write_bytes(times_ns.tobytes())
        (tmp_path / "gaze ps1.raw").write_bytes(np.full((20, 2), 20, "<f4").tobytes())
        (tmp_path / "gaze.csv").write_text("timestamp [ns],gaze x [px],gaze y [px]\n1000,7,8\n2000,7,8\n")
        return tmp_path

    def test_it_is_refused_and_the_option_named(self, both: Path, video: Callable[[Path], Path]) -> None:
        video(both / "clip.mp4")
        for path, gaze in ((both, None), (both / "clip.mp4", both)):
            with pytest.raises(GazeDataError, match=r"neon-csv, neon-native; say which .*--format"):
                open_gaze_video(path, gaze)

    @pytest.mark.parametrize("name", ["neon-csv", "neon-native"])
    def test_it_can_be_given(self, both: Path, video: Callable[[Path], Path], name: str) -> None:
        video(both / "clip.mp4")
        assert open_gaze_video(both, format=name).gaze.format == name
        assert open_gaze_video(both / "clip.mp4", both, format=name).gaze.format == name

    def test_an_own_csv_in_a_folder_of_a_tracker(self, both: Path) -> None:
        (both / "gaze.csv").write_text("timestamp_s,x_px,y_px\n0,1,2\n0.1,1,2\n")
        assert read_gaze(both).format == "neon-native"
        assert read_gaze(both, format="csv").format == "csv"


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


@pytest.mark.parametrize("pause_s", [1, 600])
def test_the_second_part_of_a_neon_recording(
    tmp_path: Path, video: Callable[[Path], Path], pause_s: int
) -> None:
    """Long recordings have several parts. Gaze counts from the first one's first frame; here from the second one's."""
    for part, begin_ns in ((1, 10**18), (2, 10**18 + pause_s * 1_000_000_000)):
        times_ns = begin_ns + np.arange(161, dtype="<i8") * 5_000_000
        (tmp_path / f"gaze ps{part}.time").write_bytes(times_ns.tobytes())
        (tmp_path / f"gaze ps{part}.raw").write_bytes(np.full((161, 2), 20 * part, "<f4").tobytes())
        (tmp_path / f"Neon Scene Camera v1 ps{part}.time").write_bytes(times_ns[::32].tobytes())
        video(tmp_path / f"Neon Scene Camera v1 ps{part}.mp4")
    with pytest.raises(InputError, match=r"ps1\.mp4, Neon Scene Camera v1 ps2\.mp4; say which"):
        open_gaze_video(tmp_path)
    for part in (1, 2):
        source = open_gaze_video(tmp_path / f"Neon Scene Camera v1 ps{part}.mp4", tmp_path)
        assert source.times_ns == tuple(range(0, 960_000_000, 160_000_000))
        (sample,) = (sample for sample in source.gaze.samples if sample.time_ns == 0)
        assert sample.x_px == 20 * part


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
