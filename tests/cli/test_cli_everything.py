"""`sam-edge everything`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_edge.errors import SamEdgeWarning
from sam_edge.masks.sa1b import read_sa1b
from sam_edge.media.frames import open_frames
from sam_edge.media.video_writer import VideoWriter

Run = Callable[..., tuple[int, str, str]]
QUICK = ("--points-per-side", 3, "--size", "224x224", "--runtime", "onnxruntime", "--threads", 1)


def test_a_picture(run_cli: Run, clip: Path, tmp_path: Path) -> None:
    status, printed, told = run_cli("everything", clip / "00000.png", "--out", tmp_path / "out", *QUICK)
    assert status == 0
    found = read_sa1b(tmp_path / "out" / "00000.json")
    assert found.file_name == "00000.png"
    assert f"{len(found.masks)} masks" in printed
    # A grid of 3x3, and one point in each of four crops.
    assert "13/13 points" in told
    # The disc of radius 20 at (40, 48).
    assert any(abs(one.area_px - 3.14 * 400) < 200 for one in found.masks)
    assert np.asarray(cv2.imread(str(tmp_path / "out" / "00000.png"))).shape == (96, 128, 3)


def test_a_video(run_cli: Run, clip: Path, tmp_path: Path) -> None:
    status, printed, _ = run_cli("everything", clip, "--out", tmp_path / "out", "--stride", 5, *QUICK)
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "00000.json",
        "00005.json",
        "00010.json",
        "everything.mp4",
    ]
    assert "in 3 frames" in printed


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--predicted-iou", 1.5), "--predicted-iou: 1.5"),
        (("--points-per-side", 0), "--points-per-side: 0"),
        (("--stride", 0), "--stride"),
        (("--size", "30x30"), "--size: 30x30"),
    ],
)
def test_what_is_not_accepted_is_named(
    run_cli: Run, clip: Path, tmp_path: Path, options: tuple[object, ...], named: str
) -> None:
    status, _, told = run_cli(
        "everything", clip / "00000.png", "--out", tmp_path / "out", *options, "--quiet"
    )
    assert status == 2
    assert named in told


def test_the_folder_must_not_be_a_file(run_cli: Run, clip: Path) -> None:
    status, _, told = run_cli("everything", clip / "00000.png", "--out", clip / "00001.png")
    assert status == 2
    assert "--out" in told


def test_the_picture_itself_is_not_written_over(run_cli: Run, clip: Path) -> None:
    before = (clip / "00000.png").read_bytes()
    status, _, told = run_cli("everything", clip / "00000.png", "--out", clip, *QUICK)
    assert status == 2
    assert "overwritten" in told
    assert (clip / "00000.png").read_bytes() == before


def test_as_the_original_does_it(run_cli: Run, clip: Path, tmp_path: Path) -> None:
    status, printed, told = run_cli(
        "everything", clip / "00000.png", "--out", tmp_path, "--preset", "exact", *QUICK
    )
    assert status == 0
    assert "9/9 points" in told
    found = read_sa1b(tmp_path / "00000.json")
    assert f"{len(found.masks)} masks" in printed
    # The original's places: no half pixel is added to the grid's.
    assert {one.points[0][0] for one in found.masks} <= {128 * (2 * column + 1) / 6 for column in range(3)}


def test_a_video_that_states_an_impossible_rate_is_read_with_a_given_one(
    run_cli: Run, tmp_path: Path
) -> None:
    path = tmp_path / "a.avi"
    with VideoWriter(path, (96, 128), fps=25.0) as writer:
        for index in range(4):
            writer.write(np.full((96, 128, 3), 40 * index, np.uint8))
    data = bytearray(path.read_bytes())
    header = data.index(b"strh")
    # AVISTREAMHEADER: dwScale and dwRate, whose quotient is the rate.
    data[header + 28 : header + 36] = struct.pack("<II", 1, 9727)
    path.write_bytes(data)
    command = ("everything", path, "--out", tmp_path / "out", "--stride", 2, *QUICK)
    status, _, errors = run_cli(*command)
    assert status == 2
    assert "states 9727 frames a second" in errors
    assert "--fps" in errors
    with pytest.warns(SamEdgeWarning, match="fps is 10, and its frames were taken at 9727"):
        status, printed, _ = run_cli(*command, "--fps", 10)
    assert status == 0
    assert "in 2 frames" in printed
    with open_frames(tmp_path / "out" / "everything.mp4") as frames:
        assert [frame.time_ns for frame in frames] == [0, 200_000_000]


def test_a_rate_of_a_picture_is_refused(run_cli: Run, clip: Path, tmp_path: Path) -> None:
    status, _, errors = run_cli("everything", clip / "00000.png", "--out", tmp_path / "out", "--fps", 10)
    assert status == 2
    assert "--fps: not accepted for an image" in errors
