"""The code in docs/ runs: Python with the fake engine, and commands as far as their parser.

The blocks of a page run in order and share their names, in a folder with a photograph, a video and a recording.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import sam_edge
from sam_edge.cli.command_line import make_parser
from sam_edge.config import Config
from sam_edge.gaze import GazeSample
from sam_edge.gaze.recordings import write_csv
from sam_edge.media.video_writer import VideoWriter
from sam_edge.runtimes import registry
from tests.docs.code_blocks import read_blocks, wrong_names

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
REPO = DOCS.parent
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
PYTHON_PAGES = [page for page in PAGES if read_blocks(DOCS / page, "python")]
SHELL_PAGES = [page for page in PAGES if read_blocks(DOCS / page, "bash")]
SIZE = (96, 128)
RATE_HZ = 1.0
SECONDS = 61
"""As long as the sections of the examples reach."""
COCO = """
{"images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 6}],
 "categories": [{"id": 1, "name": "dog"}],
 "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 4, "bbox": [1, 1, 2, 2],
                  "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}]}
"""
PLACES = re.compile(r"\$\([^()]*(?:\([^()]*\)[^()]*)*\)|`[^`]*`")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video of a disc on a plain ground, and gaze on the disc."""
    folder = tmp_path_factory.mktemp("recording")
    image = np.full((*SIZE, 3), 40, np.uint8)
    cv2.circle(image, (64, 48), 20, (60, 200, 220), -1)
    with VideoWriter(folder / "world.mp4", SIZE, fps=RATE_HZ) as video:
        for _ in range(round(SECONDS * RATE_HZ)):
            video.write(image)
    samples = [GazeSample(round(1e9 * index / 30), 64.0 + index % 2, 48.0) for index in range(30 * SECONDS)]
    write_csv(folder / "gaze.csv", samples)
    return folder


@pytest.fixture
def workplace(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which examples run: files under the names that the documents use, and the fake engine."""
    (tmp_path / "exports").mkdir()
    for link, target in {
        "exports/000": recording,
        "recording": recording,
        "video.mp4": recording / "world.mp4",
        "gaze.csv": recording / "gaze.csv",
    }.items():
        (tmp_path / link).symlink_to(target)
    photograph = DOCS.parent / "sam_edge" / "assets" / "labelled" / "images" / "astronaut.jpg"
    (tmp_path / "photo.jpg").symlink_to(photograph)
    (tmp_path / "instances.json").write_text(COCO, encoding="utf-8")
    Config(mode="sequential").write(tmp_path / "config.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "choose_engine", lambda bundle: "fake")
    return tmp_path


@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_python_of_a_page_runs(page: str, workplace: Path) -> None:
    names: dict[str, Any] = {"__name__": "__example__"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        for block in read_blocks(DOCS / page, "python"):
            # Empty lines in front, so that a traceback shows the line of the page.
            code = compile("\n" * (block.line - 1) + block.code, f"docs/{page}", "exec")
            assert not list(wrong_names(block.code)), (
                f"docs/{page}:{block.line}: names that sam_edge does not have"
            )
            if block.not_run is None:
                exec(code, names)
        for value in list(names.values()):
            if isinstance(value, sam_edge.Segmenter):
                value.close()


@pytest.mark.parametrize("page", SHELL_PAGES)
def test_commands_of_a_page_are_accepted(page: str) -> None:
    for block in read_blocks(DOCS / page, "bash"):
        for line in block.code.replace("\\\n", " ").splitlines():
            problem = check_command_line(line)
            assert not problem, f"docs/{page}:{block.line}: {line.strip()}: {problem}"


def check_command_line(line: str) -> str:
    """Say what is wrong with a line of a shell: options of sam-edge, files of the repository, targets of make."""
    plain = PLACES.sub("PLACE", line)
    words = shlex.split(plain, comments=True)
    for command in split_commands(words):
        while command and re.fullmatch(r"\w+=\S*", command[0]):
            command = command[1:]
        if command[:1] == ["sam-edge"]:
            problem = parse(command[1:])
        elif command[:1] in (["python"], ["python3"]) and command[1:] and command[1].endswith(".py"):
            is_ours = command[1].startswith(("examples/", "benchmarks/", ".ci/"))
            problem = "no such file" if is_ours and not (REPO / command[1]).is_file() else ""
        elif command[:1] == ["make"]:
            makefile = (REPO / "Makefile").read_text(encoding="utf-8")
            targets = [word for word in command[1:] if "=" not in word]
            missing = [name for name in targets if not re.search(rf"^{name}:", makefile, flags=re.MULTILINE)]
            problem = f"no such target: {missing}" if missing else ""
        else:
            problem = ""
        if problem:
            return problem
    return ""


def split_commands(words: list[str]) -> list[list[str]]:
    """Split a line at `&&`, `|`, `;` and `&`."""
    commands: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", "||", "|", ";", "&"):
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


def parse(arguments: list[str]) -> str:
    """Return the parser's error, or nothing."""
    kept = [word for word in arguments if word != "..."]
    if ">" in kept:
        kept = kept[: kept.index(">")]
    if "--help" in kept or kept == ["--version"]:
        return ""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            make_parser().parse_args(kept)
    except SystemExit:
        return errors.getvalue().splitlines()[-1]
    except argparse.ArgumentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("import sam_edge\nsam_edge.load(runtime='fake')", []),
        ("import sam_edge\nsam_edge.open()", ["sam_edge.open"]),
        ("import sam_edge\nsam_edge.load(engine='fake')", ["sam_edge.load(engine=...)"]),
        ("from sam_edge.gaze import GazePoint", ["sam_edge.gaze.GazePoint"]),
        ("from sam_edge import State\nState.CHOSEN", ["State.CHOSEN"]),
        ("import numpy\nnumpy.nothing", []),
    ],
)
def test_wrong_names_are_found(code: str, wrong: list[str]) -> None:
    assert list(wrong_names(code)) == wrong


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("sam-edge segment photo.jpg --point 3,4  # a comment", ""),
        ("sam-edge segment photo.jpg --pointe 3,4", "unrecognized arguments"),
        ("pip install x && sam-edge nothing", "invalid choice"),
        ("python examples/nothing.py", "no such file"),
        ("make nothing", "no such target"),
    ],
)
def test_wrong_commands_are_found(line: str, problem: str) -> None:
    found = check_command_line(line)
    assert problem in found
    assert bool(problem) == bool(found)
