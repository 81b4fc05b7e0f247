"""Outputs of the examples: checked before the work, and nothing is left of them after Ctrl+C."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import sam_edge
from sam_edge.errors import MediaError
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
