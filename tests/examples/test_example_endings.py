"""How the examples begin and end: what to expect stands in the help, and what is missing ends in one line."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import sam_edge

Load = Callable[[Path], types.ModuleType]
RunExample = Callable[..., subprocess.CompletedProcess[str]]

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
NEEDS = {
    "export_coreml": ("torch", "export"),
    "headset_server": ("starlette", "serve"),
    "lsl_stream": ("pylsl", "gaze"),
    "pupil_core": ("msgpack", "gaze"),
}
"""Examples that import an optional library: its name, and the extra that brings it."""
every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def break_modules(folder: Path, *names: str, error: str = "ModuleNotFoundError") -> Path:
    """Write modules that raise an error where the real ones would be imported."""
    for name in names:
        arguments = f"({f'No module named {name!r}'!r}, name={name!r})" if error.startswith("Module") else ""
        (folder / f"{name}.py").write_text(f"raise {error}{arguments}\n", encoding="utf-8")
    return folder


@every_example
def test_the_help_says_on_one_line_what_to_expect(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text is not None
    (line,) = [line for line in text.splitlines() if line.startswith("Expect: ")]
    assert line.endswith(".")
    assert f"python examples/{path.name}" in text


def test_the_list_of_examples_is_whole(repo_dir: Path) -> None:
    folder = repo_dir / "examples"
    listed = re.findall(r"^\| \[([\w.]+)\]\(\1\)", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(
        path.name for path in folder.iterdir() if path.suffix in (".py", ".ipynb")
    )


@every_example
def test_ctrl_c_while_the_libraries_are_imported_is_quiet(
    run_example: RunExample, tmp_path: Path, path: Path
) -> None:
    modules = break_modules(
        tmp_path, "sam_edge", "cv2", "numpy", "pylsl", "msgpack", error="KeyboardInterrupt"
    )
    ended = run_example(path.stem, modules=modules)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@every_example
def test_without_the_package_an_example_names_the_pip_command(
    run_example: RunExample, tmp_path: Path, path: Path
) -> None:
    ended = run_example(path.stem, modules=break_modules(tmp_path, "sam_edge", "msgpack", "pylsl", "cv2"))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("No module named ")
    assert "This example needs: pip install -e " in line


@pytest.mark.parametrize("example", NEEDS)
def test_without_its_extra_an_example_names_the_pip_command(
    run_example: RunExample, tmp_path: Path, example: str
) -> None:
    library, extra = NEEDS[example]
    ended = run_example(example, "--help", modules=break_modules(tmp_path, library))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert library in line
    assert f"This example needs: pip install -e '.[{extra}]'" in line


def test_without_its_extra_the_client_names_the_pip_command(run_example: RunExample, tmp_path: Path) -> None:
    ended = run_example("headset_client", modules=break_modules(tmp_path, "websockets"))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "websockets" in line
    assert "pip install 'sam-edge[serve]'" in line


@every_example
def test_ctrl_c_ends_in_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem][0], reason="the example needs an extra")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("argparse.ArgumentParser", interrupt)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and Wayland")
@pytest.mark.parametrize("display", ["", ":7777"])
@pytest.mark.parametrize(("example", "way_out"), [("image_click", "--point"), ("webcam_mouse", "--headless")])
def test_without_a_screen_an_example_says_so_in_one_line(
    run_example: RunExample, example: str, way_out: str, display: str
) -> None:
    ended = run_example(example, display=display)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("no window can be opened")
    assert way_out in line


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder with a short recording: a disc, and the gaze on it."""
    folder = tmp_path / "recording"
    (folder / "clip").mkdir(parents=True)
    for index in range(8):
        image = cv2.circle(np.full((96, 128, 3), 40, np.uint8), (50 + index, 48), 20, (60, 200, 220), -1)
        cv2.imwrite(str(folder / "clip" / f"{index}.png"), image)
    rows = [f"{index / 200:.3f},{50 + index / 200 * 24:.1f},48,1" for index in range(70)]
    (folder / "gaze.csv").write_text("\n".join(["timestamp_s,x_px,y_px,confidence", *rows]) + "\n")
    return folder


class EmptyReport:
    """A profile that takes no time."""

    timings = ()
    notes = ()

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        path.write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("example", "arguments", "written"),
    [
        ("backproject_to_3d", [], ["cloud.glb", "cloud.ply", "cloud.png"]),
        ("headless_session", ["clip", "gaze.csv"], []),
        ("image_click", ["--point", "400,300"], ["cut_out.png"]),
        ("make_demo_gaze", [], ["gaze.csv", "gaze.csv.json"]),
        ("offline_recording", ["gaze.csv", "--video", "clip"], ["annotated.csv", "annotated.mp4"]),
        ("profile_device", [], ["profile/profile.json", "profile/trace.json"]),
    ],
)
def test_an_example_writes_to_the_ignored_folder_only(
    repo_dir: Path,
    load_script: Load,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    example: str,
    arguments: list[str],
    written: list[str],
) -> None:
    module = load_script(repo_dir / "examples" / f"{example}.py")
    load = sam_edge.load
    monkeypatch.setattr(sam_edge, "load", lambda **_: load(runtime="fake"))
    if example == "profile_device":
        monkeypatch.setattr(module, "run_plan", lambda *_: EmptyReport())
        monkeypatch.setattr(module, "FRAMES", 2)
    monkeypatch.setattr("sys.argv", [example, *arguments])
    monkeypatch.chdir(clip)
    before = set(clip.rglob("*"))
    module.main()
    files = [path for path in set(clip.rglob("*")) - before if path.is_file()]
    assert sorted(path.relative_to(clip / "out").as_posix() for path in files) == written
    assert "out/" in (repo_dir / ".gitignore").read_text(encoding="utf-8").splitlines()
