"""README.md: its programs run and print what it shows, its commands exist, and its first screen stays small."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sam_edge
from sam_edge import samples
from sam_edge.cli.command_line import make_parser

MAX_LINES = 100
MAX_PICTURE_BYTES = 3_000_000
TOLERANCE = 0.03
"""Engines and precisions differ by less than this in the figures that a program prints."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")
MOST_FRAMES = 120


@pytest.fixture(scope="module")
def readme(repo_dir: Path) -> str:
    return (repo_dir / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def programs(readme: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)


class Window:
    """OpenCV's window: the mouse rests on one place of it, and q is pressed when `enough` says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, enough: Callable[[], bool]) -> None:
        self.pictures: list[NDArray[np.uint8]] = []
        self._callback: Callable[..., None] | None = None
        self._enough = enough
        monkeypatch.setattr("sam_edge._live.window.check_screen", lambda: None)
        monkeypatch.setattr(cv2, "namedWindow", lambda name: None)
        monkeypatch.setattr(cv2, "destroyWindow", lambda name: None)
        monkeypatch.setattr(cv2, "setMouseCallback", self._listen)
        monkeypatch.setattr(cv2, "imshow", lambda name, picture: self.pictures.append(picture))
        monkeypatch.setattr(cv2, "waitKey", self._wait)

    def _listen(self, name: str, callback: Callable[..., None]) -> None:
        self._callback = callback

    def _wait(self, delay_ms: int) -> int:
        assert self._callback is not None
        self._callback(cv2.EVENT_MOUSEMOVE, 640, 360, 0, None)
        return ord("q") if self._enough() else -1


def run(program: str, written: list[str]) -> None:
    """Run a program of the README; what it prints is appended to `written`."""

    def write(*values: object) -> None:
        written.append(" ".join(map(str, values)))

    exec(compile(program, "README.md", "exec"), {"__name__": "__main__", "print": write})


def test_it_stays_short(readme: str, programs: list[str]) -> None:
    assert len(readme.splitlines()) <= MAX_LINES
    assert [len(program.splitlines()) for program in programs] == [5, 8]


def test_the_mask_program_prints_what_stands_below_it(readme: str, programs: list[str]) -> None:
    written: list[str] = []
    run(programs[0], written)
    shown = readme.partition(programs[0])[2].partition("\n    ")[2].partition("\n")[0]
    assert len(written) == 1
    assert NUMBER.sub("#", written[0]) == NUMBER.sub("#", shown)
    got, expected = ([float(number) for number in NUMBER.findall(text)] for text in (written[0], shown))
    assert got == pytest.approx(expected, rel=TOLERANCE)


def test_the_gaze_program_selects_what_the_mouse_rests_on(
    programs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load: Any = sam_edge.load
    written: list[str] = []

    def selected() -> bool:
        return bool(written) and not written[-1].startswith("none")

    window = Window(monkeypatch, lambda: selected() or len(written) >= MOST_FRAMES)
    monkeypatch.setattr("sam_edge._live.run.load", lambda: load(runtime="fake"))
    monkeypatch.setattr(samples, "camera", samples.clip_camera)
    run(programs[1], written)
    assert selected()
    assert len(window.pictures) == len(written)
    assert window.pictures[0].shape == (720, 1280, 3)


def test_without_a_camera_the_clip_is_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        """Stands for `cv2.VideoCapture` where there is no camera."""

        def __init__(self, number: int) -> None:
            assert number == 0

        def isOpened(self) -> bool:
            return False

        def release(self) -> None:
            return None

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    assert samples.camera() == samples.clip_camera()
    monkeypatch.setattr(Camera, "isOpened", lambda self: True)
    assert samples.camera() == "webcam:0"


def test_its_commands_exist(readme: str, repo_dir: Path) -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (repo_dir / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(re.findall(r"\bmake ([a-z-]+)", readme)) <= targets
    lines = re.findall(r"(?:`|&& )(sam-edge [^`\n]+)", readme)
    assert len(lines) >= 2
    for line in lines:
        make_parser().parse_args(shlex.split(line)[1:])


def test_its_picture_moves_and_is_small(readme: str, repo_dir: Path) -> None:
    name = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme)[0]
    assert (repo_dir / name).stat().st_size < MAX_PICTURE_BYTES
    with Image.open(repo_dir / name) as picture:
        assert getattr(picture, "n_frames", 1) > 30
