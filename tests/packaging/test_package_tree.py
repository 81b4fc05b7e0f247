"""What pyproject.toml lists is what lies in the tree, and rooms import only the rooms before them."""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

import sam_edge
from sam_edge.cli.doctor import EXTRAS

ROOMS = ("exporters", "runtimes", "gaze")
"""Folders at the root that install inside `sam_edge`, by a link in it."""


@pytest.fixture(scope="module")
def project(repo_dir: Path) -> dict[str, Any]:
    """The content of pyproject.toml."""
    # Before Python 3.11 pytest itself brings the reader.
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content: dict[str, Any] = reader.loads((repo_dir / "pyproject.toml").read_text(encoding="utf-8"))
    return content


def packages_in(folder: Path, name: str) -> Iterator[str]:
    """Name every package under a folder; links are followed, as Python follows them."""
    yield name
    for inner in sorted(folder.iterdir()):
        if inner.is_dir() and (inner / "__init__.py").is_file():
            yield from packages_in(inner, f"{name}.{inner.name}")


def test_the_list_of_packages_is_that_of_the_tree(project: dict[str, Any], repo_dir: Path) -> None:
    listed = project["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == {*packages_in(repo_dir / "sam_edge", "sam_edge"), "sam_edge.assets"}


def test_every_folder_with_modules_is_a_package(repo_dir: Path) -> None:
    for path in (repo_dir / "sam_edge", *(repo_dir / room for room in ROOMS)):
        for module in path.rglob("*.py"):
            assert (module.parent / "__init__.py").is_file(), module


def test_the_rooms_at_the_root_are_mapped_and_linked(project: dict[str, Any], repo_dir: Path) -> None:
    mapped = project["tool"]["setuptools"]["package-dir"]
    assert mapped == {"sam_edge": "sam_edge", **{f"sam_edge.{room}": room for room in ROOMS}}
    for room in ROOMS:
        link = repo_dir / "sam_edge" / room
        assert link.is_symlink(), f"{link} must be a link, or an editable install misses the room"
        assert not link.readlink().is_absolute()
        assert link.resolve() == repo_dir / room


def test_the_links_are_committed_as_links(repo_dir: Path) -> None:
    listing = subprocess.run(
        ["git", "ls-files", "--stage", "sam_edge"], cwd=repo_dir, capture_output=True, text=True, check=False
    )
    if listing.returncode != 0 or not listing.stdout:
        pytest.skip("this is no git checkout")
    links = {line.split("\t")[1] for line in listing.stdout.splitlines() if line.startswith("120000 ")}
    assert links == {f"sam_edge/{room}" for room in ROOMS}


def test_the_version_is_stated_in_one_place(project: dict[str, Any]) -> None:
    """The build takes it from there; `test_wheel` compares what it took."""
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "sam_edge.version.__version__"}


def test_every_extra_that_a_message_names_exists(project: dict[str, Any], repo_dir: Path) -> None:
    """The pip command of a `MissingExtraError` installs something."""
    named: set[str] = set()
    for room in ("sam_edge", *ROOMS):
        for path in (repo_dir / room).rglob("*.py"):
            named |= set(re.findall(r"""extra="([a-z-]+)"|sam-edge\[([a-z-]+)\]""", path.read_text("utf-8")))
    extras = set(filter(None, itertools.chain.from_iterable(named)))
    assert extras >= {"coreml", "export", "serve"}
    assert extras <= set(project["project"]["optional-dependencies"])


def test_all_takes_in_every_extra_but_those_for_development_and_clusters(project: dict[str, Any]) -> None:
    """What a cluster needs is large, and its pins take pip long to unite with the rest."""
    extras = project["project"]["optional-dependencies"]
    (named,) = extras["all"]
    assert set(named.removeprefix("sam-edge[").removesuffix("]").split(",")) == set(extras) - {
        *("all", "cloud", "docs", "ray", "test", "test-cloud"),
    }
    assert set(extras) >= {"openvino", "export", "gaze", "serve", "test", "all"}


def test_doctor_lists_every_extra_with_its_packages(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    users = set(extras) - {"all", "docs", "test", "test-cloud"}
    required = {extra: {re.split(r"[\[>=<]", one)[0] for one in extras[extra]} for extra in users}
    assert {extra: {package for _, package in modules} for extra, modules in EXTRAS.items()} == required


def test_the_base_install_is_four_libraries(project: dict[str, Any]) -> None:
    names = {one.partition(">=")[0] for one in project["project"]["dependencies"]}
    assert names == {"numpy", "opencv-python", "onnxruntime", "av"}


ORDER = (
    ("errors", "version", "lazy_names", "closing", "cores"),
    ("precision", "parsing", "media", "geometry"),
    ("masks", "prompts", "bundle", "assets", "samples"),
    ("gaze", "nn", "serialization"),
    ("runtimes", "config"),
    ("segmenter",),
    ("sam_compat", "embeddings", "cutouts", "pointcloud"),
    ("predictor_transform",),
    ("predictor", "everything", "follow"),
    ("instances", "text_matching", "identity"),
    ("stream",),
    ("gaze_video", "timeline"),
    ("_track", "scene"),
    ("_aoi",),
    ("batch",),
    ("exporters",),
    ("training",),
    ("profile",),
    ("wire",),
    ("client", "web"),
    ("serve", "annotate", "_live"),
    ("cli",),
)
"""The rooms of the tree: packages and modules that lie in `sam_edge` itself, first ones first. A room imports those
before it, and itself; rooms that stand together do not import each other."""
RANKS = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}


def rooms_in(folder: Path) -> set[str]:
    """Name every module and every package or data folder that lies in `sam_edge` itself."""
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return modules | {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"}


def modules_in(folder: Path, name: str) -> dict[str, Path]:
    """Find every module of a package by its full name; links are followed, as Python follows them."""
    found = {name: folder / "__init__.py"} if (folder / "__init__.py").is_file() else {}
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            found |= modules_in(path, f"{name}.{path.name}")
        elif path.suffix == ".py" and path.stem != "__init__":
            found[f"{name}.{path.stem}"] = path
    return found


def imports_of(path: Path, modules: Iterable[str]) -> set[str]:
    """Name the modules of the tree that a module imports, wherever: at its top, in a function, or for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in names}
    return {name for name in found if name.split(".")[0] == "sam_edge"}


def room_of(module: str) -> str:
    """Name the room of a module; empty for `sam_edge` itself."""
    return [*module.split("."), ""][1]


@pytest.fixture(scope="module")
def imports(repo_dir: Path) -> dict[str, set[str]]:
    """What each module of the tree imports of the tree."""
    modules = modules_in(repo_dir / "sam_edge", "sam_edge")
    return {name: imports_of(path, modules) for name, path in modules.items()}


def test_every_room_has_its_place_in_the_order(repo_dir: Path) -> None:
    rooms = rooms_in(repo_dir / "sam_edge")
    assert not rooms - RANKS.keys(), "give each a place in ORDER"
    assert not RANKS.keys() - rooms, "take what is gone out of ORDER"
    assert len(RANKS) == sum(len(rooms) for rooms in ORDER)


@pytest.mark.parametrize("room", RANKS)
def test_a_room_imports_only_rooms_before_it(imports: dict[str, set[str]], room: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, names in imports.items()
        for name in names
        if room_of(module) == room != room_of(name) and RANKS.get(room_of(name), len(ORDER)) >= RANKS[room]
    ]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    try:
        tuple(TopologicalSorter(imports).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


class TestPublicNames:
    def test_everything_promised_is_there(self) -> None:
        assert all(hasattr(sam_edge, name) for name in sam_edge.__all__)
        assert len(sam_edge.__all__) == len(set(sam_edge.__all__))
        assert set(sam_edge.__all__) >= {"load", "Segmenter", "Embedding", "Masks", "View", "SamEdgeError"}

    def test_nothing_else_is_public(self) -> None:
        modules = {name for name, value in vars(sam_edge).items() if type(value).__name__ == "module"}
        names = {name for name in vars(sam_edge) if not name.startswith("_")} - modules - {"TYPE_CHECKING"}
        imported_when_asked_for = {"GazeSession", "Selection", "State"}
        assert names | imported_when_asked_for == {n for n in sam_edge.__all__ if not n.startswith("_")}

    def test_every_error_of_the_tree_is_public_and_one_of_a_kind(self) -> None:
        from sam_edge import errors

        tree = {
            name
            for name, value in vars(errors).items()
            if isinstance(value, type) and issubclass(value, errors.SamEdgeError)
        }
        assert tree == {name for name in sam_edge.__all__ if name.endswith("Error")}

    def test_public_things_are_documented(self) -> None:
        for name in sam_edge.__all__:
            value = getattr(sam_edge, name)
            if callable(value):
                assert value.__doc__, name
        for name, member in vars(sam_edge.Segmenter).items():
            if callable(member) and not name.startswith("_"):
                assert member.__doc__, name
