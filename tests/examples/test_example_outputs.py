"""Outputs of the examples: checked before the work, and nothing is left of them after Ctrl+C."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import sam_edge
from sam_edge.errors import MediaError
from sam_edge.media.screen import SCREEN_VARIABLES
from sam_edge.runtimes.fake import Fake

Load = Callable[[Path], types.ModuleType]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), np.full((96, 128, 3), 90, np.uint8))
    return path


def arguments_of(example: str, image: Path, out: Path) -> list[str]:
    """Return the arguments of an example that writes to `out`."""
    return {
        "backproject_to_3d": ["--out", f"{out}.png"],
        "export_coreml": [str(image), "--out", str(out)],
        "image_click": [str(image), "--point", "60,50", "--out", f"{out}.png"],
        "make_demo_gaze": [f"{out}.csv"],
        "offline_recording": ["--runtime", "fake", "--out", f"{out}.mp4"],
        "profile_device": ["--out", str(out)],
        "webcam_mouse": ["--headless", "--frames", "3", "--out", f"{out}.png"],
    }[example]


EXAMPLES = (
    *("backproject_to_3d", "image_click", "make_demo_gaze", "offline_recording"),
    *("profile_device", "webcam_mouse"),
)


def interrupt(*_: object, **__: object) -> object:
    raise KeyboardInterrupt


@pytest.mark.parametrize("example", EXAMPLES)
def test_ctrl_c_leaves_nothing(
    repo_dir: Path,
    load_script: Load,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    example: str,
) -> None:
    module = load_script(repo_dir / "examples" / f"{example}.py")
    monkeypatch.setattr("sys.argv", [example, *arguments_of(example, image, tmp_path / "new" / "out")])
    monkeypatch.setattr(Fake, "decode", interrupt)
    if example == "make_demo_gaze":
        monkeypatch.setattr(module, "recording", interrupt)
    elif example == "profile_device":
        monkeypatch.setattr(module, "run_plan", interrupt)
    elif example != "offline_recording":
        monkeypatch.setattr(sam_edge, "load", interrupt)
    with pytest.raises(KeyboardInterrupt):
        module.main()
    assert list(tmp_path.iterdir()) == [image]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_output_that_cannot_be_written_is_said_before_the_work(
    repo_dir: Path,
    load_script: Load,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    example: str,
) -> None:
    module = load_script(repo_dir / "examples" / f"{example}.py")
    monkeypatch.setattr("sys.argv", [example, *arguments_of(example, image, image / "out")])
    monkeypatch.setattr(sam_edge, "load", lambda **_: pytest.fail("the model was loaded"))
    if example == "profile_device":
        monkeypatch.setattr(module, "run_plan", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(MediaError, match="cannot be written"):
        module.main()


def test_every_example_ends_quietly_on_ctrl_c(repo_dir: Path) -> None:
    for path in (repo_dir / "examples").glob("*.py"):
        assert "except KeyboardInterrupt:\n        sys.exit(130)" in path.read_text(encoding="utf-8"), (
            path.name
        )


def run_example(
    repo_dir: Path, example: str, *arguments: str, modules: Path | None = None, display: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run an example as a user does; modules in `modules` are found first."""
    environment = {name: value for name, value in os.environ.items() if name not in SCREEN_VARIABLES}
    environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in (modules, repo_dir) if path is not None)
    return subprocess.run(
        [sys.executable, str(repo_dir / "examples" / f"{example}.py"), *arguments],
        env=environment | ({"DISPLAY": display} if display else {}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and Wayland")
@pytest.mark.parametrize("display", ["", ":7777"])
@pytest.mark.parametrize(("example", "way_out"), [("image_click", "--point"), ("webcam_mouse", "--headless")])
def test_without_a_screen_an_example_says_so_in_one_line(
    repo_dir: Path, example: str, way_out: str, display: str
) -> None:
    ended = run_example(repo_dir, example, display=display)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("no window can be opened")
    assert way_out in line


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "examples").glob("*.py")), ids=lambda p: p.stem
)
def test_ctrl_c_while_the_libraries_are_imported_is_quiet(repo_dir: Path, tmp_path: Path, path: Path) -> None:
    for name in ("cv2", "numpy", "pylsl", "msgpack"):
        (tmp_path / f"{name}.py").write_text("raise KeyboardInterrupt")
    ended = run_example(repo_dir, path.stem, modules=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
