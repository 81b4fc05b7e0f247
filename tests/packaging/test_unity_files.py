"""The Unity package holds what Unity's package manager needs."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import sam_edge


@pytest.fixture(scope="module")
def package(repo_dir: Path) -> Path:
    return repo_dir / "unity" / "com.sam-edge.client"


@pytest.fixture(scope="module")
def meta(repo_dir: Path, load_script: Callable[[Path], types.ModuleType]) -> types.ModuleType:
    return load_script(repo_dir / ".ci" / "unity_meta.py")


def test_the_manifest_names_what_is_there(package: Path) -> None:
    manifest = json.loads((package / "package.json").read_text(encoding="utf-8"))
    assert manifest["name"] == package.name
    assert manifest["version"] == sam_edge.__version__
    samples = {sample["path"] for sample in manifest["samples"]}
    assert samples == {f"Samples~/{folder.name}" for folder in (package / "Samples~").iterdir()}
    for name in ("README.md", "CHANGELOG.md", "LICENSE.md", "Documentation~"):
        assert (package / name).exists(), name


def test_the_licence_is_the_projects(package: Path, repo_dir: Path) -> None:
    assert (package / "LICENSE.md").read_bytes() == (repo_dir / "LICENSE").read_bytes()


def test_every_asset_has_a_guid_of_its_own(package: Path, meta: types.ModuleType) -> None:
    assets = list(meta.assets(package))
    assert len(assets) > 20
    guids = set()
    for path in assets:
        text = meta.meta_path(path).read_text(encoding="utf-8")
        assert text == meta.meta_text(package, path), f"run: python .ci/unity_meta.py ({path.name})"
        guids.add(text.splitlines()[1])
    assert len(guids) == len(assets)
    left = set(package.rglob("*.meta")) - {meta.meta_path(path) for path in assets}
    assert not left, "no asset has these"
