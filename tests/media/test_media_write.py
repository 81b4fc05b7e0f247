"""Results appear when they are whole, and never before."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sam_edge.errors import MediaError
from sam_edge.media.frames import open_frames
from sam_edge.media.images import read_image, write_png
from sam_edge.media.mask_folder import MaskFolderWriter
from sam_edge.media.png import encode_png
from sam_edge.media.video_writer import VIDEO_CODECS, VideoWriter

MASK = np.zeros((30, 40), bool)
MASK[5:20, 10:25] = True


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden leftovers included."""
    return sorted(os.listdir(folder))


def write_masks(folder: Path, *stems: str, then: Callable[[], object] = lambda: None) -> None:
    with MaskFolderWriter(folder) as writer:
        for stem in stems:
            writer.write(stem, MASK)
        then()


def write_video(path: Path, *, count: int = 9, then: Callable[[], object] = lambda: None) -> None:
    with VideoWriter(path, (32, 32), fps=25.0) as writer:
        for number in range(count):
            writer.write(frame(number, (32, 32)))
        then()


def fail(error: type[BaseException] = ZeroDivisionError) -> NoReturn:
    raise error


# --- one picture ---


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))))
def test_any_picture_survives_a_png(tmp_path_factory: pytest.TempPathFactory, picture: np.ndarray) -> None:
    path = tmp_path_factory.getbasetemp() / "picture.png"
    write_png(path, picture)
    assert np.array_equal(read_image(path), picture)


def test_a_mask_becomes_0_and_255_in_one_8_bit_channel(tmp_path: Path) -> None:
    write_png(tmp_path / "new" / "mask.png", MASK)
    stored = np.asarray(cv2.imread(str(tmp_path / "new" / "mask.png"), cv2.IMREAD_UNCHANGED))
    assert stored.dtype == np.uint8
    assert np.array_equal(stored, np.where(MASK, 255, 0))


def test_grey_and_non_contiguous_pictures_are_written(tmp_path: Path) -> None:
    picture = np.arange(600, dtype=np.uint16).astype(np.uint8).reshape(10, 20, 3)
    write_png(tmp_path / "a.png", picture[::2, ::-1])
    assert np.array_equal(read_image(tmp_path / "a.png"), picture[::2, ::-1])
    write_png(tmp_path / "b.png", picture[..., 1])
    assert np.array_equal(
        np.asarray(cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)), picture[..., 1]
    )


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), bool),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(MediaError, match="image is"):
        write_png(tmp_path / "a.png", image)
    assert names(tmp_path) == []


def test_only_png_and_only_files(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"'\.jpg'; accepted: \.png"):
        write_png(tmp_path / "a.jpg", MASK)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(MediaError, match="is a folder"):
        write_png(tmp_path / "folder.png", MASK)


def test_a_parent_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="cannot be written"):
        write_png(tmp_path / "file" / "a.png", MASK)


# --- a folder of masks ---


def test_masks_come_back(tmp_path: Path) -> None:
    masks = {f"{number:05d}": np.roll(MASK, number) for number in range(4)} | {"odd name.x": ~MASK}
    with MaskFolderWriter(tmp_path / "out" / "masks") as writer:
        for stem, mask in masks.items():
            writer.write(stem, mask)
            assert not (tmp_path / "out" / "masks").exists()
    assert names(tmp_path / "out") == ["masks"]
    assert names(tmp_path / "out" / "masks") == sorted(f"{stem}.png" for stem in masks)
    for stem, mask in masks.items():
        stored = np.asarray(cv2.imread(str(tmp_path / "out" / "masks" / f"{stem}.png"), cv2.IMREAD_UNCHANGED))
        assert stored.dtype == np.uint8
        assert np.array_equal(stored, np.where(mask, 255, 0))


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_masks(tmp_path / "masks", "0", then=fail)
    assert names(tmp_path) == []


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_masks(tmp_path / "masks", "0", "1", "2")
    write_masks(tmp_path / "masks", "5")
    assert names(tmp_path) == ["masks"]
    assert names(tmp_path / "masks") == ["5.png"]


def test_a_failure_leaves_the_earlier_result(tmp_path: Path) -> None:
    write_masks(tmp_path / "masks", "0")
    with pytest.raises(KeyboardInterrupt):
        write_masks(tmp_path / "masks", "7", then=lambda: fail(KeyboardInterrupt))
    assert names(tmp_path) == ["masks"]
    assert names(tmp_path / "masks") == ["0.png"]


def test_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    write_masks(tmp_path / "masks", "0")
    assert names(tmp_path / "masks") == ["0.png"]


@pytest.mark.parametrize("name", ["notes.txt", "truth.png", ".hidden"])
def test_a_folder_with_files_of_somebody_else_is_refused(tmp_path: Path, name: str) -> None:
    write_masks(tmp_path / "masks", "0")
    foreign = tmp_path / "masks" / name
    foreign.write_bytes(cv2.imencode(".png", MASK.astype(np.uint8) * 255)[1].tobytes())
    with pytest.raises(MediaError, match=rf"masks: holds {name}, which sam-edge did not write"):
        MaskFolderWriter(tmp_path / "masks")
    assert foreign.exists()


def test_a_file_of_somebody_else_that_came_later_is_kept(tmp_path: Path) -> None:
    def come_late() -> None:
        (tmp_path / "masks").mkdir()
        (tmp_path / "masks" / "late.txt").write_text("mine")

    with pytest.raises(MediaError, match=r"holds late\.txt"):
        write_masks(tmp_path / "masks", "0", then=come_late)
    assert names(tmp_path) == ["masks"]
    assert names(tmp_path / "masks") == ["late.txt"]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "masks").write_text("")
    with pytest.raises(MediaError, match="is a file"):
        MaskFolderWriter(tmp_path / "masks")


@pytest.mark.parametrize("stem", ["", "a/b", "../a", "0"])
def test_names_are_file_names_and_come_once(tmp_path: Path, stem: str) -> None:
    with MaskFolderWriter(tmp_path / "masks") as writer:
        writer.write("0", MASK)
        with pytest.raises(MediaError, match="stem is"):
            writer.write(stem, MASK)


@pytest.mark.parametrize("mask", [MASK.astype(np.uint8), MASK[None], MASK[:-1]])
def test_masks_are_bool_and_of_one_size(tmp_path: Path, mask: np.ndarray) -> None:
    with MaskFolderWriter(tmp_path / "masks") as writer:
        writer.write("0", MASK)
        with pytest.raises(MediaError, match="mask of 1 is"):
            writer.write("1", mask)


# --- a video ---


def frame(number: int, size: tuple[int, int]) -> np.ndarray:
    image = np.full((*size, 3), 20 + 20 * number, np.uint8)
    image[:, : size[1] // 2, 2] = 0
    return image


@pytest.mark.parametrize("ending", sorted(VIDEO_CODECS))
@pytest.mark.parametrize("size", [(48, 64), (49, 65)])
def test_a_video_comes_back(tmp_path: Path, ending: str, size: tuple[int, int]) -> None:
    path = tmp_path / "new" / f"out{ending}"
    with VideoWriter(path, size, fps=24.0) as writer:
        for number in range(9):
            writer.write(frame(number, size))
            assert not path.exists()
    assert names(tmp_path / "new") == [path.name]
    with open_frames(path) as reader:
        assert reader.fps == pytest.approx(24.0)
        assert reader.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        images = [found.image[: size[0], : size[1]] for found in reader]
    assert len(images) == 9
    for number, image in enumerate(images):
        difference = image.astype(int) - frame(number, size)
        assert np.abs(difference[:, 2:28]).mean() < 8
        assert np.abs(difference[:, 36:]).mean() < 8


@pytest.mark.parametrize("fps", [23.976, 29.97002997, 59.94, 120.0057, 0.5, 1000.0])
def test_odd_rates_are_kept(tmp_path: Path, fps: float) -> None:
    with VideoWriter(tmp_path / "out.mp4", (32, 32), fps=fps) as writer:
        writer.write(frame(0, (32, 32)))
    with open_frames(tmp_path / "out.mp4") as reader:
        assert reader.fps == pytest.approx(fps, rel=1e-4)


@pytest.mark.parametrize("ending", sorted(VIDEO_CODECS))
def test_one_frame_makes_a_video(tmp_path: Path, ending: str) -> None:
    with VideoWriter(tmp_path / f"out{ending}", (32, 32), fps=25.0) as writer:
        writer.write(frame(3, (32, 32)))
    with open_frames(tmp_path / f"out{ending}") as reader:
        assert len(list(reader)) == 1


def test_a_failed_video_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("before")
    with pytest.raises(ZeroDivisionError):
        write_video(tmp_path / "out.mp4", then=fail)
    assert names(tmp_path) == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "before"


def test_a_video_without_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no frame"), VideoWriter(tmp_path / "out.mp4", (32, 32), fps=25.0):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["out", "out.gif", "out.png"])
def test_unknown_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match=r"accepted: \.mp4, \.mov, \.mkv, \.avi, \.webm"):
        VideoWriter(tmp_path / name, (32, 32), fps=25.0)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_rates_that_are_none_are_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(MediaError, match="fps is"):
        VideoWriter(tmp_path / "out.mp4", (32, 32), fps=fps)


def test_sizes_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="size is"):
        VideoWriter(tmp_path / "out.mp4", (0, 32), fps=25.0)


@pytest.mark.parametrize("ending", sorted(VIDEO_CODECS))
def test_frames_come_back_at_their_own_times(tmp_path: Path, ending: str) -> None:
    begins_ms = [0, 33, 66, 500, 533, 600, 5600, 5633]
    path = tmp_path / f"out{ending}"
    with VideoWriter(path, (32, 32)) as writer:
        for number, begin_ms in enumerate(begins_ms):
            writer.write(frame(number, (32, 32)), begin_ms * 1_000_000, begin_ms * 1_000_000 + 400_000_000)
    tolerance_ns = 4_200_000 if ending == ".avi" else 500_000
    with open_frames(path) as reader:
        times = [found.time_ns for found in reader]
        end_ns = reader.times.end_ns
    assert times == pytest.approx([begin_ms * 1_000_000 for begin_ms in begins_ms], abs=tolerance_ns)
    if ending != ".avi":  # which holds no durations
        assert end_ns == pytest.approx(6_033_000_000, abs=tolerance_ns)


def test_a_frame_without_a_time_needs_a_rate(tmp_path: Path) -> None:
    with (
        pytest.raises(MediaError, match="frame 0 has no time; give time_ns, or the writer's fps"),
        VideoWriter(tmp_path / "out.mp4", (32, 32)) as writer,
    ):
        writer.write(frame(0, (32, 32)))
    assert names(tmp_path) == []


def test_an_mp4_is_h264_that_players_can_begin_before_its_end(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, (49, 65), fps=30.0) as writer:
        for number in range(9):
            writer.write(frame(number, (49, 65)))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    "image",
    [np.zeros((32, 33, 3), np.uint8), np.zeros((32, 32, 3), np.float32), np.zeros((32, 32), np.uint8)],
)
def test_frames_of_another_kind_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    with VideoWriter(tmp_path / "out.mp4", (32, 32), fps=25.0) as writer:
        writer.write(frame(0, (32, 32)))
        with pytest.raises(MediaError, match="frame 1 is"):
            writer.write(image)


def test_writing_outside_of_the_block_is_an_error(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4", (32, 32), fps=25.0)
    with pytest.raises(MediaError, match="with"):
        writer.write(frame(0, (32, 32)))


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on the size of files is POSIX's")
@pytest.mark.parametrize("ending", sorted(VIDEO_CODECS))
def test_a_disk_that_fills_up_is_noticed(tmp_path: Path, ending: str) -> None:
    import resource

    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write() -> None:
        with VideoWriter(tmp_path / f"out{ending}", (64, 64), fps=25.0) as writer:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
            for number in range(60):
                writer.write(np.roll(noise, number, axis=1))

    try:
        with pytest.raises(MediaError, match=rf"out{ending}: not all frames could be written"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == []


def test_every_png_says_who_made_it() -> None:
    data = encode_png(MASK)
    assert data.index(b"tEXtSoftware\0sam-edge") < data.index(b"IDAT")
    assert np.array_equal(
        np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)) > 0, MASK
    )
