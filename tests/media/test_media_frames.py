"""Frames in order, with their names and times, from videos and folders; bad input fails by name."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import MediaError, SamEdgeWarning
from sam_edge.media.frames import open_frames

Maker = Callable[..., Path]


def number_of(picture: np.ndarray) -> int:
    return round((float(picture[..., 1].mean()) - 10) / 8)


@pytest.mark.parametrize(
    ("name", "code"),
    [("a.mp4", "mp4v"), ("a.mov", "mp4v"), ("a.mkv", "mp4v"), ("a.avi", "MJPG"), ("a.webm", "VP80")],
)
def test_a_video_yields_every_frame_in_order(make_video: Maker, name: str, code: str) -> None:
    with open_frames(make_video(name, code=code)) as reader:
        assert (reader.name, reader.fps, reader.size, reader.count) == (name, 25.0, (48, 64), 12)
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.stem for frame in frames] == [f"{index:05d}" for index in range(12)]
    assert [frame.time_ns for frame in frames] == [index * 40_000_000 for index in range(12)]
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert frame.image[:, 4:28, 0].mean() > frame.image[:, 36:60, 0].mean() + 20, "red is not channel 0"


def test_fps_overrides_the_videos_own_with_a_warning(make_video: Maker) -> None:
    with pytest.warns(SamEdgeWarning, match=r"clip\.mp4: fps is 30, .* 25 frames a second"):
        reader = open_frames(make_video(), fps=30)
    with reader:
        assert reader.fps == 30.0
        assert [frame.time_ns for frame in reader][:4] == [0, 33_333_333, 66_666_667, 100_000_000]


def test_a_rotation_note_is_applied(make_video: Maker) -> None:
    path = make_video()
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # the matrix of a version 0 track header, ISO 14496-12, 8.3.2
    data[at : at + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000)
    path.write_bytes(data)
    with open_frames(path) as reader:
        assert reader.size == (64, 48)
        image = next(reader).image
    assert image[4:28, :, 0].mean() > image[36:60, :, 0].mean() + 20, (
        "the left half should have become the upper"
    )


def test_a_folder_comes_in_natural_order_with_its_own_names(make_folder: Maker) -> None:
    folder = make_folder(["f1.png", "f2.jpg", "f10.bmp", "f100.webp", "g.JPEG"])
    (folder / "notes.txt").write_text("not a frame")
    (folder / ".hidden.png").write_text("not a frame")
    (folder / "folder.png").mkdir()
    with open_frames(folder) as reader:
        assert (reader.name, reader.fps, reader.size, reader.count) == ("frames", 24.0, (48, 64), 5)
        frames = list(reader)
    assert [frame.stem for frame in frames] == ["f1", "f2", "f10", "f100", "g"]
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[1].time_ns == round(1e9 / 24)


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1, max_size=8), st.floats(0.01, 1000.0))
def test_names_with_numbers_sort_by_number_and_times_rise(numbers: list[int], fps: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            cv2.imwrite(f"{folder}/frame {number} b.png", np.zeros((2, 2, 3), np.uint8))
        with open_frames(folder, fps=fps) as reader:
            frames = list(reader)
    assert [int(frame.stem.split()[1]) for frame in frames] == sorted(numbers)
    assert [frame.time_ns for frame in frames] == [round(index * 1e9 / fps) for index in range(len(numbers))]


@pytest.mark.parametrize("fps", [0, -1.0, float("nan"), float("inf"), 1000.5])
@pytest.mark.parametrize("kind", ["video", "folder"])
def test_a_rate_that_is_none_is_refused(make_video: Maker, make_folder: Maker, fps: float, kind: str) -> None:
    path = make_video() if kind == "video" else make_folder(["0.png"])
    with pytest.raises(MediaError, match=r"fps is .*accepted: above 0"):
        open_frames(path, fps=fps)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.mp4: no such video"):
        open_frames(tmp_path / "gone.mp4")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"holds no images; accepted: jpg"):
        open_frames(tmp_path)


def test_two_frames_of_one_name_are_refused(make_folder: Maker) -> None:
    with pytest.raises(MediaError, match=r"0\.jpg and 0\.png are both frame '0'"):
        open_frames(make_folder(["0.jpg", "0.png"]))


def test_a_single_image_is_no_video(make_folder: Maker) -> None:
    with pytest.raises(MediaError, match="is one image"):
        open_frames(make_folder(["0.png"]) / "0.png")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.mp4", b"", "empty"),
        ("notes.txt", b"FFmpeg would play this as a picture of letters\n" * 20, "text"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:5,\nother.ts\n", "text"),
        ("noise.mp4", np.random.default_rng(0).bytes(5000), "not a video"),
        ("head.mp4", b"\0\0\0\x18ftypisom" + b"\0" * 12, "moov"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError, match=rf"{name}.*{words}"):
        open_frames(path)


@pytest.mark.parametrize(
    ("name", "code"), [("a.mp4", "mp4v"), ("a.mkv", "mp4v"), ("a.avi", "MJPG"), ("a.webm", "VP80")]
)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.999])
def test_a_video_that_is_cut_off_is_refused_before_it_is_played(
    make_video: Maker, name: str, code: str, share: float
) -> None:
    path = make_video(name, code=code, count=24)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    if name == "a.mp4" and share == 0.999:
        # What is cut off are remarks behind the index: every frame is there.
        with open_frames(path) as reader:
            assert [number_of(frame.image) for frame in reader] == list(range(24))
        return
    with pytest.raises(MediaError, match=rf"{name}: the file is cut off"):
        open_frames(path)


@pytest.mark.parametrize("tail", [b"\0\0\0\x10SEFHdataSEFT", bytes(range(256)) * 4])
def test_bytes_that_a_vendor_adds_behind_a_video_do_no_harm(make_video: Maker, tail: bytes) -> None:
    path = make_video(count=24)
    path.write_bytes(path.read_bytes() + tail)
    with open_frames(path) as reader:
        assert [number_of(frame.image) for frame in reader] == list(range(24))


@pytest.mark.parametrize("start", [300_000, 500_000, 900_000])
def test_a_video_that_ends_early_for_damage_is_refused(repo_dir: Path, tmp_path: Path, start: int) -> None:
    data = bytearray((repo_dir / "sam_edge" / "assets" / "demo" / "clip.mp4").read_bytes())
    data[start : start + 100_000] = bytes(100_000)
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with (
        open_frames(path) as reader,
        pytest.raises(
            MediaError,
            match=r"a\.mp4: the video is damaged: .* of 132 frames cannot be decoded, the first at \d",
        ),
    ):
        list(reader)


def test_frames_that_an_edit_list_hides_are_not_missed(make_video: Maker) -> None:
    path = make_video(count=24)
    data = bytearray(path.read_bytes())
    timescale = int.from_bytes(data[(at := data.index(b"mvhd") + 16) : at + 4], "big")
    ticks = int.from_bytes(data[(at := data.index(b"mdhd") + 16) : at + 4], "big")
    half = (timescale * 12 // 25).to_bytes(4, "big")
    at = data.index(b"tkhd") + 24
    data[at : at + 4] = half
    at = data.index(b"elst") + 12
    data[at : at + 8] = half + (ticks * 12 // 25).to_bytes(4, "big")
    path.write_bytes(data)
    with open_frames(path) as reader:
        assert reader.count == 12
        assert [number_of(frame.image) for frame in reader] == list(range(12, 24))


def test_a_video_without_frames_is_refused(make_video: Maker) -> None:
    path = make_video("a.avi", code="MJPG", count=0)
    with pytest.raises(MediaError, match=r"a\.avi"):
        open_frames(path)


def test_a_frame_of_another_size_is_named_with_both_sizes(make_folder: Maker) -> None:
    folder = make_folder(["0.png", "1.png", "2.png"])
    cv2.imwrite(str(folder / "2.png"), np.zeros((48, 65, 3), np.uint8))
    with open_frames(folder) as reader:
        assert [next(reader).index, next(reader).index] == [0, 1]
        with pytest.raises(MediaError, match=r"frame 2 \(2\) is 65x48 .* 64x48"):
            next(reader)


def test_a_broken_image_in_the_middle_is_named(make_folder: Maker) -> None:
    folder = make_folder(["0.png", "1.png", "2.png"])
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:40])
    with open_frames(folder) as reader:
        next(reader)
        with pytest.raises(MediaError, match=r"1\.png"):
            next(reader)


def test_a_broken_first_image_fails_at_once(make_folder: Maker) -> None:
    folder = make_folder(["0.png", "1.png"])
    (folder / "0.png").write_bytes(b"")
    with pytest.raises(MediaError, match=r"0\.png: the image file is empty"):
        open_frames(folder)


@pytest.mark.parametrize("kind", ["video", "folder"])
def test_a_closed_reader_yields_nothing_more(make_video: Maker, make_folder: Maker, kind: str) -> None:
    reader = open_frames(make_video() if kind == "video" else make_folder(["0.png", "1.png"]))
    reader.close()
    reader.close()
    assert list(reader) == []


def test_frames_share_no_memory(make_video: Maker) -> None:
    with open_frames(make_video()) as reader:
        first = next(reader)
        kept = first.image.copy()
        list(reader)
    assert np.array_equal(first.image, kept)
