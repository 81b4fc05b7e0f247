"""The wheel and the source archive: complete, small, and the same whichever way they are built."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import sam_edge

BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "sam_edge", "exporters", "runtimes", "gaze")


def setuptools_version() -> int:
    """The installed major version; 0 when there is none."""
    try:
        return int(importlib.metadata.version("setuptools").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(setuptools_version() < 77, reason="needs setuptools 77 or newer"),
]


def build(kind: str, source: Path, out: Path) -> Path:
    """Call the build backend as pip does."""
    out.mkdir()
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def sources(repo_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, so that building leaves nothing in it."""
    folder = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    for name in BUILT_FROM:
        path = repo_dir / name
        if path.is_dir():
            shutil.copytree(path, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(path, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree."""
    return build("wheel", sources, tmp_path_factory.mktemp("built") / "wheel")


@pytest.fixture(scope="module")
def archive(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive."""
    return build("sdist", sources, tmp_path_factory.mktemp("built") / "sdist")


def names_in(wheel: Path) -> set[str]:
    """Names of the files in a wheel, without its own records."""
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    assert len(names) == len(set(names))
    return {name for name in names if ".dist-info/" not in name}


def names_in_tree(repo_dir: Path) -> set[str]:
    """Names that the wheel must hold: every module and every asset, where it will be installed."""
    homes = {"sam_edge": repo_dir / "sam_edge"}
    homes |= {f"sam_edge/{room}": repo_dir / room for room in ("exporters", "runtimes", "gaze")}
    found = {"sam_edge/py.typed"}
    for home, folder in homes.items():
        found |= {
            f"{home}/{path.relative_to(folder)}"
            for path in folder.rglob("*.py")
            if "__pycache__" not in path.parts
        }
    pages = ("_aoi/report/page", "_live/page", "annotate/page", "batch/page_files", "serve/page")
    for data in ("assets", *pages, "web/static"):
        folder = repo_dir / "sam_edge" / data
        found |= {
            f"sam_edge/{data}/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file()
        }
    return {name for name in found if "__pycache__" not in name}


def test_the_wheel_holds_every_module_and_asset_and_nothing_else(wheel: Path, repo_dir: Path) -> None:
    assert names_in(wheel) == names_in_tree(repo_dir)


def test_the_wheel_is_small_enough(
    wheel: Path, repo_dir: Path, load_script: Callable[[Path], types.ModuleType]
) -> None:
    """Without onnxruntime-web, which is there only where `make page` brought it."""
    limit = load_script(repo_dir / ".ci" / "release_check.py").WHEEL_LIMIT_BYTES
    with zipfile.ZipFile(wheel) as opened:
        sizes = {member.filename: member.compress_size for member in opened.infolist()}
    own = sum(size for name, size in sizes.items() if "/page/vendor/" not in name)
    assert own <= limit


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = {
            name.partition(".dist-info/")[2]: name for name in opened.namelist() if ".dist-info/" in name
        }
        metadata = opened.read(names["METADATA"]).decode()
        assert "licenses/LICENSE" in names
        assert "licenses/NOTICE" in names
        assert b"sam-edge = sam_edge.cli:main" in opened.read(names["entry_points.txt"])
    for line in (
        "Name: sam-edge",
        f"Version: {sam_edge.__version__}",
        "License-Expression: Apache-2.0",
        "Requires-Python: >=3.10",
    ):
        assert line in metadata
    assert "Provides-Extra: openvino" in metadata
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_source_archive_builds_the_same_wheel(archive: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as opened:
        names = opened.getnames()
        assert len(names) == len(set(names))
        # Older Pythons 3.10 know no filter, and later ones warn without.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        extract: Callable[..., None] = opened.extractall
        extract(tmp_path / "unpacked", **safe)
    (folder,) = (tmp_path / "unpacked").iterdir()
    for name in ("LICENSE", "NOTICE", "README.md", "pyproject.toml"):
        assert (folder / name).is_file()
    again = build("wheel", folder, tmp_path / "wheel")
    assert names_in(again) == names_in(wheel)


def test_the_wheel_runs_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, every room imports from there, and the model opens."""
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "installed")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np, sam_edge, sam_edge.gaze, sam_edge.runtimes, sam_edge.exporters, sam_edge.cli\n"
        "for room in (sam_edge, sam_edge.gaze, sam_edge.runtimes, sam_edge.exporters):\n"
        "    assert room.__file__.startswith(sys.argv[1]), room.__file__\n"
        "with sam_edge.load(runtime='onnxruntime') as model:\n"
        "    print(model.segment(np.zeros((64, 64, 3), np.uint8), points=[[9, 9]], size=(64, 64)).masks.shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "installed")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(4, 64, 64)"
