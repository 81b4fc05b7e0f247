"""The workflow files agree with pyproject.toml and the Makefile."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def workflows(repo_dir: Path) -> dict[str, Any]:
    """Content of each workflow file, by its name."""
    yaml = pytest.importorskip("yaml", reason="needs pyyaml: pip install 'sam-edge[test]'")
    folder = repo_dir / ".github" / "workflows"
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.glob("*.yml")}


@pytest.fixture(scope="module")
def project(repo_dir: Path) -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    # Before Python 3.11 pytest itself brings the reader.
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content: dict[str, Any] = reader.loads((repo_dir / "pyproject.toml").read_text(encoding="utf-8"))
    return content["project"]  # type: ignore[no-any-return]


def commands(workflow: dict[str, Any]) -> str:
    """Every command of a workflow, a line each."""
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return "\n".join(step["run"] for step in steps if "run" in step)


def test_the_matrix_is_every_python_that_is_promised(
    workflows: dict[str, Any], project: dict[str, Any]
) -> None:
    matrix = workflows["test"]["jobs"]["tests"]["strategy"]["matrix"]
    found = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert matrix["python"] == found
    assert project["requires-python"] == f">={found[0]}"
    assert {system.partition("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}


def test_every_extra_that_is_installed_exists(workflows: dict[str, Any], project: dict[str, Any]) -> None:
    named = re.findall(r'-e "\.\[([a-z,-]+)\]"', commands(workflows["test"]))
    assert named
    assert {extra for names in named for extra in names.split(",")} <= set(project["optional-dependencies"])


def test_every_make_target_exists(workflows: dict[str, Any], repo_dir: Path) -> None:
    rules = set(re.findall(r"^([a-z-]+):", (repo_dir / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for workflow in workflows.values():
        assert set(re.findall(r"\bmake ([a-z-]+)", commands(workflow))) <= rules


def test_only_the_job_that_publishes_may_ask_for_an_identity(workflows: dict[str, Any]) -> None:
    for workflow in workflows.values():
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            assert job.get("permissions") == ({"id-token": "write"} if name == "publish" else None)


def test_what_is_published_was_checked(workflows: dict[str, Any]) -> None:
    jobs = workflows["release"]["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert "make release-check" in commands(workflows["release"])
    assert workflows["release"][True] == {"push": {"tags": ["v*"]}}  # YAML reads the key `on` as true
